"""Other people's readers open a corpus: Hugging Face's image folders, MLCommons' Croissant."""

import json

import pytest

from provenance import MediaKind
from provenance.corpora import encoding
from provenance.corpora.croissant import describe


@pytest.fixture
def offline(monkeypatch, tmp_path):
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return str(tmp_path / "cache")


@pytest.mark.parametrize("form", ["imagefolder", "card"])
def test_hugging_face_loads_it(form, corpus_folder, corpus, offline):
    load_dataset = pytest.importorskip("datasets").load_dataset
    if form == "imagefolder":
        loaded = load_dataset("imagefolder", data_dir=str(corpus_folder), cache_dir=offline)
    else:
        loaded = load_dataset(str(corpus_folder), cache_dir=offline)
    assert list(loaded) == ["train"]
    table = loaded["train"]
    assert len(table) == len(corpus.rows)
    assert set(table["label"]) == {"real", "synthetic"}
    assert set(table["split"]) == {"train", "validation", "calibration", "test"}
    assert table[0]["image"].size == (16, 16)
    assert [row.sha256 for row in corpus.rows] == table["sha256"][:]


def test_croissant_is_valid_and_its_records_load(corpus_folder, corpus):
    mlcroissant = pytest.importorskip("mlcroissant")
    described = mlcroissant.Dataset(jsonld=str(corpus_folder / "croissant.json"))
    assert not described.metadata.issues.errors
    records = list(described.records("files"))
    assert len(records) == len(corpus.rows)
    first = {key.partition("/")[2]: value for key, value in records[0].items()}
    name = first["file_name"]
    assert (name.decode() if isinstance(name, bytes) else name) == corpus.rows[0].file_name


def test_croissant_says_the_same_as_the_corpus(corpus_folder, corpus):
    described = json.loads((corpus_folder / "croissant.json").read_text())
    assert described["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert described["distribution"][0]["sha256"] == corpus.sha256
    columns = [field["source"]["extract"]["column"] for field in described["recordSet"][0]["field"]]
    assert columns == list(json.loads((corpus_folder / "metadata.jsonl").open().readline()))


def test_croissant_takes_type_and_suffix_of_the_files_from_the_encoder(corpus, monkeypatch):
    monkeypatch.setattr(encoding, "_SUFFIXES", {MediaKind.AUDIO: ".wav"})
    monkeypatch.setattr(encoding, "_MEDIA_TYPES", {MediaKind.AUDIO: "audio/wav"})
    described = describe(corpus.header | {"kind": "audio"}, rows_sha256="0" * 64)
    files = described["distribution"][1]
    assert files["encodingFormat"] == "audio/wav"
    assert files["includes"] == ["real/*.wav", "synthetic/*/*/*.wav"]
