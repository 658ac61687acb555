"""X.509 certificates of the development CA: a root that signs leaves, leaves that sign media.

The profile is that of C2PA specification 2.4, 14.5.1 as the pinned library enforces it: version 3,
digitalSignature, not a CA, an authority key identifier, an extended key usage of its list.
"""

import datetime
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from provenance.errors import CredentialError

ORGANISATION = "provenance Development CA - not for production"
ROOT_DAYS = 20 * 365
LEAF_DAYS = 364
RENEW_DAYS = 182  # so that whatever is signed verifies for half a year at least
_CLOCK_SKEW = datetime.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key and its certificate.

    Attributes:
        key: On curve P-256, for ES256.
        certificate: Of that key.
    """

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def to_pem(self, *chain: x509.Certificate) -> bytes:
        """Return key, certificate and ``chain`` as one PEM text; keep it private."""
        return self.key_pem() + certificates_pem(self.certificate, *chain)

    def key_pem(self) -> bytes:
        """Return the private key as unencrypted PKCS #8."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def certificates_pem(*certificates: x509.Certificate) -> bytes:
    """Return the certificates as one PEM text, in the given order."""
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)


def parse_pair(pem: bytes) -> KeyPair:
    """Read what :meth:`KeyPair.to_pem` wrote; certificates after the first are ignored.

    Raises:
        CredentialError: Something is missing or damaged, or the key is not the certificate's.
    """
    try:
        key = serialization.load_pem_private_key(pem, password=None)
        certificate = x509.load_pem_x509_certificates(pem)[0]
    except (ValueError, TypeError) as error:
        raise CredentialError(f"not a key with its certificate: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CredentialError("not a key on an elliptic curve")
    if key.public_key() != certificate.public_key():
        raise CredentialError("the key does not belong to the certificate")
    return KeyPair(key, certificate)


def make_root() -> KeyPair:
    """Make a self-signed root whose name says what it is; valid for 20 years."""
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    # part of the key in the name: roots of two machines are told apart in listings
    name = _name(f"provenance Development CA {identifier.digest.hex()[:8]} (not for production)")
    builder = (
        _builder(name, name, key.public_key(), days=ROOT_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
    )
    return KeyPair(key, builder.sign(key, hashes.SHA256()))


def make_leaf(root: KeyPair) -> KeyPair:
    """Make a certificate for signing media; valid for at most a year.

    Extended key usage is emailProtection: the one that verifiers accept without any setting.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("provenance development signer (not for production)")
    issuer = root.key.public_key()
    builder = (
        _builder(name, root.certificate.subject, key.public_key(), days=LEAF_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return KeyPair(key, builder.sign(root.key, hashes.SHA256()))


def is_fresh(certificate: x509.Certificate, *, days_left: int = RENEW_DAYS) -> bool:
    """Whether the certificate is valid now and will be for ``days_left`` days more."""
    now = _now()
    ends = certificate.not_valid_after_utc - datetime.timedelta(days=days_left)
    return certificate.not_valid_before_utc <= now < ends


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, days: int
) -> x509.CertificateBuilder:
    now = _now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
