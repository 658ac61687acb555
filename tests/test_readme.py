"""The README's commands run as they stand there, in order; only their budgets are made small."""

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

ROOT = Path(__file__).resolve().parents[1]
SMALL = {
    "PROVENANCE_GENERATE_COUNT": "60",
    "PROVENANCE_GENERATE_BUDGET": "3",
    "PROVENANCE_TRAIN_DETECTOR_BUDGET": "3",
}


def console_commands(text: str) -> list[list[str]]:
    blocks = re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    return [shlex.split(line[2:]) for line in lines]


def test_the_readme_has_commands():
    assert len(console_commands((ROOT / "README.md").read_text())) >= 10


@pytest.mark.slow
def test_the_commands_of_the_readme_run_as_printed(tmp_path):
    cv2.imwrite(str(tmp_path / "report.png"), cv2.UMat(64, 64, cv2.CV_8UC3).get())
    environment = os.environ | SMALL
    for command in console_commands((ROOT / "README.md").read_text()):
        assert command[0] == "provenance"
        result = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert result.returncode == 0, f"{shlex.join(command)}\n{result.stdout}\n{result.stderr}"


def test_the_python_of_the_readme_is_true():
    failures, tests = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert tests > 0
    assert failures == 0


@pytest.mark.parametrize(
    "readme", sorted(str(p.relative_to(ROOT)) for p in ROOT.rglob("*.md") if ".venv" not in p.parts)
)
def test_links_lead_somewhere(readme):
    text = (ROOT / readme).read_text()
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
        if not target.startswith(("http://", "https://")):
            assert ((ROOT / readme).parent / target).exists(), target


def test_every_command_and_exit_code_is_documented():
    import importlib

    from provenance.errors import ExitCode

    commands = importlib.import_module("provenance.cli.main").COMMANDS
    text = (ROOT / "README.md").read_text()
    assert [name for name in commands if f"`provenance {name}`" not in text] == []
    assert [code for code in ExitCode if f"| {int(code)} |" not in text] == []
