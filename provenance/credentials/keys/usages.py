"""Extended key usages of certificates, by number and by name (RFC 5280, 4.2.1.12)."""

from collections.abc import Mapping

EMAIL_PROTECTION = "1.3.6.1.5.5.7.3.4"
TIME_STAMPING = "1.3.6.1.5.5.7.3.8"
OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"
DOCUMENT_SIGNING = "1.3.6.1.5.5.7.3.36"  # RFC 9336
MICROSOFT_C2PA_SIGNING = "1.3.6.1.4.1.311.76.59.1.9"
CLAIM_SIGNING = "1.3.6.1.4.1.62558.2.1"  # C2PA's own
ANYTHING = "2.5.29.37.0"

SIGNING_MEDIA = (EMAIL_PROTECTION, DOCUMENT_SIGNING, MICROSOFT_C2PA_SIGNING, CLAIM_SIGNING)
"""Of signers of manifests: one of these is needed."""

NAMES: Mapping[str, str] = {
    CLAIM_SIGNING: "C2PA claim signing",
    MICROSOFT_C2PA_SIGNING: "Microsoft C2PA signing",
    EMAIL_PROTECTION: "emailProtection",
    TIME_STAMPING: "timeStamping",
    DOCUMENT_SIGNING: "documentSigning",
    OCSP_SIGNING: "OCSPSigning",
    ANYTHING: "anyExtendedKeyUsage",
}
"""Number to the name that people know it by."""
