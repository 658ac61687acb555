"""Keys and certificates for tests of signers: good ones of every algorithm, and faulty ones."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from provenance.credentials.keys.algorithms import certificate_hash
from provenance.credentials.keys.certificates import key_usage

PEM = serialization.Encoding.PEM
FORMS = {
    "pkcs8": serialization.PrivateFormat.PKCS8,
    "traditional": serialization.PrivateFormat.TraditionalOpenSSL,  # PKCS #1 or SEC 1
}
_CURVES = {"es256": ec.SECP256R1, "es384": ec.SECP384R1, "es512": ec.SECP521R1}
_HOUR = datetime.timedelta(hours=1)
_LIFETIME = datetime.timedelta(days=90)  # long enough not to be warned of


def make_key(algorithm: str, *, rsa_bits: int = 2048) -> Any:
    if algorithm in _CURVES:
        return ec.generate_private_key(_CURVES[algorithm]())
    if algorithm.startswith("ps"):
        return rsa.generate_private_key(65537, rsa_bits)
    return ed25519.Ed25519PrivateKey.generate()


@dataclass(frozen=True)
class Authority:
    """A certificate authority in memory."""

    key: Any
    certificate: x509.Certificate

    @classmethod
    def make(
        cls,
        algorithm: str = "es256",
        above: "Authority | None" = None,
        *,
        name: str | x509.Name = "CA",
    ) -> "Authority":
        key = make_key(algorithm)
        return cls(key, certify(key.public_key(), above, key=key, is_authority=True, name=name))

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(PEM)


def certify(
    public_key: Any,
    above: Authority | None,
    *,
    key: Any = None,
    name: str | x509.Name = "Signer",
    is_authority: bool = False,
    begins: datetime.timedelta = -_HOUR,
    ends: datetime.timedelta = _LIFETIME,
    usages: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.EMAIL_PROTECTION,),
    are_usages_critical: bool = False,
    signs_certificates: bool | None = None,
    names_authority: bool = True,
    digest: Any = None,
) -> x509.Certificate:
    """Return a certificate; every argument after ``key`` is there to be wrong."""
    issuer_key = key if above is None else above.key
    subject = _name(name) if isinstance(name, str) else name
    signs = is_authority if signs_certificates is None else signs_certificates
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if above is None else above.certificate.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() + begins)
        .not_valid_after(now() + ends)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(key_usage(signs_certificates=signs), critical=True)
    )
    if names_authority:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        builder = builder.add_extension(identifier, critical=False)
    if usages and not is_authority:
        wanted = x509.ExtendedKeyUsage(list(usages))
        builder = builder.add_extension(wanted, critical=are_usages_critical)
    return builder.sign(issuer_key, digest or certificate_hash(issuer_key))


@dataclass(frozen=True)
class SignerFiles:
    """Where a key, its certificates and the root lie, and the key itself."""

    key: Path
    certificates: Path
    root: Path
    private: Any

    @property
    def settings(self) -> dict[str, str]:
        """Return them as settings of the signer ``pem``."""
        return {"key": str(self.key), "certificates": str(self.certificates)}


def write_signer(
    folder: Path,
    algorithm: str = "es256",
    *,
    form: str = "pkcs8",
    passphrase: bytes | None = None,
    with_intermediate: bool = False,
    **certificate: Any,
) -> SignerFiles:
    """Write a key and a chain under a new root; ``certificate`` goes to :func:`certify`."""
    folder.mkdir(parents=True, exist_ok=True)
    root_algorithm = "es512" if algorithm == "es512" else "es256"
    root = above = Authority.make(root_algorithm)
    if with_intermediate:
        above = Authority.make(root_algorithm, root)
    private = make_key(algorithm)
    leaf = certify(private.public_key(), above, **certificate)
    files = SignerFiles(folder / "key.pem", folder / "chain.pem", folder / "root.pem", private)
    write_key(files.key, private, form=form, passphrase=passphrase)
    chain = leaf.public_bytes(PEM) + (above.pem if with_intermediate else b"")
    files.certificates.write_bytes(chain)
    files.root.write_bytes(root.pem)
    return files


def write_key(
    path: Path, key: Any, *, form: str = "pkcs8", passphrase: bytes | None = None
) -> None:
    secret: Any = serialization.NoEncryption()
    if passphrase is not None:
        secret = serialization.BestAvailableEncryption(passphrase)
    path.write_bytes(key.private_bytes(PEM, FORMS[form], secret))
    path.chmod(0o600)


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
