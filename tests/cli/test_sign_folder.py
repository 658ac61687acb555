"""``provenance sign FOLDER``: a row per file, in parallel; nothing lost, nothing done twice."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from provenance.cli import output
from provenance.cli.main import run
from provenance.credentials import load_trust_anchors, read_credential
from provenance.media import encode_png


@pytest.fixture
def sign(capsys):
    def sign_(*arguments):
        code = run(["sign", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return sign_


@pytest.fixture
def folder(tmp_path):
    """Eight pictures, one below; words, an empty file, a link."""
    rng = np.random.default_rng(0)
    place = tmp_path / "in"
    (place / "sub").mkdir(parents=True)
    for n in range(8):
        data = encode_png(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        (place / ("sub" if n == 7 else "") / f"{n}.png").write_bytes(data)
    return place


@pytest.fixture
def awkward(folder):
    (folder / "words.txt").write_text("words")
    (folder / "empty.png").touch()
    (folder / "link.png").symlink_to(folder / "0.png")
    return folder


def rows(out):
    return [json.loads(line) for line in out.splitlines()]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def states(out):
    return {Path(row["path"]).name: row["state"] for row in rows(out)}


def is_signed(path):
    return read_credential(path, None, load_trust_anchors(None)).signer == "trusted"


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_tree_is_signed_into_another(sign, folder, tmp_path, jobs):
    before = {path: path.read_bytes() for path in folder.rglob("*.png")}
    code, out, err = sign(folder, "--out", tmp_path / "out", "--jobs", jobs, "--model", "gan-32")
    assert code == 0
    assert out.count("signed      ") == 8
    assert "8 signed" in err
    made = sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert [str(path.relative_to(tmp_path / "out")) for path in made] == [
        *(f"{n}.png" for n in range(7)),
        "sub/7.png",
    ]
    assert all(map(is_signed, made))
    assert {path: path.read_bytes() for path in before} == before


def test_what_cannot_be_signed_has_a_row_and_is_not_fatal(sign, awkward, tmp_path):
    code, out, _ = sign(awkward, "--out", tmp_path / "out", "--json")
    found = states(out)
    assert code == 6
    assert list(found.values()).count("signed") == 8
    assert found["words.txt"] == "unsupported"
    assert found["empty.png"] == "failed"
    assert found["link.png"] == "failed"
    assert not (tmp_path / "out" / "words.txt").exists()


def test_names_cannot_steer_the_terminal(sign, folder, tmp_path):
    (folder / "a\x1b[2J.txt").write_text("words")
    code, out, _ = sign(folder, "--out", tmp_path / "out")
    assert code == 6
    assert "\x1b" not in out


def test_a_run_is_taken_up_again(sign, folder, tmp_path):
    target = tmp_path / "out"
    sign(folder, "--out", target, "--jobs", 1)
    (target / "3.png").unlink()
    (target / "4.png").write_bytes((folder / "4.png").read_bytes())  # there, but not signed
    (target / ".tmp-signed-1-abc").write_bytes(b"of a killed run")
    (target / ".tmp-other").write_bytes(b"of somebody else")
    code, out, _ = sign(folder, "--out", target, "--resume", "--json", "--jobs", 1)
    found = states(out)
    assert code == 0
    assert sorted(name for name, state in found.items() if state == "signed") == ["3.png", "4.png"]
    assert list(found.values()).count("skipped") == 6
    assert [name for name in names(target) if name.startswith(".")] == [".tmp-other"]


def test_in_place_and_again(sign, folder):
    (folder / "0.png").chmod(0o600)
    assert sign(folder, "--in-place", "--jobs", 1)[0] == 0
    assert (folder / "0.png").stat().st_mode & 0o777 == 0o600
    code, out, _ = sign(folder, "--in-place", "--json", "--jobs", 1)
    assert code == 0
    assert all(row["parent_kept"] for row in rows(out))
    assert all(map(is_signed, folder.rglob("*.png")))


def test_sidecars_of_a_folder(sign, folder, tmp_path):
    code, _, _ = sign(folder, "--out", tmp_path / "out", "--sidecar", "--jobs", 1)
    assert code == 0
    assert len(list((tmp_path / "out").rglob("*.c2pa"))) == 8
    assert (tmp_path / "out" / "0.png").read_bytes() == (folder / "0.png").read_bytes()
    code, out, _ = sign(tmp_path / "out", "--out", tmp_path / "again", "--json", "--jobs", 1)
    assert code == 0
    assert all(row["parent_kept"] for row in rows(out))


@pytest.mark.parametrize("target", ["in/below", "."])
def test_folders_that_lie_in_each_other_are_refused(sign, folder, tmp_path, monkeypatch, target):
    monkeypatch.chdir(tmp_path)
    code, _, err = sign("in", "--out", target)
    assert code == 1
    assert "one in the other" in err


def test_refusals(sign, folder, tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "nothing").mkdir()
    part = f"parent={folder / '0.png'}"
    for arguments, words in [
        ((folder, "--out", tmp_path / "out", "--ingredient", part), "not all edits of one parent"),
        ((folder, "--out", tmp_path / "file"), "is a file"),
        ((tmp_path / "nothing", "--out", tmp_path / "out"), "no files below"),
        ((folder, "--out", folder), "source itself"),
        ((folder, "--out", tmp_path / "out", "--ingredient", "component=none.png"), "none.png"),
    ]:
        code, _, err = sign(*arguments)
        assert code in (1, 5)
        assert words in err


def test_two_runs_do_not_meet(sign, folder, tmp_path):
    from provenance.cli.sign_folder import _alone_in

    with _alone_in(tmp_path / "out"):
        code, _, err = sign(folder, "--out", tmp_path / "out")
    assert code == 1
    assert "Another run" in err


def test_a_run_that_is_stopped_leaves_no_half_of_a_file(sign, folder, tmp_path, monkeypatch):
    """Workers have written files aside that nobody will give their names."""
    picture = (folder / "0.png").read_bytes()
    for n in range(60):
        (folder / f"more-{n}.png").write_bytes(picture)

    def stop_when_workers_are_ahead(text):
        deadline = time.monotonic() + 10
        while not list((tmp_path / "out").glob(".tmp-*")) and time.monotonic() < deadline:
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(output, "echo_data", stop_when_workers_are_ahead)
    code, _, _ = sign(folder, "--out", tmp_path / "out", "--jobs", "2")
    assert code == 130
    left = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert left
    assert all(is_signed(path) for path in left)
