"""Chooses the form of a report by the name it is to have, and writes it whole or not at all."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from provenance.errors import UserError
from provenance.files import write_atomic
from provenance.reports.item import Item

SUFFIXES = (".html", ".htm", ".csv", ".jsonl")


def check_destination(path: Path) -> None:
    """Check that a report can be written, before hours are spent on what it is about.

    Raises:
        UserError: The suffix is none of ``SUFFIXES``, or the folder cannot be written to.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{path}: a report ends in {', '.join(SUFFIXES)}.")
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file.")
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UserError(f"{path}: {folder} cannot be written to.")


def write_report(path: Path, items: Sequence[Item], about: Mapping[str, str]) -> None:
    """Write a report atomically, in the form that the suffix names.

    Args:
        path: Ends in one of ``SUFFIXES``; replaced when it exists.
        items: In the order in which they are shown.
        about: What stands above an HTML report: when, by which version, with which detectors.

    Raises:
        UserError: See :func:`check_destination`; or the disk is full.
    """
    check_destination(path)
    try:
        write_atomic(path, _render(path.suffix.lower(), items, about).encode())
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error


def _render(suffix: str, items: Sequence[Item], about: Mapping[str, str]) -> str:
    if suffix == ".csv":
        from provenance.reports.tables import render_csv

        return render_csv(items)
    if suffix == ".jsonl":
        from provenance.reports.tables import render_jsonl

        return render_jsonl(items)
    from provenance.reports.page import render_html

    return render_html(items, about)
