"""Files are written whole, with the mode that the user's umask asks for."""

import json
import os
import subprocess
import sys

import pytest

from provenance.files import write_atomic, write_json
from provenance.training import derive_seed

WRITE = """
import sys
from pathlib import Path
from provenance.corpora.writing import write_together
from provenance.files import write_atomic
folder = Path(sys.argv[1])
write_atomic(folder / "atomic", b"1")
write_together({folder / "together": b"1"})
write_atomic(folder / "key", b"1", mode=0o600)
write_atomic(folder / "public", b"1", mode=0o644)
"""


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o027, 0o640), (0o002, 0o664)])
def test_new_files_follow_the_umask_and_explicit_modes_do_not(umask, mode, tmp_path):
    subprocess.run([sys.executable, "-c", WRITE, tmp_path], umask=umask, check=True)
    found = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert found == {"atomic": mode, "together": mode, "key": 0o600, "public": 0o644}


def test_names_that_are_not_unicode_survive_json(tmp_path):
    value = {"name": "caf\udce9.png", "title": "ünï"}
    write_json(tmp_path / "a.json", value)
    assert json.loads((tmp_path / "a.json").read_text()) == value


def test_seeds_take_names_that_are_not_unicode():
    assert derive_seed(1, "caf\udce9.png") != derive_seed(1, "caf\udce8.png")
    assert derive_seed(1, "café") == derive_seed(1, "café")


def test_a_failed_write_leaves_the_old_file(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_atomic(tmp_path / "folder", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("through_link", [False, True])
def test_what_is_no_file_is_never_replaced_by_one(tmp_path, through_link):
    """As root, a copy that is renamed to /dev/null would stand in its place."""
    pipe = out = tmp_path / "pipe"
    os.mkfifo(pipe)
    if through_link:
        out = tmp_path / "stdout"  # as /dev/stdout is
        out.symlink_to(pipe)
    with pytest.raises(OSError, match="no regular file"):
        write_atomic(out, b"1")
    assert pipe.is_fifo()
    assert out.is_symlink() == through_link
    assert len(list(tmp_path.iterdir())) == 1 + through_link
