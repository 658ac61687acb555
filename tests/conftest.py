"""Fixtures for all tests: nothing touches the user's own folders, and shared data may be absent."""

import logging
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Numerical libraries read these at import; xdist runs a process per core already.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")


@pytest.fixture(autouse=True)
def _own_config_folder(tmp_path_factory, monkeypatch):
    """Keys and settings go to a folder of the test session, never to the user's."""
    folder = tmp_path_factory.getbasetemp() / "config"
    monkeypatch.setenv("PROVENANCE_CONFIG_DIR", str(folder))
    for name in list(os.environ):
        if name.startswith("PROVENANCE_") and name != "PROVENANCE_CONFIG_DIR":
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _own_terminal(monkeypatch):
    """Tables are as wide, and as plain, whoever runs the tests; pytest-xdist sets COLUMNS, too."""
    for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _own_logging():
    """A command run inside a test configures logging; the next test starts as a library would."""
    logger = logging.getLogger("provenance")
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)
    logger.propagate = True


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real media to test on, beside the checkout; never part of the project."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the shared media are not here")
    return folder
