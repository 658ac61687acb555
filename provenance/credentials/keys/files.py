"""Where keys lie, and the rule that nobody but their owner may read them."""

import os
import stat
import tempfile
from pathlib import Path

import click

from provenance.errors import CredentialError, UserError
from provenance.files import TEMPORARY_PREFIX

CONFIG_VARIABLE = "PROVENANCE_CONFIG_DIR"
OTHERS = stat.S_IRWXG | stat.S_IRWXO  # any right of group or others


def config_folder() -> Path:
    """Return the folder of this user's keys and settings; it may not exist yet.

    ``PROVENANCE_CONFIG_DIR`` where it is set, else the platform's place (``~/.config/provenance``).
    """
    chosen = os.environ.get(CONFIG_VARIABLE)
    return Path(chosen) if chosen else Path(click.get_app_dir("provenance"))


def make_private_folder(folder: Path) -> None:
    """Make ``folder`` with mode 0700, and check that one that exists has that mode.

    Raises:
        CredentialError: It cannot be made, or others can look into it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = folder.stat().st_mode
    except OSError as error:
        raise CredentialError(
            f"Cannot make the key folder {folder}: {error.strerror or error}."
            f" Name a writable one with {CONFIG_VARIABLE}."
        ) from error
    if mode & OTHERS:
        raise CredentialError(
            f"Others may look into the key folder {folder} (mode {stat.S_IMODE(mode):04o})."
            f" Run: chmod 700 {folder}"
        )


def read_private(path: Path) -> bytes:
    """Return the content of a key file that only its owner can read.

    The mode is taken from the open file, so that it cannot be exchanged in between.

    Raises:
        CredentialError: Group or others have any right on it, or it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if mode & OTHERS:
                raise CredentialError(
                    f"Others may read the key {path} (mode {stat.S_IMODE(mode):04o})."
                    f" Treat it as known to them and delete it, or, where you are sure that"
                    f" nobody did, run: chmod 600 {path}"
                )
            return stream.read()
    except OSError as error:
        raise CredentialError(f"Cannot read the key {path}: {error.strerror or error}.") from error


def write_new(path: Path, data: bytes, *, mode: int) -> None:
    """Write a file that must not be there yet: all of it, or nothing.

    Args:
        path: Its folder is made when missing.
        data: The whole content.
        mode: Permission bits, from the first byte on: 0o600 for keys.

    Raises:
        UserError: There is something of this name. Nothing is ever overwritten.
        CredentialError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=path.parent)  # mode 0600
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).chmod(mode)
            path.hardlink_to(name)  # unlike a rename, this fails where the name is taken
        finally:
            Path(name).unlink()
    except OSError as error:
        if path.exists() or path.is_symlink():
            message = f"{path} exists and is not overwritten. Choose another name."
            raise UserError(message) from error
        raise CredentialError(f"Cannot write {path}: {error.strerror or error}.") from error
