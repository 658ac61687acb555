"""The command itself: start-up, help, exit codes, settings."""

import importlib
import json
import logging
import statistics
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from provenance.cli import output
from provenance.cli.main import COMMANDS, cli, run
from provenance.errors import ExitCode, UserError

# the function of this name hides the module as an attribute of its package
main_module = importlib.import_module("provenance.cli.main")
HEAVY = ("torch", "cv2", "timm", "c2pa", "sklearn", "skimage", "matplotlib", "rich", "PIL")


def test_closed_streams_are_opened_on_nothing(tmp_path):
    """A pipe or a file would get their numbers otherwise, and what is printed."""
    command = f"{sys.executable} -m provenance verify - "
    for closing in ("<&-", "<&- >&-", "<&- >&- 2>&-"):
        code = subprocess.run(["sh", "-c", command + closing], check=False, cwd=tmp_path).returncode
        assert code == ExitCode.UNREADABLE, closing  # there are no bytes
    assert list(tmp_path.iterdir()) == []


def test_help_imports_nothing_heavy():
    command = [sys.executable, "-X", "importtime", "-m", "provenance", "--help"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "click" in imported
    assert not [name for name in imported if name.partition(".")[0] in HEAVY]


def test_help_starts_in_less_than_three_times_an_import_of_click():
    """A ratio within one run, and the medians of several starts, so that a busy machine is fair."""

    def start(*arguments):
        begin = time.perf_counter()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
        return time.perf_counter() - begin

    pairs = [(start("-m", "provenance", "--help"), start("-c", "import click")) for _ in range(7)]
    assert statistics.median(ours / clicks for ours, clicks in pairs) < 3


@pytest.mark.parametrize("arguments", [["--help"], ["plugins", "-h"], ["--version"]])
def test_help_goes_to_stdout(arguments):
    command = [sys.executable, "-m", "provenance", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip()
    assert result.stderr == ""


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(name):
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_line_in_the_list_is_about_the_command(name):
    command = cli.get_command(click.Context(cli), name)
    assert command.name == name


def test_unknown_commands_get_a_suggestion(capsys):
    assert run(["scna"]) == ExitCode.USAGE
    assert "Did you mean 'scan'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("no"), ExitCode.USER_ERROR),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
        (RuntimeError("boom"), ExitCode.BUG),
    ],
)
def test_errors_become_exit_codes(error, code, monkeypatch, capsys):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(main_module.cli, "main", fail)
    assert run(["plugins"]) == code
    assert "Traceback" not in capsys.readouterr().err


def test_a_bug_leaves_a_log_that_can_be_reported(monkeypatch, capsys):
    def fail(*_, **__):
        raise RuntimeError("boom")

    monkeypatch.setattr(main_module.cli, "main", fail)
    run(["plugins"])
    path = Path(capsys.readouterr().err.split("report it with ")[1].strip())
    text = path.read_text()
    path.unlink()
    assert "RuntimeError: boom" in text
    assert "arguments: ['plugins']" in text


def test_settings_come_from_the_file_the_environment_and_the_option(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "provenance.toml").write_text("[datasets]\njson = true\n")
    result = CliRunner().invoke(cli, ["datasets"])
    assert json.loads(result.stdout)
    monkeypatch.setenv("PROVENANCE_DATASETS_JSON", "0")
    result = CliRunner().invoke(cli, ["datasets"])
    assert "photos" in result.stdout
    assert not result.stdout.startswith("[")


@pytest.mark.parametrize(
    ("variables", "is_json"),
    [
        ({"JSON": "1"}, True),
        ({"AS_JSON": "1"}, True),  # as click calls it
        ({"JSON": "0", "AS_JSON": "1"}, False),
        ({"JSON": ""}, False),
        ({}, False),
    ],
)
def test_json_has_a_variable_of_its_name(tmp_path, monkeypatch, variables, is_json):
    monkeypatch.chdir(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(f"PROVENANCE_DATASETS_{name}", value)
    result = CliRunner().invoke(cli, ["datasets"])
    assert result.stdout.startswith("[") == is_json


def test_a_wrong_settings_file_is_a_user_error(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "provenance.toml").write_text("[generte]\ncount = 3\n")
    assert run(["datasets"]) == ExitCode.USER_ERROR
    assert "Did you mean 'generate'" in capsys.readouterr().err
    (tmp_path / "provenance.toml").write_text("[datasets]\njsn = true\n")
    assert run(["datasets"]) == ExitCode.USER_ERROR
    assert "Did you mean 'json'" in capsys.readouterr().err


def test_messages_cannot_steer_a_terminal(monkeypatch, capsys):
    def fail(*_, **__):
        logging.getLogger("provenance").warning("skipped %s", "a\x1b[2J\nERROR: forged")
        raise UserError("cannot read a\x1b[2Jb")

    monkeypatch.setattr(main_module.cli, "main", fail)
    main_module._configure_logging(quiet=False, verbose=0)
    assert run(["plugins"]) == ExitCode.USER_ERROR
    text = capsys.readouterr().err
    assert "\x1b" not in text
    assert [line.split(":")[0] for line in text.splitlines()] == ["WARNING", "Error"]


def test_cells_cannot_steer_a_terminal():
    assert output.printable("a\x1b[2J\nb\u202e") == "a\\x1b[2J\\nb\\u202e"
