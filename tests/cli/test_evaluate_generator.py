"""``provenance evaluate-generator`` on a small artefact: output, cache, errors, exit codes."""

import json

import fake_distribution
import pytest
from click.testing import CliRunner

from provenance import ExitCode
from provenance.cli.main import run
from provenance.files import sha256_file, write_json


@pytest.fixture(scope="module")
def model(tmp_path_factory, root):
    """An artefact of a generator that tints a mean image; it learned from three photographs."""
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("site")
    source = (root / "tests/unit/corpora/fake_generators.py").read_text()
    fake_distribution.install(folder, "fake-generators", source)
    artefact = tmp_path_factory.mktemp("model")
    code = (
        "import numpy as np, sys; from pathlib import Path\n"
        "from provenance.training import save_weights\n"
        "save_weights(Path(sys.argv[1]), {'mean': np.full(3, 120.0)}, {'size': 16})\n"
    )
    subprocess.run([sys.executable, "-c", code, str(artefact)], check=True)
    write_json(
        artefact / "card.json",
        {
            "generator": "tint",
            "size_px": 16,
            "data": {"source": "photos", "items": 200, "groups": ["coffee", "chelsea", "china"]},
            "weights_sha256": sha256_file(artefact / "model.safetensors"),
        },
    )
    return artefact, folder


def evaluate(model, *more, environment=None):
    import os
    import subprocess
    import sys

    artefact, site = model
    words = [sys.executable, "-m", "provenance", "evaluate-generator", str(artefact)]
    words += ["--samples", "40", "--feature-budget", "0.3", *map(str, more)]
    env = os.environ | {
        "PYTHONPATH": str(site),
        "PROVENANCE_LOAD_PLUGINS": "photos,folder,fake-generators",
        "XDG_CACHE_HOME": str(site / "cache"),
    }
    return subprocess.run(words, env=env, capture_output=True, text=True, timeout=120)


def test_figures_of_both_features_with_intervals_and_findings(model, tmp_path):
    done = evaluate(model, "--json", "--out", tmp_path)
    assert done.returncode == ExitCode.OK, done.stderr
    report = json.loads(done.stdout)
    assert report == json.loads((tmp_path / "quality.json").read_text())
    assert report["real_is_unseen"]
    samples, real = report["rows"]["samples"], report["rows"]["real"]
    for name in ("learned", "random"):
        assert samples[f"{name}.frechet"]["low"] > real[f"{name}.frechet"]["value"]
        assert samples[f"{name}.recall"]["value"] < real[f"{name}.recall"]["value"]
    assert report["findings"]
    assert len(list((tmp_path / "features").iterdir())) == 1
    # the features are kept, and the same command says the same
    again = evaluate(model, "--json", "--out", tmp_path)
    assert json.loads(again.stdout) == report
    assert "features:" not in again.stderr


def test_a_table_for_people(model):
    done = evaluate(model, "--features", "random")
    assert done.returncode == ExitCode.OK, done.stderr
    assert "random.recall" in done.stdout
    assert "real images" in done.stdout
    assert "variety" in done.stdout


def test_where_all_was_learned_from_it_is_said(model, tmp_path):
    artefact, site = model
    card = json.loads((artefact / "card.json").read_text())
    copy = tmp_path / "model"
    copy.mkdir()
    (copy / "model.safetensors").write_bytes((artefact / "model.safetensors").read_bytes())
    write_json(copy / "card.json", {**card, "data": {**card["data"], "groups": []}})
    done = evaluate((copy, site), "--features", "random", "--json")
    report = json.loads(done.stdout)
    assert not report["real_is_unseen"]
    assert "may be ones that the generator has learned from" in report["findings"][0]
    assert "training" not in report["rows"]


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--real", "photo"], ExitCode.USER_ERROR, "Did you mean 'photos'"),
        (["--real", "folder:/nowhere"], ExitCode.USER_ERROR, "no folder"),
        (["--out", "/dev/null/x"], ExitCode.USER_ERROR, "cannot be written"),
    ],
)
def test_errors_say_what_to_do(model, more, code, message):
    done = evaluate(model, *more)
    assert done.returncode == code, done.stderr
    assert message in done.stderr


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--features", "inception"], ExitCode.USER_ERROR, "Fetch https://"),
        (["--features", "inception", "--weights", "no.pth"], ExitCode.USER_ERROR, "no.pth is no"),
        (["--weights", "a.pth"], ExitCode.USAGE, "inception=FILE"),
        (["--samples", "3"], ExitCode.USAGE, "--samples"),
        (["--features", "random"], ExitCode.USER_ERROR, "no trained generator"),
    ],
)
def test_bad_options_are_said_before_anything_is_loaded(tmp_path, capsys, more, code, message):
    assert run(["evaluate-generator", str(tmp_path), *more]) == code
    assert message in capsys.readouterr().err


def test_help_shows_the_options():
    from provenance.cli.evaluate_generator import command

    assert "--features" in CliRunner().invoke(command, ["--help"]).output
