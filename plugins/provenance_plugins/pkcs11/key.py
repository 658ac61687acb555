"""A private key that never leaves its token."""

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pkcs11
from pkcs11.exceptions import MultipleObjectsReturned, NoSuchKey, PKCS11Error

from provenance import UserError
from provenance.credentials import SigningCertificates, read_signing_certificates
from provenance_plugins.pkcs11.token import Module, TokenChoice, describe, module

PIN_VARIABLE = "PROVENANCE_PIN"
_PSS: dict[str, tuple[pkcs11.Mechanism, pkcs11.Mechanism, pkcs11.MGF, int]] = {
    "ps256": (
        pkcs11.Mechanism.SHA256_RSA_PKCS_PSS,
        pkcs11.Mechanism.SHA256,
        pkcs11.MGF.SHA256,
        32,
    ),
    "ps384": (
        pkcs11.Mechanism.SHA384_RSA_PKCS_PSS,
        pkcs11.Mechanism.SHA384,
        pkcs11.MGF.SHA384,
        48,
    ),
    "ps512": (
        pkcs11.Mechanism.SHA512_RSA_PKCS_PSS,
        pkcs11.Mechanism.SHA512,
        pkcs11.MGF.SHA512,
        64,
    ),
}
"""Mechanism, hash, mask and length of the salt in bytes."""
_ECDSA = {"es256": hashlib.sha256, "es384": hashlib.sha384, "es512": hashlib.sha512}
_LOG = logging.getLogger(__name__)


class TokenKey:
    """A private key on a token: a :class:`provenance.SigningKey`.

    Args:
        library: The module, of this process.
        choice: Which token.
        template: Attributes that single out the key.
        certificates: Of the key.

    Raises:
        UserError: There is no such token or key, or the PIN is wrong.
    """

    def __init__(
        self,
        library: Module,
        choice: TokenChoice,
        template: Mapping[str, Any],
        certificates: SigningCertificates,
    ) -> None:
        self.algorithm = certificates.algorithm
        self.certificates_pem = certificates.pem
        self._module = library
        self._choice = choice
        self._template = dict(template)
        with self._module.lock:
            self._session, self._key = self._open()

    def sign(self, data: bytes) -> bytes:
        """Return the signature; a session that broke, as when a device slept, is opened anew."""
        with self._module.lock:
            try:
                return self._sign(data)
            except PKCS11Error as error:
                _LOG.debug("The session with the token broke: %s", describe(error))
            try:
                self._module.close(self._session)
                self._session, self._key = self._open()
                return self._sign(data)
            except PKCS11Error as error:
                raise UserError(
                    f"The token did not sign ({describe(error)}). Check that it is plugged in, and"
                    f" that the key may sign with {self.algorithm}."
                ) from error

    def _open(self) -> tuple[pkcs11.Session, Any]:
        session = self._module.session(self._choice)
        try:
            return session, session.get_key(
                object_class=pkcs11.ObjectClass.PRIVATE_KEY, **self._template
            )
        except NoSuchKey as error:
            raise UserError(f"The token holds no private key {self._named()}.") from error
        except MultipleObjectsReturned as error:
            raise UserError(
                f"The token holds several private keys {self._named()}. Give the setting key_id."
            ) from error

    def _sign(self, data: bytes) -> bytes:
        if self.algorithm in _ECDSA:  # most devices hash nothing for elliptic curves
            digest = _ECDSA[self.algorithm](data).digest()
            return bytes(self._key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA))
        if self.algorithm in _PSS:
            mechanism, *parameters = _PSS[self.algorithm]
            signature = self._key.sign(data, mechanism=mechanism, mechanism_param=tuple(parameters))
            return bytes(signature)
        return bytes(self._key.sign(data, mechanism=pkcs11.Mechanism.EDDSA))

    def _named(self) -> str:
        words = {"label": "with the label {!a}", "id": "with the id {}"}
        shown = {"label": self._template.get("label"), "id": self._template.get("id", b"").hex()}
        return " and ".join(words[name].format(shown[name]) for name in self._template)


def open_key(settings: Mapping[str, str]) -> TokenKey:
    """Return the key that the settings name.

    Raises:
        UserError: A setting is missing or wrong, there is no such token or key, or its PIN
            is wrong.
        SecretMissingError: The PIN is not in the environment.
        CredentialError: The certificates cannot be used.
    """
    for name in ("module", "certificates"):
        if not settings.get(name):
            raise UserError(f"The signer 'pkcs11' needs the setting {name!r}: the path of a file.")
    choice = TokenChoice(
        module=settings["module"],
        label=settings.get("token") or None,
        slot=_number(settings.get("slot")),
        pin_variable=settings.get("pin_env") or PIN_VARIABLE,
    )
    template = _template(settings.get("key"), settings.get("key_id"))
    certificates = read_signing_certificates(
        Path(settings["certificates"]), algorithm=settings.get("algorithm") or None
    )
    return TokenKey(module(choice.module), choice, template, certificates)


def _template(label: str | None, key_id: str | None) -> dict[str, Any]:
    if not label and not key_id:
        raise UserError("The signer 'pkcs11' needs the setting 'key' (a label) or 'key_id' (hex).")
    template: dict[str, Any] = {"label": label} if label else {}
    try:
        return template | ({"id": bytes.fromhex(key_id)} if key_id else {})
    except ValueError as error:
        raise UserError(f"key_id {key_id!a} is not hexadecimal, such as 01 or a1b2.") from error


def _number(slot: str | None) -> int | None:
    if not slot:
        return None
    if not (slot.isascii() and slot.isdigit()):
        raise UserError(f"slot {slot!a} is no number. List slots with the maker's tool.")
    return int(slot)
