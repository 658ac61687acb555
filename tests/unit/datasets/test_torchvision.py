"""torchvision's data sets: read from a folder, fetched only when told to."""

import struct
import sys

import numpy as np
import pytest
from PIL import Image as PILImage
from PIL.Image import DecompressionBombError

from provenance import InputSpec, UserError
from provenance.plugins import registry
from provenance.training import find_classes
from provenance_datasets.torchvision import SPEC, open_torchvision

pytest.importorskip("torchvision", reason="the extra 'sources' is not installed")
WINDOW = InputSpec(geometry="crop", size_px=28)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Write a FashionMNIST of 64 images of noise, as its files are."""
    folder = tmp_path_factory.mktemp("torchvision")
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 28, 28), np.uint8)
    labels = np.arange(64, dtype=np.uint8) % 2
    for split in ("train", "t10k"):
        images = struct.pack(">IIII", 2051, 64, 28, 28) + pixels.tobytes()
        (raw / f"{split}-images-idx3-ubyte").write_bytes(images)
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(
            struct.pack(">II", 2049, 64) + labels.tobytes()
        )
    return folder


def test_images_come_with_their_classes(root):
    items = open_torchvision(f"FashionMNIST@{root}").items(WINDOW, count=48, seed=0)
    assert len(items) == len({item.id for item in items}) == 48
    assert find_classes(items) == ("T-shirt/top", "Trouser")
    assert {item.data.shape for item in items} == {(28, 28, 3)}
    again = open_torchvision(f"FashionMNIST@{root}").items(WINDOW, count=48, seed=0)
    assert [item.id for item in again] == [item.id for item in items]


def test_nothing_is_fetched_unasked(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the network was used")

    monkeypatch.setattr("socket.socket.connect", refuse)
    with pytest.raises(UserError, match=r"CIFAR10 is not in .*--download"):
        open_torchvision(f"CIFAR10@{tmp_path}").items(WINDOW, count=1, seed=0)


def test_a_pickle_that_is_not_the_published_one_is_not_opened(tmp_path):
    """CIFAR's files are pickles: the code in this one would leave a file behind."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    mark = tmp_path / "opened"
    code = f"cpathlib\nPath\n(S'{mark}'\ntR(S'touch'\n.".encode()
    for name in ("data_batch_1", "batches.meta"):
        (folder / name).write_bytes(code)
    with pytest.raises(UserError, match="is not in"):
        open_torchvision(f"CIFAR10@{tmp_path}").items(WINDOW, count=1, seed=0)
    assert not mark.exists()


def test_download_is_what_fetches(tmp_path, monkeypatch):
    asked = {}

    def dataset(root, *, download, **more):
        asked.update(root=root, download=download, **more)
        raise RuntimeError("no network here")

    monkeypatch.setattr("torchvision.datasets.STL10", dataset)
    with pytest.raises(UserError, match="STL10 cannot be fetched: no network here"):
        open_torchvision(f"STL10@{tmp_path}").download()
    assert asked == {"root": str(tmp_path), "download": True, "split": "train"}


def test_a_picture_that_is_too_large_is_skipped(root, monkeypatch, caplog):
    read, noise = [], np.random.default_rng(1).integers(0, 256, (28, 28, 3), np.uint8)

    def bomb(self, number):
        read.append(number)
        if len(read) == 1:
            raise DecompressionBombError("179 megapixels")
        return PILImage.fromarray(noise), 0

    monkeypatch.setattr("torchvision.datasets.FashionMNIST.__getitem__", bomb)
    items = open_torchvision(f"FashionMNIST@{root}").items(WINDOW, count=3, seed=0)
    assert len({item.group for item in items}) == 3
    assert f"Skipped FashionMNIST/{read[0]:06d}: 179 megapixels" in caplog.text


def test_names_that_are_not_known_are_refused():
    with pytest.raises(UserError, match="one of CIFAR10"):
        open_torchvision("ImageFolder@/tmp")


def test_without_torchvision_the_extra_is_named(monkeypatch, root):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(UserError, match=r"provenance-suite\[sources\]"):
        open_torchvision(f"FashionMNIST@{root}").items(WINDOW, count=1, seed=0)


def test_it_is_offered():
    assert registry().dataset("torchvision").spec == SPEC
    assert SPEC.downloads
