"""Signature algorithms of C2PA specification 2.4, 13.2: made, checked, put into COSE's form.

COSE wants ECDSA signatures as ``r`` and ``s`` side by side, each as long as the curve's order
(RFC 9053, 2.1); most libraries and key services give them as DER. Either is taken here.
"""

from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from provenance.credentials.keys.algorithms import PrivateKey, algorithm_of
from provenance.errors import CredentialError, did_you_mean

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

_SHA256, _SHA384, _SHA512 = hashes.SHA256(), hashes.SHA384(), hashes.SHA512()
_HASHES: dict[str, hashes.SHA256 | hashes.SHA384 | hashes.SHA512] = {
    "es256": _SHA256,
    "es384": _SHA384,
    "es512": _SHA512,
    "ps256": _SHA256,
    "ps384": _SHA384,
    "ps512": _SHA512,
}
ALGORITHMS = (*_HASHES, "ed25519")
"""Names of all signature algorithms that a credential can have."""
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Checker:
    """Checks signatures of one key.

    Attributes:
        key: The public key, of the signer's certificate.
        algorithm: One of :data:`ALGORITHMS`, and one of this kind of key.
    """

    key: PublicKey
    algorithm: str

    def checked(self, signature: object, data: bytes) -> bytes:
        """Return a signature of ``data`` in COSE's form, after checking it.

        Args:
            signature: Bytes; with ECDSA either DER or ``r`` and ``s`` side by side. Not trusted.
            data: What was signed.

        Raises:
            CredentialError: It is no bytes, or not this key's signature of ``data``.
        """
        if not isinstance(signature, bytes):
            raise CredentialError(
                f"a signature must be bytes, and this is of type {type(signature).__name__}"
            )
        for candidate in self._forms(signature):
            if self._is_good(candidate, data):
                return candidate
        raise CredentialError(
            f"the signature ({len(signature)} bytes) is not one of the certificate's key by"
            f" {self.algorithm}. Either the key belongs to another certificate, or it signs with"
            " another algorithm"
        )

    def _forms(self, signature: bytes) -> tuple[bytes, ...]:
        """Return what the signature may mean, in COSE's form."""
        if not isinstance(self.key, ec.EllipticCurvePublicKey):
            return (signature,)
        size = (self.key.curve.key_size + 7) // 8
        raw = (signature,) if len(signature) == 2 * size else ()
        try:
            return (*raw, _side_by_side(signature, size))
        except (ValueError, OverflowError):
            return raw

    def _is_good(self, signature: bytes, data: bytes) -> bool:
        try:
            self._verify(signature, data)
        except InvalidSignature:
            return False
        return True

    def _verify(self, signature: bytes, data: bytes) -> None:
        if isinstance(self.key, ed25519.Ed25519PublicKey):
            self.key.verify(signature, data)
            return
        digest = _HASHES[self.algorithm]
        if isinstance(self.key, rsa.RSAPublicKey):
            self.key.verify(signature, data, _pss(digest), digest)
            return
        half = len(signature) // 2
        r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
        self.key.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(digest))


def check_algorithm(algorithm: str, key: object) -> str:
    """Return ``algorithm``, after checking that it exists and is one of this kind of key.

    Args:
        algorithm: What somebody wrote.
        key: Private or public.

    Raises:
        CredentialError: There is no such algorithm, or it is another kind of key's.
    """
    if algorithm not in ALGORITHMS:
        shown = ascii(algorithm[:_SHOWN_CHARACTERS])
        known = did_you_mean(algorithm, list(ALGORITHMS))
        raise CredentialError(f"No signature algorithm is called {shown}.{known}")
    own = algorithm_of(key)
    if algorithm != own and not (own == "ps256" and algorithm.startswith("ps")):
        fitting = "ps256, ps384 or ps512" if own == "ps256" else own
        raise CredentialError(f"The key signs with {fitting}, not with {algorithm}.")
    return algorithm


def sign_with(key: PrivateKey, algorithm: str, data: bytes) -> bytes:
    """Return the signature of ``data``; ECDSA as DER.

    Args:
        key: Of the kind that the algorithm is for.
        algorithm: One of :data:`ALGORITHMS`.
        data: Whole; hashed here.
    """
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    digest = _HASHES[algorithm]
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, _pss(digest), digest)
    return key.sign(data, ec.ECDSA(digest))


def sign_for_cose(key: PrivateKey, algorithm: str, data: bytes) -> bytes:
    """Return the signature of ``data`` in COSE's form; arguments as :func:`sign_with`."""
    signature = sign_with(key, algorithm, data)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return signature
    return _side_by_side(signature, (key.curve.key_size + 7) // 8)


def _side_by_side(signature: bytes, size: int) -> bytes:
    """Return an ECDSA signature in DER as ``r`` and ``s``, of ``size`` bytes each.

    Raises:
        ValueError: It is no DER.
        OverflowError: A number is longer.
    """
    r, s = utils.decode_dss_signature(signature)
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def _pss(digest: hashes.SHA256 | hashes.SHA384 | hashes.SHA512) -> padding.PSS:
    """Salt as long as the hash, mask of the same hash: RFC 8230, 2."""
    return padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
