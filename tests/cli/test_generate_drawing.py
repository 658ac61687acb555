"""``provenance generate`` without a corpus, and its further options, as a user runs it."""

import json
import os
import subprocess
import sys

import fake_distribution
import numpy as np
import pytest

from provenance import ExitCode
from provenance.cli.main import run as run_here
from provenance.media import encode_png


@pytest.fixture(scope="module")
def run(tmp_path_factory, root):
    """Run the command with the fake generators alone."""
    folder = tmp_path_factory.mktemp("site")
    source = (root / "tests/unit/corpora/fake_generators.py").read_text()
    fake_distribution.install(folder, "fake-generators", source)
    environment = os.environ | {
        "PYTHONPATH": str(folder),
        "PROVENANCE_LOAD_PLUGINS": "photos,folder,fake-generators",
        "PROVENANCE_CONFIG_DIR": str(tmp_path_factory.mktemp("config")),
    }

    def call(*words):
        return subprocess.run(
            [sys.executable, "-m", "provenance", "generate", *map(str, words)],
            env=environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    return call


@pytest.fixture(scope="module")
def checkpoint(run, tmp_path_factory):
    """A trained ``kinds``."""
    pictures, out = tmp_path_factory.mktemp("pictures"), tmp_path_factory.mktemp("c") / "corpus"
    random = np.random.default_rng(0)
    for number in range(96):
        path = pictures / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode_png(random.integers(0, 255, (16, 16, 3), np.uint8)))
    done = run(
        *("--real", f"folder:{pictures}", "--size", 16, "--count", 24, "--out", out, "--no-sign"),
        *("--family", "kinds", "--preset", "large", "--option", "kinds.trace=b", "--class", "dog"),
        *("--on-collapse", "warn", "--json"),
    )
    assert done.returncode == ExitCode.OK, done.stderr
    header = json.loads((out / "corpus.json").read_text())
    assert "--preset large --option kinds.trace=b --on-collapse warn" in header["command"]
    card = json.loads((out / "generators" / "kinds" / "card.json").read_text())
    assert card["options"] == {"preset": "large", "shade": 2, "trace": "b"}
    return out / "generators" / "kinds"


def test_an_interpolation(run, checkpoint, tmp_path):
    words = ("--checkpoint", checkpoint, "--interpolate", 3, 200, "--steps", 4)
    done = run(*words, "--out", tmp_path / "d", "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    shown = json.loads(done.stdout)
    assert [item["about"]["place"] for item in shown["items"]] == [0, 0.333333, 0.666667, 1]
    again = run(*words, "--out", tmp_path / "d")
    assert again.returncode == ExitCode.USER_ERROR
    assert "not empty" in again.stderr


def test_amounts_may_be_negative_and_many(run, checkpoint, tmp_path):
    words = ("--checkpoint", checkpoint, "--direction", "lighter", "--amounts", -3, -1.5, 0, 2e0)
    done = run(*words, "--seed", 4, "--out", tmp_path / "d", "--no-sign")
    assert done.returncode == ExitCode.OK, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "d" / "items.jsonl").open()]
    assert [row["about"]["amount"] for row in rows] == [-3, -1.5, 0, 2]
    assert {row["about"]["seed"] for row in rows} == {4}
    assert "lighter, amount -1.5" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--interpolate", "1", "2"], "Name it: --checkpoint"),
        (["--mask", "m.png"], "--mask goes with --edit"),
        (["--amounts", "-1"], "--amounts goes with --direction"),
        (["--direction", "x", "--interpolate", "1", "2"], "two drawings"),
        (["--direction", "x", "--amounts", "far"], "no numbers"),
        (["--option", "kinds.shade"], "is not NAME.KEY=VALUE"),
        (["--preset", "kinds="], "is not [NAME=]PRESET"),
        (["--truncation", "1.5"], "Invalid value for '--truncation'"),
        (["--top-p", "0"], "Invalid value for '--top-p'"),
    ],
)
def test_misuse_is_a_usage_error(words, message, capsys):
    assert run_here(["generate", *words]) == ExitCode.USAGE
    assert message in capsys.readouterr().err


def test_a_direction_or_photograph_that_is_not_there(run, checkpoint, tmp_path):
    out = ("--checkpoint", checkpoint, "--out", tmp_path / "d")
    done = run("--direction", "up", *out)
    assert done.returncode == ExitCode.USER_ERROR
    assert "no direction" in done.stderr
    done = run("--edit", tmp_path / "x.png", *out)
    assert done.returncode == ExitCode.USER_ERROR
    assert "--edit: kinds cannot do that" in done.stderr
