"""Whom a verdict rests on: lists of root certificates, validated before use, named in reports."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from provenance.credentials.keys import authority, files
from provenance.errors import UserError
from provenance.files import sha256_bytes

URI_PREFIX = "urn:provenance:"
DEVELOPMENT = "development-ca"
_MAX_LIST_BYTES = 16 << 20

Purpose = Literal["manifest", "time"]


@dataclass(frozen=True, slots=True)
class TrustList:
    """One list of root certificates, trusted for one purpose.

    Attributes:
        name: Lower case, digits and hyphens; stands in every report that rests on the list.
        purpose: ``manifest``: the roots vouch for signers. ``time``: for time-stamps. Never both.
        pem: The certificates as one PEM text, without comments.
        sha256: Of ``pem``, so that two reports can be compared.
        subjects: Subject of each certificate, RFC 4514.
        source: File or address that the list comes from.
        date: When the list was issued or, where it does not say so, its file last changed;
            ISO 8601.
    """

    name: str
    purpose: Purpose
    pem: str
    sha256: str
    subjects: tuple[str, ...]
    source: str
    date: str

    @property
    def uri(self) -> str:
        """Names the list in the library's explanations: ``urn:provenance:manifest:NAME``."""
        return f"{URI_PREFIX}{self.purpose}:{self.name}"

    def to_json(self) -> dict[str, Any]:
        """Return what a report says about the list."""
        return {
            "name": self.name,
            "purpose": self.purpose,
            "sha256": self.sha256,
            "date": self.date,
            "source": self.source,
            "anchors": len(self.subjects),
        }


@dataclass(frozen=True, slots=True)
class TrustAnchors:
    """All lists that a verdict rests on; none trusts nobody."""

    lists: tuple[TrustList, ...] = ()

    @property
    def manifest(self) -> tuple[tuple[str, str], ...]:
        """(URI, PEM) of the lists that vouch for signers."""
        return self._pairs("manifest")

    @property
    def time(self) -> tuple[tuple[str, str], ...]:
        """(URI, PEM) of the lists that vouch for time-stamps."""
        return self._pairs("time")

    @property
    def sha256(self) -> str:
        """Of all lists in order, so that two reports can be compared."""
        return sha256_bytes("".join(one.uri + one.sha256 for one in self.lists).encode())

    @property
    def names(self) -> tuple[str, ...]:
        """Subjects of the roots that vouch for signers."""
        return tuple(s for one in self.lists if one.purpose == "manifest" for s in one.subjects)

    def to_json(self) -> dict[str, Any]:
        """Return what a report says about whom it trusts."""
        return {"sha256": self.sha256, "lists": [one.to_json() for one in self.lists]}

    def _pairs(self, purpose: Purpose) -> tuple[tuple[str, str], ...]:
        return tuple((one.uri, one.pem) for one in self.lists if one.purpose == purpose)


def load_trust_anchors(
    paths: Sequence[Path] | None, time_paths: Sequence[Path] = ()
) -> TrustAnchors:
    """Read and check lists of root certificates.

    Args:
        paths: PEM files; an empty sequence trusts nobody; None means this machine's development
            CA where there is one.
        time_paths: PEM files of time-stamping authorities.

    Raises:
        UserError: A file cannot be read or holds no certificates. The library itself accepts
            anything in this place, and then silently trusts nobody.
    """
    named: list[tuple[str, Path, Purpose]] = []
    if paths is None:
        own = authority.anchor_path(files.config_folder())
        named += [(DEVELOPMENT, own, "manifest")] if own.exists() else []
    given: list[tuple[Path, Purpose]] = [(path, "manifest") for path in paths or ()]
    given += [(path, "time") for path in time_paths]
    named += [(f"file-{n}", Path(path), purpose) for n, (path, purpose) in enumerate(given, 1)]
    return TrustAnchors(tuple(read_list(name, path, purpose) for name, path, purpose in named))


def read_list(name: str, path: Path, purpose: Purpose) -> TrustList:
    """Read and check one PEM file of root certificates.

    Raises:
        UserError: As :func:`load_trust_anchors`.
    """
    pem, subjects = _read(path)
    changed = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC)
    return TrustList(
        name=name,
        purpose=purpose,
        pem=pem,
        sha256=sha256_bytes(pem.encode()),
        subjects=tuple(subjects),
        source=str(path),
        date=changed.isoformat(timespec="seconds"),
    )


def _read(path: Path) -> tuple[str, list[str]]:
    """Return the certificates of a file in one form of PEM, without comments, and their names."""
    from cryptography import x509

    from provenance.credentials.keys.certificates import certificates_pem

    remedy = "Give a PEM file of root certificates (-----BEGIN CERTIFICATE-----)."
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_LIST_BYTES + 1)
    except OSError as error:
        message = f"Cannot read the trust anchors {path}: {error.strerror or error}."
        raise UserError(f"{message} {remedy}") from error
    if len(data) > _MAX_LIST_BYTES:
        raise UserError(f"The trust anchors {path} exceed 16 MiB. {remedy}")
    try:
        certificates = x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise UserError(f"{path} holds no certificates that can be read. {remedy}") from error
    names = [certificate.subject.rfc4514_string() for certificate in certificates]
    return certificates_pem(*certificates).decode(), names
