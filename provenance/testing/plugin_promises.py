"""Promises that plugins of every kind make alike, checked in one place for all kits.

Some are checks of their own; the others take the call that is the plugin's work (``score``,
``sample``), which only its kit knows.
"""

import contextlib
import functools
import io
import pickle
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from provenance.contracts import API_VERSION
from provenance.testing.probes import (
    add_a_tensor,
    before_and_after,
    cut_off,
    drop_a_tensor,
    files_opened,
    heavy_imports,
    raises,
    random_states,
    torch_settings,
)
from provenance.training import WEIGHTS_FILE


class DeclaredSubject(Protocol):
    """A plugin by what it declares."""

    @property
    def spec(self) -> Any:
        """As registered."""
        ...

    @property
    def module(self) -> str | None:
        """Name of the plugin's module, where known."""
        ...


class BuiltSubject(DeclaredSubject, Protocol):
    """A plugin that is built without arguments."""

    @property
    def factory(self) -> Callable[[], Any]:
        """As registered."""
        ...


class SavedSubject(BuiltSubject, Protocol):
    """A plugin that was trained and saved."""

    @property
    def folder(self) -> Path:
        """What ``save`` wrote."""
        ...


# --- checks ---------------------------------------------------------------------------------------


def spec_travels(subject: DeclaredSubject) -> None:
    """A spec is plain data: it comes out of a pickle as it went in."""
    arrived = pickle.loads(pickle.dumps(subject.spec))  # noqa: S301 - pickled on the same line
    assert arrived == subject.spec, "the spec changes in a pickle"


def construction_is_cheap(subject: BuiltSubject) -> None:
    """Construct under a ban on files: a constructor that reads is one that can fail."""
    subject.factory()  # imports that the factory needs may read their files
    opened = files_opened(subject.factory)
    assert not opened, f"the constructor opens {opened[0]}"


def import_is_light(subject: DeclaredSubject) -> None:
    """Listing plugins imports all of them, and must not take seconds."""
    if subject.module is not None:
        heavy = heavy_imports(subject.module)
        assert not heavy, f"importing {subject.module} imports {' '.join(heavy)}"


# --- parts of checks ------------------------------------------------------------------------------


def assert_identity(spec: Any) -> None:
    """Check what every spec has: name, version, summary, licence, version of the plugin API."""
    assert spec.name, "the name is empty"
    assert spec.name == spec.name.lower(), f"{spec.name!r} is not lower case"
    assert spec.name.replace("-", "").replace("_", "").isalnum(), f"{spec.name!r} is not a word"
    assert spec.version, "the version is empty"
    assert spec.summary, "the summary is empty"
    assert "\n" not in spec.summary, "the summary has more than a line"
    assert spec.licence, "the licence is empty"
    assert spec.api_version == API_VERSION, f"written for plugin API {spec.api_version}"


def assert_quiet(call: Callable[[], Any], *, before: str = "") -> None:
    """Check that a call prints nothing to stdout, which belongs to ``--json``.

    Args:
        call: The plugin's work.
        before: What it printed earlier, in training.
    """
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        call()
    printed = before + stream.getvalue()
    assert not printed, f"prints {printed[:60]!r} to stdout"


def assert_random_state_kept(call: Callable[[], Any], what: str) -> None:
    """Check that a call leaves the global random generators as they are.

    Draws first: a seed that an earlier check set would hide that it is set again.

    Args:
        call: The plugin's work.
        what: How to name it.
    """
    random.random()  # noqa: S311 - moved on, not used
    np.random.random()
    if (torch := sys.modules.get("torch")) is not None:
        torch.rand(1)
    before, after = before_and_after(call, random_states)
    changed = [name for name in before if before[name] != after[name]]
    assert not changed, f"{what} changes the random state of {', '.join(changed)}"


def assert_torch_settings_kept(call: Callable[[], Any]) -> None:
    """Check that a call leaves torch's threads, gradient mode and default type as they are."""
    before, after = before_and_after(call, torch_settings)
    assert before == after, f"torch was {before}, is now {after}"


def assert_nothing_is_loaded(
    factory: Callable[[], Any], error: type[Exception] = Exception
) -> None:
    """Check that an empty folder is refused, with an ``error``; another error comes out."""
    with tempfile.TemporaryDirectory() as folder:
        load = functools.partial(factory().load, Path(folder), "cpu")
        assert raises(load, error), "it loads an empty folder"


def assert_damage_is_refused(subject: SavedSubject, error: type[Exception] = Exception) -> None:
    """Check that damaged weights are refused, with an ``error``; another error comes out."""
    damages = {
        "cut off": cut_off,
        "with a tensor missing": drop_a_tensor,
        "with a tensor too many": add_a_tensor,
    }
    for what, damage in damages.items():
        with tempfile.TemporaryDirectory() as folder:
            damaged = Path(folder) / "model"
            shutil.copytree(subject.folder, damaged)
            damage(damaged / WEIGHTS_FILE)
            load = functools.partial(subject.factory().load, damaged, "cpu")
            assert raises(load, error), f"loads weights {what}"
