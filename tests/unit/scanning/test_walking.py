"""The walk: order, links, pipes, doubles, folders that cannot be read."""

import os
from pathlib import Path

import pytest

from provenance.scanning import Found, walk


@pytest.fixture
def tree(tmp_path):
    for name in ("b.png", "a/2.png", "a/10.png", "a/.hidden", "A.png", "c/d/e.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    return tmp_path


def names(folder, *paths):
    return [os.path.relpath(found.path, folder) for found in walk(paths or [folder])]


def test_every_file_once_in_the_order_of_its_bytes(tree):
    expected = ["A.png", "a/.hidden", "a/10.png", "a/2.png", "b.png", "c/d/e.png"]
    assert names(tree) == expected


def test_paths_are_shown_as_given(tree, monkeypatch):
    monkeypatch.chdir(tree)
    assert [found.path for found in walk([Path("a"), Path("./b.png")])][-2:] == ["a/2.png", "b.png"]


@pytest.mark.parametrize("others", [("a",), ("a/2.png",), (".",), ("c/..",), ("c/d", "a")])
def test_what_is_given_twice_is_found_once(tree, others):
    assert sorted(names(tree, tree, *(tree / other for other in others))) == sorted(names(tree))
    assert sorted(names(tree, *(tree / other for other in others), tree)) == sorted(names(tree))


def test_a_neighbour_with_the_same_start_is_no_double(tree):
    (tree / "ab").mkdir()
    (tree / "ab/x.png").touch()
    assert names(tree, tree / "a", tree / "ab")[-1] == "ab/x.png"


def test_links_are_told_and_not_followed(tree):
    (tree / "loop").symlink_to(".")
    (tree / "to-file").symlink_to("b.png")
    (tree / "nowhere").symlink_to("/does/not/exist")
    problems = {Path(found.path).name: found.problem for found in walk([tree]) if found.problem}
    assert problems == dict.fromkeys(("loop", "to-file", "nowhere"), "symbolic link, not followed")
    (only,) = walk([tree / "loop"])
    assert only.problem == "symbolic link, not followed"


def test_a_folder_reached_through_a_link_is_scanned_when_asked_for(tree, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "sub").mkdir()
    (elsewhere / "sub/x.png").touch()
    (tree / "link").symlink_to(elsewhere)
    found = [item.path for item in walk([tree, tree / "link/sub"])]
    assert str(tree / "link/sub/x.png") in found


def test_pipes_and_devices_are_told_and_not_opened(tree):
    os.mkfifo(tree / "pipe")
    found = {Path(item.path).name: item.problem for item in walk([tree, Path("/dev/null")])}
    assert found["pipe"] == "a named pipe, not opened"
    assert found["null"] == "a character device, not opened"


def test_what_is_missing_is_an_item(tree):
    assert list(walk([tree / "missing"])) == [
        Found(str(tree / "missing"), "cannot be read: No such file or directory")
    ]


def test_paths_that_cannot_be_looked_at_are_items(tree):
    (tree / "loop").symlink_to("loop")
    assert list(walk([tree / ("a" * 300), tree / "loop/x", tree / "b.png"])) == [
        Found(str(tree / ("a" * 300)), "cannot be read: File name too long"),
        Found(str(tree / "loop/x"), "cannot be read: Too many levels of symbolic links"),
        Found(str(tree / "b.png")),
    ]


def test_an_unreadable_folder_is_one_item(tree):
    (tree / "a").chmod(0)
    if os.access(tree / "a", os.R_OK):
        pytest.skip("this user may read everything")
    found = {os.path.relpath(item.path, tree): item.problem for item in walk([tree])}
    (tree / "a").chmod(0o755)
    assert found["a"] == "cannot be read: Permission denied"
    assert "b.png" in found


def test_folders_deeper_than_a_path_may_be_end_in_an_item(tree):
    """Names of 200 characters, 30 deep: longer than the 4,096 bytes of PATH_MAX."""
    handle = os.open(tree / "empty", os.O_RDONLY)
    for _ in range(30):
        os.mkdir("n" * 200, dir_fd=handle)
        inner = os.open("n" * 200, os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(handle)
    (deep,) = [found for found in walk([tree]) if found.problem]
    assert deep.problem == "cannot be read: File name too long"


def test_names_that_are_no_text_survive(tree):
    name = b"\xff\xfe.png"
    try:
        Path(os.fsdecode(os.fsencode(tree) + b"/" + name)).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    assert any(os.fsencode(found.path).endswith(name) for found in walk([tree]))
