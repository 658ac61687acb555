"""Signed files on their way to their names: written aside, flushed, renamed.

Not over what is there: the library opens its destination before it has read the source.
The steps are apart because flushing is waiting: whoever signs many files signs the next meanwhile.
"""

import contextlib
import ctypes
import io
import itertools
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

from provenance.credentials.reading.sidecars import sidecar_of
from provenance.credentials.signing.sources import IN_MEMORY_BYTES
from provenance.errors import CredentialError, UserError
from provenance.files import DEFAULT_MODE, TEMPORARY_PREFIX, check_replaceable

if TYPE_CHECKING:
    from provenance.credentials import Signer
    from provenance.credentials.signing.planning import Plan
    from provenance.credentials.signing.sources import Source

_T = TypeVar("_T")
SIGNED_PREFIX = f"{TEMPORARY_PREFIX}signed-"
"""Of what is written aside here, so that leftovers of a killed run can be told from others."""
_CHUNK_BYTES = 1 << 20
_FEW = 8


@dataclass(frozen=True, slots=True)
class Pending:
    """A file that is complete under a temporary name.

    Attributes:
        temporary: Where it lies, beside ``final``.
        final: The name that it is to have.
    """

    temporary: Path
    final: Path

    def flush(self) -> None:
        """Have the content on the disk, so that a rename cannot outlive it."""
        handle = os.open(self.temporary, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def settle(pending: Sequence[Pending]) -> None:
    """Flush all files, then give all of them their names; discard them where that fails.

    Raises:
        CredentialError: The disk is full, or a name cannot be taken.
    """
    fault = settle_all([pending])[0]
    if fault is not None:
        raise fault


def settle_all(groups: Sequence[Sequence[Pending]]) -> list[CredentialError | None]:
    """Do what :func:`settle` does for many groups of files, and say of each what went wrong.

    Many files are flushed by one call for their file system, which costs no more than for one. It
    waits for what others wrote there too, so few files are flushed one by one.
    """
    are_many = sum(map(len, groups)) > _FEW
    at_once = {} if not are_many else _flush_file_systems(groups)
    return [_settle(group, at_once) for group in groups]


def _settle(pending: Sequence[Pending], at_once: Mapping[int, bool]) -> CredentialError | None:
    try:
        for one in pending:
            if not at_once.get(one.temporary.stat().st_dev, False):
                one.flush()
        for one in pending:
            one.temporary.replace(one.final)
    except OSError as error:
        discard(pending)
        return CredentialError(f"Cannot write {pending[0].final}: {error.strerror or error}")
    return None


def _flush_file_systems(groups: Sequence[Sequence[Pending]]) -> dict[int, bool]:
    """Flush each file system that files lie on; return by its number whether that worked."""
    done: dict[int, bool] = {}
    for one in itertools.chain.from_iterable(groups):
        with contextlib.suppress(OSError):
            device = one.temporary.stat().st_dev
            if device not in done:
                done[device] = _syncfs(one.temporary)
    return done


def _syncfs(path: Path) -> bool:
    """Flush the file system that a file lies on; False where the platform cannot."""
    call = getattr(ctypes.CDLL(None), "syncfs", None)  # Linux; errors are reported since 5.8
    if call is None:
        return False
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return int(call(handle)) == 0
    finally:
        os.close(handle)


def discard(pending: Iterable[Pending]) -> None:
    """Delete what was written aside."""
    for one in pending:
        with contextlib.suppress(OSError):
            one.temporary.unlink(missing_ok=True)


def write_aside(
    final: Path, fill: Callable[[IO[bytes]], _T], *, mode: int | None = None
) -> tuple[Pending, _T]:
    """Write a file under a temporary name beside ``final``.

    Args:
        final: The name that it is to have.
        fill: Writes it, into a stream that can be read too.
        mode: Permission bits; those of any new file when None.

    Returns:
        The file, and what ``fill`` returned.

    Raises:
        CredentialError: It cannot be written; nothing is left of it.
    """
    temporary = final.parent / f"{SIGNED_PREFIX}{os.getpid()}-{secrets.token_hex(6)}"
    try:
        check_replaceable(final)
        with os.fdopen(_create(temporary), "w+b") as stream:
            result = fill(stream)
            if mode is not None:
                os.fchmod(stream.fileno(), mode)
    except OSError as error:
        discard([Pending(temporary, final)])
        raise CredentialError(f"Cannot write {final}: {error.strerror or error}") from error
    except BaseException:
        discard([Pending(temporary, final)])
        raise
    return Pending(temporary, final), result


def write_signed(
    source: "Source", plan: "Plan", signer: "Signer", out: Path, *, mode: int | None = None
) -> tuple[Pending, ...]:
    """Sign a file and write it, or it and its sidecar, aside.

    Args:
        source: The file.
        plan: What is to be signed.
        signer: Whose key.
        out: The name that the signed file is to have.
        mode: Permission bits of the signed file; those of any new file when None.

    Raises:
        UserError: There is a sidecar of another file where this one's would lie.
        CredentialError: It cannot be signed or written; nothing is left.
    """
    if plan.job.embeds:
        return (_write_embedded(source, plan, signer, out, mode),)
    sidecar = _checked_sidecar(source, plan, out)
    store = sign_apart(source, plan, signer)
    beside, _ = write_aside(sidecar, lambda stream: stream.write(store))
    if source.lies_at(out):
        return (beside,)
    try:
        copy, _ = write_aside(out, lambda stream: _copy(source, stream), mode=mode)
    except BaseException:
        discard([beside])
        raise
    return (copy, beside)


def _write_embedded(
    source: "Source", plan: "Plan", signer: "Signer", out: Path, mode: int | None
) -> Pending:
    if source.data is None:
        with source.open() as stream:
            pending, _ = write_aside(out, lambda d: plan.job.run(stream, d, signer), mode=mode)
        return pending
    # in memory the library's many small writes, and its reading back, cost less
    signed = io.BytesIO()
    plan.job.run(io.BytesIO(source.data), signed, signer)
    pending, _ = write_aside(out, lambda stream: stream.write(signed.getbuffer()), mode=mode)
    return pending


def sign_apart(source: "Source", plan: "Plan", signer: "Signer") -> bytes:
    """Return the manifest store of a file that stays as it is.

    Raises:
        UserError: The library would change the file all the same: MP3, FLAC and PDF, so far.
        CredentialError: It cannot be signed.
    """
    with source.open() as stream, tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES) as copy:
        store = plan.job.run(stream, copy, signer)
        if not _is_equal(stream, copy):
            raise UserError(
                f"A credential beside a file of type {plan.job.media_type} would not match it."
                f" Leave 'sidecar' out."
            )
    return store


def _is_equal(one: IO[bytes], other: IO[bytes]) -> bool:
    one.seek(0)
    other.seek(0)
    while chunk := one.read(_CHUNK_BYTES):
        if other.read(len(chunk)) != chunk:
            return False
    return not other.read(1)


def _checked_sidecar(source: "Source", plan: "Plan", out: Path) -> Path:
    """Return where the sidecar of a signed file is to lie.

    Raises:
        UserError: The name is taken by the sidecar of another file, or by the file itself.
    """
    sidecar = sidecar_of(out)
    if sidecar is None:
        raise UserError(f"{out} is called like a sidecar itself. Choose another name.")
    if not os.path.lexists(sidecar):
        return sidecar
    is_own = source.lies_at(out) and plan.kept is not None and plan.kept.place == "sidecar"
    if is_own or _is_of(sidecar, out):
        return sidecar
    raise UserError(
        f"{sidecar} exists, and is not the sidecar of {out.name}. Move it away, or choose another"
        f" name."
    )


def mode_of(path: Path) -> int:
    """Return the permission bits of a file.

    Raises:
        CredentialError: They cannot be read.
    """
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise CredentialError(f"Cannot read {path}: {error.strerror or error}") from error


def _create(temporary: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(temporary, flags, DEFAULT_MODE)
    except FileNotFoundError:
        temporary.parent.mkdir(parents=True, exist_ok=True)
        return os.open(temporary, flags, DEFAULT_MODE)


def _is_of(sidecar: Path, out: Path) -> bool:
    from provenance.credentials.reading.reader import read_credential
    from provenance.credentials.trust.anchors import TrustAnchors

    if not out.is_file() or sidecar.is_symlink():
        return False
    return read_credential(out, None, TrustAnchors()).place == "sidecar"


def _copy(source: "Source", destination: IO[bytes]) -> None:
    with source.open() as stream:
        shutil.copyfileobj(stream, destination, _CHUNK_BYTES)
