"""Credentials on a terminal: rows with four axes, and trees. Written as they come, not at the end.

A row is two lines where the terminal is narrow and one where it is wide. Nothing of a file reaches
the terminal but through ``output.printable``.
"""

import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from provenance.cli import output
from provenance.reports.credential_words import RELATIONSHIPS, node_words, quoted, summary

if TYPE_CHECKING:
    from provenance.credentials import Credential
    from provenance.credentials.reading.tree import TreeNode

_AXES = ("integrity", "signer", "time", "ancestors")
_CELL = 11  # the longest word of an axis, and two blanks
_WIDE = 130  # from here on the conclusion stands beside the file
_LEAST = 60
_FILE_SHARE = 0.35
_MOST_CODES = 20
_INDENT = "  "
_COLOURS = {
    "ok": "green",
    "trusted": "green",
    "untrusted": "yellow",
    "expired": "yellow",
    "unknown": "yellow",
    "failed": "red",
    "revoked": "red",
}


class CredentialTable:
    """Draws rows in columns of fixed width, so that none has to wait for the others.

    Args:
        width: Columns of the terminal, or of the page where output is piped.
        colour: Whether to colour the axes.
    """

    def __init__(self, width: int, *, colour: bool) -> None:
        self._width = max(width, _LEAST)
        self._colour = colour
        left = self._width - len(_AXES) * _CELL
        self._is_wide = self._width >= _WIDE
        self._file = int(left * _FILE_SHARE) if self._is_wide else left

    def header(self) -> str:
        """Return the line above the rows."""
        names = "".join(name.ljust(_CELL) for name in _AXES)
        line = names + ("file".ljust(self._file + 2) + "conclusion" if self._is_wide else "file")
        return self._styled(line, bold=True)

    def row(self, shown: str, credential: "Credential") -> Iterator[str]:
        """Yield the lines of one file.

        Args:
            shown: Its name. Hostile.
            credential: What is known of it.
        """
        values = [str(getattr(credential, axis)) for axis in _AXES]
        axes = "".join(self._styled(v.ljust(_CELL), fg=_COLOURS.get(v)) for v in values)
        names = _fold(output.printable(shown), self._file)
        text = output.printable(summary(credential))
        blank = " " * (len(_AXES) * _CELL)
        if not self._is_wide:
            yield from (f"{axes}{names[0]}", *(blank + name for name in names[1:]))
            yield from (_INDENT + line for line in wrap(text, self._width - len(_INDENT)))
            return
        said = wrap(text, self._width - len(blank) - self._file - 2)
        for n in range(max(len(names), len(said))):
            name = names[n] if n < len(names) else ""
            line = f"{axes if n == 0 else blank}{pad(name, self._file + 2)}"
            yield (line + (said[n] if n < len(said) else "")).rstrip()

    def tree(self, root: "TreeNode") -> Iterator[str]:
        """Yield the lines of an ingredient tree, indented below its row."""
        yield from (_INDENT + line for line in self._node(root, first="", rest=""))

    def _node(self, node: "TreeNode", *, first: str, rest: str, is_root: bool = True) -> list[str]:
        lines = self._own_lines(node, first, rest, is_root=is_root)
        for n, child in enumerate(node.children, 1):
            is_last = n == len(node.children)
            branch, below = ("└─ ", "   ") if is_last else ("├─ ", "│  ")
            lines += self._node(child, first=rest + branch, rest=rest + below, is_root=False)
        return lines

    def _own_lines(self, node: "TreeNode", first: str, rest: str, *, is_root: bool) -> list[str]:
        relation = "" if is_root else f"{RELATIONSHIPS[node.relationship]}: "
        title = quoted(node.title) if node.title else "untitled"
        condition = self._styled(f"[{node.condition}]", fg=_COLOURS.get(node.condition))
        below = rest + ("│  " if node.children else "   ")
        room = max(self._width - len(_INDENT) - len(below), _LEAST // 2)
        texts = [output.printable(node_words(node)), _codes(node.codes)]
        return [
            f"{first}{relation}{title} {condition}",
            *(below + line for text in texts if text for line in wrap(text, room)),
        ]

    def _styled(self, text: str, *, fg: str | None = None, bold: bool = False) -> str:
        is_plain = not self._colour or (fg is None and not bold)
        return text if is_plain else click.style(text, fg=fg, bold=bold or None)


def wrap(text: str, width: int) -> list[str]:
    """Break text between words, and words that are too long; wide characters count twice."""
    if text.isascii():
        return textwrap.wrap(text, width, break_on_hyphens=False) or [""]
    from rich.console import Console
    from rich.text import Text

    lines = Text(text).wrap(Console(width=width, file=None), width, overflow="fold")
    return [line.plain.rstrip() for line in lines] or [""]


def pad(text: str, width: int) -> str:
    """Fill up with blanks to so many columns of a terminal."""
    if text.isascii():
        return text.ljust(width)
    from rich.cells import cell_len

    return text + " " * max(width - cell_len(text), 0)


def _fold(text: str, width: int) -> list[str]:
    """Cut a name into lines at any character: blanks in it are part of it."""
    if text.isascii():
        return [text[at : at + width] for at in range(0, len(text), width)] or [""]
    from rich.cells import chop_cells

    return chop_cells(text, width) or [""]


def _codes(codes: Iterable[str]) -> str:
    found = list(codes)
    more = f" and {len(found) - _MOST_CODES} more" if len(found) > _MOST_CODES else ""
    return output.printable("! " + ", ".join(found[:_MOST_CODES]) + more) if found else ""
