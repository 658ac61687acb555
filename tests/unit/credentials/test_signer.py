"""Signers: handles that travel, keys that plugins bring, and errors that reach the user."""

import datetime
import logging
import multiprocessing
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import signing_keys
from signing_keys import write_signer

from provenance.contracts import SignerSpec
from provenance.credentials import (
    Signer,
    development_signer,
    load_signer,
    load_trust_anchors,
    read_credential_bytes,
    sign_bytes,
)
from provenance.credentials.signing import chains
from provenance.credentials.signing import signer as module
from provenance.errors import CredentialError, UserError
from provenance.plugins import Offer, registry

PNG = "image/png"


class FakeKey:
    """A key whose ``sign`` is the test's."""

    def __init__(self, files, sign, algorithm="es256"):
        self.certificates_pem = files.certificates.read_bytes()
        self.algorithm = algorithm
        self.sign = sign


@pytest.fixture
def files(tmp_path):
    return write_signer(tmp_path / "keys")


@pytest.fixture
def offer(monkeypatch):
    """Offer a factory as the signer ``fake``, and return its handle."""

    def offer(factory, **settings):
        spec = SignerSpec("fake", "1.0", "s", "Apache-2.0", {"key": "a path"}, files=("key",))
        owner = next(iter(registry().signers.values())).owner
        made = {**registry().signers, "fake": Offer(spec, factory, owner)}
        monkeypatch.setitem(registry()._offered, "signers", made)
        module._opened.cache_clear()
        return load_signer("fake", settings)

    return offer


@pytest.fixture
def good(files):
    """Sign as the certificate's key does."""
    from provenance.credentials.signing.signatures import sign_with

    return lambda data: sign_with(files.private, "es256", data)


def integrity(data, trust=None):
    credential = read_credential_bytes(data, PNG, trust or load_trust_anchors([]))
    return credential.integrity, credential.signer


# --- errors of keys -------------------------------------------------------------------------------


class DeviceOnFireError(Exception):
    """What only the key's own maker would raise."""


def test_an_exception_of_the_key_reaches_the_user(files, offer, png, manifest):
    def sign(data):
        raise DeviceOnFireError("the module is on fire")

    signer = offer(lambda settings: FakeKey(files, sign))
    with pytest.raises(CredentialError, match="'fake' failed: the module is on fire") as caught:
        sign_bytes(png, PNG, manifest, signer)
    assert isinstance(caught.value.__cause__, DeviceOnFireError)


def test_the_library_logs_nothing_of_what_a_key_said(files, offer, png, manifest, caplog):
    def sign(data):
        raise DeviceOnFireError("PIN 1234 was refused")

    signer = offer(lambda settings: FakeKey(files, sign))
    with caplog.at_level(logging.DEBUG), pytest.raises(CredentialError):
        sign_bytes(png, PNG, manifest, signer)
    assert "1234" not in caplog.text


def test_an_interruption_stays_one(files, offer, png, manifest):
    def sign(data):
        raise KeyboardInterrupt

    signer = offer(lambda settings: FakeKey(files, sign))
    with pytest.raises(KeyboardInterrupt):
        sign_bytes(png, PNG, manifest, signer)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (b"", "not one of the certificate's key"),
        (b"\x30\x06\x02\x01\x01\x02\x01\x01", "not one of the certificate's key"),
        (bytes(64), "not one of the certificate's key"),
        (bytes(1 << 20), "not one of the certificate's key"),
        (None, "must be bytes"),
        ("text", "must be bytes"),
    ],
)
def test_a_wrong_signature_never_gets_into_a_file(files, offer, png, manifest, bad, words):
    signer = offer(lambda settings: FakeKey(files, lambda data: bad))
    with pytest.raises(CredentialError, match=words):
        sign_bytes(png, PNG, manifest, signer)


def test_an_error_is_forgotten_after_it_was_raised(files, offer, png, manifest, good):
    faults = [DeviceOnFireError("once")]

    def sign(data):
        if faults:
            raise faults.pop()
        return good(data)

    signer = offer(lambda settings: FakeKey(files, sign))
    with pytest.raises(CredentialError, match="once"):
        sign_bytes(png, PNG, manifest, signer)
    assert integrity(sign_bytes(png, PNG, manifest, signer))[0] == "ok"
    with pytest.raises(CredentialError, match="could not be signed") as caught:
        sign_bytes(b"\x89PNG\r\n\x1a\n broken", PNG, manifest, signer)
    assert "once" not in str(caught.value)  # the file's fault is not the key's


def test_threads_see_their_own_errors_only(files, offer, png, manifest, good):
    """Two sign at once; the key fails for one of them."""
    both_here, failing = threading.Barrier(2), threading.local()

    def sign(data):
        both_here.wait(10)
        if getattr(failing, "is_me", False):
            raise DeviceOnFireError("mine")
        return good(data)

    signer = offer(lambda settings: FakeKey(files, sign))

    def run(is_me):
        failing.is_me = is_me
        try:
            return integrity(sign_bytes(png, PNG, manifest, signer))[0]
        except CredentialError as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        bad, fine = pool.map(run, (True, False))
    assert fine == "ok"
    assert "mine" in bad


def test_a_long_message_is_cut(files, offer, png, manifest):
    def sign(data):
        raise DeviceOnFireError("x" * 100_000)

    signer = offer(lambda settings: FakeKey(files, sign))
    with pytest.raises(CredentialError) as caught:
        sign_bytes(png, PNG, manifest, signer)
    assert len(str(caught.value)) < 2000


# --- making one -----------------------------------------------------------------------------------


def test_a_factory_that_fails_is_refused_at_once(offer):
    def factory(settings):
        raise DeviceOnFireError("no device")

    with pytest.raises(CredentialError, match="'fake' cannot be opened: no device"):
        offer(factory)


def test_errors_of_ours_pass_a_factory_unchanged(offer):
    def factory(settings):
        raise UserError("Plug it in.")

    with pytest.raises(UserError, match=r"^Plug it in\.$"):
        offer(factory)


@pytest.mark.parametrize("algorithm", ["es384", "ed25519", "rot13", ""])
def test_an_algorithm_that_is_not_the_certificate_s_is_refused(files, offer, good, algorithm):
    with pytest.raises(CredentialError):
        offer(lambda settings: FakeKey(files, good, algorithm))


def test_certificates_of_a_plugin_are_checked_too(tmp_path, offer, good):
    files = write_signer(tmp_path / "code", usages=())
    with pytest.raises(CredentialError, match="extended key usage"):
        offer(lambda settings: FakeKey(files, good))


def test_unknown_names_have_suggestions(files):
    with pytest.raises(UserError, match=r"No signer is called 'pen'\. Did you mean 'pem'"):
        load_signer("pen", {})
    with pytest.raises(UserError, match=r"no setting 'kye'\. Did you mean 'key'"):
        load_signer("pem", {"kye": str(files.key)})
    with pytest.raises(UserError, match="must be a text"):
        load_signer("pem", {"key": files.key})
    with pytest.raises(UserError, match="needs the setting 'key'"):
        load_signer("pem", {})
    with pytest.raises(UserError, match="has no settings"):
        load_signer("development", {"key": "x"})


def test_paths_are_made_absolute(files, monkeypatch, png, manifest, tmp_path):
    monkeypatch.chdir(files.key.parent)
    signer = load_signer("pem", {"key": "key.pem", "certificates": "./chain.pem"})
    monkeypatch.chdir(tmp_path)
    assert integrity(sign_bytes(png, PNG, manifest, signer))[0] == "ok"


def test_a_tilde_is_the_home_folder(files, monkeypatch):
    monkeypatch.setenv("HOME", str(files.key.parent))
    signer = load_signer("pem", {"key": "~/key.pem", "certificates": "~/chain.pem"})
    assert dict(signer.settings)["key"] == str(files.key)


def test_the_development_signer_has_a_name(anchors, png, manifest):
    assert load_signer("development", {}) == development_signer()
    assert integrity(sign_bytes(png, PNG, manifest, development_signer()), anchors)[1] == "trusted"


def test_only_keys_behind_a_callback_cost_room(files, png, manifest):
    """The library reserves 10 kB for a signature whose length it does not know."""
    own = sign_bytes(png, PNG, manifest, development_signer())
    other = sign_bytes(png, PNG, manifest, load_signer("pem", files.settings))
    assert len(own) < len(png) + 6_000
    assert 8_000 < len(other) - len(own) < 11_000


# --- time and processes ---------------------------------------------------------------------------


def test_a_renewed_key_is_taken_up(tmp_path, png, manifest):
    first = write_signer(tmp_path / "keys")
    signer = load_signer("pem", first.settings)
    old = load_trust_anchors([first.root])
    assert integrity(sign_bytes(png, PNG, manifest, signer), old)[1] == "trusted"
    second = write_signer(tmp_path / "new")
    for there, here in ((second.key, first.key), (second.certificates, first.certificates)):
        there.replace(here)
    new = load_trust_anchors([second.root])
    assert integrity(sign_bytes(png, PNG, manifest, signer), new)[1] == "trusted"


def test_a_certificate_that_expires_meanwhile_is_noticed(files, png, manifest, monkeypatch):
    signer = load_signer("pem", files.settings)
    assert sign_bytes(png, PNG, manifest, signer)
    then = signing_keys.now() + datetime.timedelta(days=100)
    monkeypatch.setattr(chains, "_now", lambda: then)
    with pytest.raises(CredentialError, match="expired on"):
        sign_bytes(png, PNG, manifest, signer)


def test_a_key_that_goes_away_is_noticed(files, png, manifest):
    signer = load_signer("pem", files.settings)
    files.key.unlink()
    with pytest.raises(CredentialError, match="Cannot read the key"):
        sign_bytes(png, PNG, manifest, signer)


def test_a_key_is_built_once(files, offer, png, manifest, good):
    built = []
    signer = offer(lambda settings: built.append(1) or FakeKey(files, good))
    for _ in range(3):
        sign_bytes(png, PNG, manifest, signer)
    assert len(built) == 1


def _sign_in_child(signer, png, manifest, connection):
    connection.send_bytes(sign_bytes(png, PNG, manifest, signer))


def test_a_forked_process_builds_its_own(files, png, manifest):
    signer = load_signer("pem", files.settings)
    assert sign_bytes(png, PNG, manifest, signer)  # the parent's objects exist
    here, there = multiprocessing.Pipe()
    fork = multiprocessing.get_context("fork")
    child = fork.Process(target=_sign_in_child, args=(signer, png, manifest, there))
    child.start()
    assert here.poll(20)
    assert integrity(here.recv_bytes())[0] == "ok"
    child.join(20)
    assert child.exitcode == 0


def test_a_pickled_handle_signs_in_a_new_process(files, png, manifest, tmp_path):
    signer = load_signer("pem", files.settings)
    assert pickle.loads(pickle.dumps(signer)) == signer
    (tmp_path / "job").write_bytes(pickle.dumps((png, PNG, manifest, signer)))
    code = (
        "import pickle, sys\nfrom pathlib import Path\n"
        "from provenance.credentials import sign_bytes\n"
        "path = Path(sys.argv[1])\n"
        "path.write_bytes(sign_bytes(*pickle.loads(path.read_bytes())))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "job")], check=True)
    assert integrity((tmp_path / "job").read_bytes())[0] == "ok"


def test_a_handle_holds_no_key(files):
    signer = load_signer("pem", files.settings)
    held = pickle.dumps(signer)
    secret = files.private.private_numbers().private_value.to_bytes(32, "big")
    assert secret not in held
    assert b"PRIVATE" not in held


def test_signers_of_missing_plugins_say_so(png, manifest):
    with pytest.raises(UserError, match="No signer is called 'gone'"):
        sign_bytes(png, PNG, manifest, Signer("gone"))


def test_the_handle_of_the_development_signer_names_its_file(tmp_path):
    signer = development_signer(tmp_path)
    ((name, value),) = signer.settings
    assert name == "key"
    assert Path(value).stat().st_mode & 0o777 == 0o600
    assert Path(value).is_absolute()
