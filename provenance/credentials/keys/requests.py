"""A private key and a certificate signing request, to get a certificate that others trust.

The request asks for what the C2PA programme's profile of claim-signing certificates prescribes
(Certificate Policy 0.2, profile "Claim Signing Leaf"): a critical key usage of digitalSignature and
contentCommitment, and C2PA's own extended key usage beside documentSigning. The authority adds the
rest: its policy, the assurance level, the record in the list of conforming products.
"""

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from provenance.credentials.keys import algorithms
from provenance.credentials.keys.certificates import key_usage
from provenance.credentials.keys.files import write_new
from provenance.credentials.keys.usages import CLAIM_SIGNING, DOCUMENT_SIGNING, EMAIL_PROTECTION
from provenance.errors import UserError, did_you_mean

USAGES = {
    "c2pa": x509.ObjectIdentifier(CLAIM_SIGNING),
    "document": x509.ObjectIdentifier(DOCUMENT_SIGNING),
    "email": x509.ObjectIdentifier(EMAIL_PROTECTION),
}
"""Extended key usages that make a certificate one for signing media."""
DEFAULT_USAGES = ("c2pa", "document")
_COUNTRY_LETTERS = 2
_MOST_CHARACTERS = 64  # of a name, RFC 5280, appendix A.1
_LEAST_PASSPHRASE = 8


@dataclass(frozen=True, slots=True)
class Subject:
    """Who a certificate is to be about; all of it becomes public.

    Attributes:
        organisation: Its legal name, which the authority checks.
        common_name: Of the product or service that signs.
        country: Two letters, ISO 3166; None leaves it out.
        unit: Part of the organisation; None leaves it out.

    Raises:
        UserError: A part is empty, too long, or holds characters that cannot be printed.
    """

    organisation: str
    common_name: str
    country: str | None = None
    unit: str | None = None

    def __post_init__(self) -> None:
        for what, text in (
            ("organisation", self.organisation),
            ("common name", self.common_name),
            ("unit", self.unit),
        ):
            if text is not None and not _is_name(text):
                raise UserError(f"The {what} must be 1 to {_MOST_CHARACTERS} printable characters.")
        country = self.country
        if country is not None and not (len(country) == _COUNTRY_LETTERS and country.isalpha()):
            raise UserError("The country must be two letters, as in DE.")

    def name(self) -> x509.Name:
        """Return the distinguished name."""
        parts = (
            (NameOID.COUNTRY_NAME, self.country and self.country.upper()),
            (NameOID.ORGANIZATION_NAME, self.organisation),
            (NameOID.ORGANIZATIONAL_UNIT_NAME, self.unit),
            (NameOID.COMMON_NAME, self.common_name),
        )
        return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts if text])


def request_certificate(
    key_path: Path,
    request_path: Path,
    subject: Subject,
    *,
    algorithm: str = algorithms.DEFAULT,
    usages: tuple[str, ...] = DEFAULT_USAGES,
    passphrase: bytes | None = None,
) -> None:
    """Make a private key and a signing request for it; nothing that exists is overwritten.

    Args:
        key_path: Where the key goes, PKCS #8 with mode 0600; keep it.
        request_path: Where the request goes; send it to the authority.
        subject: Who asks.
        algorithm: One of :data:`provenance.credentials.keys.algorithms.ALGORITHMS`.
        usages: Names of :data:`USAGES`.
        passphrase: Encrypts the key; None leaves it readable to whoever gets the file.

    Raises:
        UserError: A file exists, or an argument is not allowed.
        CredentialError: A file cannot be written; then neither is left behind.
    """
    identifiers = [_usage(name) for name in usages]
    if not identifiers:
        raise UserError(f"Name what the key is for: one or more of {', '.join(USAGES)}.")
    if passphrase is not None and len(passphrase) < _LEAST_PASSPHRASE:
        raise UserError(f"The passphrase is shorter than {_LEAST_PASSPHRASE} characters.")
    if request_path.exists() or request_path.resolve() == key_path.resolve():
        raise UserError(f"{request_path} exists or is the key itself. Choose another name.")
    key = algorithms.make_key(algorithm)
    request = _request(key, subject, identifiers)
    write_new(key_path, algorithms.key_pem(key, passphrase), mode=0o600)
    try:
        write_new(request_path, request.public_bytes(serialization.Encoding.PEM), mode=0o644)
    except BaseException:
        key_path.unlink(missing_ok=True)  # nobody has used it
        raise


def _is_name(text: str) -> bool:
    return len(text.strip()) > 0 and len(text) <= _MOST_CHARACTERS and text.isprintable()


def _usage(name: str) -> x509.ObjectIdentifier:
    if name not in USAGES:
        raise UserError(f"No usage is called {name!r}.{did_you_mean(name, list(USAGES))}")
    return USAGES[name]


def _request(
    key: algorithms.PrivateKey, subject: Subject, usages: list[x509.ObjectIdentifier]
) -> x509.CertificateSigningRequest:
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject.name())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(signs_certificates=False, is_binding=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, algorithms.certificate_hash(key))
    )
