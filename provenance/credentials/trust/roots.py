"""What a file of roots holds, and whether each of them can vouch for anybody.

The C2PA library takes anything for a trust anchor and then silently trusts nobody. Here a list is
understood as a whole and each certificate judged, before it counts.
"""

import collections
import dataclasses
import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from provenance.credentials.keys.algorithms import key_problem
from provenance.credentials.keys.parsing import extended_usages, extension_of, is_authority
from provenance.credentials.keys.usages import ANYTHING, SIGNING_MEDIA, TIME_STAMPING
from provenance.credentials.trust.pem import REMEDY, parse_pem
from provenance.errors import UserError

Purpose = Literal["manifest", "time"]

MAX_BYTES = 16 << 20
_MOST_CERTIFICATES = 5000  # the official lists have thirty; a context of the library loads them all
# a root may limit what is below it by an extended key usage; of these, one is needed
_USAGES: dict[Purpose, frozenset[str]] = {
    "manifest": frozenset({*SIGNING_MEDIA, ANYTHING}),
    "time": frozenset({TIME_STAMPING, ANYTHING}),
}
_NEEDS = {"manifest": "signing media", "time": "time-stamping"}


@dataclass(frozen=True, slots=True)
class RootFile:
    """A file of roots, understood as a whole.

    Attributes:
        certificates: In order, each once.
        repeated: Names of certificates that stand in it more than once.
        withdrawn: Names of entries that the file itself calls untrusted; they are left out.
        date: When the list was issued, ISO 8601; None where the file does not say.
        next_update: When a newer list is due, ISO 8601; None where the file does not say.
        purpose: What the file says that it is for; None where it does not say.
    """

    certificates: tuple[x509.Certificate, ...]
    repeated: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    date: str | None = None
    next_update: str | None = None
    purpose: Purpose | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a certificate cannot vouch for anybody.

    Attributes:
        subject: Of the certificate, RFC 4514.
        words: What is wrong, to follow the subject.
        is_expiry: Whether it could, once.
    """

    subject: str
    words: str
    is_expiry: bool = False

    def __str__(self) -> str:
        return f"{self.subject} {self.words}"

    @property
    def remedy(self) -> str:
        """What to do about it."""
        if self.is_expiry:
            return (
                "Get a newer list. To keep it for old files with trusted time-stamps, add"
                " --allow-expired."
            )
        return "Remove it from the file if the others are right, or get the right file."


def read_bytes(path: Path) -> bytes:
    """Return the content of a file of roots.

    Raises:
        UserError: It cannot be read, or exceeds 16 MiB.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        message = f"Cannot read the trust anchors {path}: {error.strerror or error}."
        raise UserError(f"{message} {REMEDY}") from error
    if len(data) > MAX_BYTES:
        raise UserError(f"The trust anchors {path} exceed {MAX_BYTES >> 20} MiB. {REMEDY}")
    return data


def read_roots(path: Path) -> RootFile:
    """Read a file of roots; where it does not say when it was issued, its own date stands in.

    Raises:
        UserError: As :func:`read_bytes` and :func:`parse_roots`.
    """
    found = parse_roots(read_bytes(path), str(path))
    if found.date is not None:
        return found
    changed = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC)
    return dataclasses.replace(found, date=changed.isoformat(timespec="seconds"))


def parse_roots(data: bytes, source: str) -> RootFile:
    """Read a PEM text, or a JSON list of trusted entities.

    Args:
        data: The whole file.
        source: Names it in errors.

    Raises:
        UserError: Part of it is not understood, or it holds no certificate, or too many.
    """
    if data.lstrip()[:1] == b"{":
        from provenance.credentials.trust.entities import parse_entities  # brings pydantic

        entities = parse_entities(data, source)
        found = _unique(entities.certificates, source)
        return RootFile(
            *found, entities.withdrawn, entities.issued, entities.next_update, entities.purpose
        )
    return RootFile(*_unique(tuple(parse_pem(data, source)), source))


def judge(
    certificates: tuple[x509.Certificate, ...],
    purpose: Purpose,
    now: datetime.datetime | None = None,
) -> list[Problem]:
    """Return why certificates cannot vouch for anybody; none where all of them can.

    Args:
        certificates: To be roots, or intermediates that are trusted like roots.
        purpose: Of whom: signers of manifests, or time-stamping authorities.
        now: For tests.
    """
    moment = now or datetime.datetime.now(datetime.UTC)
    return [problem for one in certificates if (problem := _problem(one, purpose, moment))]


def _unique(
    certificates: tuple[x509.Certificate, ...], source: str
) -> tuple[tuple[x509.Certificate, ...], tuple[str, ...]]:
    if len(certificates) > _MOST_CERTIFICATES:
        raise UserError(
            f"{source} holds {len(certificates)} certificates; at most {_MOST_CERTIFICATES} are"
            " taken. Keep those that you mean to trust."
        )
    counts = collections.Counter(certificates)
    repeated = tuple(one.subject.rfc4514_string() for one, count in counts.items() if count > 1)
    return tuple(counts), repeated


def _problem(
    certificate: x509.Certificate, purpose: Purpose, now: datetime.datetime
) -> Problem | None:
    subject = certificate.subject.rfc4514_string()
    words = _flaw(certificate, purpose)
    if words:
        return Problem(subject, words)
    if now < certificate.not_valid_before_utc:
        return Problem(subject, f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}")
    if now > certificate.not_valid_after_utc:
        words = f"expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
        return Problem(subject, words, is_expiry=True)
    return None


def _flaw(certificate: x509.Certificate, purpose: Purpose) -> str | None:
    """Return what is wrong with a certificate at any time."""
    try:
        problem = key_problem(certificate.public_key())
    except (ValueError, UnsupportedAlgorithm) as error:
        return f"cannot be understood ({error})"
    if problem:
        return f"has {problem}, which C2PA does not take"
    if not is_authority(certificate):
        return "is no authority (CA) but the certificate of a signer or a server"
    if not _may_sign_certificates(certificate):
        return "may not sign certificates (its key usage says so)"
    usages = extended_usages(certificate)
    if usages is not None and not _USAGES[purpose] & set(usages):
        return f"is not for {_NEEDS[purpose]} but for {', '.join(usages)} only"
    return _forgery(certificate)


def _may_sign_certificates(certificate: x509.Certificate) -> bool:
    usage = extension_of(certificate, x509.KeyUsage)
    return usage is None or usage.key_cert_sign  # without one there is no limit


def _forgery(certificate: x509.Certificate) -> str | None:
    """Return what is wrong with the signature of a root by itself; others cannot be checked."""
    if certificate.subject != certificate.issuer:
        return None
    try:
        certificate.verify_directly_issued_by(certificate)
    except InvalidSignature:
        return "is damaged: its own signature does not fit"
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        return f"is signed in a way that cannot be checked ({error})"
    return None
