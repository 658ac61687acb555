"""Signers: places where keys lie, and the keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from provenance.contracts.fitting import API_VERSION


@dataclass(frozen=True, slots=True)
class SignerSpec:
    """A place where a signing key may lie: a file, a hardware module, a key service.

    Attributes:
        name: Lower case, unique among signers; ``development`` is taken.
        version: Of the plugin.
        summary: One line for listings.
        licence: SPDX name of the plugin's code.
        settings: Names of the settings that the factory reads, each with a line of help. None of
            them is a secret: a setting names the environment variable that holds one.
        files: Those settings that are paths. The host makes them absolute, and has the key built
            anew when one of the files changes.
        api_version: The API that the plugin was written for.
    """

    name: str
    version: str
    summary: str
    licence: str
    settings: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    api_version: int = API_VERSION


class SigningKey(Protocol):
    """A key that signs; built once per process by ``factory(settings)``.

    ``settings`` holds what the user gave, under names of :attr:`SignerSpec.settings` and nothing
    else. The factory raises :class:`provenance.UserError` where something is missing or wrong.
    The host checks the certificates and each signature before they are used.
    """

    @property
    def algorithm(self) -> str:
        """One of ``es256 es384 es512 ps256 ps384 ps512 ed25519``."""
        ...

    @property
    def certificates_pem(self) -> bytes:
        """The certificate of the key and those above it, the key's own first."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Return the signature of ``data`` (about a kilobyte, not hashed yet).

        ECDSA as DER, or as ``r`` and ``s`` side by side; RSA with PSS, salt as long as the hash.
        Called from any thread, from several at once. Whatever it raises reaches the user.
        """
        ...
