"""Signs with a key in a PEM file."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from provenance import SignerSpec, hookimpl

if TYPE_CHECKING:
    from provenance import SigningKey
    from provenance.hookspecs import RegisterSigner

SPEC = SignerSpec(
    name="pem",
    version="1.0",
    summary="A key in a PEM file, with or without a passphrase",
    licence="Apache-2.0",
    settings={
        "key": "PEM file of the private key, which only its owner may read",
        "certificates": "PEM file of the signer's certificate and those above it; default: key",
        "algorithm": "ps384 or ps512 for an RSA key; default: what the key is for",
        "passphrase_env": "environment variable with the passphrase; default PROVENANCE_PASSPHRASE",
    },
    files=("key", "certificates"),
)


@hookimpl
def register_signers(register: "RegisterSigner") -> None:
    """Offer the signer."""
    register(SPEC, _open)


def _open(settings: Mapping[str, str]) -> "SigningKey":
    from provenance_plugins.pem.key import open_key

    return open_key(settings)
