"""Where output goes: data to stdout and nothing else there; progress and messages to stderr."""

import json
import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TextIO

import click

from provenance.errors import UserError
from provenance.escaping import printable as printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_data_stream: TextIO | None = None
_quiet = False


def open_closed_streams() -> None:
    """Open stdin, stdout and stderr on nothing where whoever started this process closed them.

    The next file or socket would take their place otherwise, and be written to. Called by ``main``.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, os.fdopen(number, mode))


def protect_stdout() -> None:
    """Keep stdout for data: whatever a plugin or a C library prints goes to stderr instead.

    Works on file descriptors, so that it holds for native code too. Called once by ``main``.
    """
    global _data_stream
    sys.stdout.flush()
    _data_stream = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
    os.dup2(2, 1)
    sys.stdout = sys.stderr


def data_stream() -> TextIO:
    """Return the stream for data: the real stdout, or a test runner's."""
    return _data_stream or sys.stdout


def set_quiet(quiet: bool) -> None:
    """Silence progress and messages, but not errors and data."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """Whether ``-q`` was given."""
    return _quiet


def echo_data(text: str) -> None:
    """Print a line of data. A reader that went away, as ``head`` does, ends the command with 0.

    Raises:
        UserError: It cannot be written: the disk behind stdout is full, say.
    """
    stream = data_stream()
    try:
        click.echo(text, file=stream)
    except OSError as error:
        raise _given_up(stream, error) from error


def echo_bytes(data: bytes) -> None:
    """Write a whole file to the stream for data. A reader that went away ends the command with 0.

    Raises:
        UserError: The stream takes text only, or cannot be written.
    """
    stream = data_stream()
    raw = getattr(stream, "buffer", None)
    if raw is None:
        raise UserError("stdout takes no bytes here. Write to a file.")
    try:
        stream.flush()
        raw.write(data)
        raw.flush()
    except OSError as error:
        raise _given_up(stream, error) from error


def _given_up(stream: TextIO, error: OSError) -> Exception:
    """Return what ends the command; what is still in the stream's buffer goes nowhere.

    That is 0 where the reader went away, which click would make 1.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    if isinstance(error, BrokenPipeError):
        return click.exceptions.Exit(0)
    return UserError(f"Cannot write to stdout: {error.strerror or error}.")


def echo_json(value: Any, *, indent: int | None = None) -> None:
    """Print ``value`` as JSON, in one line unless ``indent`` is given."""
    echo_data(json.dumps(value, ensure_ascii=True, indent=indent, allow_nan=False))


def say(message: str) -> None:
    """Print a message for people on stderr, unless ``-q``."""
    if not _quiet:
        click.echo(message, err=True)


def console() -> "Console":
    """Return a rich console on the data stream; ``COLUMNS`` or 100 wide where it is no terminal."""
    from rich.console import Console

    stream = data_stream()
    columns = os.environ.get("COLUMNS", "")
    width = None if stream.isatty() else int(columns) if columns.isdigit() else 100
    return Console(file=stream, width=width, highlight=False)


def table(columns: Iterable[str], rows: Iterable[Iterable[str]], *, title: str = "") -> "Table":
    """Build a table whose cells are plain text: nothing in them is read as markup."""
    from rich.table import Table
    from rich.text import Text

    result = Table(title=title or None, title_justify="left", header_style="bold")
    for column in columns:
        result.add_column(column, overflow="fold")
    for row in rows:
        result.add_row(*(Text(printable(cell)) for cell in row))
    return result


class Progress:
    """Progress of several named jobs on stderr: live bars on a terminal, sparse lines elsewhere.

    Use as a context manager; call it with a name, a fraction (0..1) and a few words.
    """

    _LINE_EVERY = 0.25  # without a terminal: a line at each quarter of a job

    def __init__(self) -> None:
        self._bars: Any = None
        self._tasks: dict[str, Any] = {}
        self._told: dict[str, float] = {}

    def __enter__(self) -> "Progress":
        if sys.stderr.isatty() and not _quiet:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bars

            columns = (
                TextColumn("{task.fields[job]:<24}", markup=False),
                BarColumn(bar_width=24),
                TextColumn("{task.percentage:>3.0f}%"),
                TimeElapsedColumn(),
                TextColumn("{task.description}", markup=False),
            )
            self._bars = Bars(*columns, console=Console(stderr=True))
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, name: str, fraction: float, message: str) -> None:
        """Show that job ``name`` stands at ``fraction``."""
        if self._bars is None:
            self._tell(name, fraction, message)
            return
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(message, total=1.0, job=name)
        self._bars.update(self._tasks[name], completed=fraction, description=printable(message))

    def of(self, name: str) -> Callable[[float, str], None]:
        """Return the progress callable of one job."""
        return lambda fraction, message: self(name, fraction, message)

    def _tell(self, name: str, fraction: float, message: str) -> None:
        told = self._told.get(name, -1.0)
        if fraction - told >= self._LINE_EVERY or (fraction >= 1.0 > told):
            self._told[name] = fraction
            say(f"{name}: {fraction:4.0%} {printable(message)}")
