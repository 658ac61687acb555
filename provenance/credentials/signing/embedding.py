"""Signs media with a C2PA manifest: the last thing that happens to a file before it is published.

Anything written into the file afterwards breaks the signature. Output goes to a temporary name and
is renamed, because the library opens its destination for writing before it has read the source.
"""

import contextlib
import functools
import io
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import c2pa
from provenance.credentials.engine import context
from provenance.credentials.signing.signer import Signer
from provenance.errors import CredentialError, UnreadableError, UserError
from provenance.files import DEFAULT_MODE, TEMPORARY_PREFIX
from provenance.media import recognise_file


def sign_bytes(
    data: bytes,
    media_type: str,
    manifest: Mapping[str, Any],
    signer: Signer,
    *,
    parent: Mapping[str, Any] | None = None,
) -> bytes:
    """Return ``data`` with ``manifest`` signed into it.

    Args:
        data: A whole media file.
        media_type: Its MIME type.
        manifest: As :func:`provenance.credentials.generation_manifest` returns it.
        signer: Whose key.
        parent: Ingredient under which ``data`` as it is, credential included, is kept.

    Raises:
        UserError: Files of this type cannot carry a manifest.
        CredentialError: The library refuses the manifest or the key.
    """
    out = io.BytesIO()
    _sign(io.BytesIO(data), out, media_type, manifest, signer, parent)
    return out.getvalue()


def sign_file(
    source: Path,
    out: Path,
    manifest: Mapping[str, Any],
    signer: Signer,
    *,
    parent: Mapping[str, Any] | None = None,
) -> None:
    """Write a signed copy of ``source`` to ``out``: all of it, or nothing.

    Args:
        source: Never written.
        out: Replaced when it exists; must not be ``source``.
        manifest: As for :func:`sign_bytes`.
        signer: Whose key.
        parent: As for :func:`sign_bytes`.

    Raises:
        UnreadableError: ``source`` cannot be read.
        UserError: Its type cannot carry a manifest, or ``out`` is ``source``.
        CredentialError: The library refuses the manifest or the key, or ``out`` cannot be written.
    """
    if out.exists() and out.samefile(source):
        raise UserError(f"{out} is the source itself. Choose another name for the signed file.")
    media_type = signable_type(source)
    with source.open("rb") as stream, _replacing(out) as destination:
        _sign(stream, destination, media_type, manifest, signer, parent)


def signable_type(path: Path) -> str:
    """Return the MIME type of a file that can carry a manifest.

    Raises:
        UnreadableError: The file cannot be read.
        UserError: Its type, told from its content, cannot carry one.
    """
    try:
        found = recognise_file(path)
    except UnreadableError as error:
        raise UnreadableError(f"{path}: {error}") from error
    media_type = "of no known type" if found is None else found.media_type
    if media_type not in _signable():
        raise UserError(f"{path} cannot carry a C2PA manifest: its content is {media_type}.")
    return media_type


def _sign(
    source: IO[bytes],
    destination: IO[bytes],
    media_type: str,
    manifest: Mapping[str, Any],
    signer: Signer,
    parent: Mapping[str, Any] | None,
) -> None:
    native = signer.native()
    try:
        with c2pa.Builder(_json(manifest), context()) as builder:
            if parent is not None:
                builder.add_ingredient(_json(parent), media_type, source)
                source.seek(0)
            builder.sign(native, media_type, source, destination)
    except c2pa.C2paError.NotSupported as error:
        raise UserError(f"Files of type {media_type} cannot carry a C2PA manifest.") from error
    except c2pa.C2paError as error:
        raise CredentialError(f"The file could not be signed: {error}") from error


def _json(value: Mapping[str, Any]) -> str:
    """Return JSON for the library, which refuses what is not Unicode: a file name, perhaps."""
    return json.dumps(value, ensure_ascii=False).encode(errors="replace").decode()


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """Yield a stream beside ``path`` that takes its place when all went well."""
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=path.parent)
        temporary = Path(name)
        with os.fdopen(handle, "w+b") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(DEFAULT_MODE)
        temporary.replace(path)
    except OSError as error:
        raise CredentialError(f"Cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)  # gone already when all went well


@functools.lru_cache(maxsize=1)
def _signable() -> frozenset[str]:
    return frozenset(c2pa.Builder.get_supported_mime_types())
