"""Signs media with a C2PA manifest: the last thing that happens to a file before it is published.

Anything written into the file afterwards breaks the signature.
"""

import contextlib
import io
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import c2pa

from provenance.credentials.engine import context
from provenance.credentials.interrupts import held
from provenance.credentials.signing.outputs import settle, write_aside
from provenance.credentials.signing.signer import Signer
from provenance.credentials.signing.sources import source_of_path
from provenance.credentials.signing.timestamps import TimestampError
from provenance.errors import CredentialError, UserError
from provenance.files import is_same_file

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that is taken along as an ingredient, its credential included.

    Attributes:
        definition: Title, relationship and label; and what the library said of a credential that
            lies beside the file, since it cannot look there itself.
        media_type: Of the file.
        open: Returns a stream of the file.
        store: The manifest store beside the file, where its credential is not inside.
    """

    definition: Mapping[str, Any]
    media_type: str
    open: Callable[[], IO[bytes]]
    store: bytes | None = None

    def add_to(self, builder: c2pa.Builder) -> None:
        """Hand the file to the library."""
        definition = dict(self.definition)
        if self.store is not None:
            name = f"{definition['label']}.c2pa"
            builder.add_resource(name, io.BytesIO(self.store))
            definition["manifest_data"] = {"format": "application/c2pa", "identifier": name}
        with self.open() as stream:
            builder.add_ingredient(_json(definition), self.media_type, stream)


@dataclass(frozen=True, slots=True)
class Job:
    """All that the library is told of one signature.

    Attributes:
        media_type: Of the file.
        manifest: What is said.
        attachments: What is taken along.
        is_update: Whether an update manifest is written.
        embeds: Whether the manifest goes into the file.
        remarks: What the user should hear of the signing; filled by :meth:`run`.
    """

    media_type: str
    manifest: Mapping[str, Any]
    attachments: tuple[Attachment, ...] = field(default=())
    is_update: bool = False
    embeds: bool = True
    remarks: list[str] = field(default_factory=list, compare=False)

    def run(self, source: IO[bytes], destination: IO[bytes], signer: Signer) -> bytes:
        """Sign ``source`` into ``destination``; return the manifest store.

        Raises:
            UserError: Files of this type cannot carry a manifest.
            CredentialError: The library refuses the manifest or the key, or the time-stamping
                authority that is required does not answer.
        """
        try:
            return self._run(source, destination, signer)
        except TimestampError as error:
            if signer.timestamp is None or signer.timestamp.required:
                raise
            source.seek(0)
            destination.seek(0)
            destination.truncate()
            store = self._run(source, destination, replace(signer, timestamp=None))
            _LOG.warning("Signed without a time-stamp: %s", error)
            self.remarks.append(f"It was signed without a time-stamp: {error}")
            return store

    def _run(self, source: IO[bytes], destination: IO[bytes], signer: Signer) -> bytes:
        native = signer.native()
        try:
            with held(), signer.guard(), self._builder(signer.hosts) as builder:
                store: bytes = builder.sign(native, self.media_type, source, destination)
                return store
        except c2pa.C2paError.NotSupported as error:
            message = f"Files of type {self.media_type} cannot carry a C2PA manifest."
            raise UserError(message) from error
        except c2pa.C2paError as error:
            raise CredentialError(f"The file could not be signed: {error}") from error

    @contextlib.contextmanager
    def _builder(self, hosts: tuple[str, ...]) -> Iterator[c2pa.Builder]:
        with c2pa.Builder(_json(self.manifest), context(hosts=hosts)) as builder:
            if self.is_update:
                builder.set_intent(c2pa.C2paBuilderIntent.UPDATE)
            if not self.embeds:
                builder.set_no_embed()
            for attachment in self.attachments:
                attachment.add_to(builder)
            yield builder


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
    job = _job(media_type, manifest, parent, lambda: io.BytesIO(data))
    job.run(io.BytesIO(data), out, signer)
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
    if is_same_file(source, out):
        raise UserError(f"{out} is the source itself. Choose another name for the signed file.")
    made = source_of_path(source)
    job = _job(made.media_type, manifest, parent, made.open)
    with made.open() as stream:
        pending, _ = write_aside(out, lambda destination: job.run(stream, destination, signer))
    settle([pending])


def _job(
    media_type: str,
    manifest: Mapping[str, Any],
    parent: Mapping[str, Any] | None,
    open_source: Callable[[], IO[bytes]],
) -> Job:
    kept = () if parent is None else (Attachment(parent, media_type, open_source),)
    return Job(media_type, manifest, kept)


def _json(value: Mapping[str, Any]) -> str:
    """Return JSON for the library, which refuses what is not Unicode: a file name, perhaps."""
    return json.dumps(value, ensure_ascii=False).encode(errors="replace").decode()
