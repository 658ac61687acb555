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
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import c2pa

from provenance.credentials.engine import context
from provenance.credentials.keys import authority, files
from provenance.errors import CredentialError, UnreadableError, UserError
from provenance.files import DEFAULT_MODE, TEMPORARY_PREFIX
from provenance.media import recognise_file


@dataclass(frozen=True, slots=True)
class Signer:
    """A key to sign with; holds a path, never key bytes, so that it travels between processes.

    Attributes:
        path: Private PEM file with the key, its certificate and the chain.
    """

    path: Path

    def native(self) -> c2pa.Signer:
        """Return this process's signer of the library; threads may share it.

        Raises:
            CredentialError: The key is missing, damaged, or open to others.
        """
        try:
            status = self.path.stat()
        except OSError as error:
            raise CredentialError(f"Cannot read the key {self.path}: {error.strerror}") from error
        # key, not only path: a renewed leaf is taken up, and a fork builds its own
        return _native_signer(os.getpid(), self.path, status.st_mtime_ns, status.st_ino)


def development_signer(config_folder: Path | None = None) -> Signer:
    """Return the signer of this user's development CA, made at first use.

    Args:
        config_folder: Where keys lie; the user's config folder when None.

    Raises:
        CredentialError: The folder cannot be written, or a key is damaged or open to others.
    """
    return Signer(authority.ensure_authority(config_folder or files.config_folder()))


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


@functools.lru_cache(maxsize=16)
def _native_signer(process_id: int, path: Path, modified_ns: int, inode: int) -> c2pa.Signer:
    pair, pem = authority.load_pair(path)
    chain = pem[pem.index(b"-----BEGIN CERTIFICATE-----") :]
    info = c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, chain, pair.key_pem(), None)
    try:
        return c2pa.Signer.from_info(info)
    except c2pa.C2paError as error:
        raise CredentialError(f"{path}: the library refuses the key: {error}") from error


@functools.lru_cache(maxsize=1)
def _signable() -> frozenset[str]:
    return frozenset(c2pa.Builder.get_supported_mime_types())
