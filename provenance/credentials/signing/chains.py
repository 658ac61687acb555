"""Certificate chains of signers, checked before anything is signed with them.

The profile is that of C2PA specification 2.4, 14.5.1 as the pinned library enforces it. The library
says only "the certificate is invalid", or signs what no verifier will trust; here each fault has a
name and a remedy.
"""

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from provenance.credentials.keys.algorithms import algorithm_of, key_problem
from provenance.credentials.keys.certificates import certificates_pem
from provenance.credentials.keys.parsing import (
    extended_usages,
    extension_of,
    is_authority,
    parse_all,
)
from provenance.credentials.keys.usages import (
    ANYTHING,
    OCSP_SIGNING,
    SIGNING_MEDIA,
    TIME_STAMPING,
)
from provenance.credentials.signing.signatures import PublicKey, check_algorithm
from provenance.errors import CredentialError

# each of these may stand only alone (specification 14.5.1.1), and alone it is no signer's
_FORBIDDEN = {
    ANYTHING: "anything",
    TIME_STAMPING: "time-stamping",
    OCSP_SIGNING: "OCSP",
}
_P521 = "secp521r1"
_MOST_CERTIFICATES = 8
_MOST_NAME_CHARACTERS = 120
_ANOTHER = "Ask your certificate authority for one for signing media (provenance keys request)."


@dataclass(frozen=True, slots=True)
class Chain:
    """The certificates that go into each signature.

    Attributes:
        certificates: The signer's own first, each signed by the next.
        where: What they come from, for messages.
    """

    certificates: tuple[x509.Certificate, ...]
    where: str

    @property
    def leaf(self) -> x509.Certificate:
        """The signer's own certificate."""
        return self.certificates[0]

    @property
    def key(self) -> PublicKey:
        """The public key of the leaf.

        Raises:
            CredentialError: C2PA does not take such keys.
        """
        key = self.leaf.public_key()
        problem = key_problem(key)
        if problem or not isinstance(key, PublicKey):
            raise self._error(
                f"the certificate is of {problem}, which C2PA does not take", _ANOTHER
            )
        return key

    @property
    def pem(self) -> bytes:
        """The certificates and nothing else, as one PEM text."""
        return certificates_pem(*self.certificates)

    def check(self) -> None:
        """Check all that can be known before signing.

        Raises:
            CredentialError: Verifiers would refuse what is signed with these certificates.
        """
        if len(self.certificates) > _MOST_CERTIFICATES:
            raise self._error(f"more than {_MOST_CERTIFICATES} certificates", "Leave the rest out.")
        try:
            self._check_order()
            self._check_leaf()
        except (ValueError, UnsupportedAlgorithm) as error:  # of a key: parsed when looked at
            raise self._error(f"a certificate cannot be read ({error})", _ANOTHER) from error
        self.check_time()

    def check_time(self) -> None:
        """Check that all certificates are valid now; cheap enough for each signature.

        Raises:
            CredentialError: One has expired, or is not valid yet.
        """
        now = _now()
        for one in self.certificates:
            self._check_time(one, now)

    def _check_order(self) -> None:
        if is_authority(self.leaf):
            raise self._error(
                f"the first certificate ({_name(self.leaf)}) is an authority's",
                "Put the signer's own first, then the one that signed it, and so on.",
            )
        for below, above in zip(self.certificates, self.certificates[1:], strict=False):
            try:
                below.verify_directly_issued_by(above)
            except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
                raise self._error(
                    f"{_name(below)} is not signed by the next, {_name(above)}",
                    "Put the signer's own first, then the one that signed it, and so on.",
                ) from error
            self._check_hash(below, above)

    def _check_hash(self, below: x509.Certificate, above: x509.Certificate) -> None:
        key = above.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != _P521:
            return
        if not isinstance(below.signature_hash_algorithm, hashes.SHA512):
            raise self._error(
                f"{_name(below)} is signed by a P-521 key with another hash than SHA-512, which"
                " verifiers do not trust",
                "Have it signed anew with SHA-512.",
            )

    def _check_leaf(self) -> None:
        if self.leaf.version is not x509.Version.v3:
            raise self._error("the certificate is not of version 3", _ANOTHER)
        usage = extension_of(self.leaf, x509.KeyUsage)
        if usage is None or not usage.digital_signature or usage.key_cert_sign:
            raise self._error("its key usage is not for digital signatures", _ANOTHER)
        if extension_of(self.leaf, x509.AuthorityKeyIdentifier) is None:
            raise self._error("it does not name its authority's key", _ANOTHER)
        self._check_usages()
        _ = self.key

    def _check_usages(self) -> None:
        usages = set(extended_usages(self.leaf) or ())
        for usage in sorted(usages & set(_FORBIDDEN)):
            raise self._error(f"it may be used for {_FORBIDDEN[usage]}", _ANOTHER)
        if not usages & set(SIGNING_MEDIA):
            raise self._error(
                "its extended key usage is none of e-mail protection, document signing and C2PA"
                f" claim signing, but {', '.join(sorted(usages)) or 'none'}",
                _ANOTHER,
            )

    def _check_time(self, one: x509.Certificate, now: datetime.datetime) -> None:
        if now >= one.not_valid_after_utc:
            ended = f"{one.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
            raise self._error(f"{_name(one)} expired on {ended}", "Get a new one.")
        if now < one.not_valid_before_utc:
            begins = f"{one.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
            raise self._error(f"{_name(one)} is valid only from {begins}", "Check the clock.")

    def _error(self, fact: str, remedy: str) -> CredentialError:
        return CredentialError(f"{self.where}: {fact}. {remedy}")


def read_chain(pem: bytes, where: str) -> Chain:
    """Return the certificates of a PEM text, not checked yet; anything else in it is ignored.

    Args:
        pem: With at least one certificate.
        where: What it comes from, for messages.

    Raises:
        CredentialError: There is no certificate, or one is damaged.
    """
    try:
        certificates = parse_all(pem)
    except ValueError as error:
        raise CredentialError(
            f"{where}: no certificates in PEM could be read ({error}). It should hold the signer's"
            " certificate and those above it. From other forms: openssl x509 -inform DER, or"
            " openssl pkcs7 -print_certs."
        ) from error
    return Chain(tuple(certificates), where)


@dataclass(frozen=True, slots=True)
class SigningCertificates:
    """The certificates of a key that lies elsewhere, checked, and what the key signs with.

    Attributes:
        pem: The signer's own first.
        algorithm: One of ``es256 es384 es512 ps256 ps384 ps512 ed25519``.
    """

    pem: bytes
    algorithm: str


def read_signing_certificates(path: Path, *, algorithm: str | None = None) -> SigningCertificates:
    """Read and check the certificates of a signer; for plugins whose key is not in a file.

    Args:
        path: PEM file with the signer's certificate and those above it.
        algorithm: For an RSA key ``ps384`` or ``ps512``; None takes what the certificate is for.

    Raises:
        CredentialError: The file cannot be read, or the certificates are not for signing media.
    """
    chain = read_chain(read_file(path), str(path))
    chain.check()
    chosen = check_algorithm(algorithm or algorithm_of(chain.key), chain.key)
    return SigningCertificates(chain.pem, chosen)


def read_file(path: Path) -> bytes:
    """Return the content of a file of certificates.

    Raises:
        CredentialError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise CredentialError(f"Cannot read the certificates {path}: {reason}.") from error


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _name(one: x509.Certificate) -> str:
    """Return the subject in a form that is safe to print."""
    return ascii(one.subject.rfc4514_string()[:_MOST_NAME_CHARACTERS])
