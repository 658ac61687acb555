"""Credentials that lie beside their files: ``x.c2pa`` for ``x.jpg`` (C2PA specification 2.4, 11.4).

A sidecar is taken from the same folder only, never through a symbolic link, and up to 64 MiB. A
credential inside the file wins over it. Where ``x.jpg`` and ``x.png`` lie side by side, one name
stands for both, so a sidecar that does not match the one is tried on the others: it accuses a
file of having changed only if it matches none of them.
"""

import functools
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import c2pa

from provenance.credentials.reading.credential import Credential, ReadingOptions, absent
from provenance.credentials.reading.examination import examine, not_examined
from provenance.credentials.reading.opening import (
    MAX_FILE_BYTES,
    Asset,
    head_of,
    is_store,
    media_hint,
    open_regular,
)
from provenance.credentials.reading.sentences import noted
from provenance.credentials.trust.anchors import TrustAnchors
from provenance.errors import UnreadableError
from provenance.escaping import printable

MAX_SIDECAR_BYTES = 64 << 20
SIDECAR_SUFFIX = ".c2pa"
_MAX_CANDIDATES = 4  # files of one name that a sidecar is tried on
_ALONE = "It is a sidecar, a credential that lies apart from its file"


def sidecar_of(path: Path) -> Path | None:
    """Return where the sidecar of a file would lie; None where that is the file itself."""
    try:
        sidecar = path.with_suffix(SIDECAR_SUFFIX)
    except ValueError:  # "." and "..": no names
        return None
    return None if sidecar == path else sidecar


def mentioned(credential: Credential, path: Path) -> Credential:
    """Return the credential inside a file, saying so where a sidecar lies beside it unused."""
    # text, not paths: this runs for every file, and almost always ends here
    sidecar = os.path.splitext(path)[0] + SIDECAR_SUFFIX  # noqa: PTH122
    if not os.path.lexists(sidecar) or sidecar_of(path) is None:
        return credential
    return noted(credential, "the sidecar beside it was not used")


def read_beside(
    path: Path, asset: Asset, without: Credential, trust: TrustAnchors, options: ReadingOptions
) -> Credential:
    """Return what a sidecar says of a file that carries no credential itself.

    Args:
        path: Of the file.
        asset: The file.
        without: What is known of the file alone; the answer where no sidecar is its own.
        trust: Whom to trust.
        options: How much to keep.
    """
    sidecar = sidecar_of(path)
    if sidecar is None:
        return without
    try:
        data = _load(sidecar)
    except FileNotFoundError:
        return without
    except (UnreadableError, OSError) as error:
        return noted(without, f"the sidecar beside it was not used ({_reason(error)})")
    found = examine(asset, trust, options, manifest_data=data, place="sidecar")
    if found.place != "sidecar":  # neither one nor the other could be examined
        return without
    if found.integrity == "failed":
        owner = next((one for one in _files_of(sidecar, path) if _matches(one, data)), None)
        if owner is not None:
            return noted(without, f"the sidecar beside it belongs to {printable(owner.name)}")
    return replace(found, paired_with=sidecar.name, remote_url=without.remote_url)


def paired_with(
    data: bytes, without: Credential, asset: Asset, trust: TrustAnchors, options: ReadingOptions
) -> Credential:
    """Return what a sidecar that the caller holds says of a file, as :func:`read_beside`.

    Args:
        data: Content of the sidecar.
        without: What is known of the file alone; the answer where it has a credential itself.
        asset: The file.
        trust: Whom to trust.
        options: How much to keep.
    """
    if without.place != "none":
        return noted(without, "the sidecar given with it was not used")
    if not is_store(data):
        return noted(without, "the sidecar given with it was not used (is no manifest store)")
    found = examine(asset, trust, options, manifest_data=data, place="sidecar")
    return replace(found, remote_url=without.remote_url) if found.place == "sidecar" else without


def read_as_sidecar(
    path: Path, stream: IO[bytes], trust: TrustAnchors, options: ReadingOptions
) -> Credential:
    """Return what is known of a file that is a sidecar itself: of the pair that it is half of.

    Args:
        path: Of the sidecar.
        stream: The sidecar.
        trust: Whom to trust.
        options: How much to keep; whether to look for the file at all.
    """
    stream.seek(0)
    data = stream.read(MAX_SIDECAR_BYTES + 1)
    if len(data) > MAX_SIDECAR_BYTES:
        return not_examined("exceeds 64 MiB, the limit of sidecars", is_sidecar=True)
    if not options.sidecars:
        return alone("sidecars are not paired here")
    mismatch: Credential | None = None
    with_own: Path | None = None
    for file in _files_of(path):
        found = _pair(file, data, trust, options)
        if found.integrity == "ok":
            return _of_pair(found, file)
        if _has_its_own(file):
            with_own = with_own or file
        elif found.place == "sidecar":
            mismatch = mismatch or _of_pair(found, file)
    if mismatch is not None:
        return mismatch
    if with_own is not None:
        return alone(f"{printable(with_own.name)} carries a credential of its own")
    return alone("no file of its name lies beside it")


def alone(reason: str) -> Credential:
    """Return the credential of a sidecar without a file that it could be checked against."""
    return absent(f"{_ALONE}; {reason}.", is_present=True, is_sidecar=True)


def _of_pair(found: Credential, file: Path) -> Credential:
    sentence = found.conclusion[:1].lower() + found.conclusion[1:]
    return replace(
        found,
        is_sidecar=True,
        paired_with=file.name,
        conclusion=f"It is the sidecar of {printable(file.name)}, of which it says: {sentence}",
    )


def _load(sidecar: Path) -> bytes:
    """Return the bytes of a sidecar.

    Raises:
        UnreadableError: It is no regular file, empty, too large, or no manifest store.
        OSError: It cannot be opened; it is a link, among the reasons.
    """
    with open_regular(sidecar, MAX_SIDECAR_BYTES, follow_links=False) as stream:
        data = stream.read(MAX_SIDECAR_BYTES + 1)
    if len(data) > MAX_SIDECAR_BYTES:  # it has grown since
        raise UnreadableError("exceeds 64 MiB")
    if not is_store(data[:64]):
        raise UnreadableError("is no manifest store")
    return data


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        import errno

        is_link = error.errno == errno.ELOOP
        return "is a symbolic link" if is_link else f"cannot be read: {error.strerror or error}"
    return str(error)


def _files_of(sidecar: Path, *besides: Path) -> Iterator[Path]:
    """Yield the files in the folder that a sidecar may belong to, by the suffixes of media.

    Names are tried one by one, so that the cost does not grow with the folder.
    """
    n_found = 0
    for suffix in _suffixes():
        path = sidecar.with_suffix(suffix)
        if path not in besides and path != sidecar and os.path.lexists(path):
            yield path
            n_found += 1
            if n_found == _MAX_CANDIDATES:
                return


@functools.lru_cache(maxsize=1)
def _suffixes() -> tuple[str, ...]:
    known = sorted({name for name in c2pa.Reader.get_supported_mime_types() if "/" not in name})
    lower = [f".{name}" for name in known if f".{name}" != SIDECAR_SUFFIX]
    return (*lower, *(suffix.upper() for suffix in lower))


def _matches(file: Path, data: bytes) -> bool:
    """Whether a sidecar is that of a file, whoever signed it."""
    return _pair(file, data, TrustAnchors(), ReadingOptions()).integrity == "ok"


def _pair(file: Path, data: bytes, trust: TrustAnchors, options: ReadingOptions) -> Credential:
    try:
        with open_regular(file, MAX_FILE_BYTES, follow_links=False) as stream:
            asset = Asset(stream, media_hint(head_of(stream), None, file.name))
            return examine(asset, trust, options, manifest_data=data, place="sidecar")
    except (UnreadableError, OSError) as error:
        return not_examined(str(error))


def _has_its_own(file: Path) -> bool:
    try:
        with open_regular(file, MAX_FILE_BYTES, follow_links=False) as stream:
            asset = Asset(stream, media_hint(head_of(stream), None, file.name))
            return examine(asset, TrustAnchors(), ReadingOptions()).place == "embedded"
    except (UnreadableError, OSError):
        return False
