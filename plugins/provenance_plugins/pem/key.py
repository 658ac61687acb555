"""From settings to the key."""

from collections.abc import Mapping
from pathlib import Path

from provenance import UserError
from provenance.credentials import PASSPHRASE_VARIABLE, PemKey, read_pem_key


def open_key(settings: Mapping[str, str]) -> PemKey:
    """Return the key that the settings name, after checking it with its certificates.

    Raises:
        UserError: The setting ``key`` is missing.
        CredentialError: As :func:`provenance.credentials.read_pem_key`.
    """
    key, certificates = settings.get("key"), settings.get("certificates")
    if not key:
        raise UserError("The signer 'pem' needs the setting 'key': the path of a PEM file.")
    return read_pem_key(
        Path(key),
        Path(certificates) if certificates else None,
        algorithm=settings.get("algorithm") or None,
        passphrase_variable=settings.get("passphrase_env") or PASSPHRASE_VARIABLE,
    )
