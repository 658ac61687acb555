"""A signing key in a PEM file, with or without a passphrase.

Takes PKCS #8, PKCS #1 and SEC 1, as ``openssl`` and certificate authorities give them out.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from provenance.credentials.keys.algorithms import PrivateKey, algorithm_of, key_problem
from provenance.credentials.keys.files import read_private
from provenance.credentials.signing.chains import read_chain, read_file
from provenance.credentials.signing.signatures import check_algorithm, sign_with
from provenance.errors import CredentialError

PASSPHRASE_VARIABLE = "PROVENANCE_PASSPHRASE"  # noqa: S105 - a name, no secret
_KEY_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


class SecretMissingError(CredentialError):
    """A passphrase or PIN is needed, and the environment variable that should hold it is not set.

    A command may ask the user, set the variable, and try again.

    Attributes:
        variable: Name of the environment variable.
        what: What it should hold, for the question: ``passphrase of key.pem``.
    """

    def __init__(self, variable: str, what: str) -> None:
        super().__init__(
            f"The {what} is needed. Put it into the environment variable {variable}; it is never"
            " taken from the command line or from a settings file."
        )
        self.variable = variable
        self.what = what


@dataclass(frozen=True, slots=True)
class PemKey:
    """A private key in memory and its certificates: a :class:`provenance.SigningKey`.

    Attributes:
        key: On an elliptic curve, RSA or Ed25519. Never shown and never pickled.
        algorithm: What it signs with.
        certificates_pem: The key's own certificate and those above it, in this order.
    """

    key: PrivateKey
    algorithm: str
    certificates_pem: bytes

    def __repr__(self) -> str:
        return f"PemKey({self.algorithm})"

    def __reduce__(self) -> str:
        raise TypeError("A key is not pickled. Pickle the Signer, which only says where it lies.")

    def sign(self, data: bytes) -> bytes:
        """Return the signature of ``data``; ECDSA as DER."""
        return sign_with(self.key, self.algorithm, data)


def read_pem_key(
    key: Path,
    certificates: Path | None = None,
    *,
    algorithm: str | None = None,
    passphrase_variable: str = PASSPHRASE_VARIABLE,
) -> PemKey:
    """Read a key and its certificates, and check that verifiers will take what they sign.

    Args:
        key: Private PEM file; nobody but its owner may have any right on it.
        certificates: PEM file with the signer's certificate and those above it; None where they
            lie in the key's file.
        algorithm: ``ps384`` or ``ps512`` for an RSA key; None takes the key's own.
        passphrase_variable: Environment variable with the passphrase of an encrypted key.

    Raises:
        SecretMissingError: The key is encrypted, and the variable is not set.
        CredentialError: A file is missing, damaged or open to others, the passphrase is wrong, or
            the key and the certificates do not go together or are not for signing media.
    """
    pem = read_private(key)
    private = _private_key(pem, key, passphrase_variable)
    where, chain_pem = (
        (key, pem) if certificates is None else (certificates, read_file(certificates))
    )
    if _CERTIFICATE not in chain_pem and certificates is None:
        raise CredentialError(
            f"{key} holds no certificate. Append the signer's certificate and those above it, or"
            " name the file that has them (setting: certificates)."
        )
    chain = read_chain(chain_pem, str(where))
    chain.check()
    if chain.key != private.public_key():
        raise CredentialError(
            f"The key in {key} does not belong to the first certificate in {where}. Put the"
            " signer's own certificate first, or use its key."
        )
    chosen = check_algorithm(algorithm or algorithm_of(private), private)
    return PemKey(private, chosen, chain.pem)


def _private_key(pem: bytes, path: Path, variable: str) -> PrivateKey:
    blocks = [match.group(0) for match in _KEY_BLOCK.finditer(pem)]
    if len(blocks) != 1:
        found = "no private key" if not blocks else "more than one private key"
        raise CredentialError(f"{path} holds {found}. It should be a PEM file with one.")
    try:
        key = serialization.load_pem_private_key(blocks[0], _passphrase(blocks[0], path, variable))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        cause = f"wrong passphrase in {variable}, or the" if b"ENCRYPTED" in blocks[0] else "the"
        raise CredentialError(
            f"The key in {path} cannot be read: {cause} file is damaged or of an unknown form."
        ) from error
    problem = key_problem(key)
    if problem or not isinstance(key, PrivateKey):
        raise CredentialError(f"{path} is {problem}, which C2PA does not take.")
    return key


def _passphrase(block: bytes, path: Path, variable: str) -> bytes | None:
    if b"ENCRYPTED" not in block:
        return None
    if not (secret := os.environ.get(variable)):
        raise SecretMissingError(variable, f"passphrase of the key {path.name}")
    return os.fsencode(secret)
