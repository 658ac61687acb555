"""A chain as people make it: generate, sign, edit with OpenCV, sign again, update, verify."""

import json
import subprocess
import sys

import click
import cv2
import numpy as np
import pytest

from provenance.cli.main import cli, run
from provenance.media import encode_png

# An assertion label whose last part begins with this ends any process of the pinned library.
DEADLY = b"com.example.\xc2\x9bX"


@pytest.fixture
def provenance(capsys):
    """Run a command and return its output; JSON where it was asked for."""

    def provenance_(*arguments, code=0):
        found = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert found in (code if isinstance(code, tuple) else (code,)), captured.err
        return json.loads(captured.out) if "--json" in arguments else captured.out

    return provenance_


@pytest.fixture
def generated(tmp_path):
    """What a generator hands over: pixels, and nothing else in the file."""
    path = tmp_path / "generated.png"
    rng = np.random.default_rng(0)
    path.write_bytes(encode_png(rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)))
    return path


@pytest.fixture
def photo(provenance, tmp_path):
    """A signed photograph, to be pasted in."""
    plain, path = tmp_path / "plain.jpg", tmp_path / "photo.jpg"
    cv2.imwrite(str(plain), np.full((16, 16, 3), 200, np.uint8))
    provenance("sign", plain, "--out", path, "--source-type", "digitalCapture")
    return path


@pytest.fixture
def chain(provenance, generated, photo, tmp_path):
    """Return (original, edited, signed edit, signed again, updated)."""
    original, edited, once, again, last = (
        tmp_path / f"{name}.png" for name in ("original", "edited", "once", "again", "last")
    )
    provenance("sign", generated, "--out", original, "--model", "gan-48", "--generator", "studio")
    pixels = cv2.imread(str(original))
    pixels[8:24, 8:24] = cv2.imread(str(photo))
    cv2.imwrite(str(edited), cv2.GaussianBlur(pixels, (3, 3), 0))
    ingredients = ("--ingredient", f"parent={original}", "--ingredient", f"component={photo}")
    action = ("--action", "c2pa.filtered,source_type=humanEdits,description=a slight blur")
    provenance("sign", edited, "--out", once, *ingredients, *action)
    provenance("sign", once, "--out", again, "--claim", "desk=north")
    provenance("sign", again, "--out", last, "--update", "--claim", "checked=yes")
    return original, edited, once, again, last


def test_opencv_drops_the_credential_and_the_ingredient_brings_it_back(provenance, chain):
    _, edited, once, *_ = chain
    (found,) = provenance("verify", edited, "--json", code=12)
    assert found["integrity"] == "none"
    (found,) = provenance("verify", once, "--json")
    assert (found["integrity"], found["signer"], found["ancestors"]) == ("ok", "trusted", "ok")
    assert found["actions"][0] == "c2pa.opened"
    assert {"c2pa.filtered", "c2pa.placed"} <= set(found["actions"])


def test_the_whole_chain_is_trusted_and_a_composite(provenance, chain):
    (found,) = provenance("verify", chain[-1], "--json", "--require-trusted")
    axes = [found[axis] for axis in ("integrity", "signer", "time", "ancestors")]
    assert axes == ["ok", "trusted", "none", "ok"]
    assert found["library"]["n_manifests"] == 5  # original, photograph, edit, edit, update
    # made by a model in the beginning, and since the edit a composite with what a model made
    assert found["origin"] == "trainedAlgorithmicMedia"
    assert found["source_type"] == "compositeWithTrainedAlgorithmicMedia"
    assert found["edit_types"][0] == "compositeWithTrainedAlgorithmicMedia"
    assert "humanEdits" in found["edit_types"]
    assert {"fullyGenAIMedia", "perceptibleGenAI"} <= set(found["signals"])


def test_the_tree_shows_every_step(provenance, chain):
    out = provenance("verify", chain[-1], "--tree")
    for title in ("last.png", "again.png", "once.png", "original.png", "photo.jpg"):
        assert title in out, title
    assert out.count("parent:") == 3
    assert out.count("component:") == 1
    assert "untrusted" not in out
    assert "failed" not in out


def test_a_changed_parent_is_seen_through_the_whole_chain(provenance, chain, tmp_path):
    original, edited, *_ = chain
    data = bytearray(original.read_bytes())
    data[-30] ^= 1
    changed, once, again = (tmp_path / f"{name}.png" for name in ("changed", "o", "a"))
    changed.write_bytes(data)
    provenance("sign", edited, "--out", once, "--ingredient", f"parent={changed}")
    provenance("sign", once, "--out", again)
    (found,) = provenance("verify", again, "--json", code=11)
    assert (found["integrity"], found["signer"], found["ancestors"]) == ("ok", "trusted", "failed")


def test_each_step_leaves_its_input_as_it_was(provenance, chain):
    for path, n_manifests in zip(chain, (1, 0, 3, 4, 5), strict=True):
        code = 0 if n_manifests else 12
        (found,) = provenance("verify", path, "--json", code=code)
        assert found["library"]["n_manifests"] == n_manifests


def test_a_chain_in_a_pipe(generated):
    """From stdin to stdout, twice, without a file in between."""

    def sign(data, *more):
        command = [sys.executable, "-m", "provenance", "sign", "-", "--out", "-", *more]
        return subprocess.run(command, input=data, capture_output=True, check=True).stdout

    data = sign(
        sign(generated.read_bytes(), "--model", "m"),
        "--action",
        "c2pa.edited,source_type=humanEdits",
    )
    command = [sys.executable, "-m", "provenance", "verify", "-", "--json"]
    found = subprocess.run(command, input=data, capture_output=True, check=False)
    (row,) = json.loads(found.stdout)
    assert found.returncode == 0
    assert (row["integrity"], row["signer"], row["ancestors"]) == ("ok", "trusted", "ok")
    assert row["library"]["n_manifests"] == 2


def test_a_file_that_ends_the_library_costs_itself_alone(provenance, chain, tmp_path):
    """A native abort cannot be caught, so files are read where it harms nobody."""
    folder = tmp_path / "folder"
    folder.mkdir()
    label = "com.example.ABX"
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps({"assertions": [{"label": label, "data": {"a": 1}}]}))
    provenance("sign", chain[1], "--out", folder / "b.png", "--recipe", recipe)
    data = (folder / "b.png").read_bytes()
    assert data.count(label.encode()) > 1
    (folder / "b.png").write_bytes(data.replace(label.encode(), DEADLY))
    for name in ("a.png", "c.png"):
        (folder / name).write_bytes(chain[0].read_bytes())
    rows = provenance("verify", folder, "--json", code=(5, 11))
    good = [row for row in rows if not row["path"].endswith("b.png")]
    (bad,) = [row for row in rows if row["path"].endswith("b.png")]
    assert [(row["integrity"], row["signer"]) for row in good] == [("ok", "trusted")] * 2
    assert bad["integrity"] != "ok"
    assert bad["error"] or bad["integrity"] == "failed"


def commands(group, *path):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


def test_help_shows_no_marks_of_its_own_making(capsys):
    found = list(commands(cli))
    assert ("trust", "add") in found
    for path in found:
        assert run([*path, "--help"]) == 0
        assert "\\b" not in capsys.readouterr().out, path
