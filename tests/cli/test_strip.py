"""``provenance strip``: says what it took out; the file itself stays."""

import json

import numpy as np
import pytest

import provenance
from provenance.cli.main import run
from provenance.media import encode_jpeg, encode_png


@pytest.fixture
def strip(capsys):
    def strip_(*arguments):
        code = run(["strip", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return strip_


@pytest.fixture(params=[encode_png, encode_jpeg])
def plain(request):
    return request.param(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))


def test_the_copy_is_what_was_signed(strip, tmp_path, plain):
    signed = provenance.sign(plain, tmp_path / "signed")
    before = signed.read_bytes()
    code, out, _ = strip(signed, "--out", tmp_path / "out", "--json")
    report = json.loads(out)
    assert (code, report["parts"]) == (0, 1)
    assert report["bytes_removed"] == len(before) - len(plain)
    assert (tmp_path / "out").read_bytes() == plain
    assert signed.read_bytes() == before
    assert "evidence was removed" in strip(signed, "--out", tmp_path / "out")[1]


def test_a_file_without_a_credential_is_copied(strip, tmp_path, plain):
    (tmp_path / "plain").write_bytes(plain)
    code, out, _ = strip(tmp_path / "plain", "--out", tmp_path / "out")
    assert code == 0
    assert "no credential" in out
    assert (tmp_path / "out").read_bytes() == plain


def test_the_address_of_a_credential_on_a_server_stays_and_is_said(strip, shared_data, tmp_path):
    """It stands in the metadata, among things that are no credential."""
    source = shared_data / "c2pa" / "fixtures" / "cloud.jpg"
    code, out, _ = strip(source, "--out", tmp_path / "out")
    assert code == 0
    assert "names a credential on a server (https://" in out
    assert "stays" in out
    report = json.loads(strip(source, "--out", tmp_path / "out", "--json")[1])
    assert report["parts"] == 0
    assert report["remote_url"].startswith("https://")


def test_one_part_is_one_part(strip, tmp_path, plain):
    provenance.sign(plain, tmp_path / "signed")
    out = strip(tmp_path / "signed", "--out", tmp_path / "out")[1]
    assert "in 1 part taken out" in out


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"words", 1, "PNG and JPEG only"),
        (b"", 5, "empty"),
        (b"\xff\xd8\xff\xe0\0\0", 5, "damaged"),
    ],
)
def test_what_cannot_be_stripped(strip, tmp_path, content, code, words):
    (tmp_path / "a").write_bytes(content)
    found, _, err = strip(tmp_path / "a", "--out", tmp_path / "out")
    assert found == code
    assert words in err
    assert not (tmp_path / "out").exists()


def test_the_file_itself_is_refused_as_output(strip, tmp_path, plain):
    (tmp_path / "a").write_bytes(plain)
    code, _, err = strip(tmp_path / "a", "--out", tmp_path / "a")
    assert code == 1
    assert "another name" in err
    assert strip(tmp_path / "a")[0] == 2


def test_help_says_that_evidence_is_removed(strip):
    code, out, _ = strip("--help")
    assert code == 0
    assert "removes evidence" in " ".join(out.split())
