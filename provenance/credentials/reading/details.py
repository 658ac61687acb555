"""What only a close look needs, and every verified file need not pay for: certificates' dates."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import c2pa

from provenance.credentials.reading.statements import short_text

_MAX_CERTIFICATES = 1000


@dataclass(frozen=True, slots=True)
class CertificateClaim:
    """The certificate that a manifest was signed with, as it stands. Hostile text.

    Attributes:
        subject: Whom it names: ``CN=..., O=...``.
        issuer: Who issued it, as it says.
        not_before: Begin of its validity, ISO 8601, or None.
        not_after: End of its validity, ISO 8601, or None.
        algorithm: Of the signature: ``es256`` ...
    """

    subject: str
    issuer: str
    not_before: str | None
    not_after: str | None
    algorithm: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of the report."""
        return {
            "subject": self.subject,
            "issuer": self.issuer,
            "not_before": self.not_before,
            "not_after": self.not_after,
            "algorithm": self.algorithm,
        }


def read_certificates(reader: c2pa.Reader) -> dict[str, CertificateClaim]:
    """Return the signer's certificate of each manifest, by the manifest's label.

    Args:
        reader: Open. Only its crJSON tells the validity of certificates.
    """
    return dict(_certificates(json.loads(reader.crjson())))


def _certificates(crjson: Mapping[str, Any]) -> Iterator[tuple[str, CertificateClaim]]:
    for manifest in (crjson.get("manifests") or ())[:_MAX_CERTIFICATES]:
        signature = manifest.get("signature") or {}
        certificate = signature.get("certificateInfo") or {}
        validity = certificate.get("validity") or {}
        if certificate:
            yield (
                str(manifest.get("label")),
                CertificateClaim(
                    subject=_name(certificate.get("subject")),
                    issuer=_name(certificate.get("issuer")),
                    not_before=short_text(validity.get("notBefore")),
                    not_after=short_text(validity.get("notAfter")),
                    algorithm=short_text(signature.get("algorithm")),
                ),
            )


def _name(parts: Any) -> str:
    """Return a distinguished name, most telling part first; the values may hold anything."""
    if not isinstance(parts, dict):
        return ""
    order = sorted(parts, key=lambda key: {"CN": 0, "O": 1, "OU": 2}.get(key, 3))
    return (short_text(", ".join(f"{key}={parts[key]}" for key in order))) or ""
