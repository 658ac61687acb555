"""Whom to trust: lists of root certificates, validated before use and named in every report."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provenance.credentials import authority, keys
from provenance.errors import UserError
from provenance.files import sha256_bytes

_MAX_LIST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class TrustAnchors:
    """The roots that a verdict rests on.

    Attributes:
        pem: Certificates of manifest signers, as one PEM text; empty trusts nobody.
        sha256: Of ``pem``, so that two reports can be compared.
        names: Subject of each certificate.
        paths: The files that they come from.
        time_pem: Certificates of time-stamping authorities; these never vouch for a signer.
    """

    pem: str
    sha256: str
    names: tuple[str, ...]
    paths: tuple[str, ...]
    time_pem: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return what a report says about the list."""
        return {
            "sha256": self.sha256,
            "anchors": len(self.names),
            "names": list(self.names),
            "paths": list(self.paths),
            "time_sha256": sha256_bytes(self.time_pem.encode()) if self.time_pem else None,
        }


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
    if paths is None:
        own = authority.anchor_path(keys.config_folder())
        paths = [own] if own.exists() else []
    certificates = [_read(Path(path)) for path in paths]
    pem = "".join(text for text, _ in certificates)
    return TrustAnchors(
        pem=pem,
        sha256=sha256_bytes(pem.encode()),
        names=tuple(name for _, names in certificates for name in names),
        paths=tuple(str(path) for path in paths),
        time_pem="".join(_read(Path(path))[0] for path in time_paths),
    )


def _read(path: Path) -> tuple[str, list[str]]:
    """Return the certificates of a file in one form of PEM, without comments, and their names."""
    from cryptography import x509

    from provenance.credentials.certificates import certificates_pem

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
