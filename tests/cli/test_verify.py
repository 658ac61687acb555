"""``provenance verify``: exit codes, JSON, folders, and text that must not reach a terminal."""

import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from provenance.cli.main import run
from provenance.credentials import (
    GenerationClaim,
    development_signer,
    generation_manifest,
    sign_bytes,
)
from provenance.media import encode_png


def png(seed):
    rng = np.random.default_rng(seed)
    return encode_png(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))


def signed(seed, title="a.png"):
    claim = GenerationClaim(title, "gan", "1.0", "gan", "gan-32", "ab" * 32, seed, "sample")
    return sign_bytes(png(seed), "image/png", generation_manifest(claim), development_signer())


@pytest.fixture
def synthetic(tmp_path):
    """Ten signed files in two folders, as a corpus has them."""
    folder = tmp_path / "synthetic"
    for seed in range(10):
        path = folder / ("gan" if seed % 2 else "vae") / f"{seed}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(signed(seed))
    return folder


@pytest.fixture
def verify(capsys):
    def verify_(*arguments):
        code = run(["verify", *map(str, arguments)])
        return code, capsys.readouterr()

    return verify_


def rows(captured):
    return json.loads(captured.out)


def flip(path, offset=-30):
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def test_a_signed_folder_is_trusted(verify, synthetic):
    code, captured = verify(synthetic, "--json")
    found = rows(captured)
    assert code == 0
    assert len(found) == 10
    assert {(r["integrity"], r["signer"]) for r in found} == {("ok", "trusted")}
    assert {len(r["trust"]["sha256"]) for r in found} == {64}
    assert [one["name"] for one in found[0]["trust"]["lists"]] == ["development-ca"]
    assert found[0]["versions"]["c2pa-python"] == "0.38.1"
    assert found[0]["versions"]["c2pa-rs"] == "0.91.3"


def test_files_and_their_folder_are_reported_once(verify, synthetic):
    code, captured = verify(*sorted(synthetic.rglob("*")), "--json")  # what ** expands to
    assert code == 0
    assert len(rows(captured)) == 10


def test_processes_answer_as_one_does(verify, synthetic):
    flip(synthetic / "gan" / "1.png")
    _, alone = verify(synthetic, "--json", "--jobs", 1)
    code, together = verify(synthetic, "--json", "--jobs", 2)
    assert code == 11
    assert rows(together) == rows(alone)


def test_one_flipped_bit_is_11(verify, synthetic):
    flip(synthetic / "gan" / "1.png")
    code, captured = verify(synthetic)
    assert code == 11
    assert captured.out.count("failed") == 1


def test_a_stripped_manifest_is_12(verify, synthetic):
    path = synthetic / "gan" / "1.png"
    Image.open(io.BytesIO(path.read_bytes())).save(path)
    code, captured = verify(path, "--json")
    assert code == 12
    assert rows(captured)[0]["integrity"] == "none"


def test_without_anchors_it_is_untrusted_and_never_tampered(verify, synthetic):
    code, captured = verify(synthetic, "--no-trust-anchors")
    assert code == 0
    assert captured.out.count("untrusted") == 10
    assert "tamper" not in (captured.out + captured.err).lower()
    assert "Trusting nobody" in captured.out
    assert verify(synthetic, "--no-trust-anchors", "--require-trusted")[0] == 11


def test_the_worst_decides(verify, synthetic, tmp_path):
    bare = tmp_path / "bare.png"
    bare.write_bytes(png(99))
    missing = tmp_path / "missing.png"
    assert verify(missing)[0] == 5
    assert verify(synthetic, missing)[0] == 5
    assert verify(synthetic, missing, bare)[0] == 12
    flip(synthetic / "gan" / "1.png")
    assert verify(synthetic, missing, bare)[0] == 11


def test_require_trusted_does_not_turn_absence_into_distrust(verify, tmp_path):
    bare = tmp_path / "bare.png"
    bare.write_bytes(png(99))
    assert verify(bare, "--require-trusted")[0] == 12


def test_links_below_a_folder_are_not_followed(verify, synthetic, tmp_path):
    (tmp_path / "secret.png").write_bytes(png(5))
    (synthetic / "link.png").symlink_to(tmp_path / "secret.png")
    (synthetic / "loop").symlink_to(synthetic)
    code, captured = verify(synthetic, "--json")
    assert code == 0
    assert len(rows(captured)) == 10


def test_text_of_a_file_cannot_command_the_terminal(verify, tmp_path):
    path = tmp_path / "a\x1b[2J[red]\n<script>.png"
    path.write_bytes(signed(0, title="\x1b]0;owned\x07\u202e"))
    code, captured = verify(path)
    assert code == 0
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", captured.out)
    assert "[red]" in captured.out.replace("\n", "").replace(" ", "").replace("│", "")
    _, captured = verify(path, "--json")
    assert rows(captured)[0]["title"] == "\x1b]0;owned\x07\u202e"
    assert captured.out.isascii()


def test_bad_lists_and_combinations_are_errors(verify, synthetic, tmp_path):
    garbage = tmp_path / "roots.pem"
    garbage.write_text("garbage")
    code, captured = verify(synthetic, "--trust-anchors", garbage)
    assert code == 1
    assert "Give a PEM file" in captured.err
    assert verify(synthetic, "--trust-anchors", garbage, "--no-trust-anchors")[0] == 2
    assert verify(synthetic, "--trust-anchors", tmp_path / "absent.pem")[0] == 2
    (tmp_path / "empty").mkdir()
    assert verify(tmp_path / "empty")[0] == 1
    assert verify()[0] == 2


def test_public_test_files_agree_with_the_golden_file(verify, shared_data):
    folder = shared_data / "c2pa"
    entries = json.loads((folder / "golden-public-testfiles.json").read_text())["files"]
    golden = {entry["file"]: entry["adobe_test_roots"] for entry in entries}
    files = sorted((folder / "public-testfiles" / "image" / "jpeg").glob("*.jp*g"))
    code, captured = verify(*files, "--trust-anchors", folder / "test-roots.pem", "--json")
    assert code == 11
    found = {str(r["path"]).partition("public-testfiles/")[2]: r["library"] for r in rows(captured)}
    assert len(found) == len(files) == 26
    for name, library in found.items():
        assert library["state"] == golden[name]["state"]
        assert library["active_failures"] == golden[name].get("active_failures", [])


def test_a_path_that_is_too_long_is_unreadable(verify):
    code, captured = verify("x" * 300, "--json")
    assert code == 5
    assert "too long" in rows(captured)[0]["error"]
