"""Reads one file's credential. Whatever the file holds, the answer is a :class:`Credential`."""

import datetime
import io
import json
import mimetypes
import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import c2pa

from provenance.credentials.engine import Anchors, context
from provenance.credentials.reading import axes
from provenance.credentials.reading.credential import (
    Credential,
    CredentialDetails,
    Library,
    ReadingOptions,
    SignerTrust,
    absent,
    conclude,
)
from provenance.credentials.reading.statements import read_statements
from provenance.credentials.trust.anchors import TrustAnchors
from provenance.errors import UnreadableError
from provenance.media import recognise_file

MAX_FILE_BYTES = 4 << 30
_UNKNOWN_TYPE = "application/octet-stream"
_CHUNK_BYTES = 1 << 20
# description box of a C2PA manifest store in JUMBF: its type, then its UUID (ISO 19566-5)
_STORE_MARK = bytes.fromhex("6a756d64633270610011001080 0000aa00389b71")
_PRERELEASE = "Its credential is of a form from before C2PA 1.0 that nothing checks any more."
_CREDENTIAL_ERRORS = (
    c2pa.C2paError.Verify,
    c2pa.C2paError.Manifest,
    c2pa.C2paError.Assertion,
    c2pa.C2paError.AssertionNotFound,
    c2pa.C2paError.Signature,
    c2pa.C2paError.Json,
    c2pa.C2paError.Decoding,
)
_NO_NETWORK = "Its credential lies on a server that the file names; it was not fetched."


_DEFAULTS = ReadingOptions()


def read_credential(
    path: Path,
    media_type: str | None,
    trust: TrustAnchors,
    *,
    options: ReadingOptions = _DEFAULTS,
) -> Credential:
    """Return what is known of a file's credential. Never raises for what a file holds.

    Opens no network connection and writes nothing. Runs in any process and thread.

    Args:
        path: The file. Hostile.
        media_type: MIME type recognised from the content; recognised here when None.
        trust: Whom to trust.
        options: Where to look, and how much to keep.
    """
    try:
        with _open(path) as stream:
            return _read(stream, media_type or _media_type(path), trust, options)
    except UnreadableError as error:
        return _not_examined(str(error))
    except OSError as error:
        return _not_examined(f"cannot be read: {error.strerror or error}")


def read_credential_bytes(
    data: bytes,
    media_type: str | None,
    trust: TrustAnchors,
    *,
    manifest_data: bytes | None = None,
    options: ReadingOptions = _DEFAULTS,
) -> Credential:
    """Return what is known of the credential of a file in memory; as :func:`read_credential`.

    Args:
        data: The whole file. Hostile.
        media_type: MIME type recognised from the content; recognised here when None.
        trust: Whom to trust.
        manifest_data: A manifest store that lies elsewhere; the file's own wins where it has one.
        options: As for :func:`read_credential`; there are no sidecars in memory.
    """
    return _read(io.BytesIO(data), media_type or _UNKNOWN_TYPE, trust, options)


def _open(path: Path) -> IO[bytes]:
    """Open a regular file of bounded size; a pipe or a device would block for ever."""
    stream = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    status = os.fstat(stream.fileno())
    if stat.S_ISREG(status.st_mode) and 0 < status.st_size <= MAX_FILE_BYTES:
        return stream
    stream.close()
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableError("is not a regular file")
    if not status.st_size:
        raise UnreadableError("the file is empty")
    raise UnreadableError(f"exceeds {MAX_FILE_BYTES >> 30} GiB")


def _media_type(path: Path) -> str:
    found = recognise_file(path)
    if found is not None and found.media_type != "application/zip":
        return found.media_type
    # office documents and books are zip archives; the library looks at the content itself again
    return mimetypes.guess_type(path.name)[0] or _UNKNOWN_TYPE if found else _UNKNOWN_TYPE


@dataclass(frozen=True, slots=True)
class _Report:
    """The library's report on one file.

    Attributes:
        store: Manifests, results and state.
        valid_until: End of the signer's certificate; None where the library looked at it itself.
    """

    store: dict[str, Any]
    valid_until: datetime.datetime | None

    @property
    def results(self) -> dict[str, Any]:
        found: dict[str, Any] = self.store.get("validation_results") or {}
        return found


def _read(
    stream: IO[bytes], media_type: str, trust: TrustAnchors, options: ReadingOptions
) -> Credential:
    try:
        report = _report(stream, media_type, trust.manifest)
        if report is None:
            return absent()
        timed = report
        if trust.time and axes.time_axis(report.results) != "none":
            # a second look, because roots of time-stamps must not vouch for the signer
            timed = _report(stream, media_type, trust.manifest, trust.time) or report
        credential = _judge(report, timed)
        if options.detailed:
            return replace(credential, details=CredentialDetails(report.store))
        return credential
    except c2pa.C2paError as error:
        return _from_error(error, stream)
    except (ValueError, RecursionError, TypeError, AttributeError) as error:
        # the report is malformed: JSON too deep, or of another shape than any manifest's
        return _damaged(f"{type(error).__name__}: {error}")


def _report(
    stream: IO[bytes], media_type: str, manifest: Anchors, time: Anchors = ()
) -> _Report | None:
    stream.seek(0)
    reader = c2pa.Reader.try_create(media_type, stream, context=context(manifest, time))
    if reader is None:
        return None
    with reader:
        report = _Report(json.loads(reader.json()), None)
        if not axes.is_excused_by_any_time(report.results):
            return report
        return replace(report, valid_until=_valid_until(reader, report.store))


def _valid_until(reader: c2pa.Reader, store: dict[str, Any]) -> datetime.datetime | None:
    for manifest in json.loads(reader.crjson()).get("manifests", ()):
        if manifest.get("label") == store.get("active_manifest"):
            certificate = (manifest.get("signature") or {}).get("certificateInfo") or {}
            ends = (certificate.get("validity") or {}).get("notAfter")
            return datetime.datetime.fromisoformat(ends) if ends else None
    return None


def _judge(report: _Report, timed: _Report) -> Credential:
    integrity = axes.integrity_axis(report.results)
    time = axes.time_axis(timed.results)
    signer = _signer(report, timed)
    ancestors = axes.ancestors_axis(report.store)
    # beside a trusted signer only trusted parents count; elsewhere everything is a mere claim
    follow = ancestors == "ok" or signer != "trusted"
    statements = read_statements(report.store, follow_parents=follow)
    issuer = statements.claimed_issuer if signer == "trusted" else None
    return Credential(
        integrity=integrity,
        signer=signer,
        time=time,
        ancestors=ancestors,
        conclusion=conclude(
            integrity,
            signer,
            ancestors,
            issuer,
            faults=axes.integrity_faults(report.results),
            breaks_form=axes.breaks_form(report.results),
        ),
        is_present=True,
        place="embedded",
        trusted_by=axes.vouching_list(report.results) if signer == "trusted" else None,
        statements=statements,
        library=_library(report.store),
    )


def _signer(report: _Report, timed: _Report) -> SignerTrust:
    """The signer axis, with expiry judged by trusted time only.

    The library excuses an expired certificate by any time-stamp of an old claim, which anybody
    can make; and it cannot excuse one by a time anchor that it was not given.
    """
    signer = axes.signer_axis(report.results)
    if signer == "revoked":
        return signer
    if axes.time_axis(timed.results) == "trusted":
        if axes.signer_axis(timed.results) == "expired":
            return "expired"
        return "trusted" if axes.is_chain_trusted(report.results) else "untrusted"
    now = datetime.datetime.now(datetime.UTC)
    return "expired" if report.valid_until and report.valid_until < now else signer


def _library(store: dict[str, Any]) -> Library:
    results = store.get("validation_results") or {}
    return Library(
        state=str(store.get("validation_state")),
        active_failures=tuple(
            (str(entry.get("code")), str(entry.get("explanation")))
            for entry in axes.entries(axes.active(results), "failure")
        ),
        ingredient_failures=tuple(axes.delta_failures(results)),
        n_manifests=len(store.get("manifests") or {}),
    )


def _from_error(error: c2pa.C2paError, stream: IO[bytes]) -> Credential:
    """Put one of the library's exceptions on the axes; several are told apart by text alone."""
    message = str(error)
    library = Library("error", error=message)
    if isinstance(error, c2pa.C2paError.NotSupported):
        return absent("Files of this type cannot carry a credential.", library=library)
    if message.startswith("Remote:"):
        url = message.rpartition(" url ")[2].strip()
        return absent(_NO_NETWORK, library=library, is_present=True, remote_url=url)
    if "prerelease content" in message:
        return absent(_PRERELEASE, library=library, is_present=True)
    if isinstance(error, _CREDENTIAL_ERRORS) or _has_store(stream):
        return _damaged(message)
    return _not_examined(message)


def _damaged(message: str) -> Credential:
    return Credential(
        "failed",
        "none",
        "none",
        "none",
        "It carries a credential that is damaged beyond reading.",
        is_present=True,
        library=Library("error", error=message),
    )


def _not_examined(reason: str) -> Credential:
    return absent(
        f"It could not be examined: {reason}.",
        library=Library("error", error=reason),
        error=reason,
    )


def _has_store(stream: IO[bytes]) -> bool:
    """Whether a manifest store begins somewhere in the file, by the mark of its first box."""
    stream.seek(0)
    tail = b""
    while chunk := stream.read(_CHUNK_BYTES):
        if _STORE_MARK in tail + chunk:
            return True
        tail = chunk[-len(_STORE_MARK) :]
    return False
