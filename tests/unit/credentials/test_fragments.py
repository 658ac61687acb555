"""Fragmented MP4: each segment is judged together with its init segment, and by itself."""

import pytest

from provenance.credentials import read_credential, read_fragments


@pytest.fixture
def folder(c2pa_data):
    return c2pa_data / "fixtures"


@pytest.fixture
def init(folder):
    return folder / "dashinit.mp4"


@pytest.fixture
def segment(folder):
    return folder / "dash1.m4s"


def axes(credential):
    return credential.integrity, credential.signer, credential.time, credential.ancestors


def test_a_segment_is_what_was_signed(init, segment, nobody):
    (credential,) = read_fragments(init, [segment], nobody)
    assert axes(credential) == ("ok", "untrusted", "none", "none")
    assert credential.place == "embedded"


@pytest.mark.parametrize("at", [-50, 5000, 30000])
def test_one_changed_bit_is_found_and_costs_no_other_segment(init, segment, nobody, tmp_path, at):
    data = bytearray(segment.read_bytes())
    data[at] ^= 1
    changed = tmp_path / "changed.m4s"
    changed.write_bytes(data)
    found = read_fragments(init, [segment, changed, segment], nobody)
    assert [one.integrity for one in found] == ["ok", "failed", "ok"]


def test_a_truncated_segment_is_failed(init, segment, nobody, tmp_path):
    short = tmp_path / "short.m4s"
    short.write_bytes(segment.read_bytes()[:-100])
    assert read_fragments(init, [short], nobody)[0].integrity == "failed"


def test_a_changed_init_segment_fails_every_segment(init, segment, nobody, tmp_path):
    data = bytearray(init.read_bytes())
    data[-50] ^= 1
    changed = tmp_path / "init.mp4"
    changed.write_bytes(data)
    assert read_fragments(changed, [segment], nobody)[0].integrity == "failed"


def test_the_init_segment_of_another_film_does_not_vouch(folder, segment, test_roots):
    (credential,) = read_fragments(folder / "video1.mp4", [segment], test_roots)
    assert credential.integrity == "failed"


def test_an_init_segment_without_a_credential_says_nothing(folder, segment, nobody):
    (credential,) = read_fragments(folder / "video1_no_manifest.mp4", [segment], nobody)
    assert axes(credential) == ("none",) * 4
    assert credential.error is None
    assert not credential.is_present


def test_a_missing_segment_costs_only_itself(init, segment, nobody, tmp_path):
    found = read_fragments(init, [tmp_path / "gone.m4s", segment], nobody)
    assert found[0].error
    assert [one.integrity for one in found] == ["none", "ok"]


@pytest.mark.parametrize("name", ["gone.mp4", "C.jpg"])
def test_without_an_init_segment_nothing_is_examined(folder, segment, nobody, name):
    found = read_fragments(folder / name, [segment, segment], nobody)
    assert len(found) == 2
    assert all("init segment" in one.error for one in found)


def test_parts_given_alone_are_no_changed_files(init, segment, nobody):
    first = read_credential(init, None, nobody)
    assert axes(first) == ("none",) * 4
    assert first.is_present
    assert "init segment of a fragmented file" in first.conclusion
    assert "together with its init segment" in read_credential(segment, None, nobody).error


def test_an_init_segment_with_foreign_content_is_failed(init, nobody, tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(init.read_bytes() + b"\x00\x00\x00\x10mdat" + bytes(8))
    assert read_credential(path, None, nobody).integrity == "failed"
