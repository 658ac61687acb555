"""The kinds of keys that C2PA takes: how they are called, made, written and told apart.

Specification 2.4, 13.2 names the signature algorithms; 14.5.1 the keys that certificates may hold.
"""

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from provenance.errors import CredentialError, UserError, did_you_mean

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

ALGORITHMS = ("es256", "es384", "ps256", "ed25519")
"""What keys are made for here; 128 bits of security, or 192 for ``es384``."""
DEFAULT = "es256"  # the smallest and fastest that every verifier knows
RSA_BITS = 3072  # 128 bits of security, like the others; C2PA asks for 2048 at least
_LEAST_RSA_BITS, _MOST_RSA_BITS = 2048, 16384  # above, a signature takes a verifier seconds
_RSA_EXPONENT = 65537
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_MADE_CURVES: dict[str, type[ec.EllipticCurve]] = {"es256": ec.SECP256R1, "es384": ec.SECP384R1}


def make_key(algorithm: str) -> PrivateKey:
    """Make a new private key.

    Args:
        algorithm: One of :data:`ALGORITHMS`.

    Raises:
        UserError: The algorithm is not one of them.
    """
    if algorithm not in ALGORITHMS:
        known = did_you_mean(algorithm, list(ALGORITHMS))
        raise UserError(f"No keys are made for {algorithm!r}.{known}")
    if algorithm in _MADE_CURVES:
        return ec.generate_private_key(_MADE_CURVES[algorithm]())
    if algorithm == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(_RSA_EXPONENT, RSA_BITS)


def key_pem(key: PrivateKey, passphrase: bytes | None = None) -> bytes:
    """Return a private key as PKCS #8 in PEM; keep it private.

    Args:
        key: Of any kind.
        passphrase: Encrypts it; None leaves it readable to whoever gets it.
    """
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        encryption = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )


def issuer_algorithm(algorithm: str) -> str:
    """Return the algorithm of certificate authorities above a leaf of ``algorithm``.

    Elliptic curves, whose signatures every verifier of certificates knows, at least as strong.
    """
    return "es384" if algorithm == "es384" else "es256"


def algorithm_of(key: object) -> str:
    """Return the signature algorithm of a private or public key; RSA is called ``ps256``.

    Raises:
        CredentialError: C2PA does not take such keys; the message says what it is.
    """
    problem = key_problem(key)
    if problem:
        raise CredentialError(problem)
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        return _CURVES[key.curve.name]
    return "ps256" if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey) else "ed25519"


def key_problem(key: object) -> str | None:
    """Return why C2PA does not take a private or public key, or None where it does."""
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        return None if key.curve.name in _CURVES else f"a key on the curve {key.curve.name}"
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        fits = _LEAST_RSA_BITS <= key.key_size <= _MOST_RSA_BITS
        return None if fits else f"an RSA key of {key.key_size} bits"
    if isinstance(key, ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey):
        return None
    return f"a key of an unknown kind ({type(key).__name__.lstrip('_')})"


Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512


def certificate_hash(key: PrivateKey) -> Hash | None:
    """Return the hash to sign certificates with: as strong as the key; None for Ed25519.

    A certificate that a P-521 key signed with SHA-256 is not trusted by verifiers.
    """
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    by_algorithm: dict[str, Hash] = {"es384": hashes.SHA384(), "es512": hashes.SHA512()}
    return by_algorithm.get(algorithm_of(key), hashes.SHA256())
