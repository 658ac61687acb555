"""``provenance sign``: a signed copy, nothing lost, and helpful refusals."""

import json

import numpy as np
import pytest

from provenance.cli.main import run
from provenance.media import encode_png


@pytest.fixture
def source(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)))
    return path


@pytest.fixture
def sign(capsys):
    def sign_(*arguments):
        code = run(["sign", *map(str, arguments)])
        return code, capsys.readouterr()

    return sign_


def test_a_signed_copy_verifies(sign, source, tmp_path):
    before, out = source.read_bytes(), tmp_path / "new" / "b.png"
    code, captured = sign(source, "--out", out, "--model", "gan-32", "--json")
    report = json.loads(captured.out)
    assert code == 0
    assert (report["integrity"], report["signer"]) == ("ok", "trusted")
    assert report["source_type"] == "trainedAlgorithmicMedia"
    assert report["title"] == "b.png"
    assert report["parent_kept"] is False
    assert source.read_bytes() == before
    assert run(["verify", str(out)]) == 0


def test_a_credential_is_kept_as_the_parent(sign, source, tmp_path):
    first, second, third = (tmp_path / f"{n}.png" for n in (1, 2, 3))
    sign(source, "--out", first, "--source-type", "digitalCapture", "--title", "holiday")
    sign(first, "--out", second)
    code, captured = sign(second, "--out", third, "--source-type", "humanEdits", "--json")
    report = json.loads(captured.out)
    assert code == 0
    assert report["parent_kept"] is True
    assert report["library"]["n_manifests"] == 3
    assert (report["integrity"], report["signer"], report["ancestors"]) == ("ok", "trusted", "ok")
    assert (report["source_type"], report["origin"]) == ("composite", "digitalCapture")
    assert report["actions"] == ["c2pa.opened", "c2pa.edited"]


def test_signing_a_changed_file_cannot_launder_it(sign, source, tmp_path):
    first, second = tmp_path / "1.png", tmp_path / "2.png"
    sign(source, "--out", first)
    data = bytearray(first.read_bytes())
    data[-30] ^= 1
    first.write_bytes(data)
    code, captured = sign(first, "--out", second)
    assert code == 0
    assert "does not hold" in captured.err
    assert run(["verify", str(second)]) == 11


def test_the_file_itself_is_refused_as_output(sign, source):
    before = source.read_bytes()
    code, captured = sign(source, "--out", source)
    assert code == 1
    assert "another name" in captured.err
    assert source.read_bytes() == before


def test_an_unknown_source_type_is_answered_with_a_known_one(sign, source, tmp_path):
    code, captured = sign(source, "--out", tmp_path / "b.png", "--source-type", "digitalcapture")
    assert code == 1
    assert "Did you mean 'digitalCapture'" in captured.err
    assert not (tmp_path / "b.png").exists()


def test_an_unsupported_type_is_an_error(sign, tmp_path):
    path = tmp_path / "words.png"
    path.write_text("only words")
    code, captured = sign(path, "--out", tmp_path / "b.png")
    assert code == 1
    assert "text/plain" in captured.err


def test_a_credential_on_a_server_is_not_cut_off(sign, shared_data, tmp_path):
    path = shared_data / "c2pa" / "fixtures" / "cloud.jpg"
    code, captured = sign(path, "--out", tmp_path / "b.jpg")
    assert code == 1
    assert "server" in captured.err


def test_usage_errors(sign, source, tmp_path):
    assert sign(source)[0] == 2
    assert sign(tmp_path / "absent.png", "--out", tmp_path / "b.png")[0] == 2


def test_a_credential_that_cannot_be_kept_is_not_dropped(sign, shared_data, tmp_path):
    path = shared_data / "c2pa" / "fixtures" / "prerelease.jpg"
    code, captured = sign(path, "--out", tmp_path / "b.jpg")
    assert code == 1
    assert "cannot be kept" in captured.err
    assert not (tmp_path / "b.jpg").exists()


def test_what_cannot_be_examined_is_not_signed(sign, source, tmp_path, monkeypatch):
    from provenance.credentials.reading import opening

    monkeypatch.setattr(opening, "MAX_FILE_BYTES", 10)
    code, captured = sign(source, "--out", tmp_path / "b.png")
    assert code == 5
    assert "exceeds" in captured.err
    assert not (tmp_path / "b.png").exists()


def test_names_that_are_not_utf_8_can_be_signed(sign, source, tmp_path):
    first, second = (tmp_path / f"{name}\udce9.png" for name in ("caf", "th"))
    assert sign(source, "--out", first)[0] == 0
    code, captured = sign(first, "--out", second, "--json")
    assert code == 0, captured.err
    assert json.loads(captured.out)["title"] == "th?.png"
