"""A loop's files: the checkpoint that a killed run goes on from, and the best state it has had.

A file can hold tensors and plain values, never code. Each is written to a temporary name, flushed
and renamed, so that a kill at any moment leaves a whole one.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from provenance.files import TEMPORARY_PREFIX

CHECKPOINT = "checkpoint.pt"
BEST = "best.pt"
_BEST_BEFORE = "best-before.pt"


class Checkpoints:
    """Reads and writes the state files of one loop.

    The best state is newer than the checkpoint for a moment. A run killed just then goes on from a
    checkpoint that knows an older best state, which is why that one is kept, too, until a
    checkpoint names its successor.

    Args:
        folder: Of the loop; made when something is written.
        device: Where tensors are put when read.
    """

    def __init__(self, folder: Path, device: str) -> None:
        self._folder, self._device = folder, device
        self._named: int | None = None  # the best state that the checkpoint knows, by its step

    def write(self, state: dict[str, Any]) -> None:
        """Write the checkpoint; ``state["best_step"]`` names the best state that belongs to it."""
        self._write(CHECKPOINT, state)
        self._named = state["best_step"]

    def read(self) -> dict[str, Any] | None:
        """Return the checkpoint, or None where there is none."""
        state = self._read(CHECKPOINT)
        if state is not None:
            self._named = state["best_step"] = state.get("best_step")
        return state

    def write_best(self, state: dict[str, Any]) -> None:
        """Write the best state; ``state["step"]`` names it."""
        best = self._folder / BEST
        before = self._read(BEST) if self._named is not None else None
        if before is not None and before["step"] == self._named != state["step"]:
            best.replace(self._folder / _BEST_BEFORE)
        self._write(BEST, state)

    def read_best(self, step: int | None) -> dict[str, Any] | None:
        """Return the best state that was kept at ``step``, or None where there is none."""
        for name in (BEST, _BEST_BEFORE):
            state = self._read(name) if step is not None else None
            if state is not None and state["step"] == step:
                return state
        return None

    def forget(self) -> None:
        """Remove what an earlier run has left here."""
        for name in (CHECKPOINT, BEST, _BEST_BEFORE):
            (self._folder / name).unlink(missing_ok=True)

    def _write(self, name: str, state: dict[str, Any]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = self._folder / f"{TEMPORARY_PREFIX}{name}"
        with temporary.open("wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())  # a torn checkpoint would stop every later --resume
        temporary.replace(self._folder / name)

    def _read(self, name: str) -> dict[str, Any] | None:
        path = self._folder / name
        if not path.exists():
            return None
        state: dict[str, Any] = torch.load(path, map_location=self._device, weights_only=True)
        return state


def tensors_in(state: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors of a state of nested dicts and lists."""
    if isinstance(state, torch.Tensor):
        yield state
    elif isinstance(state, dict):
        for value in state.values():
            yield from tensors_in(value)
    elif isinstance(state, list | tuple):
        for value in state:
            yield from tensors_in(value)
