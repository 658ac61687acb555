"""What keys and certificates there are, until when they are good, and a warning before they end."""

import datetime
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from provenance.credentials.keys import algorithms, authority
from provenance.credentials.keys.files import OTHERS
from provenance.credentials.keys.parsing import extended_usages, is_authority, parse_all
from provenance.credentials.keys.usages import NAMES
from provenance.errors import CredentialError, UserError

WARN_DAYS = 30
_MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class CertificateEntry:
    """One certificate as people read it. Names in it are what the certificate says of itself.

    Attributes:
        role: ``leaf``, ``intermediate``, ``root``, ``former root``; ``certificate`` elsewhere.
        path: File that holds it.
        has_key: Whether its private key lies in the same file.
        is_exposed: Whether it does, and others may read the file; signing refuses such a key.
        name: The common name, where there is one, else the subject.
        subject: RFC 4514.
        issuer: RFC 4514.
        algorithm: What its key signs with; where C2PA does not take the key, what it is instead.
        usages: Extended key usages by name, else by number.
        is_authority: Whether it may sign certificates.
        serial: Hexadecimal.
        sha256: Of the certificate, hexadecimal.
        not_before: ISO 8601, UTC.
        not_after: ISO 8601, UTC.
        days_left: Whole days until ``not_after``; negative when it is over.
    """

    role: str
    path: str
    has_key: bool
    is_exposed: bool
    name: str
    subject: str
    issuer: str
    algorithm: str
    usages: tuple[str, ...]
    is_authority: bool
    serial: str
    sha256: str
    not_before: str
    not_after: str
    days_left: int

    def to_json(self) -> dict[str, Any]:
        """Return the entry as JSON, with the warning that goes with it."""
        return {**asdict(self), "usages": list(self.usages), "warning": self.warning}

    @property
    def warning(self) -> str | None:
        """What to say of an exposed key or a near end; None while more than 30 days are left."""
        if self.is_exposed:
            command = "keys rotate" if self.role == "leaf" else "keys rotate --root"
            return f"Others may read the key in {self.path}. Replace it: provenance {command}"
        if self.days_left < 0:
            return f"{self.name} ended on {self.not_after[:10]}."
        if self.days_left < WARN_DAYS:
            return f"{self.name} ends in {self.days_left} days, on {self.not_after[:10]}."
        return None


def list_keys(config: Path) -> list[CertificateEntry]:
    """Return the certificates of the development CA, leaf first; none where there is no CA.

    Args:
        config: The user's config folder. Nothing is made there.

    Raises:
        CredentialError: A file is damaged.
    """
    folder = config / authority.FOLDER
    entries = []
    for role, name in (("leaf", authority.LEAF), ("intermediate", authority.INTERMEDIATE)):
        present = authority.read_certificates(folder / name)
        entries += [describe(one, role, folder / name) for one in present[:1]]
    for number, root in enumerate(authority.root_certificates(folder)):
        own = folder / (authority.ROOT if number == 0 else authority.FORMER)
        path = own if own.exists() else folder / authority.ANCHOR
        entries.append(describe(root, "former root" if number else "root", path))
    return entries


def list_certificates(path: Path) -> list[CertificateEntry]:
    """Return the certificates of any PEM file, in the order of the file.

    Raises:
        UserError: It cannot be read, or holds no certificate.
    """
    try:
        with path.open("rb") as stream:
            pem = stream.read(_MAX_BYTES)
        found = parse_all(pem)
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error
    except ValueError as error:
        raise UserError(
            f"{path} holds no certificates that can be read. Give a PEM file"
            " (-----BEGIN CERTIFICATE-----)."
        ) from error
    return [describe(one, "certificate", path) for one in found]


def describe(certificate: x509.Certificate, role: str, path: Path) -> CertificateEntry:
    """Return a certificate as people read it.

    Args:
        certificate: Any.
        role: What it is for.
        path: Where it lies.
    """
    ends = certificate.not_valid_after_utc
    has_key = _has_key(path) and role != "former root"
    return CertificateEntry(
        role=role,
        path=str(path),
        has_key=has_key,
        is_exposed=has_key and bool(path.stat().st_mode & OTHERS),
        name=common_name(certificate),
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        algorithm=_algorithm(certificate),
        usages=_usages(certificate),
        is_authority=is_authority(certificate),
        serial=f"{certificate.serial_number:x}",
        sha256=certificate.fingerprint(hashes.SHA256()).hex(),
        not_before=certificate.not_valid_before_utc.isoformat(),
        not_after=ends.isoformat(),
        days_left=(ends - datetime.datetime.now(datetime.UTC)).days,
    )


def expiry_warning(pem: bytes) -> str | None:
    """Return a sentence when a certificate of a signer's chain ends within 30 days, else None.

    Args:
        pem: The chain, PEM; keys in it are ignored. The first end counts: with it ends the trust
            in what is signed, unless a time-stamp says that it was signed before.

    Raises:
        CredentialError: There is no certificate that can be read.
    """
    try:
        found = parse_all(pem)
    except ValueError as error:
        raise CredentialError(f"The signer's certificates cannot be read: {error}") from error
    entries = [describe(one, "certificate", Path()) for one in found]
    first = min(entries, key=lambda entry: entry.not_after)
    if first.warning is None:
        return None
    return (
        f"The certificate {first.warning} What it signs without a time-stamp is then no"
        " longer trusted. Renew it."
    )


def common_name(certificate: x509.Certificate) -> str:
    """Return the short name that a certificate gives its subject, else the whole subject."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else certificate.subject.rfc4514_string()


def _usages(certificate: x509.Certificate) -> tuple[str, ...]:
    return tuple(NAMES.get(one, one) for one in extended_usages(certificate) or ())


def _algorithm(certificate: x509.Certificate) -> str:
    try:
        return algorithms.algorithm_of(certificate.public_key())
    except (CredentialError, UnsupportedAlgorithm, ValueError) as error:
        return str(error)


def _has_key(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return b"PRIVATE KEY-----" in stream.read(_MAX_BYTES)
    except OSError:
        return False
