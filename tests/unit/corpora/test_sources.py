"""Where a corpus's real media come from, and whose fault it is when they do not."""

from types import SimpleNamespace

import numpy as np
import pytest

from provenance import Media, MediaKind, UnreadableError, UserError
from provenance.corpora import sources
from provenance.corpora.plan import Request
from provenance.errors import PluginError

ITEM = Media(id="a", kind=MediaKind.IMAGE, data=np.zeros((8, 8, 3), np.uint8), group="a")


@pytest.fixture
def read(monkeypatch):
    """Read the pool of a source whose ``items`` is the given function."""

    def read_(items):
        dataset = SimpleNamespace(items=lambda window, *, count, seed: items())
        offer = SimpleNamespace(factory=lambda argument: dataset)
        plugins = SimpleNamespace(dataset=lambda name: offer)
        monkeypatch.setattr(sources, "registry", lambda: plugins)
        return sources.read_pool(Request(real="theirs:x"))

    return read_


def raising(error):
    def items():
        raise error

    return items


def test_a_source_that_works_is_read(read):
    assert read(lambda: iter([ITEM])) == [ITEM]


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (RuntimeError("bug"), PluginError, "theirs: reading failed: RuntimeError: bug"),
        (SystemExit(0), PluginError, "theirs: reading failed"),
        (UserError("no such class"), UserError, "^no such class$"),
        (UnreadableError("torn"), UnreadableError, "^torn$"),
        (PermissionError(13, "Permission denied"), UnreadableError, "theirs:x cannot be read"),
    ],
)
def test_every_fault_has_its_owner(read, fault, error, words):
    with pytest.raises(error, match=words) as raised:
        read(raising(fault))
    assert type(raised.value) is error


@pytest.mark.parametrize("answer", [None, [ITEM, "text"], 5])
def test_what_is_no_list_of_items_is_the_plugins_fault(read, answer):
    with pytest.raises(PluginError, match="theirs: reading"):
        read(lambda: answer)


# --- fetching -------------------------------------------------------------------------------------


@pytest.fixture
def fetching(monkeypatch):
    """Read the pool of a source that can be fetched; returns what it was asked to do, in order."""

    def read_(*, downloads=True, **options):
        calls = []

        class Remote:
            def items(self, window, *, count, seed):
                calls.append("items")
                return [ITEM]

            def download(self):
                calls.append("download")

        offer = SimpleNamespace(
            factory=lambda argument: Remote(), spec=SimpleNamespace(downloads=downloads)
        )
        plugins = SimpleNamespace(dataset=lambda name: offer)
        monkeypatch.setattr(sources, "registry", lambda: plugins)
        sources.read_pool(Request(real="theirs:x", **options))
        return calls

    return read_


def test_nothing_is_fetched_unasked(fetching):
    assert fetching() == ["items"]
    assert fetching(download=True) == ["download", "items"]
    assert fetching(download=True, downloads=False) == ["items"]


def test_several_processes_do_not_fetch_the_same(fetching, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match=r"works in one process.*--dry-run"):
        fetching(download=True)
