"""Any folder of images: what is read, what is left out, what is said of it."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from provenance import InputSpec, UserError
from provenance.plugins import registry

WINDOW = InputSpec(geometry="crop", size_px=16)


def read(folder, *, count=None, seed=0, window=WINDOW):
    return registry().dataset("folder").factory(str(folder)).items(window, count=count, seed=seed)


@pytest.fixture
def pictures(tmp_path, picture):
    for number, name in enumerate(["cats/a.jpg", "cats/b.png", "dogs/big/c.bmp", "d.webp"]):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(path.suffix, seed=number))
    return tmp_path


def test_every_picture_is_read_and_its_folder_is_its_class(pictures):
    found = read(pictures)
    assert {media.group: media.category for media in found} == {
        "cats/a.jpg": "cats",
        "cats/b.png": "cats",
        "dogs/big/c.bmp": "big",
        "d.webp": None,
    }
    assert all(media.id.startswith(f"{media.group}/x") for media in found)
    assert {media.data.shape for media in found} == {(16, 16, 3)}


def test_pictures_take_turns_and_seeds_repeat(pictures):
    found = read(pictures, count=8)
    assert set(Counter(media.group for media in found).values()) == {2}
    assert [m.id for m in found] == [m.id for m in read(pictures, count=8)]
    assert [m.id for m in found] != [m.id for m in read(pictures, count=8, seed=1)]


def test_jpegs_are_downscaled_by_two_or_more(pictures):
    assert not [media for media in read(pictures) if "/x1/" in media.id]


def test_small_pictures_are_used_as_they_are(tmp_path, picture):
    (tmp_path / "a.png").write_bytes(picture(height=16, width=16))
    (media,) = read(tmp_path)
    assert media.id == "a.png/x1/r0000c0000"


def test_what_is_no_picture_costs_a_line_and_is_counted(pictures, picture, caplog):
    (pictures / "notes.txt").write_text("no picture")
    (pictures / "liar.jpg").write_text("no picture either")
    (pictures / "torn.png").write_bytes(picture()[:200])
    (pictures / "empty.png").write_bytes(b"")
    (pictures / "tiny.png").write_bytes(picture(height=8, width=8))
    caplog.set_level("WARNING", "provenance_datasets")
    assert len({media.group for media in read(pictures)}) == 4
    lines = [record.getMessage() for record in caplog.records]
    for name in ("notes.txt", "liar.jpg", "torn.png", "empty.png", "tiny.png"):
        assert sum(name in line for line in lines) == 1
    assert any("Skipped 5 pictures" in line for line in lines)


def test_hidden_files_and_links_are_not_read(pictures, picture, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "o.png").write_bytes(picture())
    (pictures / "link.png").symlink_to(outside / "o.png")
    (pictures / "linked").symlink_to(outside)
    (pictures / "loop").symlink_to(pictures)
    (pictures / ".hidden.png").write_bytes(picture())
    (pictures / ".git").mkdir()
    (pictures / ".git" / "a.png").write_bytes(picture())
    assert len({media.group for media in read(pictures)}) == 4


def test_odd_names_are_no_trouble(tmp_path, picture):
    for name in ("a\nb.png", "<script>.png", "ünï.png"):
        (tmp_path / name).write_bytes(picture())
    assert len({media.group for media in read(tmp_path)}) == 3


@pytest.mark.parametrize(
    ("argument", "message"), [("", "needs a path"), ("/nowhere/at/all", "no folder")]
)
def test_a_wrong_path_is_said(argument, message):
    with pytest.raises(UserError, match=message):
        read(argument)


def test_a_folder_without_pictures_is_said(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(UserError, match="no image of 16 px or more among 1 files"):
        read(tmp_path)


def test_only_as_many_files_are_read_as_are_needed(tmp_path, picture, caplog):
    for number in range(30):
        (tmp_path / f"{number}.png").write_bytes(picture(seed=number))
        (tmp_path / f"{number}.txt").write_text("text")
    assert len(read(tmp_path, count=5)) == 5
    skipped = [r for r in caplog.records if r.getMessage().startswith(f"Skipped {tmp_path}")]
    assert len(skipped) < 30


@pytest.mark.parametrize(
    ("name", "groups"), [("bsds500/real", 300), ("kodak24/real", 14), ("cifar10/real", 320)]
)
def test_real_folders(name, groups, shared_data):
    window = InputSpec(geometry="crop", size_px=32)
    found = read(shared_data / "image" / name, count=320, window=window)
    assert len(found) == 320
    assert len({media.group for media in found}) == groups
    assert np.mean([media.data.std() for media in found]) > 20


@pytest.mark.parametrize("mark", ["corpus.json", ".work/plan.json"])
def test_corpora_of_ours_are_left_out_whole(pictures, picture, caplog, mark):
    corpus = pictures / "cats" / "corpus"
    for path in (corpus / "synthetic/gan/sample/0.png", corpus / "real/0.png"):
        path.parent.mkdir(parents=True)
        path.write_bytes(picture())
    (corpus / mark).parent.mkdir(exist_ok=True)
    (corpus / mark).write_text("{}")
    assert len({media.group for media in read(pictures)}) == 4
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [f"Left out {corpus}: it is a corpus of this suite"]
    with pytest.raises(UserError, match="corpora of this suite are not read"):
        read(corpus)


def test_a_name_that_is_not_utf_8_becomes_one_that_is(tmp_path, picture):
    folder = os.fsencode(tmp_path) + b"/d\xe9j\xe0"
    Path(os.fsdecode(folder)).mkdir()
    Path(os.fsdecode(folder + b"/caf\xe9.png")).write_bytes(picture())
    media = read(tmp_path)[0]
    assert media.group == r"d\xe9j\xe0/caf\xe9.png"
    assert media.category == r"d\xe9j\xe0"
    assert media.id.encode().startswith(media.group.encode())


@pytest.mark.parametrize(("head", "reason"), [(b"", "not an image"), (b"png", "exceeds 256 MiB")])
def test_a_huge_file_is_skipped_before_it_is_read(pictures, picture, caplog, head, reason):
    with (pictures / "huge.png").open("wb") as stream:
        stream.write(picture() if head else bytes(8))
        stream.truncate(1 << 42)  # sparse: takes no room, but would take all memory
    assert len({media.group for media in read(pictures)}) == 4
    assert any("huge.png" in r.getMessage() and reason in r.getMessage() for r in caplog.records)


def test_a_path_that_is_too_long_is_said():
    with pytest.raises(UserError, match="no folder"):
        read("x" * 300)
