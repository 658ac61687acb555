"""X.509 certificates of the development CA: a root, an optional intermediate, and signers' leaves.

The profile is that of C2PA specification 2.4, 14.5.1 as the pinned library enforces it: version 3,
digitalSignature, not a CA, an authority key identifier, an extended key usage of its list.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from provenance.credentials.keys import algorithms
from provenance.credentials.keys.algorithms import DEFAULT, PrivateKey
from provenance.errors import CredentialError

ORGANISATION = "provenance Development CA - not for production"
ROOT_DAYS = 20 * 365
INTERMEDIATE_DAYS = 5 * 365
LEAF_DAYS = 364
RENEW_DAYS = 182  # so that whatever is signed verifies for half a year at least
_CLOCK_SKEW = datetime.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key and its certificate.

    Attributes:
        key: On an elliptic curve, RSA or Ed25519.
        certificate: Of that key.
    """

    key: PrivateKey
    certificate: x509.Certificate

    @property
    def algorithm(self) -> str:
        """What the key signs with: ``es256``, ``es384``, ``es512``, ``ps256``, ``ed25519``."""
        return algorithms.algorithm_of(self.key)

    def to_pem(self, *chain: x509.Certificate) -> bytes:
        """Return key, certificate and ``chain`` as one PEM text; keep it private."""
        return self.key_pem() + certificates_pem(self.certificate, *chain)

    def key_pem(self) -> bytes:
        """Return the private key as unencrypted PKCS #8."""
        return algorithms.key_pem(self.key)


def certificates_pem(*certificates: x509.Certificate) -> bytes:
    """Return the certificates as one PEM text, in the given order."""
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)


def parse_pair(pem: bytes) -> KeyPair:
    """Read what :meth:`KeyPair.to_pem` wrote; certificates after the first are ignored.

    Raises:
        CredentialError: Something is missing or damaged, the key is of a kind that C2PA does not
            take, or it is not the certificate's.
    """
    try:
        key = serialization.load_pem_private_key(pem, password=None)
        certificate = x509.load_pem_x509_certificates(pem)[0]
        is_its_own = key.public_key() == certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CredentialError(f"not a key with its certificate: {error}") from error
    problem = algorithms.key_problem(key)
    if problem or not isinstance(key, PrivateKey):
        raise CredentialError(f"{problem}, which C2PA does not take")
    if not is_its_own:
        raise CredentialError("the key does not belong to the certificate")
    return KeyPair(key, certificate)


def make_root(algorithm: str = DEFAULT) -> KeyPair:
    """Make a self-signed root whose name says what it is; valid for 20 years.

    Args:
        algorithm: One of :data:`provenance.credentials.keys.algorithms.ALGORITHMS`.
    """
    key = algorithms.make_key(algorithm)
    name = _authority_name(key, "CA")
    builder = _authority(name, name, key, days=ROOT_DAYS, path_length=1)
    return KeyPair(key, builder.sign(key, algorithms.certificate_hash(key)))


def make_intermediate(root: KeyPair, algorithm: str = DEFAULT) -> KeyPair:
    """Make an authority below ``root``, so that the root's key can be kept elsewhere.

    Valid for five years, and no longer than the root.

    Raises:
        CredentialError: The root may not have an authority below it.
    """
    if not may_have_intermediate(root.certificate):
        raise CredentialError("The root may not have an authority below it. Make a new root.")
    key = algorithms.make_key(algorithm)
    name = _authority_name(key, "issuing CA")
    left = (root.certificate.not_valid_after_utc - _now()).days
    days = min(INTERMEDIATE_DAYS, left)
    builder = _authority(name, root.certificate.subject, key, days=days, path_length=0)
    builder = builder.add_extension(_issuer_identifier(root), critical=False)
    return KeyPair(key, builder.sign(root.key, algorithms.certificate_hash(root.key)))


def make_leaf(
    issuer: KeyPair,
    algorithm: str = DEFAULT,
    *,
    usages: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.EMAIL_PROTECTION,),
) -> KeyPair:
    """Make a certificate for signing media; valid for at most a year.

    Args:
        issuer: Root or intermediate.
        algorithm: One of :data:`provenance.credentials.keys.algorithms.ALGORITHMS`.
        usages: Extended key usages; emailProtection is the one that verifiers accept without any
            setting.
    """
    key = algorithms.make_key(algorithm)
    name = _name("provenance development signer (not for production)")
    builder = (
        _builder(name, issuer.certificate.subject, key, days=LEAF_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(_issuer_identifier(issuer), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return KeyPair(key, builder.sign(issuer.key, algorithms.certificate_hash(issuer.key)))


def is_fresh(certificate: x509.Certificate, *, days_left: int = RENEW_DAYS) -> bool:
    """Whether the certificate is valid now and will be for ``days_left`` days more."""
    now = _now()
    ends = certificate.not_valid_after_utc - datetime.timedelta(days=days_left)
    return certificate.not_valid_before_utc <= now < ends


def may_have_intermediate(root: x509.Certificate) -> bool:
    """Whether authorities below ``root`` are accepted; roots of earlier versions say no."""
    constraints = root.extensions.get_extension_for_class(x509.BasicConstraints).value
    return constraints.path_length is None or constraints.path_length > 0


def key_usage(*, signs_certificates: bool, is_binding: bool = False) -> x509.KeyUsage:
    """Return the key usage of an authority, or of a signer of media.

    Args:
        signs_certificates: Of an authority.
        is_binding: Add contentCommitment (non-repudiation), which the C2PA programme asks of
            signers.
    """
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=is_binding,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _authority_name(key: PrivateKey, kind: str) -> x509.Name:
    """Name an authority; part of the key in it tells those of two machines apart in listings."""
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    part = identifier.digest.hex()[:8]
    return _name(f"provenance Development {kind} {part} (not for production)")


def _authority(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, *, days: int, path_length: int
) -> x509.CertificateBuilder:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        _builder(subject, issuer, key, days=days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(key_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
    )


def _issuer_identifier(issuer: KeyPair) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, *, days: int
) -> x509.CertificateBuilder:
    now = _now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + datetime.timedelta(days=days))
    )
