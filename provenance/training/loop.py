"""The one training loop: steps until the budget is spent, checkpoints, resumption, logging."""

import logging
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from provenance.contracts import FitContext
from provenance.files import TEMPORARY_PREFIX
from provenance.training.distributed import Workers
from provenance.training.logs import RunLog

_LOG = logging.getLogger(__name__)
_CHECKPOINT = "checkpoint.pt"


class Stateful(Protocol):
    """A network, an optimiser, an average, a scaler: anything that can be saved and restored."""

    def state_dict(self) -> Any:
        """Return the state as tensors, numbers, strings, lists and dicts."""
        ...

    def load_state_dict(self, state: Any, /) -> Any:
        """Restore what ``state_dict`` returned."""
        ...


class TrainingLoop:
    """Yields optimiser steps until the time budget, or ``context.max_steps``, is spent.

    Usage::

        loop = TrainingLoop(context, {"network": network, "optimizer": optimizer})
        for step in loop:
            ...                      # loop.fraction (0..1) drives schedules
            loop.log(loss=loss)      # tensors are averaged between log lines

    The state in ``keep`` is saved to ``context.workdir`` every ``checkpoint_every_s`` seconds and
    at the end, together with torch's random state; with ``context.resume`` a new loop goes on from
    there, and time already spent counts. A loop that had finished yields nothing more.

    Args:
        context: Budget, folder, device, resumption.
        keep: What to save, by name.
        name: Distinguishes several loops of one run (``tokenizer``, ``prior``).
        share: Part of the context's budget that this loop may use (0..1).
        checkpoint_every_s: Seconds between checkpoints.
        log_every_s: Seconds between lines of the log.
    """

    def __init__(
        self,
        context: FitContext,
        keep: Mapping[str, Stateful],
        *,
        name: str = "train",
        share: float = 1.0,
        checkpoint_every_s: float = 20.0,
        log_every_s: float = 2.0,
    ) -> None:
        self.workers = Workers(context.device)
        self.step = 0
        self.elapsed_s = 0.0
        self.fraction = 0.0
        self._context, self._keep, self._name = context, dict(keep), name
        self._budget_s = context.budget_s * share
        self._max_steps = None if context.max_steps is None else _at_least_one(context, share)
        self._checkpoint_every_s, self._log_every_s = checkpoint_every_s, log_every_s
        self._sums: dict[str, tuple[torch.Tensor, int]] = {}
        self._folder = context.workdir / name
        self.resumed = context.resume and self._restore()
        self.records = RunLog(self._folder, resume=self.resumed, enabled=self.workers.is_first)

    @property
    def folder(self) -> Path:
        """Folder of this loop's checkpoint, log and pictures."""
        return self._folder

    def __iter__(self) -> Iterator[int]:
        """Yield step numbers from where the run stands to where its budget ends."""
        started = time.monotonic() - self.elapsed_s
        saved = logged = self.elapsed_s
        while not self._finished():
            yield self.step
            self.step += 1
            self.elapsed_s = self.workers.agree(time.monotonic() - started)
            self.fraction = self._fraction()
            if self.elapsed_s - logged >= self._log_every_s:
                logged = self.elapsed_s
                self._flush()
            if self.elapsed_s - saved >= self._checkpoint_every_s:
                saved = self.elapsed_s
                self._save()
        self._flush()
        self._save()
        self.records.close()

    def log(self, **values: torch.Tensor | float) -> None:
        """Add values to the averages of the next log line; tensors stay on their device."""
        for name, value in values.items():
            tensor = torch.as_tensor(value).detach().float()
            total, count = self._sums.get(name, (torch.zeros_like(tensor), 0))
            self._sums[name] = (total + tensor, count + 1)

    def conclude(self, **values: torch.Tensor | float) -> None:
        """Write ``values``, which describe the trained network, as the last line of the log."""
        plain = {name: _number(value) for name, value in values.items()}
        self.records.write(self.step, elapsed_s=round(self.elapsed_s, 2), **plain)
        self.records.close()

    def _finished(self) -> bool:
        return self._fraction() >= 1.0

    def _fraction(self) -> float:
        if self._max_steps is not None:
            return min(1.0, self.step / self._max_steps)
        return min(1.0, self.elapsed_s / self._budget_s) if self._budget_s > 0 else 1.0

    def _flush(self) -> None:
        if not self._sums:
            return
        means = {name: float(total.item()) / n for name, (total, n) in self._sums.items()}
        self._sums.clear()
        self.records.write(self.step, elapsed_s=round(self.elapsed_s, 2), **means)
        text = " ".join(f"{name} {value:.3g}" for name, value in list(means.items())[:3])
        self._context.progress(self.fraction, f"{self._name} step {self.step} {text}")

    # -- checkpoints -------------------------------------------------------------------------------

    def _save(self) -> None:
        if not self.workers.is_first:
            return
        state = {
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "rng": torch.get_rng_state(),
            "device_rng": self._device_rng(),
            "keep": {name: thing.state_dict() for name, thing in self._keep.items()},
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = self._folder / f"{TEMPORARY_PREFIX}{_CHECKPOINT}"
        with temporary.open("wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())  # a torn checkpoint would stop every later --resume
        temporary.replace(self._folder / _CHECKPOINT)

    def _device_rng(self) -> torch.Tensor | None:
        if not self.workers.device.startswith("cuda"):
            return None
        return torch.cuda.get_rng_state(self.workers.device)

    def _restore(self) -> bool:
        path = self._folder / _CHECKPOINT
        if not path.exists():
            return False
        # weights_only: a checkpoint can hold tensors and plain values, never code
        state = torch.load(path, map_location=self._context.device, weights_only=True)
        for name, thing in self._keep.items():
            thing.load_state_dict(state["keep"][name])
        torch.set_rng_state(state["rng"].cpu())
        if state["device_rng"] is not None:
            torch.cuda.set_rng_state(state["device_rng"].cpu(), self.workers.device)
        self.step, self.elapsed_s = int(state["step"]), float(state["elapsed_s"])
        self.fraction = self._fraction()
        _LOG.info("Resumed %s at step %d, %.0f s", self._folder, self.step, self.elapsed_s)
        return True


def _at_least_one(context: FitContext, share: float) -> int:
    return max(1, round((context.max_steps or 0) * share))


def _number(value: torch.Tensor | float) -> float:
    return float(value.item()) if isinstance(value, torch.Tensor) else value
