"""Corpora in WebDataset shards: rows and pixels of loose files, read back by two readers."""

import dataclasses
import json
import tarfile

import numpy as np
import pytest

from provenance import Label, Split, UserError
from provenance.corpora import audit_corpus, open_corpus, shards
from provenance.corpora.plan import load_plan
from provenance.credentials import load_trust_anchors, read_credential_bytes
from provenance.files import sha256_file
from provenance.media import decode_bytes

ITEMS = 20


@pytest.fixture(scope="module")
def checkpoints(corpus_folder):
    return tuple(str(corpus_folder / "generators" / name) for name in ("tint", "plain"))


@pytest.fixture(scope="module")
def sharded(make, checkpoints):
    """The corpus of ``corpus_folder``, in shards."""
    return make(checkpoints=checkpoints, shards=ITEMS)[0]


@pytest.fixture(scope="module")
def unsigned(make, checkpoints):
    """The same without signatures, whose bytes are the same in each run."""
    return make(checkpoints=checkpoints, shards=ITEMS, sign=False)[0]


def decoded(folder):
    corpus = open_corpus(folder)
    return {row.file_name: decode_bytes(corpus.read(row))[1] for row in corpus.rows}


def test_shards_hold_what_loose_files_would(make, checkpoints, sharded):
    folder = make(checkpoints=checkpoints)[0]
    ours, loose = decoded(sharded), decoded(folder)
    assert ours.keys() == loose.keys()
    assert all(np.array_equal(ours[name], loose[name]) for name in ours)

    def rows(folder):
        found = open_corpus(folder).rows
        return sorted(json.dumps(dataclasses.replace(row, sha256="").to_json()) for row in found)

    assert rows(sharded) == rows(folder)
    assert not (sharded / "real").exists()
    assert not (sharded / "synthetic").exists()
    assert not (sharded / ".work" / "batches").exists()


def test_the_index_is_true(sharded):
    header = json.loads((sharded / "corpus.json").read_text())
    listed = {shard["name"]: shard for shard in header["shards"]}
    assert listed.keys() == {path.name for path in sharded.glob("*.tar")}
    assert sum(shard["items"] for shard in listed.values()) == header["counts"]["files"]
    for name, shard in listed.items():
        assert name.startswith(f"{shard['split']}-0")
        assert sha256_file(sharded / name) == shard["sha256"]
        assert (sharded / name).stat().st_size == shard["bytes"]
        with tarfile.open(sharded / name) as archive:
            assert len(archive.getnames()) == 2 * shard["items"]
    for split in Split:
        items = [s["items"] for s in header["shards"] if s["split"] == split]
        assert items[:-1] == [ITEMS] * (len(items) - 1)


def test_real_and_synthetic_files_are_mixed_and_rows_stand_beside_them(sharded):
    corpus = open_corpus(sharded)
    with tarfile.open(sharded / "train-000000.tar") as archive:
        names = archive.getnames()
        rows = [json.load(archive.extractfile(name)) for name in names[1::2]]
    assert [row["file_name"] for row in rows] == names[::2]
    assert [name.removesuffix(".png") + ".json" for name in names[::2]] == names[1::2]
    assert {row["label"] for row in rows} == {"real", "synthetic"}
    assert {row["split"] for row in rows} == {"train"}
    by_name = {row.file_name: row.to_json() for row in corpus.rows}
    assert all(by_name[row["file_name"]] == row for row in rows)


def test_the_webdataset_package_reads_them(sharded):
    webdataset = pytest.importorskip("webdataset", reason="webdataset is not installed")
    header = json.loads((sharded / "corpus.json").read_text())
    names = [s["name"] for s in header["shards"] if s["split"] == "train"]
    urls = [str(sharded / name) for name in names]
    found = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"))
    assert len(found) == sum(row.split is Split.TRAIN for row in open_corpus(sharded).rows)
    assert {one["png"].shape for one in found} == {(16, 16, 3)}
    assert {one["json"]["label"] for one in found} == {"real", "synthetic"}
    ours = decoded(sharded)
    assert all(np.array_equal(one["png"], ours[one["json"]["file_name"]]) for one in found)


def test_hugging_face_loads_them(sharded, monkeypatch, tmp_path):
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    load_dataset = pytest.importorskip("datasets").load_dataset
    loaded = load_dataset(str(sharded), cache_dir=str(tmp_path / "cache"))  # by the data card
    assert list(loaded) == ["train", "validation", "calibration", "test"]
    corpus = open_corpus(sharded)
    assert sum(map(len, loaded.values())) == len(corpus.rows)
    rows = [row["file_name"] for row in loaded["test"]["json"]]
    assert rows == [row.file_name for row in corpus.rows if row.split is Split.TEST]


def test_croissant_describes_them(sharded):
    mlcroissant = pytest.importorskip("mlcroissant")
    described = mlcroissant.Dataset(jsonld=str(sharded / "croissant.json"))
    assert not described.metadata.issues.errors
    header = json.loads((sharded / "corpus.json").read_text())
    listed = {one.sha256 for one in described.metadata.file_objects}
    assert {shard["sha256"] for shard in header["shards"]} <= listed


def test_the_data_card_says_how_to_load_them(sharded):
    card = (sharded / "README.md").read_text()
    last = max(path.name for path in sharded.glob("train-*.tar"))
    assert f"train-{{000000..{last[6:12]}}}.tar" in card
    assert "| tint | 144 | tint 1.0 |" in card
    assert "path: test-*.tar" in card


def test_every_synthetic_file_is_signed_and_trusted(make, checkpoints, tmp_path, monkeypatch):
    config = tmp_path / "config"
    monkeypatch.setenv("PROVENANCE_CONFIG_DIR", str(config))
    folder, _ = make(checkpoints=checkpoints[1:], shards=ITEMS)
    corpus = open_corpus(folder)
    synthetic = [row for row in corpus.rows if row.label is Label.SYNTHETIC]
    found = [read_credential_bytes(corpus.read(row), "image/png", load_trust_anchors(None))
             for row in synthetic]  # fmt: skip
    assert {one.integrity for one in found} == {"ok"}
    assert len(found) == 48


def test_it_is_selected_and_audited_as_any_corpus(sharded):
    corpus = open_corpus(sharded)
    chosen = corpus.select(split=Split.TEST)
    assert {item.label for item in chosen} == {Label.REAL, Label.SYNTHETIC}
    assert chosen[0].media.data.shape == (16, 16, 3)
    result = audit_corpus(corpus, seed=0)
    assert result.files == len(corpus.rows)


def test_a_finished_one_is_left_as_it_is(make, checkpoints, sharded):
    before = {path: sha256_file(path) for path in sharded.rglob("*") if path.is_file()}
    make(out=sharded, resume=True, checkpoints=checkpoints, shards=ITEMS)
    assert before == {path: sha256_file(path) for path in sharded.rglob("*") if path.is_file()}


def test_a_run_killed_while_packing_keeps_whole_shards_and_equal_files_give_equal_ones(
    make, checkpoints, unsigned, monkeypatch, tmp_path
):
    finish, calls = shards._finish, []

    def killed(stream, path):
        calls.append(path)
        if len(calls) == 4:
            raise KeyboardInterrupt
        finish(stream, path)

    options = {"checkpoints": checkpoints, "shards": ITEMS, "sign": False, "out": tmp_path / "c"}
    monkeypatch.setattr(shards, "_finish", killed)
    with pytest.raises(KeyboardInterrupt):
        make(**options)
    assert not (tmp_path / "c" / "corpus.json").exists()
    monkeypatch.setattr(shards, "_finish", finish)
    before = {path: path.stat().st_mtime_ns for path in calls[:3]}
    make(resume=True, **options)
    assert before == {path: path.stat().st_mtime_ns for path in calls[:3]}
    for path in unsigned.glob("*.tar"):
        assert path.read_bytes() == (tmp_path / "c" / path.name).read_bytes()
    assert not list((tmp_path / "c").glob(".tmp-*"))


def test_a_generator_that_is_mended_later_gets_into_the_shards(make, monkeypatch, tmp_path):
    options = {"shards": ITEMS, "sign": False, "count": 16, "out": tmp_path / "c"}
    monkeypatch.setenv("FAKE_FAULT", "sample")
    _, summary = make(**options)
    assert list(summary.failed) == ["plain"]
    assert {row.generator for row in open_corpus(tmp_path / "c").rows} == {None, "tint"}
    monkeypatch.delenv("FAKE_FAULT")
    make(resume=True, **options)
    assert {row.generator for row in open_corpus(tmp_path / "c").rows} == {None, "tint", "plain"}
    decoded(tmp_path / "c")


def test_other_options_are_refused(make, checkpoints, sharded):
    with pytest.raises(UserError, match="shards"):
        make(out=sharded, resume=True, checkpoints=checkpoints, shards=ITEMS + 1)
    assert load_plan(sharded).request.shards == ITEMS
    assert f"--shards {ITEMS}" in load_plan(sharded).request.command()


def spoiled(sharded, tmp_path, change):
    """Return a copy of the corpus whose header went through ``change``."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in sharded.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    header = json.loads((folder / "corpus.json").read_text())
    change(header)
    (folder / "corpus.json").write_text(json.dumps(header))
    return folder


@pytest.mark.parametrize(
    "name", ["../x.tar", "/etc/x.tar", "a/b.tar", ".hidden.tar", "x.png", "a\\b.tar", 7, None]
)
def test_shards_elsewhere_are_refused(name, sharded, tmp_path):
    folder = spoiled(sharded, tmp_path, lambda header: header["shards"][0].update(name=name))
    with pytest.raises(UserError, match="shard that is none"):
        open_corpus(folder)


def test_hostile_lists_of_shards_are_refused(sharded, tmp_path):
    folder = spoiled(sharded, tmp_path, lambda header: header.update(shards={"a": 1}))
    with pytest.raises(UserError, match="shard that is none"):
        open_corpus(folder)


def test_missing_and_hostile_shards_are_refused(sharded, tmp_path):
    folder = spoiled(sharded, tmp_path, lambda header: None)
    path = folder / "train-000000.tar"
    data = path.read_bytes()
    path.unlink()
    with pytest.raises(UserError, match=r"train-000000\.tar cannot be read"):
        open_corpus(folder)
    info = tarfile.TarInfo("real/00000.png")
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    path.write_bytes(info.tobuf() + data)
    with pytest.raises(UserError, match="no plain file"):
        open_corpus(folder)
    changed = bytearray(data)
    changed[600] ^= 1
    path.write_bytes(bytes(changed))
    corpus = open_corpus(folder)
    with pytest.raises(UserError, match="has changed"):
        [corpus.read(row) for row in corpus.rows]
