"""``provenance inspect`` on small artefacts: page, figures, hostile cards, faults, exit codes."""

import json
import os
import subprocess
import sys

import fake_distribution
import pytest

from provenance import ExitCode
from provenance.cli.main import run
from provenance.files import sha256_file, write_json


@pytest.fixture(scope="module")
def site(tmp_path_factory, root):
    """Where two generators lie as a plugin: ``tint`` passes images through, ``plain`` may fail."""
    folder = tmp_path_factory.mktemp("site")
    source = (root / "tests/unit/corpora/fake_generators.py").read_text()
    fake_distribution.install(folder, "fake-generators", source)
    return folder


def artefact(folder, **card):
    import numpy as np

    from provenance.training import save_weights

    folder.mkdir(parents=True, exist_ok=True)
    save_weights(folder, {"mean": np.full(3, 120.0)}, {"size": 16})
    (folder / "log.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 9, "loss": 1.0}\n')
    data = {"source": "photos", "items": 100, "groups": ["coffee", "chelsea", "china"]}
    known = {"generator": "tint", "size_px": 16, "data": data}
    digest = sha256_file(folder / "model.safetensors")
    write_json(folder / "card.json", {**known, "weights_sha256": digest, **card})
    return folder


def inspect(site, model, *more, fault=""):
    words = [sys.executable, "-m", "provenance", "inspect", str(model), "--samples", "32"]
    env = os.environ | {
        "PYTHONPATH": str(site),
        "PROVENANCE_LOAD_PLUGINS": "photos,folder,fake-generators",
        "FAKE_FAULT": fault,
    }
    return subprocess.run(
        [*words, *map(str, more)], env=env, capture_output=True, text=True, timeout=120
    )


def test_a_page_beside_the_weights_and_figures_on_stdout(site, tmp_path):
    model = artefact(tmp_path / "model", name="a tint")
    done = inspect(site, model, "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    report = json.loads(done.stdout)
    sections = report["sections"]
    assert list(sections) == ["samples", "reconstructions", "resamples", "neighbours"]
    assert sections["reconstructions"]["error_levels"] < 8  # the generator drops three bits
    assert sections["neighbours"]["copies"] == 0
    page = (model / "inspect.html").read_text()
    assert report["page"] == str(model / "inspect.html")
    assert "Generator <bdi>a tint</bdi>" in page
    assert "No sign of memorisation" in page
    assert "<polyline" in page
    assert "inspect: 100%" in done.stderr


def test_a_hostile_card_and_a_source_that_is_gone(site, tmp_path):
    bad = "<script>x</script>\x1b[31m\u202e"
    model = artefact(tmp_path / "m", name=bad, data={"source": f"folder:/nowhere/{bad}"})
    done = inspect(site, model, "--out", tmp_path / "page.html")
    assert done.returncode == ExitCode.OK, done.stderr
    page = (tmp_path / "page.html").read_text()
    assert "There are no real images to compare with" in page
    assert "&lt;script&gt;x&lt;/script&gt;\\x1b[31m\\u202e" in page
    for text in (page, done.stdout, done.stderr):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "<script" not in page


def test_a_generator_that_fails_still_gets_its_page(site, tmp_path):
    model = artefact(tmp_path / "m", generator="plain", data="none")
    done = inspect(site, model, "--out", tmp_path / "page.html", fault="sample")
    assert done.returncode == ExitCode.PLUGIN
    assert "fault in sample" in done.stdout
    assert "This section failed: plain: sample failed" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere"], "holds no trained generator"),
        (["nowhere", "--out", "page.pdf"], ".html"),
        (["nowhere", "--out", "report.csv"], ".html"),
    ],
)
def test_what_is_wrong_is_said(words, told, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["inspect", *words]) == ExitCode.USER_ERROR
    assert told in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
