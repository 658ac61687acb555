"""Whom a verdict rests on: lists of root certificates, validated before use, named in reports."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provenance.credentials.keys import authority, files
from provenance.credentials.trust import roots
from provenance.credentials.trust.roots import Purpose
from provenance.errors import UserError
from provenance.files import sha256_bytes

URI_PREFIX = "urn:provenance:"
DEVELOPMENT = "development-ca"
_LOG = logging.getLogger(__name__)


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
        next_update: When its issuer will have a newer one, ISO 8601; None where it does not say.
    """

    name: str
    purpose: Purpose
    pem: str
    sha256: str
    subjects: tuple[str, ...]
    source: str
    date: str
    next_update: str | None = None

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
            "next_update": self.next_update,
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
    paths: Sequence[Path] | None,
    time_paths: Sequence[Path] = (),
    *,
    lists: Sequence[str] | None = None,
) -> TrustAnchors:
    """Read and check lists of root certificates.

    Args:
        paths: Files of roots for signers, PEM or JSON lists of trusted entities; an empty sequence
            trusts nobody; None means what is trusted on this machine: its development CA, former
            roots included, and all imported lists.
        time_paths: Files of roots of time-stamping authorities.
        lists: Names of imported lists, or ``development-ca``: only these instead of all of them,
            and beside ``paths`` where those are given.

    Raises:
        UserError: A file cannot be read or is not wholly a list of certificates; a list has no such
            name, was damaged since its import, or has expired as a whole. The library itself
            accepts anything in this place, and then silently trusts nobody.
    """
    given: list[tuple[Path, Purpose]] = [(Path(path), "manifest") for path in paths or ()]
    given += [(Path(path), "time") for path in time_paths]
    files = [read_list(f"file-{n}", path, purpose) for n, (path, purpose) in enumerate(given, 1)]
    for one in files:
        _warn_of_dates(one)
    return TrustAnchors((*_own(paths, lists), *files))


def read_list(name: str, path: Path, purpose: Purpose) -> TrustList:
    """Read one file of root certificates.

    Raises:
        UserError: It cannot be read, or part of it is no certificate.
    """
    return make_list(name, purpose, roots.read_roots(path), source=str(path))


def make_list(name: str, purpose: Purpose, found: roots.RootFile, *, source: str) -> TrustList:
    """Build a list from the certificates of a file.

    Args:
        name: Of the list.
        purpose: What it is trusted for.
        found: Its certificates, with a date.
        source: File or address that it comes from.
    """
    from provenance.credentials.keys.certificates import certificates_pem

    pem = certificates_pem(*found.certificates).decode()
    return TrustList(
        name=name,
        purpose=purpose,
        pem=pem,
        sha256=sha256_bytes(pem.encode()),
        subjects=tuple(one.subject.rfc4514_string() for one in found.certificates),
        source=source,
        date=found.date or "",
        next_update=found.next_update,
    )


def _own(paths: Sequence[Path] | None, names: Sequence[str] | None) -> Iterator[TrustList]:
    """Yield the lists of this machine that are asked for: by name, or all where nothing is."""
    from provenance.credentials.trust import lists

    config = files.config_folder()
    development = authority.anchor_path(config)
    if names is None and paths is None:
        names = [DEVELOPMENT] if lists.has_development(config) else []
        names += lists.list_names(config)
    for name in dict.fromkeys(names or ()):
        if name != DEVELOPMENT:
            yield lists.load_list(config, name)
        elif lists.has_development(config):
            lists.refuse_writable(development.parent, development)
            yield read_list(DEVELOPMENT, development, "manifest")
        else:
            raise UserError("There is no development CA. Run: provenance keys init")


def state_of_own() -> tuple[int | None, ...]:
    """Return what differs once the lists or roots of this machine have changed; cheap.

    Files there are replaced by a rename, which changes the time of their folder.
    """
    from provenance.credentials.trust import lists

    config = files.config_folder()
    return tuple(map(_changed_ns, (authority.anchor_path(config).parent, config / lists.FOLDER)))


def _changed_ns(folder: Path) -> int | None:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return None


def _warn_of_dates(one: TrustList) -> None:
    certificates = roots.parse_roots(one.pem.encode(), one.source).certificates
    for problem in roots.judge(certificates, one.purpose):
        _LOG.warning("%s: %s", one.source, problem)
