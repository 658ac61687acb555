"""A key behind a command: data to its standard input, the signature from its standard output."""

import json
import math
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provenance import UserError
from provenance.credentials import SigningCertificates, read_signing_certificates
from provenance_plugins.command.process import run

TIMEOUT_S = 30.0
MAX_SIGNATURE_BYTES = 2048  # RSA of 16,384 bits, the longest that C2PA takes
_MAX_TIMEOUT_S = 3600.0


@dataclass(frozen=True, slots=True)
class CommandKey:
    """A command that signs: a :class:`provenance.SigningKey`. Each signature is a process.

    Attributes:
        command: Program and arguments; no shell is involved.
        certificates: Of the key that the command signs with.
        timeout_s: After so long the command and its children are killed.
    """

    command: tuple[str, ...]
    certificates: SigningCertificates
    timeout_s: float = TIMEOUT_S

    @property
    def algorithm(self) -> str:
        """What the certificate is for, or what was asked for."""
        return self.certificates.algorithm

    @property
    def certificates_pem(self) -> bytes:
        """The signer's certificate and those above it."""
        return self.certificates.pem

    def sign(self, data: bytes) -> bytes:
        """Return what the command writes; whoever signs checks it against the certificate.

        Raises:
            UserError: The command cannot be started, takes too long, fails, writes nothing or too
                much. The message has the end of what it wrote on standard error, escaped.
        """
        name = self.command[0]
        try:
            done = run(self.command, data, timeout_s=self.timeout_s, max_bytes=MAX_SIGNATURE_BYTES)
        except TimeoutError as error:
            raise UserError(
                f"The command {name!a} took more than {self.timeout_s:g} s and was stopped. Give it"
                " more time with the setting timeout_s."
            ) from error
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"The command {name!a} cannot be started: {reason}.") from error
        if done.is_too_long:
            raise UserError(
                f"The command {name!a} wrote more than a signature to stdout. It must write the"
                " signature's bytes alone: no text, no base64, no line."
            )
        if done.exit_code != 0:
            fact = f"failed with exit code {done.exit_code}"
            raise UserError(f"The command {name!a} {fact}.{_said(done.message)}")
        if not done.output:
            raise UserError(
                f"The command {name!a} wrote no signature to stdout.{_said(done.message)}"
            )
        return done.output


def open_key(settings: Mapping[str, str]) -> CommandKey:
    """Return the key that the settings name.

    Raises:
        UserError: A setting is missing or wrong, or there is no such program.
        CredentialError: The certificates cannot be used.
    """
    if not settings.get("certificates"):
        raise UserError("The signer 'command' needs the setting 'certificates': a PEM file.")
    command = _command(settings.get("command", ""))
    certificates = read_signing_certificates(
        Path(settings["certificates"]), algorithm=settings.get("algorithm") or None
    )
    return CommandKey(command, certificates, _timeout_s(settings.get("timeout_s")))


def _command(text: str) -> tuple[str, ...]:
    try:
        parts = json.loads(text) if text.lstrip().startswith("[") else shlex.split(text)
    except ValueError as error:
        raise UserError(f"The setting 'command' cannot be read: {error}.") from error
    if not parts or not all(isinstance(part, str) and "\0" not in part for part in parts):
        raise UserError(
            "The signer 'command' needs the setting 'command': a program and its arguments, such as"
            ' ["/opt/kms-sign", "--key", "7"].'
        )
    program = shutil.which(parts[0])
    if program is None:
        raise UserError(f"There is no program {parts[0]!a} that could be run (setting: command).")
    return (str(Path(program).absolute()), *parts[1:])


def _timeout_s(text: str | None) -> float:
    try:
        value = float(text) if text else TIMEOUT_S
    except ValueError:
        value = math.nan
    if not 0 < value <= _MAX_TIMEOUT_S:
        raise UserError(f"timeout_s {text!a} is no time in seconds, 0 to {_MAX_TIMEOUT_S:g}.")
    return value


def _said(message: bytes) -> str:
    """Return the end of a message for people, in one line without control characters."""
    text = " ".join(message.decode(errors="replace").split())
    return f" It said: {text!a}" if text else ""
