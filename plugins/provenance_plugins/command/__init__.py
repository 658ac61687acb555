"""Signs through an external command: the way to a key service that no plugin speaks to."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from provenance import SignerSpec, hookimpl

if TYPE_CHECKING:
    from provenance import SigningKey
    from provenance.hookspecs import RegisterSigner

SPEC = SignerSpec(
    name="command",
    version="1.0",
    summary="An external command, for keys in a key management service",
    licence="Apache-2.0",
    settings={
        "command": "program and arguments, as a JSON list or as a shell would split them",
        "certificates": "PEM file of the signer's certificate and those above it",
        "algorithm": "ps384 or ps512 for an RSA key; default: what the certificate is for",
        "timeout_s": "seconds after which the command is stopped; default 30",
    },
    files=("certificates",),
)


@hookimpl
def register_signers(register: "RegisterSigner") -> None:
    """Offer the signer."""
    register(SPEC, _open)


def _open(settings: Mapping[str, str]) -> "SigningKey":
    from provenance_plugins.command.key import open_key

    return open_key(settings)
