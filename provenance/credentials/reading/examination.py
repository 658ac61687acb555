"""One look at one file: the library's report, or its exception, put on the four axes."""

import datetime
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import IO, Any

import c2pa

from provenance.credentials.engine import Anchors, context
from provenance.credentials.interrupts import held
from provenance.credentials.reading import axes, sentences
from provenance.credentials.reading.coverage import has_open_parts
from provenance.credentials.reading.credential import (
    Credential,
    CredentialDetails,
    Library,
    Place,
    ReadingOptions,
    SignerTrust,
    TimeTrust,
    absent,
)
from provenance.credentials.reading.details import CertificateClaim, read_certificates
from provenance.credentials.reading.labels import holds_deadly_label
from provenance.credentials.reading.opening import STORE_MARK, Asset
from provenance.credentials.reading.signals import read_signals
from provenance.credentials.reading.statements import read_statements
from provenance.credentials.reading.thumbnails import read_thumbnails
from provenance.credentials.reading.tree import build_tree
from provenance.credentials.trust.anchors import TrustAnchors
from provenance.errors import UnreadableError

# beyond these a report is not walked: real ones stay below a hundredth
_MAX_REPORT_CHARACTERS = 8 << 20
_MAX_MANIFESTS = 1000
_MAX_INGREDIENTS = 10_000
_MAX_FAILURES_KEPT = 1000
_MAX_URL_CHARACTERS = 4096
_CHUNK_BYTES = 1 << 20
_CREDENTIAL_ERRORS = (
    c2pa.C2paError.Verify,
    c2pa.C2paError.Manifest,
    c2pa.C2paError.Assertion,
    c2pa.C2paError.AssertionNotFound,
    c2pa.C2paError.Signature,
    c2pa.C2paError.Json,
    c2pa.C2paError.Decoding,
)

Look = Callable[[c2pa.Context], c2pa.Reader | None]
"""Makes a reader of the library with the given context; None where there is no credential."""


@dataclass(frozen=True, slots=True)
class _Report:
    """The library's report on one file.

    Attributes:
        store: Manifests, results and state.
        valid_until: End of the signer's certificate; None where the library looked at it itself.
        has_open_parts: Whether parts of the file are deliberately not covered by its hash.
        certificates: Filled only where details are asked for.
        thumbnails: Filled only where pictures are asked for.
    """

    store: dict[str, Any]
    valid_until: datetime.datetime | None
    has_open_parts: bool = False
    certificates: Mapping[str, CertificateClaim] = field(default_factory=dict)
    thumbnails: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def results(self) -> dict[str, Any]:
        found: dict[str, Any] = self.store.get("validation_results") or {}
        return found


def examine(
    asset: Asset,
    trust: TrustAnchors,
    options: ReadingOptions,
    *,
    manifest_data: bytes | None = None,
    place: Place = "embedded",
) -> Credential:
    """Return what one manifest store says of a file. Never raises for what either holds.

    Args:
        asset: The file.
        trust: Whom to trust.
        options: How much to keep; places are the caller's concern.
        manifest_data: The store; the file's own when None.
        place: Where the store comes from.
    """
    if holds_deadly_label(asset.stream, manifest_data):
        return _damaged("a label in it would end the process that reads it", place)

    def look(trusted: c2pa.Context) -> c2pa.Reader | None:
        asset.stream.seek(0)
        return c2pa.Reader.try_create(asset.hint, asset.stream, manifest_data, trusted)

    return examine_by(look, asset.stream, trust, options, place=place)


def examine_by(
    look: Look,
    stream: IO[bytes],
    trust: TrustAnchors,
    options: ReadingOptions,
    *,
    place: Place = "embedded",
) -> Credential:
    """Return what a reader of the library says, as :func:`examine`.

    Args:
        look: Makes the reader; called a second time where there is a time-stamp to be judged.
        stream: Searched for a manifest store when ``look`` fails.
        trust: Whom to trust.
        options: How much to keep.
        place: Where the manifest store comes from.
    """
    try:
        report = _report(look, options, trust.manifest)
        if report is None:
            return absent()
        timed = report
        if trust.time and axes.time_axis(report.results) != "none":
            # a second look, because roots of time-stamps must not vouch for the signer
            timed = _report(look, ReadingOptions(), trust.manifest, trust.time) or report
        return _detailed(_judge(report, timed, place), report, options)
    except c2pa.C2paError as error:
        return _from_error(error, stream, place)
    except UnreadableError as error:
        return not_examined(str(error), is_present=True)
    except MemoryError:
        return not_examined("there is not enough memory")
    except (ValueError, RecursionError, TypeError, AttributeError) as error:
        # the report is malformed: JSON too deep, or of another shape than any manifest's
        return _damaged(f"{type(error).__name__}: {error}", place)


def not_examined(reason: str, **more: Any) -> Credential:
    """Return the credential of a file of which nothing can be said, for a reason of its own."""
    return absent(
        f"It could not be examined: {reason}.",
        library=Library("error", error=reason),
        error=reason,
        **more,
    )


@held()
def _report(
    look: Look, options: ReadingOptions, manifest: Anchors, time: Anchors = ()
) -> _Report | None:
    reader = look(context(manifest, time))
    if reader is None:
        return None
    with reader:
        text = reader.json()
        if len(text) > _MAX_REPORT_CHARACTERS:
            raise UnreadableError("the report of its credential exceeds 8 MiB")
        store = json.loads(text)
        _check_size(store)
        report = _Report(store, None, has_open_parts(reader, store))
        if axes.is_excused_by_any_time(report.results):
            report = replace(report, valid_until=_valid_until(reader, report.store))
        if options.detailed:
            report = replace(report, certificates=read_certificates(reader))
        if options.detailed and options.thumbnails:
            report = replace(report, thumbnails=read_thumbnails(reader, report.store))
        return report


def _check_size(store: Mapping[str, Any]) -> None:
    """Refuse a report that would take long to walk.

    Raises:
        UnreadableError: It holds too many manifests or ingredients.
    """
    manifests = (store.get("manifests") or {}).values()
    n_ingredients = sum(len(manifest.get("ingredients") or ()) for manifest in manifests)
    if len(manifests) > _MAX_MANIFESTS or n_ingredients > _MAX_INGREDIENTS:
        raise UnreadableError(
            f"its credential holds {len(manifests)} manifests and {n_ingredients} ingredients,"
            " more than are followed"
        )


def _valid_until(reader: c2pa.Reader, store: dict[str, Any]) -> datetime.datetime | None:
    own = read_certificates(reader).get(str(store.get("active_manifest")))
    ends = None if own is None else own.not_after
    return datetime.datetime.fromisoformat(ends) if ends else None


def _detailed(credential: Credential, report: _Report, options: ReadingOptions) -> Credential:
    if not options.detailed:
        return credential
    tree = build_tree(report.store, credential)
    details = CredentialDetails(report.store, tree, report.certificates, report.thumbnails)
    return replace(credential, details=details)


def _judge(report: _Report, timed: _Report, place: Place) -> Credential:
    integrity = axes.integrity_axis(report.results)
    faults = axes.integrity_faults(report.results) if integrity == "failed" else []
    if integrity == "ok" and axes.unreferenced(report.store):
        integrity, faults = "failed", [axes.UNREFERENCED]
    time = axes.time_axis(timed.results)
    signer = _signer(report, timed, time)
    ancestors = axes.ancestors_axis(report.store)
    # beside a trusted signer only trusted parents count; elsewhere everything is a mere claim
    follow = ancestors == "ok" or signer != "trusted"
    statements = read_statements(report.store, follow_parents=follow)
    issuer = statements.claimed_issuer if signer == "trusted" else None
    credential = Credential(
        integrity=integrity,
        signer=signer,
        time=time,
        ancestors=ancestors,
        conclusion=sentences.conclude(
            integrity,
            signer,
            ancestors,
            issuer,
            faults=faults,
            breaks_form=axes.breaks_form(report.results),
        ),
        is_present=True,
        place=place,
        trusted_by=_vouching(report, timed) if signer == "trusted" else None,
        revocation=axes.revocation(timed.results),
        signals=read_signals(report.store, follow_parents=follow),
        statements=statements,
        library=_library(report.store),
    )
    return sentences.noted(credential, *_notes(credential, report))


def _notes(credential: Credential, report: _Report) -> list[str]:
    found = []
    if report.has_open_parts and credential.integrity == "ok":
        found.append(sentences.OPEN_PARTS)
    if credential.statements.claimed_identities:
        holds = axes.does_identity_hold(report.results)
        found.append(sentences.IDENTITY if holds else sentences.FALSE_IDENTITY)
    return found


def _signer(report: _Report, timed: _Report, time: TimeTrust) -> SignerTrust:
    """The signer axis, with expiry judged by trusted time only.

    The library excuses an expired certificate by any time-stamp of an old claim, which anybody
    can make; and it cannot excuse one by a time anchor that it was not given.
    """
    signer = axes.signer_axis(report.results)
    if signer == "untrusted" and not axes.is_signed(report.results):
        return "untrusted"
    later = signer if timed is report else axes.signer_axis(timed.results)
    # a stapled answer of the issuer is looked at only beside a time-stamp that is vouched for
    if "revoked" in (signer, later):
        return "revoked"
    if time == "trusted":
        if later == "expired":
            return "expired"
        return "trusted" if _vouching(report, timed) else "untrusted"
    now = datetime.datetime.now(datetime.UTC)
    return "expired" if report.valid_until and report.valid_until < now else signer


def _vouching(report: _Report, timed: _Report) -> str | None:
    """Return the manifest list that vouches for the signer, now or at the time of signing.

    A root that has expired since vouches only in the look that knows the trusted time. That one
    knows roots of time-stamps too, so it counts only where it names a manifest list.
    """
    return axes.vouching_list(report.results) or axes.vouching_list(timed.results)


def _library(store: dict[str, Any]) -> Library:
    results = store.get("validation_results") or {}
    return Library(
        state=str(store.get("validation_state")),
        active_failures=tuple(
            (str(entry.get("code")), str(entry.get("explanation")))
            for entry in axes.entries(axes.active(results), "failure")[:_MAX_FAILURES_KEPT]
        ),
        ingredient_failures=tuple(axes.delta_failures(results))[:_MAX_FAILURES_KEPT],
        n_manifests=len(store.get("manifests") or {}),
    )


def _from_error(error: c2pa.C2paError, stream: IO[bytes], place: Place) -> Credential:
    """Put one of the library's exceptions on the axes; several are told apart by text alone."""
    message = str(error)
    library = Library("error", error=message)
    if isinstance(error, c2pa.C2paError.NotSupported):
        return absent(sentences.NO_CARRIER, library=library)
    if message.startswith("Remote:"):
        url = message.rpartition(" url ")[2].strip()[:_MAX_URL_CHARACTERS]
        return absent(sentences.NO_NETWORK, library=library, is_present=True, remote_url=url)
    if "prerelease content" in message:
        return absent(sentences.PRERELEASE, library=library, is_present=True, place=place)
    if isinstance(error, _CREDENTIAL_ERRORS) or _has_store(stream):
        return _damaged(message, place)
    return not_examined(message)


def _damaged(message: str, place: Place) -> Credential:
    return Credential(
        "failed",
        "none",
        "none",
        "none",
        sentences.DAMAGED,
        is_present=True,
        place=place,
        library=Library("error", error=message),
    )


def _has_store(stream: IO[bytes]) -> bool:
    """Whether a manifest store begins somewhere in the file, by the mark of its first box."""
    stream.seek(0)
    tail = b""
    while chunk := stream.read(_CHUNK_BYTES):
        if STORE_MARK in tail + chunk:
            return True
        tail = chunk[-len(STORE_MARK) :]
    return False
