"""What ``generate`` leaves on disk, and that equal requests give equal pixels."""

import json
import os

import numpy as np
import pytest

from provenance import Step, UnreadableError, UserError
from provenance.corpora import open_corpus
from provenance.files import sha256_file
from provenance.media import decode, encode_png


def pixels(folder):
    corpus = open_corpus(folder)
    return {row.file_name: decode(folder / row.file_name)[1] for row in corpus.rows}


def test_a_corpus_is_whole(corpus_folder, corpus):
    listed = {row.file_name for row in corpus.rows}
    there = {
        path.relative_to(corpus_folder).as_posix()
        for name in ("real", "synthetic")
        for path in (corpus_folder / name).rglob("*")
        if path.is_file()
    }
    assert listed == there
    assert len(listed) == 48 * 5  # real, three steps of tint, samples of plain
    assert all(sha256_file(corpus_folder / row.file_name) == row.sha256 for row in corpus.rows)


def test_header_counts_and_hashes_are_true(corpus):
    counts = corpus.header["counts"]
    assert counts["files"] == len(corpus.rows) == sum(counts["split"].values())
    assert counts["step"]["sample"] == sum(row.step is Step.SAMPLE for row in corpus.rows)
    for generator in corpus.header["generators"]:
        folder = corpus.folder / "generators" / generator["name"]
        digest = sha256_file(folder / "model.safetensors")
        assert generator["checkpoint_sha256"] == digest
        assert {r.checkpoint for r in corpus.rows if r.generator == generator["name"]} == {digest}


def test_artefacts_have_card_log_and_no_checkpoint(corpus_folder):
    folder = corpus_folder / "generators" / "tint"
    card = json.loads((folder / "card.json").read_text())
    assert card["steps"] == {"train": 7}
    assert card["metrics"]["train"]["loss"] == 0.5
    assert set(card["data"]["groups"]) == {
        group
        for group, split in json.loads((corpus_folder / "corpus.json").read_text())[
            "groups"
        ].items()
        if split == "train"
    }
    assert (folder / "log.jsonl").is_file()
    assert not list(corpus_folder.rglob("*.pt"))


def test_samples_have_splits_in_the_proportion_of_real_items(corpus):
    def shares(step):
        rows = [row.split for row in corpus.rows if row.step is step and row.generator != "plain"]
        return {split: rows.count(split) for split in rows}

    assert shares(Step.SAMPLE) == shares(Step.REAL)


def test_same_seed_and_checkpoint_give_the_same_pixels(make, corpus_folder):
    checkpoints = tuple(str(corpus_folder / "generators" / name) for name in ("tint", "plain"))
    once, again = (pixels(make(checkpoints=checkpoints, sign=False)[0]) for _ in range(2))
    signed = pixels(corpus_folder)
    assert once.keys() == again.keys() == signed.keys()
    for name, data in once.items():
        assert np.array_equal(data, again[name])
        assert np.array_equal(data, signed[name])
    other = pixels(make(checkpoints=checkpoints, sign=False, seed=1)[0])
    name = "synthetic/tint/sample/00000.png"
    assert not np.array_equal(once[name], other[name])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_photographs_that_a_checkpoint_has_seen_are_never_tested_on(seed, make, corpus_folder):
    checkpoint = corpus_folder / "generators" / "plain"
    seen = set(json.loads((checkpoint / "card.json").read_text())["data"]["groups"])
    folder, _ = make(checkpoints=(str(checkpoint),), sign=False, seed=seed, count=30)
    groups = open_corpus(folder).header["groups"]
    assert {groups[group] for group in seen} == {"train"}
    assert set(groups.values()) == {"train", "validation", "calibration", "test"}


def test_a_checkpoint_twice_gets_a_name_of_its_own(make, corpus_folder):
    checkpoint = str(corpus_folder / "generators" / "plain")
    folder, summary = make(checkpoints=(checkpoint, checkpoint), sign=False)
    assert set(summary.counts["generator"]) == {"plain", "plain-2"}
    assert open_corpus(folder).header["generators"][1]["plugin"] == "plain"


def test_samples_of_one_model_differ_from_one_another(corpus_folder):
    found = {
        decode(path)[1].tobytes() for path in (corpus_folder / "synthetic/plain/sample").iterdir()
    }
    assert len(found) == 48


@pytest.mark.parametrize("fault", ["fit", "sample", "shape"])
def test_a_generator_that_fails_is_left_out_whole(fault, make, monkeypatch):
    monkeypatch.setenv("FAKE_FAULT", fault)
    folder, summary = make(sign=False, count=12)
    assert list(summary.failed) == ["plain"]
    assert summary.failed["plain"].startswith("plain: ")
    assert {row.generator for row in open_corpus(folder).rows} == {None, "tint"}
    assert not (folder / "synthetic" / "plain").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"families": ("tnt",)}, "Did you mean 'tint'"),
        ({"size_px": 24, "families": ("tint",)}, "does not make images of 24 px"),
        ({"size_px": 24}, "No generator makes images of 24 px"),
        ({"real": "photoz"}, "Did you mean 'photos'"),
        ({"real": "photos:x"}, "takes no argument"),
        ({"real": "folder:/nowhere/at/all"}, "no folder"),
        ({"checkpoints": ("/nowhere",)}, "no trained generator"),
    ],
)
def test_what_cannot_be_met_is_said_before_anything_is_written(options, message, make, tmp_path):
    with pytest.raises(UserError, match=message):
        make(out=tmp_path / "out", **options)
    assert not [path for path in (tmp_path / "out").iterdir() if path.name != ".lock"]


def test_a_checkpoint_whose_weights_changed_is_refused(make, corpus_folder, tmp_path):
    for name in ("card.json", "model.safetensors"):
        (tmp_path / name).write_bytes((corpus_folder / "generators/tint" / name).read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"other")
    with pytest.raises(UserError, match="not those of the card"):
        make(checkpoints=(str(tmp_path),))


def test_a_full_folder_is_left_alone(make, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        make(out=tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def write_pictures(folder):
    random = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    for number in range(12):
        pixels = random.integers(0, 255, (16, 16, 3), np.uint8)
        (folder / f"{number}.png").write_bytes(encode_png(pixels))


def test_a_corpus_may_lie_in_its_own_source(make, tmp_path):
    write_pictures(tmp_path)
    options = {"real": f"folder:{tmp_path}", "count": 12, "sign": False, "families": ("plain",)}
    out, first = make(out=tmp_path / "corpus", **options)
    (out / "corpus.json").unlink()  # as if it had been killed just before
    make(out=out, resume=True, **options)
    other, second = make(out=tmp_path / "other", **options)
    assert first.counts == second.counts
    parents = {row.parent for row in open_corpus(other).rows if row.step is Step.REAL}
    assert len(parents) == 12
    assert not [parent for parent in parents if "corpus" in parent]


def test_names_that_are_not_utf_8_reach_a_signed_corpus(make, tmp_path):
    source = tmp_path / "caf\udce9"
    write_pictures(source)
    (source / "0.png").rename(source / "caf\udce9.png")
    options = {"real": f"folder:{source}", "count": 12, "families": ("tint",)}
    out, _ = make(out=tmp_path / "corpus", **options)
    parents = {row.parent for row in open_corpus(out).rows if row.parent}
    assert any(r"caf\xe9.png" in parent for parent in parents)
    make(out=out, resume=True, **options)


def test_an_unreadable_source_is_not_taken_for_an_output_that_cannot_be_written(
    make, tmp_path, monkeypatch
):
    write_pictures(tmp_path / "source")

    def closed(*arguments, **options):
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr("provenance_datasets.folder.source.list_files", closed)
    with pytest.raises(UnreadableError, match=r"folder:.* cannot be read: Permission denied"):
        make(out=tmp_path / "out", real=f"folder:{tmp_path / 'source'}")
