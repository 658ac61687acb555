"""The checks of the signer kit, each a small function that raises where a promise is broken."""

import contextlib
import multiprocessing
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from provenance.contracts import SignerSpec, SigningKey
from provenance.credentials import (
    Signer,
    created_manifest,
    load_signer,
    load_trust_anchors,
    read_credential_bytes,
    sign_bytes,
)
from provenance.credentials.signing.chains import read_chain
from provenance.credentials.signing.signatures import Checker, check_algorithm
from provenance.errors import ProvenanceError
from provenance.media import encode_png
from provenance.testing.plugin_promises import assert_identity, assert_quiet, spec_travels
from provenance.testing.probes import heavy_imports
from provenance.testing.results import by_name

_HEAVY = ("c2pa", "cryptography", "pkcs11", "torch", "cv2", "requests", "boto3", "google.cloud")
_SIZES_BYTES = (1, 1000, 100_000)
_WAIT_S = 60.0
_N_AT_ONCE = 8
_IN_A_NEW_PROCESS = """
import pickle, sys
from pathlib import Path
from provenance.testing.signer_promises import sign_sample
path = Path(sys.argv[1])
path.write_bytes(sign_sample(pickle.loads(path.read_bytes())))
"""


@dataclass(frozen=True, slots=True)
class Subject:
    """A signer and the settings of a key that works.

    Attributes:
        factory: As registered.
        spec: As registered.
        settings: Of the key.
        bad_settings: Those that must be refused.
        broken: Returns a context in which the key cannot sign, or None.
        module: Name of the plugin's module, where known.
    """

    factory: Callable[[Mapping[str, str]], SigningKey]
    spec: SignerSpec
    settings: Mapping[str, str]
    bad_settings: tuple[Mapping[str, str], ...]
    broken: Callable[[], AbstractContextManager[object]] | None
    module: str | None

    def key(self) -> SigningKey:
        """Return the key, opened anew."""
        return self.factory(dict(self.settings))

    def signer(self) -> Signer:
        """Return the handle of the key."""
        return load_signer(self.spec.name, self.settings)

    def secrets(self) -> list[str]:
        """Return the values of environment variables that settings name."""
        return [os.environ[value] for value in self.settings.values() if os.environ.get(value)]


def sign_sample(signer: Signer) -> bytes:
    """Return a small PNG, signed."""
    pixels = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)
    manifest = created_manifest(title="a.png", source_type="digitalCreation", generator="kit")
    return sign_bytes(encode_png(pixels), "image/png", manifest, signer)


def _spec_is_complete(subject: Subject) -> None:
    spec = subject.spec
    assert_identity(spec)
    assert spec.name != "development", "the name 'development' is taken"


def _settings_are_explained(subject: Subject) -> None:
    spec = subject.spec
    for name, help_text in spec.settings.items():
        assert help_text, f"the setting {name!r} has no help"
        assert "\n" not in help_text, f"the help of {name!r} has more than a line"
    unknown = set(spec.files) - set(spec.settings)
    assert not unknown, f"files that are no settings: {', '.join(sorted(unknown))}"
    unknown = set(subject.settings) - set(spec.settings)
    assert not unknown, f"settings that the spec does not name: {', '.join(sorted(unknown))}"


def _import_is_light(subject: Subject) -> None:
    if subject.module is not None:
        heavy = heavy_imports(subject.module, _HEAVY)
        assert not heavy, f"importing {subject.module} imports {' '.join(heavy)}"


def _bad_settings_are_refused(subject: Subject) -> None:
    for settings in subject.bad_settings:
        _assert_refused(subject, settings)


def _missing_files_are_refused(subject: Subject) -> None:
    with tempfile.TemporaryDirectory(prefix="provenance-kit-") as folder:
        for name in set(subject.spec.files) & set(subject.settings):
            missing = str(Path(folder) / "missing")
            said = _assert_refused(subject, {**subject.settings, name: missing})
            assert "missing" in said, f"the error does not name the missing {name}: {said}"


def _certificates_fit_the_key(subject: Subject) -> None:
    _checker(subject.key())


def _signatures_are_good(subject: Subject) -> None:
    key = subject.key()
    checker = _checker(key)
    for size in _SIZES_BYTES:
        data = os.urandom(size)
        checker.checked(key.sign(data), data)


def _threads_sign_at_once(subject: Subject) -> None:
    key = subject.key()
    checker = _checker(key)
    data = [bytes([i]) * 1000 for i in range(_N_AT_ONCE)]
    with ThreadPoolExecutor(_N_AT_ONCE) as pool:
        for signed, signature in zip(data, pool.map(key.sign, data), strict=True):
            checker.checked(signature, signed)


def _signs_a_file(subject: Subject) -> None:
    _assert_signed(sign_sample(subject.signer()))


def _stdout_is_quiet(subject: Subject) -> None:
    key = subject.key()
    assert_quiet(lambda: key.sign(b"data"))


def _two_keys_may_be_open(subject: Subject) -> None:
    """As when a certificate was renewed: the new one is opened before the old one is let go."""
    first, second = subject.key(), subject.key()
    for key in (first, second, first):
        _checker(key).checked(key.sign(b"data"), b"data")


def _secrets_stay_out_of_sight(subject: Subject) -> None:
    shown = repr(subject.signer()) + repr(subject.key()) + str(pickle.dumps(subject.signer()))
    for secret in subject.secrets():
        assert secret not in shown, "a secret from the environment is in the handle or its repr"


def _works_in_a_new_process(subject: Subject) -> None:
    with tempfile.TemporaryDirectory(prefix="provenance-kit-") as folder:
        path = Path(folder) / "job"
        path.write_bytes(pickle.dumps(subject.signer()))
        command = [sys.executable, "-c", _IN_A_NEW_PROCESS, str(path)]
        done = subprocess.run(  # noqa: S603 - our own interpreter and our own code
            command, capture_output=True, text=True, check=False, timeout=_WAIT_S
        )
        last = done.stderr.strip().rpartition("\n")[2]
        assert done.returncode == 0, f"the handle does not sign in a new process: {last}"
        _assert_signed(path.read_bytes())


def _works_in_a_fork(subject: Subject) -> None:
    """The parent has signed already, so that everything is open when it forks."""
    signer = subject.signer()
    _assert_signed(sign_sample(signer))
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_send_signed, args=(signer, there))
    child.start()
    try:
        assert here.poll(_WAIT_S), "a forked process does not sign in time"
        answer = here.recv()
    finally:
        child.kill()
        child.join()
    assert isinstance(answer, bytes), f"a forked process does not sign: {answer}"
    _assert_signed(answer)
    _assert_signed(sign_sample(signer))  # the parent's key has not suffered


def _failures_are_told_and_forgotten(subject: Subject) -> None:
    """An error comes out with words of the key's own, twice the same; then the key signs again."""
    if subject.broken is None:
        return
    signer = subject.signer()
    _assert_signed(sign_sample(signer))
    with subject.broken():
        first, second = _failure(signer), _failure(signer)
    assert first == second, f"the same fault has two messages: {first!r} and {second!r}"
    for secret in subject.secrets():
        assert secret not in first, "the error shows a secret"
    _assert_signed(sign_sample(signer))


CHECKS: Mapping[str, Callable[[Subject], None]] = by_name(
    _spec_is_complete,
    _settings_are_explained,
    spec_travels,
    _import_is_light,
    _bad_settings_are_refused,
    _missing_files_are_refused,
    _certificates_fit_the_key,
    _signatures_are_good,
    _threads_sign_at_once,
    _signs_a_file,
    _stdout_is_quiet,
    _two_keys_may_be_open,
    _secrets_stay_out_of_sight,
    _works_in_a_new_process,
    _works_in_a_fork,
    _failures_are_told_and_forgotten,
)
"""Every check by name, in the order in which they run."""


def _checker(key: SigningKey) -> Checker:
    chain = read_chain(key.certificates_pem, "the key's certificates")
    chain.check()
    return Checker(chain.key, check_algorithm(key.algorithm, chain.key))


def _assert_refused(subject: Subject, settings: Mapping[str, str]) -> str:
    """Return the words with which settings are refused; names are shown, values may be secrets."""
    shown = ", ".join(sorted(settings)) or "no settings"
    error = _error(lambda: subject.factory(dict(settings)))
    assert error is not None, f"accepted: {shown}"
    kind = type(error).__name__
    assert isinstance(error, ProvenanceError), f"not an error of provenance, but {kind}: {shown}"
    assert str(error), f"refused without a word: {shown}"
    return str(error)


def _assert_signed(data: bytes) -> None:
    credential = read_credential_bytes(data, "image/png", load_trust_anchors([]))
    assert credential.integrity == "ok", f"the signed file is not intact: {credential.conclusion}"


def _failure(signer: Signer) -> str:
    error = _error(lambda: sign_sample(signer))
    assert error is not None, "signs although the key is broken"
    assert isinstance(error, ProvenanceError), f"not an error of provenance: {error!r}"
    assert error.__cause__ is not None, "the error has no cause of the key's own"
    return str(error)


def _error(call: Callable[[], object]) -> Exception | None:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whatever a plugin raises is looked at
        return error
    return None


def _send_signed(signer: Signer, connection: Connection) -> None:
    answer: Any = "nothing"
    with contextlib.closing(connection):
        try:
            answer = sign_sample(signer)
        except Exception as error:  # noqa: BLE001 - the parent tells it
            answer = f"{type(error).__name__}: {error}"
        connection.send(answer)
