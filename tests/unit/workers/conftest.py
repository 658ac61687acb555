"""Functions that worker processes can import, and a map over them with short limits."""

import importlib
from pathlib import Path

import psutil
import pytest

from provenance.workers import map_in_workers


@pytest.fixture
def functions(monkeypatch):
    """The module ``worker_functions``, on the path of this process and of its workers."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("worker_functions")


@pytest.fixture
def run(functions):
    """Map over items; a lost one becomes (item, reason)."""

    def start(items, **options):
        options.setdefault("make", functions.make)
        options.setdefault("jobs", 2)
        options.setdefault("item_s", 30.0)
        options.setdefault("worker_bytes", None)
        options.setdefault("lost", lambda item, reason: (item, reason))
        return map_in_workers(options.pop("make"), items, **options)

    return start


def workers_of(process_id=None):
    """Return the worker processes of a process."""
    children = psutil.Process(process_id).children()
    return [child for child in children if "provenance.workers" in " ".join(child.cmdline())]
