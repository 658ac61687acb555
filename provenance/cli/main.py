"""The command ``provenance``: finds its sub-commands lazily and turns errors into exit codes."""

import importlib
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from provenance import __version__
from provenance.cli import output
from provenance.errors import ExitCode, ProvenanceError, UserError, did_you_mean

SETTINGS_FILE = "provenance.toml"
_LOG = logging.getLogger("provenance")
_SHOWN_AND_DONE = {"-h", "--help", "--version"}

# Name: one line for --help. The module is provenance.cli.<name>, imported when the command runs.
COMMANDS: Mapping[str, str] = {
    "generate": "Train generators on real media and write a labelled, signed corpus.",
    "evaluate-generator": "Measure a generator's samples against real images.",
    "inspect": "Write a page about a trained generator: curves, samples, directions, copies.",
    "train-detector": "Train, calibrate and test detectors on a corpus.",
    "scan": "Say per file what the evidence is: credentials, detectors.",
    "audit": "Test whether containers and sizes alone give a corpus's labels away.",
    "sign": "Give files C2PA manifests that say how they were made.",
    "verify": "Check the C2PA credentials of files, on four axes.",
    "strip": "Take the credential out of a PNG or JPEG file, for tests and experiments.",
    "keys": "Make, list and renew signing keys; request certificates that others trust.",
    "trust": "Say whom you trust: named lists of root certificates.",
    "datasets": "List the sources of real media.",
    "plugins": "List the plugins, what they offer, and what is wrong with them.",
}


class LazyGroup(click.Group):
    """A group that imports a command when it is called, and only then."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(_module(cmd_name)).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one may have been meant."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0]!r}.{did_you_mean(args[0], list(COMMANDS))}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "PROVENANCE",
        "max_content_width": 100,
    },
)
@click.version_option(__version__, prog_name="provenance")
@click.option("-q", "--quiet", is_flag=True, help="Only errors on stderr.")
@click.option("-v", "--verbose", count=True, help="More on stderr; twice for debugging.")
@click.pass_context
def cli(ctx: click.Context, quiet: bool, verbose: int) -> None:
    """Was this made by a machine? And can what you make be answered for?

    Settings come from options, then PROVENANCE_<COMMAND>_<OPTION>, then ./provenance.toml.
    """
    _configure_logging(quiet=quiet, verbose=verbose)
    output.set_quiet(quiet)
    ctx.default_map = _settings(Path(SETTINGS_FILE))
    if ctx.default_map and ctx.invoked_subcommand:
        _name_settings(ctx.default_map, importlib.import_module(_module(ctx.invoked_subcommand)))


def main() -> None:
    """Run the command line and exit with a code of :class:`provenance.ExitCode`."""
    output.open_closed_streams()
    if not _SHOWN_AND_DONE & set(sys.argv):  # help and version are data too, and run no command
        output.protect_stdout()
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: What stands after ``provenance``.
    """
    try:
        result = cli.main(args=arguments, prog_name="provenance", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return int(stop.exit_code)
    except click.Abort:
        return _say("Interrupted.", ExitCode.INTERRUPTED)
    except KeyboardInterrupt:
        return _say("Interrupted.", ExitCode.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        return int(error.exit_code)
    except ProvenanceError as error:
        _LOG.debug("Traceback", exc_info=error)
        return _say(f"Error: {error}", error.exit_code)
    except BrokenPipeError:
        # the reader of our output went away, as `head` does; the rest of it is nobody's
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as error:  # noqa: BLE001 - the last resort: one line and a log, no traceback
        return _report_bug(error, arguments)
    return int(result) if isinstance(result, int) else ExitCode.OK


def _say(message: str, code: ExitCode) -> int:
    lines = message.split("\n")  # ours; what names of files hold must not steer the terminal
    click.echo("\n".join(map(output.printable, lines)), err=True)
    return int(code)


class _PrintableFormatter(logging.Formatter):
    """One line a message, whatever names of files or plugins' errors hold."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base's name
        record.message = output.printable(record.message)
        return super().formatMessage(record)


def _report_bug(error: Exception, arguments: list[str]) -> int:
    import tempfile
    import traceback

    handle, name = tempfile.mkstemp(prefix="provenance-bug-", suffix=".log")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(f"provenance {__version__}, Python {sys.version}\narguments: {arguments!r}\n")
        traceback.print_exception(error, file=stream)
    message = f"Error: {type(error).__name__}: {error}\nThis is a bug. Please report it with {name}"
    return _say(message, ExitCode.BUG)


def _configure_logging(*, quiet: bool, verbose: int) -> None:
    levels = {0: logging.WARNING, 1: logging.INFO}
    level = logging.ERROR if quiet else levels.get(verbose, logging.DEBUG)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_PrintableFormatter("%(levelname)s: %(message)s"))
    _LOG.handlers[:] = [handler]
    _LOG.setLevel(level)
    _LOG.propagate = False


def _settings(path: Path) -> dict[str, Any]:
    """Read ``provenance.toml``: a table per command, keys as the options are called.

    Raises:
        UserError: The file is not TOML, or names a command that does not exist.
    """
    if not path.is_file():
        return {}
    import tomllib

    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid TOML: {error}") from error
    for name, table in tables.items():
        if name not in COMMANDS or not isinstance(table, dict):
            raise UserError(f"{path}: no command [{name}].{did_you_mean(name, list(COMMANDS))}")
    return tables


def _name_settings(settings: Mapping[str, Any], module: ModuleType) -> None:
    """Let a command's table in the settings name its options as the command line does.

    Raises:
        UserError: The table has a key that is no option of the command.
    """
    command: click.Command = module.command
    _name_options(settings.get(command.name or "", {}), command, command.name or "")


def _name_options(table: dict[str, Any], command: click.Command, path: str) -> None:
    """Rename the keys of one table; tables within it belong to the commands of a group."""
    names = {text.lstrip("-"): p.name or "" for p in command.params for text in p.opts}
    inner = command.commands if isinstance(command, click.Group) else {}
    for key in list(table):
        if key in inner and isinstance(table[key], dict):
            _name_options(table[key], inner[key], f"{path}.{key}")
        elif key in names:
            table[names[key]] = table.pop(key)
        elif key in inner:
            raise UserError(
                f"{SETTINGS_FILE}: write [{path}.{key}], and below it options of {key}."
            )
        else:
            what = "command or option" if inner else "option"
            known = did_you_mean(key, [*names, *inner])
            raise UserError(f"{SETTINGS_FILE}: [{path}] has no {what} {key!r}.{known}")


def _module(command: str) -> str:
    return f"provenance.cli.{command.replace('-', '_')}"
