"""A folder of pages about many files' credentials, written as the files come."""

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from provenance.errors import UserError
from provenance.files import write_atomic
from provenance.reports.credential_item import CredentialItem
from provenance.reports.credential_page import (
    index_row,
    render_credential_index,
    render_credential_page,
)

_MOST_NAME = 40
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._-]+")


class CredentialReport:
    """Writes ``index.html`` and a page per file. Begin it, give it each file, end it.

    Of each file it remembers a line of the index, some hundred bytes.

    Args:
        folder: New, or empty.
        trust: JSON object of the trust anchors that the verdicts rest on.
        versions: Software that the verdicts rest on.

    Raises:
        UserError: The folder holds something already, or cannot be made.
    """

    def __init__(self, folder: Path, trust: Mapping[str, Any], versions: Mapping[str, str]) -> None:
        self._folder, self._trust, self._versions = folder, trust, versions
        self._rows: list[dict[str, Any]] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            is_free = not any(folder.iterdir())
        except OSError as error:
            raise UserError(f"{folder} cannot be made: {error.strerror or error}") from error
        if not is_free:
            raise UserError(f"{folder} holds something already. Name a new folder for the report.")
        if not os.access(folder, os.W_OK):
            raise UserError(f"{folder} cannot be written to.")

    def begin(self) -> None:
        """Do nothing: the index is written last, since it counts."""

    def file(self, item: CredentialItem) -> None:
        """Write the page of one file.

        Raises:
            UserError: The disk is full.
        """
        page = _page_name(len(self._rows) + 1, item.shown)
        self._write(page, render_credential_page(item, self._trust, self._versions))
        self._rows.append(index_row(item, page))

    def end(self) -> None:
        """Write the index.

        Raises:
            UserError: The disk is full.
        """
        self._write("index.html", render_credential_index(self._rows, self._trust, self._versions))

    def _write(self, name: str, page: str) -> None:
        path = self._folder / name
        try:
            write_atomic(path, page.encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror or error}") from error


def _page_name(number: int, shown: str) -> str:
    """Return a name that is plain on every file system, whatever the file is called."""
    plain = _NOT_PLAIN.sub("-", PurePath(shown).name).strip("-.")[:_MOST_NAME]
    return f"{number:05}-{plain or 'file'}.html"
