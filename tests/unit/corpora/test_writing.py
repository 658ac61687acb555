"""Files written together are there whole or not at all."""

import ctypes
import os

import pytest

from provenance.corpora.writing import write_together


def test_all_are_written_into_new_folders(tmp_path):
    files = {tmp_path / "a" / f"{n}.bin": bytes([n]) * 100 for n in range(20)}
    files |= {tmp_path / "b" / "c" / "d.bin": b""}
    write_together(files)
    assert {path: path.read_bytes() for path in files} == files
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == 21
    write_together({})


def test_a_failure_leaves_nothing_behind(tmp_path):
    (tmp_path / "file").write_text("in the way")
    files = {tmp_path / "good.bin": b"1", tmp_path / "file" / "bad.bin": b"2"}
    with pytest.raises(OSError, match="file"):
        write_together(files)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_nothing_is_renamed_when_the_flush_fails(tmp_path, monkeypatch):
    class Broken:
        def __init__(self, *arguments, **options):
            ctypes.set_errno(5)

        def syncfs(self, handle):
            return -1

    monkeypatch.setattr(ctypes, "CDLL", Broken)
    with pytest.raises(OSError, match=r".*"):
        write_together({tmp_path / "a.bin": b"1"})
    assert list(tmp_path.iterdir()) == []


def test_systems_without_syncfs_flush_everything(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(ctypes, "CDLL", lambda *arguments, **options: object())
    monkeypatch.setattr(os, "sync", lambda: calls.append(1))
    write_together({tmp_path / "a.bin": b"1"})
    assert calls == [1]
