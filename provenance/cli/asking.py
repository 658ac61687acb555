"""Asks for passphrases and PINs on the terminal; nothing else is ever asked."""

import os
import sys
from collections.abc import Callable
from typing import TypeVar

import click

_Made = TypeVar("_Made")


def with_secrets(make: Callable[[], _Made]) -> _Made:
    """Return what ``make`` makes; a secret that it lacks is asked for where there is a terminal.

    The answer goes into this process's environment, where the key looks for it and where worker
    processes find it. It is never shown, written or logged.

    Raises:
        SecretMissingError: A secret is missing, and there is nobody to ask.
    """
    from provenance.credentials import SecretMissingError

    while True:
        try:
            return make()
        except SecretMissingError as error:
            if not sys.stdin.isatty() or error.variable in os.environ:
                raise
            text = f"{error.what[0].upper()}{error.what[1:]}"
            os.environ[error.variable] = click.prompt(text, hide_input=True, err=True)
