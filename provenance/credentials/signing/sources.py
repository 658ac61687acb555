"""A file that is to be signed or taken along, in memory or on disk, and what it carries already."""

import functools
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import c2pa

from provenance.credentials.engine import context
from provenance.credentials.interrupts import held
from provenance.credentials.reading import opening
from provenance.credentials.reading.containers import is_bare
from provenance.credentials.reading.labels import holds_deadly_label
from provenance.credentials.reading.sidecars import MAX_SIDECAR_BYTES, sidecar_of
from provenance.credentials.trust.anchors import TrustAnchors
from provenance.errors import CredentialError, UnreadableError, UserError
from provenance.files import is_same_file
from provenance.media import recognise_stream

if TYPE_CHECKING:
    from provenance.credentials.reading.credential import Credential
    from provenance.media import Recognised

IN_MEMORY_BYTES = 16 << 20
"""Files up to this size are read once and signed from memory; larger ones are streamed."""

_NOBODY = TrustAnchors()


@dataclass(frozen=True, slots=True)
class Source:
    """One file.

    Attributes:
        media_type: Told from its content.
        name: Of the file, where it has one.
        data: All of it, where it is in memory.
        path: Where it lies, if it does.
    """

    media_type: str
    name: str | None
    data: bytes | None
    path: Path | None

    def open(self) -> IO[bytes]:
        """Return a fresh stream at the first byte.

        Raises:
            UnreadableError: The file cannot be opened any more.
        """
        if self.data is not None:
            return io.BytesIO(self.data)
        assert self.path is not None
        try:
            return self.path.open("rb")
        except OSError as error:
            raise UnreadableError(f"{self.path} cannot be read: {error.strerror}") from error

    def lies_at(self, path: Path) -> bool:
        """Whether ``path`` is this very file, by whatever name."""
        return self.path is not None and is_same_file(self.path, path)

    def credential(self) -> "Credential | None":
        """Return the credential that the file carries and that must not be lost, if any.

        Raises:
            UserError: It lies on a server, is of a form that nothing reads any more, or is damaged
                beyond reading: it cannot be taken along.
            UnreadableError: The file cannot be examined, so that it might carry one.
        """
        if self.is_bare():
            return None
        found = self._read()
        label = self.name or "The file"
        if found.remote_url:
            raise UserError(
                f"{label} names a credential on a server ({found.remote_url})."
                " Signing would cut that tie; save the file without its metadata first if you mean"
                " to."
            )
        if found.error is not None:
            raise UnreadableError(f"{label}: {found.error}")
        if found.is_present and found.library.state == "error":
            # the library would take the file along without it, and whatever is wrong would be gone
            raise UserError(
                f"The credential of {label} cannot be kept: {found.conclusion} Remove it from the"
                f" file first if you mean to."
            )
        return found if found.integrity != "none" else None

    @held()
    def is_bare(self) -> bool:
        """Whether the file carries and names no credential; cheap, since most files do not.

        The structure of PNG and JPEG tells it in a tenth of the time that the library takes.
        """
        sidecar = None if self.path is None else sidecar_of(self.path)
        if sidecar is not None and os.path.lexists(sidecar):
            return False
        if self.data is not None and is_bare(self.data, self.media_type):
            return True
        try:
            with self.open() as stream:
                if holds_deadly_label(stream):
                    return False
                stream.seek(0)
                reader = c2pa.Reader.try_create(self.media_type, stream, context=context())
        except c2pa.C2paError:
            return False  # a damaged or remote credential: whoever reads it in full says which
        if reader is not None:
            reader.close()
        return reader is None

    def sidecar(self) -> bytes | None:
        """Return the manifest store beside the file; None where there cannot be one.

        Raises:
            UnreadableError: It cannot be read.
        """
        sidecar = None if self.path is None else sidecar_of(self.path)
        if sidecar is None:
            return None
        try:
            with opening.open_regular(sidecar, MAX_SIDECAR_BYTES, follow_links=False) as stream:
                return stream.read(MAX_SIDECAR_BYTES)
        except OSError as error:
            reason = error.strerror or error
            raise UnreadableError(f"{sidecar} cannot be read: {reason}") from error

    @held()
    def report(self, store: bytes | None) -> "Report":
        """Return what the library says of the file's credential, whoever signed it.

        Args:
            store: The manifest store beside the file; None where it is inside.

        Raises:
            CredentialError: It cannot be read.
        """
        try:
            with self.open() as stream:
                reader = c2pa.Reader(
                    self.media_type, stream, manifest_data=store, context=context()
                )
                with reader:
                    return Report(_object(reader.json()), _object(reader.crjson()))
        except c2pa.C2paError as error:
            label = self.name or "the file"
            raise CredentialError(f"The credential of {label} cannot be read: {error}") from error

    def _read(self) -> "Credential":
        from provenance.credentials.reading import reader

        if self.path is None:
            assert self.data is not None
            return reader.read_credential_bytes(self.data, self.media_type, _NOBODY)
        return reader.read_credential(self.path, self.media_type, _NOBODY)


@dataclass(frozen=True, slots=True)
class Report:
    """The library's two reports on one file.

    Attributes:
        store: Manifests and results, in its own form.
        assertions: The same as crJSON, which names every assertion.
    """

    store: Mapping[str, Any]
    assertions: Mapping[str, Any]

    def labels(self) -> dict[str, list[str]]:
        """Return the labels of the assertions of each manifest, the file's own first."""
        return {
            str(one.get("label")): list(one.get("assertions") or ())
            for one in self.assertions.get("manifests") or ()
        }


def source_of_bytes(data: bytes, media_type: str | None = None, name: str | None = None) -> Source:
    """Return a source in memory.

    Args:
        data: The whole file.
        media_type: Told from the content when None.
        name: Stands in messages and, where no title is given, in the manifest.

    Raises:
        UnreadableError: It is empty.
        UserError: Files of its type cannot carry a manifest.
    """
    if not data:
        raise UnreadableError(f"{name or 'The file'}: the file is empty")
    label = name or "The file"
    kind = media_type or signable_type(recognise_stream(io.BytesIO(data)), label)
    return Source(kind, name, data, None)


def source_of_path(path: Path, media_type: str | None = None) -> Source:
    """Return a source on disk; read into memory where it is small.

    Raises:
        UnreadableError: It cannot be read, or is empty.
        UserError: Files of its type cannot carry a manifest.
    """
    try:
        with opening.open_regular(path, opening.MAX_FILE_BYTES) as stream:
            found = recognise_stream(stream)
            is_small = stream.seek(0, os.SEEK_END) <= IN_MEMORY_BYTES
            stream.seek(0)
            data = stream.read() if is_small else None
    except UnreadableError as error:
        raise UnreadableError(f"{path}: {error}") from error
    except OSError as error:
        reason = error.strerror or error
        raise UnreadableError(f"{path}: cannot be read: {reason}") from error
    return Source(media_type or signable_type(found, str(path)), path.name, data, path)


def signable_type(found: "Recognised | None", label: str) -> str:
    """Return the MIME type of content that can carry a manifest.

    Args:
        found: What it was recognised as.
        label: Names the file in the error.

    Raises:
        UserError: It cannot carry one.
    """
    media_type = "of no known type" if found is None else found.media_type
    if media_type not in signable_types():
        raise UserError(f"{label} cannot carry a C2PA manifest: its content is {media_type}.")
    return media_type


@functools.lru_cache(maxsize=1)
def signable_types() -> frozenset[str]:
    """Return the MIME types of files that can carry a manifest."""
    return frozenset(c2pa.Builder.get_supported_mime_types())


def _object(text: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(text)
    return found
