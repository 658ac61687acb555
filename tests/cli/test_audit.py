"""``provenance audit`` as a user runs it: exit codes and what it prints."""

import json

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from provenance import ExitCode, Label, MediaKind, Split, Step
from provenance.cli import audit as audit_cli
from provenance.cli.main import run
from provenance.corpora.schema import Row
from provenance.files import sha256_bytes, write_json
from provenance.media import encode_png


@pytest.fixture
def write(tmp_path):
    """Write a corpus of noise: 24 groups with a real and a synthetic file each."""

    def writer(encode_fake):
        rows = []
        noise = np.random.default_rng(0)
        for number in range(48):
            fake = number % 2 == 1
            pixels = noise.integers(0, 255, (32, 32, 3), np.uint8)
            data = encode_fake(pixels) if fake else encode_png(pixels)
            name = f"{'synthetic' if fake else 'real'}/{number:05d}.png"
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(data)
            rows.append(row(name, data, fake, f"g{number // 2}"))
        lines = "".join(json.dumps(row.to_json()) + "\n" for row in rows)
        (tmp_path / "metadata.jsonl").write_text(lines)
        write_json(tmp_path / "corpus.json", {"schema_version": 1})
        return tmp_path

    return writer


def row(name, data, fake, group):
    return Row(
        file_name=name,
        sha256=sha256_bytes(data),
        kind=MediaKind.IMAGE,
        label=Label.SYNTHETIC if fake else Label.REAL,
        generator="g" if fake else None,
        generator_version=None,
        checkpoint=None,
        seed=None,
        category=None,
        parent=group,
        step=Step.RECONSTRUCTION if fake else Step.REAL,
        split=Split.TRAIN,
        manifest=None,
        group=group,
    )


def test_equal_containers_pass(write):
    folder = write(encode_png)
    result = CliRunner().invoke(audit_cli.command, [str(folder)], standalone_mode=False)
    assert result.exception is None
    assert result.return_value == ExitCode.OK
    assert "passed" in result.output


def test_a_leak_fails_and_is_named(write, capfd):
    folder = write(lambda pixels: cv2.imencode(".jpg", pixels)[1].tobytes())
    code = run(["audit", str(folder), "--json"])
    assert code == ExitCode.USER_ERROR
    report = json.loads(capfd.readouterr().out)
    assert report["passed"] is False
    assert report["auc"] > 0.95
    assert report["features"]["is image/jpeg"] > 0.95


def test_what_is_no_corpus_is_a_user_error(tmp_path, capfd):
    assert run(["audit", str(tmp_path)]) == ExitCode.USER_ERROR
    assert "is no corpus" in capfd.readouterr().err


def test_a_path_that_is_too_long_is_no_corpus(capsys):
    assert run(["audit", "x" * 300]) == 1
    assert "is no corpus" in capsys.readouterr().err
