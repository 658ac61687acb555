"""WebDataset shards: read place by place, never unpacked, never unpickled."""

import io
import json
import tarfile

import numpy as np
import pytest

from provenance import InputSpec, UnreadableError, UserError
from provenance.media import encode_png
from provenance.plugins import registry
from provenance.training import find_classes
from provenance_datasets.webdataset import SPEC, open_webdataset
from provenance_datasets.webdataset.shards import read_samples
from provenance_datasets.webdataset.source import find_shards

WINDOW = InputSpec(geometry="crop", size_px=16)


def encoded(seed):
    return encode_png(np.random.default_rng(seed).integers(0, 256, (20, 20, 3), np.uint8))


def write(path, files, **more):
    with tarfile.open(path, "w", **more) as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


@pytest.fixture
def shards(tmp_path):
    """Write shards with the package whose layout it is."""
    webdataset = pytest.importorskip("webdataset", reason="the extra 'dev' is not installed")
    for shard in range(2):
        with webdataset.TarWriter(str(tmp_path / f"train-{shard:04d}.tar")) as sink:
            for number in range(20):
                name = "cat" if number % 2 else "dog"
                sink.write(
                    {"__key__": f"{shard}/{number:03d}", "png": encoded(number), "cls": name}
                )
    return tmp_path


@pytest.mark.parametrize("pattern", ["train-{0000..0001}.tar", "*.tar"])
def test_shards_of_the_package_are_read_with_their_classes(shards, pattern):
    items = open_webdataset(f"{shards}/{pattern}").items(WINDOW, count=38, seed=0)
    assert len(items) == len({item.id for item in items}) == 38
    assert find_classes(items) == ("cat", "dog")
    again = open_webdataset(f"{shards}/{pattern}").items(WINDOW, count=38, seed=0)
    assert [item.id for item in again] == [item.id for item in items]


def test_what_is_synthetic_is_left_out_and_classes_stand_in_json(tmp_path):
    rows = [{"label": "real", "class": "cat"}, {"label": "synthetic"}, {"label": 3}, ["no object"]]
    files = []
    for number, row in enumerate(rows):
        files += [(f"{number}.png", encoded(number)), (f"{number}.json", json.dumps(row).encode())]
    write(tmp_path / "a.tar", files)
    items = open_webdataset(str(tmp_path / "a.tar")).items(WINDOW, count=None, seed=0)
    found = {item.group: item.category for item in items}
    assert found == {"a/0": "cat", "a/2": "3", "a/3": None}


def test_hostile_members_cost_nothing(tmp_path, caplog):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for name, kind, target in [
            ("link.png", tarfile.SYMTYPE, "/etc/passwd"),
            ("hard.png", tarfile.LNKTYPE, "/etc/passwd"),
            ("pipe.png", tarfile.FIFOTYPE, ""),
        ]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
        for name, data in [
            ("../../outside.png", encoded(1)),
            ("code.pyd", b"cos\nsystem\n(S'touch /tmp/x'\ntR."),
            ("broken.png", encoded(2)[:60]),
            ("long.png", encoded(3)),
            ("long.cls", b"x" * 1000),
            ("big.json", b" " * 100_000),
        ]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    items = open_webdataset(str(path)).items(WINDOW, count=None, seed=0)
    assert {item.group for item in items} == {"a/../../outside", "a/long"}
    assert max(len(item.category or "") for item in items) == 200
    assert "Skipped a/broken" in caplog.text
    assert sorted(child.name for child in tmp_path.iterdir()) == ["a.tar"]


@pytest.mark.parametrize("damage", ["cut", "compressed", "noise"])
def test_damaged_shards_are_named(tmp_path, damage):
    path = tmp_path / "a.tar"
    if damage == "compressed":
        write(path.with_suffix(".gz"), [("0.png", encoded(0))])
        with tarfile.open(path, "w:gz") as archive:
            archive.add(path.with_suffix(".gz"))
    else:
        write(path, [("0.png", encoded(0))])
        data = path.read_bytes()
        path.write_bytes(data[:300] if damage == "cut" else b"noise" * 1000)
    with pytest.raises(UnreadableError, match=r"a\.tar cannot be read"):
        open_webdataset(str(path)).items(WINDOW, count=1, seed=0)


def header(name, kind, size):
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return bytearray(info.tobuf(tarfile.GNU_FORMAT))


def extended(record):
    record = b"%d %s" % (len(record) + 3, record)
    head = header("x", tarfile.XHDTYPE, len(record))
    return head + record + b"\0" * (-len(record) % 512) + header("a.png", tarfile.REGTYPE, 0)


@pytest.mark.parametrize(
    "content",
    [
        (header("././@LongLink", tarfile.GNUTYPE_LONGNAME, 4) + b"abc\0" + bytes(508)) * 3000,
        extended(b"GNU.sparse.map=1,a\n"),
        extended(b"size=99999999999999999999\n"),
    ],
    ids=["thousands of headers", "a sparse map that is none", "a huge size"],
)
def test_extended_headers_that_make_no_sense_are_damage(tmp_path, content):
    path = tmp_path / "a.tar"
    path.write_bytes(bytes(content) + bytes(1024))
    with pytest.raises(UnreadableError, match=r"a\.tar"):
        open_webdataset(str(path)).items(WINDOW, count=1, seed=0)


def test_a_file_of_less_than_nothing_is_passed_over(tmp_path):
    head = header("a.png", tarfile.REGTYPE, 0)
    head[124:136] = b"\xff" * 12  # -1, which would read all the rest
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    path = tmp_path / "a.tar"
    path.write_bytes(bytes(head) + bytes(1024))
    assert list(read_samples(path)) == []


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("", "needs shards"),
        ("nowhere-{0..3}.tar", "no shard nowhere-0.tar"),
        ("x-{5..2}.tar", "no range"),
        ("x-{0..99999}.tar", "no range"),
        ("x-{0..9999}-{0..9999}-{0..9999}.tar", "more than 10000 shards"),
    ],
)
def test_wrong_arguments_are_named(argument, words):
    with pytest.raises(UserError, match=words):
        open_webdataset(argument)


def test_names_with_brackets_are_names(tmp_path):
    write(tmp_path / "a[1].tar", [("0.png", encoded(0))])
    assert find_shards(str(tmp_path / "a[1].tar")) == [tmp_path / "a[1].tar"]


def test_it_is_offered():
    assert registry().dataset("webdataset").spec == SPEC
