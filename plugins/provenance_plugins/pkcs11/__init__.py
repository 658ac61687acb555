"""Signs with a key in a hardware security module or smart card, through PKCS #11."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from provenance import SignerSpec, UserError, hookimpl

if TYPE_CHECKING:
    from provenance import SigningKey
    from provenance.hookspecs import RegisterSigner

SPEC = SignerSpec(
    name="pkcs11",
    version="1.0",
    summary="A key in a hardware security module or smart card",
    licence="Apache-2.0",
    settings={
        "module": "the maker's PKCS #11 library, a path that ends in .so",
        "token": "label of the token; needed where there are several",
        "slot": "number of the slot, instead of the label",
        "key": "label of the private key",
        "key_id": "id of the private key in hex, instead of the label or beside it",
        "certificates": "PEM file of the signer's certificate and those above it",
        "algorithm": "ps384 or ps512 for an RSA key; default: what the certificate is for",
        "pin_env": "environment variable with the user's PIN; default PROVENANCE_PIN",
    },
    files=("module", "certificates"),
)


@hookimpl
def register_signers(register: "RegisterSigner") -> None:
    """Offer the signer."""
    register(SPEC, _open)


def _open(settings: Mapping[str, str]) -> "SigningKey":
    try:
        from provenance_plugins.pkcs11.key import open_key
    except ModuleNotFoundError as error:
        if error.name != "pkcs11":
            raise
        raise UserError(
            "The signer 'pkcs11' needs the package python-pkcs11."
            " Run: pip install 'provenance-suite[pkcs11]'"
        ) from error
    return open_key(settings)
