"""Archives: equal bytes for equal files, and nothing in them is believed when they are read."""

import io
import tarfile

import pytest

from provenance.corpora import tars
from provenance.errors import UnreadableError


def write(path, *infos, data=b"x" * 10):
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for info in infos:
            archive.addfile(info, io.BytesIO(data[: info.size]))
    return path


def info(name, size=10, kind=tarfile.REGTYPE, link=""):
    made = tarfile.TarInfo(name)
    made.size, made.type, made.linkname = size, kind, link
    return made


def test_archives_are_nobodys_and_of_no_date(tmp_path):
    files = {"real/0.png": b"1" * 700, "real/0.json": b"{}", "empty": b""}
    path = tmp_path / "a.tar"
    path.write_bytes(tars.archive(files))
    assert tars.archive(files) == path.read_bytes()
    with tarfile.open(path) as archive:
        assert [one.name for one in archive] == list(files)
        assert {(one.mtime, one.uid, one.gid, one.mode) for one in archive} == {(0, 0, 0, 0o644)}
    assert {n: tars.read_member(path, at) for n, at in tars.read_members(path).items()} == files
    assert tars.read_all(path.read_bytes()) == files


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (info("../up.png"), "does not stay"),
        (info("/etc/passwd"), "does not stay"),
        (info("a/../../b"), "does not stay"),
        (info(".hidden"), "does not stay"),
        (info("a\\b"), "does not stay"),
        (info("link", 0, tarfile.SYMTYPE, "/etc/passwd"), "no plain file"),
        (info("link", 0, tarfile.LNKTYPE, "real/0.png"), "no plain file"),
        (info("null", 0, tarfile.CHRTYPE), "no plain file"),
        (info("pipe", 0, tarfile.FIFOTYPE), "no plain file"),
        (info("folder", 0, tarfile.DIRTYPE), "no plain file"),
        (info("n" * 150), "no plain file"),  # a GNU header for long names is never followed
    ],
)
def test_anything_but_plain_files_is_refused(entry, message, tmp_path):
    with pytest.raises(UnreadableError, match=message):
        tars.read_members(write(tmp_path / "a.tar", info("good.png"), entry))


def test_a_name_twice_is_refused(tmp_path):
    with pytest.raises(UnreadableError, match="twice"):
        tars.read_members(write(tmp_path / "a.tar", info("a.png"), info("a.png")))


@pytest.mark.parametrize("size", [1 << 40, tars.MEMBER_BYTES + 1, 5000, -5])
def test_a_size_that_is_not_there_is_refused(size, tmp_path):
    head = info("big.png", size).tobuf(tarfile.GNU_FORMAT)
    path = tmp_path / "a.tar"
    path.write_bytes(head + b"x" * 512 + tars.end())
    with pytest.raises(UnreadableError, match=r"bytes|damaged"):
        tars.read_members(path)


def test_damaged_and_cut_archives_are_refused(tmp_path):
    whole = tars.archive({"a.png": b"1" * 5000, "b.png": b"2" * 5000})
    path = tmp_path / "a.tar"
    for data in (b"", b"text", whole[:300], whole[:2000], b"\1" + whole[1:], whole[: 512 + 5120]):
        path.write_bytes(data)
        with pytest.raises(UnreadableError):
            tars.read_members(path)
    path.write_bytes(whole)
    place = tars.read_members(path)["b.png"]
    path.write_bytes(whole[:6000])
    with pytest.raises(UnreadableError, match="shorter"):
        tars.read_member(path, place)
    with pytest.raises(UnreadableError, match="cannot be read"):
        tars.read_members(tmp_path / "none.tar")
