"""Whose key signs: a handle that travels between processes, and the key behind it.

The key may lie in a file, a hardware module or a key service; plugins bring them
(``register_signers``). The library gets a callback, never a key, with one exception: see
:func:`_native_of_file`.
"""

import contextlib
import functools
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import c2pa

from provenance.contracts import SignerSpec, SigningKey
from provenance.credentials.interrupts import let_through
from provenance.credentials.keys import authority, files
from provenance.credentials.keys.algorithms import key_pem
from provenance.credentials.keys.listing import expiry_warning
from provenance.credentials.signing.chains import Chain, read_chain
from provenance.credentials.signing.pem_key import PemKey, read_pem_key
from provenance.credentials.signing.signatures import Checker, check_algorithm
from provenance.credentials.signing.timestamps import TimestampError, TimestampPolicy, pauses
from provenance.errors import CredentialError, ProvenanceError, UserError, did_you_mean
from provenance.plugins import registry

DEVELOPMENT = "development"
_MOST_CHARACTERS = 1000  # of an error that a key raised
_SIGNATURE_ERROR = c2pa.C2paError.Signature
_LOG = logging.getLogger(__name__)

_State = tuple[tuple[int, int] | None, ...]
"""Modification time in ns and inode of each file behind a signer; None for one that is missing."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A key to sign with; says where the key lies and never holds it, so that it can be pickled.

    Made by :func:`load_signer` and :func:`development_signer`.

    Attributes:
        name: Of the signer plugin, or ``development``.
        settings: Pairs of name and value, sorted. Secrets stay in the environment variables that
            some of them name.
        timestamp: The authority that is asked for a time-stamp of each signature, or None.
    """

    name: str
    settings: tuple[tuple[str, str], ...] = ()
    timestamp: TimestampPolicy | None = None

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names of servers that the library asks while it signs."""
        return () if self.timestamp is None else (self.timestamp.host,)

    def native(self) -> c2pa.Signer:
        """Return this process's signer of the library; threads may share it.

        Built at first need, and again in a new process or when a file of the key has changed.

        Raises:
            CredentialError: The key is missing, damaged, open to others, or its certificates are
                not good for signing media.
            UserError: A setting is missing or wrong, or no such signer is installed.
        """
        return self._open().native

    def key_in_memory(self) -> PemKey | None:
        """Return the key itself, where this process holds it and nobody else has a part in signing.

        None where it lies in a module or a service, or where an authority is asked for the time.
        Raises as :meth:`native`.
        """
        opened = self._open()
        if self.timestamp is not None or not isinstance(opened.key, PemKey):
            return None
        return opened.key

    def _open(self) -> "_Opened":
        state = tuple(map(_file_state, self._paths()))
        opened = _opened(os.getpid(), self._for_now(), state)
        opened.chain.check_time()  # it may have been good when the key was built
        return opened

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """Say whose fault it is where signing inside the ``with`` block fails.

        The library says only that the signature is invalid. Threads do not see one another's.

        Raises:
            CredentialError: From whatever the key raised.
            TimestampError: The authority gave no time-stamp.
        """
        _now.failure = _now.signed_at_s = None
        try:
            yield
        except Exception as error:
            failure = _now.failure
            if isinstance(failure, Exception):
                raise self._blame(failure) from failure
            if failure is not None:
                raise failure from None  # an interruption is nobody's fault
            if self._lacks_timestamp(error):
                raise self._blame_authority(error) from error
            raise
        finally:
            _now.failure = None  # it may hold a whole stack of frames

    def _for_now(self) -> "Signer":
        """Return this signer, without its authority while that one is optional and left alone."""
        if self.timestamp is None or self.timestamp.required:
            return self
        if not (left_s := pauses.left_s(self.timestamp.url)):
            return self
        _LOG.warning(
            "Signing without a time-stamp: %s did not answer and is asked again in %.0f s.",
            self.timestamp.url,
            left_s,
        )
        return replace(self, timestamp=None)

    def _lacks_timestamp(self, error: Exception) -> bool:
        """Whether nothing but the authority was left to fail: the key had signed already."""
        has_signed = _now.signed_at_s is not None
        return self.timestamp is not None and has_signed and isinstance(error, _SIGNATURE_ERROR)

    def _blame_authority(self, error: Exception) -> TimestampError:
        assert self.timestamp is not None
        assert _now.signed_at_s is not None
        waited_s = time.monotonic() - _now.signed_at_s
        pauses.note(self.timestamp.url, waited_s)
        return self.timestamp.error(_reason(error), waited_s)

    def _paths(self) -> list[Path]:
        names = ("key",) if self.name == DEVELOPMENT else registry().signer(self.name).spec.files
        return [Path(value) for name, value in self.settings if name in names]

    def _blame(self, failure: Exception) -> CredentialError:
        return CredentialError(f"The signer {self.name!r} failed: {_reason(failure)}.")


def load_signer(
    name: str, settings: Mapping[str, str], *, timestamp: TimestampPolicy | None = None
) -> Signer:
    """Return a signer, after building its key once, so that a bad one is refused now.

    Args:
        name: Of a signer plugin (``provenance plugins`` lists them), or ``development``.
        settings: As the plugin's spec names them. Paths may be relative, and begin with ``~``.
        timestamp: Authority to ask for a time-stamp of each signature.

    Raises:
        UserError: No such signer, an unknown setting, or one that is missing or wrong.
        CredentialError: The key cannot be used; see :meth:`Signer.native`.
    """
    if name == DEVELOPMENT:
        if settings:
            raise UserError("The development signer has no settings. See: provenance keys --help")
        made = development_signer()
    else:
        spec = registry().signer(name).spec
        made = Signer(name, tuple(sorted(_checked(spec, settings).items())))
    signer = Signer(made.name, made.settings, timestamp)
    signer.native()
    return signer


def development_signer(
    config_folder: Path | None = None, *, timestamp: TimestampPolicy | None = None
) -> Signer:
    """Return the signer of this user's development CA, made at first use.

    Args:
        config_folder: Where keys lie; the user's config folder when None.
        timestamp: Authority to ask for a time-stamp of each signature.

    Raises:
        CredentialError: The folder cannot be written, or a key is damaged or open to others.
    """
    leaf = authority.ensure_authority(config_folder or files.config_folder())
    return Signer(DEVELOPMENT, (("key", str(leaf.absolute())),), timestamp)


# --- native objects, one set for each process -----------------------------------------------------


class _Now(threading.local):
    """What became of the signature that is being made in this thread.

    Attributes:
        failure: What the key raised.
        signed_at_s: When the key had signed, on the monotonic clock.
    """

    failure: BaseException | None = None
    signed_at_s: float | None = None


_now = _Now()


class _Opened(NamedTuple):
    native: c2pa.Signer
    chain: Chain
    key: SigningKey


@functools.lru_cache(maxsize=16)
def _opened(process_id: int, signer: Signer, state: _State) -> _Opened:
    # process and files are part of the key: a fork builds its own, and a renewed leaf is taken up
    key = _build_key(signer)
    where = f"The certificates of the signer {signer.name!r}"
    chain = read_chain(key.certificates_pem, where)
    chain.check()
    if warning := expiry_warning(chain.pem):
        _LOG.warning("%s", warning)
    url = None if signer.timestamp is None else signer.timestamp.url
    try:
        if signer.name == DEVELOPMENT and isinstance(key, PemKey) and url is None:
            return _Opened(_native_of_file(key, chain), chain, key)
        return _Opened(_native_of_callback(key, chain, url), chain, key)
    except c2pa.C2paError as error:
        raise CredentialError(f"{where} are refused by the library: {error}") from error


def _build_key(signer: Signer) -> SigningKey:
    settings = dict(signer.settings)
    if signer.name == DEVELOPMENT:
        return read_pem_key(Path(settings["key"]))
    try:
        return registry().signer(signer.name).factory(settings)
    except ProvenanceError:
        raise
    except Exception as error:
        raise CredentialError(f"The signer {signer.name!r} cannot be opened: {error}") from error


def _native_of_callback(key: SigningKey, chain: Chain, url: str | None) -> c2pa.Signer:
    algorithm = check_algorithm(key.algorithm, chain.key)
    checker = Checker(chain.key, algorithm)

    def sign(data: bytes) -> bytes:
        try:
            with let_through():  # a service may keep us waiting
                signature = checker.checked(key.sign(data), data)
        except BaseException as error:  # noqa: BLE001 - Signer.guard raises it again
            _now.failure = error
            return b""  # a failure for the library, which would log the text of an exception
        _now.signed_at_s = time.monotonic()
        return signature

    return c2pa.Signer.from_callback(sign, _native_algorithm(algorithm), chain.pem.decode(), url)


def _native_of_file(key: PemKey, chain: Chain) -> c2pa.Signer:
    """Give the development key itself to the library: files become 9.4 kB smaller.

    For a callback the library reserves 10,000 bytes in each file, since it cannot know how long a
    signature will be. That would triple a corpus of small pictures, and the key lies unencrypted on
    the same disk anyway.
    """
    algorithm = _native_algorithm(key.algorithm)
    info = c2pa.C2paSignerInfo(algorithm, chain.pem, key_pem(key.key), None)
    return c2pa.Signer.from_info(info)


def _reason(error: BaseException) -> str:
    """Return the text of an error in one line of bounded length."""
    return (" ".join(str(error).split()) or type(error).__name__)[:_MOST_CHARACTERS].rstrip(".")


def _native_algorithm(algorithm: str) -> c2pa.C2paSigningAlg:
    return getattr(c2pa.C2paSigningAlg, algorithm.upper())


# --- settings -------------------------------------------------------------------------------------


def _checked(spec: SignerSpec, settings: Mapping[str, str]) -> dict[str, str]:
    for name, value in settings.items():
        if name not in spec.settings:
            known = did_you_mean(name, list(spec.settings))
            raise UserError(f"The signer {spec.name!r} has no setting {name!a}.{known}")
        if not isinstance(value, str):
            raise UserError(f"The setting {name!r} of the signer {spec.name!r} must be a text.")
    return {
        name: str(Path(value).expanduser().absolute()) if name in spec.files and value else value
        for name, value in settings.items()
    }


def _file_state(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None  # the factory says what is wrong
    return status.st_mtime_ns, status.st_ino
