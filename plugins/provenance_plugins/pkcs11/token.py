"""Tokens of a PKCS #11 module: one session each, in every process anew.

PKCS #11 2.40, 6.6.5: a child process may not use what its parent opened. 5.4: a module that is
initialised without locks takes one call at a time. 6.7.4: a login holds for all of a process.
"""

import contextlib
import functools
import os
import threading
from dataclasses import dataclass
from typing import Any

import pkcs11
from pkcs11.exceptions import (
    PinIncorrect,
    PinInvalid,
    PinLenRange,
    PinLocked,
    PKCS11Error,
    UserAlreadyLoggedIn,
)

from provenance import UserError
from provenance.credentials import SecretMissingError

_MOST_SHOWN = 8
_WRONG = (PinIncorrect, PinInvalid, PinLenRange)
_started_in: dict[str, int] = {}  # path of a library to the id of the process that started it


@dataclass(frozen=True, slots=True)
class TokenChoice:
    """Which token of a module.

    Attributes:
        module: Path of the library.
        label: Of the token, or None.
        slot: Number of its slot, or None.
        pin_variable: Environment variable with the PIN.
    """

    module: str
    label: str | None
    slot: int | None
    pin_variable: str


class Module:
    """A PKCS #11 library in this process. Hold ``lock`` around every call."""

    def __init__(self, path: str) -> None:
        self.lock = threading.RLock()
        self._path = path
        self._sessions: dict[int, pkcs11.Session] = {}
        self._refused_pins: set[tuple[int, str]] = set()
        try:
            self._library = _start(path)
        except PKCS11Error as error:
            raise UserError(
                f"{path} cannot be used as a PKCS #11 library ({describe(error)}). Give the path of"
                " the .so file that came with the device (setting: module)."
            ) from error

    def session(self, choice: TokenChoice) -> pkcs11.Session:
        """Return the session of a token, opened with its PIN at first need.

        Raises:
            UserError: There is no such token, or its PIN is wrong.
            SecretMissingError: The PIN is not in the environment.
        """
        token = self._token(choice)
        slot = token.slot.slot_id
        if slot not in self._sessions:
            self._sessions[slot] = self._open(token, slot, choice)
        return self._sessions[slot]

    def close(self, session: pkcs11.Session) -> None:
        """Give a session up, so that the next one is new."""
        self._sessions = {slot: one for slot, one in self._sessions.items() if one is not session}
        with contextlib.suppress(PKCS11Error):  # it may be what is broken
            session.close()

    def _open(self, token: pkcs11.Token, slot: int, choice: TokenChoice) -> pkcs11.Session:
        pin = os.environ.get(choice.pin_variable)
        if not pin:
            raise SecretMissingError(choice.pin_variable, f"PIN of the token {token.label!a}")
        if (slot, pin) in self._refused_pins:
            raise self._wrong_pin(token, choice)
        try:
            return token.open(user_pin=pin)
        except UserAlreadyLoggedIn:  # somebody else in this process did it
            return token.open()
        except PinLocked as error:
            raise UserError(
                f"The token {token.label!a} is locked after too many wrong PINs. Its security"
                " officer can unlock it with the maker's tool."
            ) from error
        except _WRONG as error:
            self._refused_pins.add((slot, pin))
            raise self._wrong_pin(token, choice) from error

    def _wrong_pin(self, token: pkcs11.Token, choice: TokenChoice) -> UserError:
        return UserError(
            f"The PIN in {choice.pin_variable} is not the one of the token {token.label!a}. Correct"
            " it; it is not tried a second time, since tokens lock themselves after a few."
        )

    def _token(self, choice: TokenChoice) -> pkcs11.Token:
        ready = pkcs11.TokenFlag.TOKEN_INITIALIZED  # others are empty slots, so to say
        tokens: list[pkcs11.Token] = list(self._library.get_tokens(token_flags=ready))
        found = [token for token in tokens if _fits(token, choice)]
        if len(found) == 1:
            return found[0]
        there = ", ".join(f"{t.label!a} in slot {t.slot.slot_id}" for t in tokens[:_MOST_SHOWN])
        fact = "no such token" if not found else "more than one token that fits"
        raise UserError(
            f"{self._path} shows {fact}. Name one with the setting token or slot."
            f" There: {there or 'none'}."
        )


def module(path: str) -> Module:
    """Return this process's instance of a library."""
    return _module(os.getpid(), path)


@functools.lru_cache(maxsize=8)
def _module(process_id: int, path: str) -> Module:
    # the process is part of the key: a fork starts the library, and takes its lock, anew
    return Module(path)


def describe(error: PKCS11Error) -> str:
    """Return what a library said; many of its errors have a name and no text."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _start(path: str) -> Any:
    """Return the library, initialised; after a fork it holds the parent's state and starts anew."""
    library = pkcs11.lib(path)
    if _started_in.setdefault(path, os.getpid()) != os.getpid():
        with contextlib.suppress(PKCS11Error):  # it may know that it is in another process
            library.finalize()
        library.initialize()
        _started_in[path] = os.getpid()
    return library


def _fits(token: pkcs11.Token, choice: TokenChoice) -> bool:
    fits_label = choice.label is None or token.label == choice.label
    return fits_label and (choice.slot is None or token.slot.slot_id == choice.slot)
