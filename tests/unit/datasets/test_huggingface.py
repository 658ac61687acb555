"""Hugging Face's data sets: Parquet and image folders on disk, with the network off."""

import io

import numpy as np
import pytest
from PIL import Image as PILImage

from provenance import InputSpec, UserError
from provenance.plugins import registry
from provenance.training import find_classes
from provenance_datasets.huggingface import SPEC, open_huggingface

datasets = pytest.importorskip("datasets", reason="the extra 'sources' is not installed")
WINDOW = InputSpec(geometry="crop", size_px=16)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise AssertionError("the network was used")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))


def encoded(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 20, 3), np.uint8)
    stream = io.BytesIO()
    PILImage.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    features = datasets.Features(
        {"img": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    rows = {"img": [{"bytes": encoded(n), "path": None} for n in range(40)], "label": [0, 1] * 20}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(folder / "train.parquet")
    return folder


def test_a_table_on_disk_is_read_with_its_classes(table):
    items = open_huggingface(str(table)).items(WINDOW, count=36, seed=0)
    assert len(items) == len({item.id for item in items}) == 36
    assert find_classes(items) == ("cat", "dog")
    again = open_huggingface(str(table)).items(WINDOW, count=36, seed=0)
    assert [item.id for item in again] == [item.id for item in items]


def test_a_folder_of_images_is_read_with_its_classes(tmp_path):
    for number in range(36):
        path = tmp_path / "images" / "train" / ("owl" if number % 2 else "hen") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(number))
    items = open_huggingface(f"{tmp_path / 'images'}@train").items(WINDOW, count=None, seed=0)
    assert find_classes(items) == ("hen", "owl")


def test_an_image_that_is_damaged_is_skipped(tmp_path, caplog):
    rows = {"image": [{"bytes": encoded(1), "path": None}, {"bytes": b"\x89PNG\r\n", "path": None}]}
    features = datasets.Features({"image": datasets.Image()})
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "train.parquet")
    items = open_huggingface(str(tmp_path)).items(WINDOW, count=None, seed=0)
    assert {item.group for item in items} == {"train/0000000"}
    assert {item.category for item in items} == {None}
    assert "Skipped train/0000001" in caplog.text


@pytest.mark.parametrize("where", ["beside", "link", "/dev/zero", "a\0b"])
def test_a_table_cannot_name_files_outside_of_its_folder(tmp_path, caplog, where):
    (tmp_path / "private.png").write_bytes(encoded(2))
    folder = tmp_path / "table"
    folder.mkdir()
    (folder / "own.png").write_bytes(encoded(1))
    (folder / "link.png").symlink_to(tmp_path / "private.png")
    named = {"beside": tmp_path / "private.png", "link": folder / "link.png"}.get(where, where)
    rows = {"image": [{"bytes": None, "path": str(p)} for p in (folder / "own.png", named)]}
    pyarrow = pytest.importorskip("pyarrow.parquet")
    features = datasets.Features({"image": datasets.Image()})
    table = datasets.Dataset.from_dict(rows, features=features).data.table
    pyarrow.write_table(table, folder / "train.parquet")
    items = open_huggingface(str(folder)).items(WINDOW, count=None, seed=0)
    assert {item.group for item in items} == {"train/0000000"}
    assert "Skipped train/0000001" in caplog.text


def test_nothing_is_fetched_unasked():
    source = open_huggingface("nobody/has-fetched-this")
    with pytest.raises(UserError, match=r"cannot be read: .*--download"):
        source.items(WINDOW, count=1, seed=0)


def test_download_asks_the_library_for_the_data_set(monkeypatch):
    asked = []
    monkeypatch.setattr("datasets.load_dataset", lambda *names, **more: asked.append((names, more)))
    open_huggingface("uoft-cs/cifar10@test").download()
    open_huggingface("./here").download()  # lies on this machine already
    assert asked == [(("uoft-cs/cifar10",), {"split": "test"})]


def test_a_table_without_images_is_refused(tmp_path):
    datasets.Dataset.from_dict({"text": ["a", "b"]}).to_parquet(tmp_path / "train.parquet")
    with pytest.raises(UserError, match="no column of images: text"):
        open_huggingface(str(tmp_path)).items(WINDOW, count=1, seed=0)


@pytest.mark.parametrize(("argument", "words"), [("", "needs a name"), ("./nowhere", "no folder")])
def test_wrong_arguments_are_named(argument, words):
    with pytest.raises(UserError, match=words):
        open_huggingface(argument).items(WINDOW, count=1, seed=0)


def test_it_is_offered():
    assert registry().dataset("huggingface").spec == SPEC
