"""Sidecars: paired by name in one folder, not believed about other files, not through links."""

import io
import os
import shutil
import zlib

import c2pa
import pytest

import provenance
from provenance.credentials import (
    ReadingOptions,
    read_credential,
    read_credential_bytes,
    sign_bytes,
)
from provenance.credentials.engine import context
from provenance.credentials.reading import sidecars
from provenance.credentials.reading.opening import STORE_MARK

WITHOUT = ReadingOptions(sidecars=False)


def axes(credential):
    return credential.integrity, credential.signer, credential.time, credential.ancestors


TRUSTED = ("ok", "trusted", "none", "none")
NONE = ("none",) * 4


@pytest.fixture
def store(png, manifest, signer):
    """The manifest store of ``png``, which stays as it is."""
    return detached(png, "image/png", manifest, signer)


def detached(data, media_type, manifest, signer):
    with c2pa.Builder(manifest, context()) as builder:
        builder.set_no_embed()
        out = io.BytesIO()
        store = builder.sign(signer.native(), media_type, io.BytesIO(data), out)
    assert out.getvalue() == data
    return bytes(store)


@pytest.fixture
def pair(tmp_path, png, store):
    """A PNG and its sidecar."""
    path = tmp_path / "x.png"
    path.write_bytes(png)
    path.with_suffix(".c2pa").write_bytes(store)
    return path


def flip(path, at=-30):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_sidecar_speaks_for_its_file(pair, anchors):
    credential = read_credential(pair, None, anchors)
    assert axes(credential) == TRUSTED
    assert (credential.place, credential.paired_with) == ("sidecar", "x.c2pa")
    assert credential.to_json()["place"] == "sidecar"
    assert not credential.is_sidecar


def test_sidecars_can_be_left_out(pair, anchors):
    assert read_credential(pair, None, anchors, options=WITHOUT).place == "none"


def test_a_changed_file_beside_its_sidecar_is_failed(pair, anchors):
    flip(pair)
    credential = read_credential(pair, None, anchors)
    assert credential.integrity == "failed"
    assert credential.place == "sidecar"


def test_a_changed_sidecar_is_failed(pair, anchors):
    sidecar = pair.with_suffix(".c2pa")
    flip(sidecar, at=sidecar.read_bytes().index(b"trainedAlgorithmicMedia"))
    assert read_credential(pair, None, anchors).integrity == "failed"


def test_the_credential_inside_wins_and_the_sentence_says_so(pair, png, manifest, signer, anchors):
    pair.write_bytes(sign_bytes(png, "image/png", manifest, signer))
    credential = read_credential(pair, None, anchors)
    assert axes(credential) == TRUSTED
    assert credential.place == "embedded"
    assert "the sidecar beside it was not used" in credential.conclusion
    assert credential.to_json()["notes"] == ["the sidecar beside it was not used"]


def test_a_damaged_credential_inside_is_not_healed_by_a_sidecar(
    pair, png, manifest, signer, anchors
):
    signed = sign_bytes(png, "image/png", manifest, signer)
    pair.write_bytes(signed[:-30] + bytes([signed[-30] ^ 1]) + signed[-29:])
    credential = read_credential(pair, None, anchors)
    assert (credential.integrity, credential.place) == ("failed", "embedded")


# --- one name, several files ---------------------------------------------------------------------


def test_the_sidecar_of_another_file_of_that_name_accuses_nobody(pair, anchors):
    photo = pair.with_suffix(".jpg")
    photo.write_bytes(b"\xff\xd8\xff\xe0" + b"another picture")
    credential = read_credential(photo, None, anchors)
    assert credential.integrity == "none"
    assert "the sidecar beside it belongs to x.png" in credential.conclusion
    assert axes(read_credential(pair, None, anchors)) == TRUSTED


def test_a_sidecar_that_matches_none_of_its_files_accuses_them(pair, anchors):
    flip(pair)
    shutil.copy(pair, pair.with_suffix(".jpg"))
    assert read_credential(pair, None, anchors).integrity == "failed"
    assert read_credential(pair.with_suffix(".jpg"), None, anchors).integrity == "failed"


def test_the_name_of_another_file_is_escaped_in_the_sentence(tmp_path, png, store, anchors):
    for suffix in ("png", "c2pa", "jpg"):
        (tmp_path / f"\x1b[2J.{suffix}").write_bytes(store if suffix == "c2pa" else png)
    (tmp_path / "\x1b[2J.jpg").write_bytes(png + b"x")
    credential = read_credential(tmp_path / "\x1b[2J.jpg", None, anchors)
    assert r"belongs to \x1b[2J.png" in credential.conclusion


# --- what is no sidecar --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("link", "symbolic link"),
        ("folder", "regular file"),
        ("pipe", "regular file"),
        ("empty", "empty"),
        ("large", "exceeds 64 MiB"),
        ("text", "no manifest store"),
        ("dangling", "symbolic link"),
    ],
)
def test_what_is_no_sidecar_is_not_used_and_said(pair, anchors, tmp_path, kind, word):
    sidecar = pair.with_suffix(".c2pa")
    aside = tmp_path / "aside"
    sidecar.rename(aside)
    make = {
        "link": lambda: sidecar.symlink_to(aside),
        "dangling": lambda: sidecar.symlink_to("nowhere"),
        "folder": sidecar.mkdir,
        "pipe": lambda: os.mkfifo(sidecar),
        "empty": sidecar.touch,
        "text": lambda: sidecar.write_text("hello"),
        "large": lambda: os.truncate(_copy(aside, sidecar), sidecars.MAX_SIDECAR_BYTES + 1),
    }
    make[kind]()
    credential = read_credential(pair, None, anchors)
    assert axes(credential) == NONE
    assert credential.error is None
    assert word in credential.conclusion


def _copy(source, target):
    shutil.copy(source, target)
    return target


def test_a_sidecar_in_another_folder_is_not_looked_for(pair, anchors, tmp_path):
    (tmp_path / "sub").mkdir()
    shutil.copy(pair, tmp_path / "sub" / "x.png")
    assert read_credential(tmp_path / "sub" / "x.png", None, anchors).place == "none"


def test_files_that_cannot_carry_a_credential_may_have_one_beside_them(
    tmp_path, png, manifest, signer, anchors
):
    path = tmp_path / "notes.txt"
    path.write_bytes(b"words")
    assert read_credential(path, None, anchors).conclusion.startswith("Files of this type")
    path.with_suffix(".c2pa").write_bytes(detached(png, "image/png", manifest, signer))
    assert read_credential(path, None, anchors).integrity == "failed"


# --- a sidecar given on its own ------------------------------------------------------------------


def test_a_sidecar_on_its_own_says_whose_it_is(pair, anchors):
    credential = read_credential(pair.with_suffix(".c2pa"), None, anchors)
    assert axes(credential) == TRUSTED
    assert credential.is_sidecar
    assert credential.paired_with == "x.png"
    assert credential.conclusion.startswith("It is the sidecar of x.png")


def test_a_sidecar_is_told_by_its_content(pair, anchors):
    odd = pair.with_name("x.dat")
    pair.with_suffix(".c2pa").rename(odd)
    assert read_credential(odd, None, anchors).paired_with == "x.png"


def test_a_sidecar_of_a_changed_file_is_failed(pair, anchors):
    flip(pair)
    credential = read_credential(pair.with_suffix(".c2pa"), None, anchors)
    assert credential.integrity == "failed"
    assert credential.is_sidecar


def test_of_several_files_the_one_that_matches_is_named(pair, anchors):
    for suffix in ("jpg", "gif", "avi"):
        pair.with_suffix(f".{suffix}").write_bytes(b"something else")
    credential = read_credential(pair.with_suffix(".c2pa"), None, anchors)
    assert (credential.integrity, credential.paired_with) == ("ok", "x.png")


def test_a_sidecar_without_its_file_is_no_failure(pair, anchors):
    pair.unlink()
    credential = read_credential(pair.with_suffix(".c2pa"), None, anchors)
    assert axes(credential) == NONE
    assert credential.is_present
    assert credential.error is None
    assert "no file of its name" in credential.conclusion


def test_a_sidecar_of_a_file_that_was_signed_anew_is_no_failure(
    pair, png, manifest, signer, anchors
):
    pair.write_bytes(sign_bytes(png, "image/png", manifest, signer))
    credential = read_credential(pair.with_suffix(".c2pa"), None, anchors)
    assert axes(credential) == NONE
    assert "x.png carries a credential of its own" in credential.conclusion


def test_a_sidecar_does_not_follow_links_to_its_file(pair, anchors, tmp_path):
    pair.rename(tmp_path / "aside")
    pair.symlink_to(tmp_path / "aside")
    assert read_credential(pair.with_suffix(".c2pa"), None, anchors).integrity == "none"


def test_a_sidecar_that_is_not_to_be_paired_says_what_it_is(pair, anchors):
    credential = read_credential(pair.with_suffix(".c2pa"), None, anchors, options=WITHOUT)
    assert credential.is_sidecar
    assert axes(credential) == NONE


# --- in memory -----------------------------------------------------------------------------------


def test_bytes_and_their_manifest_are_a_pair(png, store, anchors):
    credential = read_credential_bytes(png, None, anchors, manifest_data=store)
    assert axes(credential) == TRUSTED
    assert credential.place == "sidecar"
    changed = png[:-30] + bytes([png[-30] ^ 1]) + png[-29:]
    credential = read_credential_bytes(changed, None, anchors, manifest_data=store)
    assert credential.integrity == "failed"


def test_bytes_with_a_credential_inside_ignore_the_manifest(signed, store, anchors):
    credential = read_credential_bytes(signed.read_bytes(), None, anchors, manifest_data=store)
    assert (credential.place, credential.integrity) == ("embedded", "ok")
    assert "was not used" in credential.conclusion


@pytest.mark.parametrize("data", [b"", b"<html>"])
def test_a_given_manifest_that_is_none_is_said(png, anchors, data):
    credential = read_credential_bytes(png, "image/png", anchors, manifest_data=data)
    assert axes(credential) == NONE
    assert "no manifest store" in credential.conclusion


def test_odd_bytes_are_answers_too(store, anchors):
    assert read_credential_bytes(b"", None, anchors).error
    assert read_credential_bytes(store, None, anchors).is_sidecar
    assert axes(read_credential_bytes(b"words", None, anchors)) == NONE


def test_a_detached_manifest_does_not_hide_an_overwritten_exclusion(
    tmp_path, png, manifest, signer, anchors
):
    """The hole of c2pa-rs before 0.91: the excluded range of a detached manifest held anything.

    The manifest is made for a file with room for it, and says that this room is not hashed; then
    the room is filled with something else.
    """
    signed = sign_bytes(png, "image/png", manifest, signer)
    start = signed.index(b"caBX") - 4
    length = int.from_bytes(signed[start : start + 4], "big")
    store = signed[start + 8 : start + 8 + length]
    path = tmp_path / "x.png"
    path.with_suffix(".c2pa").write_bytes(store)
    # the same length, another chunk: text that nobody signed
    payload = b"Comment\x00" + b"forged " * (length // 7)
    payload = payload[:length].ljust(length, b" ")
    chunk = signed[start : start + 4] + b"tEXt" + payload
    crc = zlib.crc32(chunk[4:]).to_bytes(4, "big")
    path.write_bytes(signed[:start] + chunk + crc + signed[start + 12 + length :])
    credential = read_credential(path, None, anchors)
    assert (credential.place, credential.integrity) == ("sidecar", "failed")


@pytest.mark.parametrize("filler", [b"", b"mb"])
def test_a_picture_that_poses_as_a_sidecar_is_read_as_a_picture(pixels, anchors, tmp_path, filler):
    from provenance.media import encode_jpeg

    jpeg = encode_jpeg(pixels)
    # "ju" is the length of the comment, so that "jumb" stands where that of a store does
    comment = (filler.ljust(6, b"\0") + STORE_MARK).ljust(int.from_bytes(b"ju") - 2, b"\0")
    jpeg = jpeg[:2] + b"\xff\xfeju" + comment + jpeg[2:]
    signed = bytearray(provenance.sign(jpeg))
    assert signed.startswith(STORE_MARK, 12)
    assert axes(read_credential_bytes(bytes(signed), None, anchors)) == TRUSTED
    signed[-30] ^= 1
    path = tmp_path / "x.jpg"
    path.write_bytes(signed)
    found = read_credential(path, None, anchors)
    assert (found.integrity, found.is_sidecar) == ("failed", False)
