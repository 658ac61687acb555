"""The one training loop: steps until the budget is spent, checkpoints, resumption, logging."""

import logging
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from provenance.contracts import FitContext
from provenance.training.checkpoints import Checkpoints, tensors_in
from provenance.training.distributed import Workers
from provenance.training.logs import RunLog
from provenance.training.pace import Pace

_LOG = logging.getLogger(__name__)


class Stateful(Protocol):
    """A network, an optimiser, an average, a scaler: anything that can be saved and restored."""

    def state_dict(self) -> Any:
        """Return the state as tensors, numbers, strings, lists and dicts."""
        ...

    def load_state_dict(self, state: Any, /) -> Any:
        """Restore what ``state_dict`` returned."""
        ...


class TrainingLoop:
    """Yields optimiser steps until the budget, ``context.budget_s`` or ``max_steps``, is spent.

    Usage::

        loop = TrainingLoop(context, {"network": network, "optimizer": optimizer})
        for step in loop:
            ...                      # loop.fraction (0..1) drives schedules
            loop.log(loss=loss)      # tensors are averaged between log lines

    The state in ``keep`` is saved to ``context.workdir`` every ``checkpoint_every_s`` seconds and
    at the end, together with torch's random state; with ``context.resume`` a new loop goes on from
    there, and time already spent counts. A loop that had finished yields nothing more.

    A run can go back: :meth:`keep_best` keeps the state as it is, :meth:`restore_best` returns to
    it, while steps and time go on. What has ``outlives_rollback = True``, such as
    :class:`provenance.quality.CollapseWatch`, stays as it is; with such a thing in ``keep`` the
    loop keeps its first state by itself, so that there is always one to go back to.

    Attributes:
        workers: The processes of the run.
        step: Number of the step that is being taken; after the loop, how many were.
        elapsed_s: Seconds of ``context.budget_clock`` spent so far, earlier runs included.
        fraction: Share of the budget spent (0..1).
        resumed: Whether a checkpoint was taken up.
        records: The log.

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
        self._files = Checkpoints(self._folder, context.device)
        self._best_step: int | None = None
        self._stopped = self._save_soon = self._within = False
        self.resumed = context.resume and self._restore()
        if not self.resumed and self.workers.is_first:
            self._files.forget()  # a later --resume would take an older run's state for this one's
        self.records = RunLog(
            self._folder, resume=self.resumed, enabled=self.workers.is_first, step=self.step
        )

    @property
    def folder(self) -> Path:
        """Folder of this loop's checkpoint, log and pictures."""
        return self._folder

    def __iter__(self) -> Iterator[int]:
        """Yield step numbers from where the run stands to where its budget ends."""
        started = self._now() - self.elapsed_s
        saved = logged = self.elapsed_s
        self._pace = Pace(self.step, self.fraction)
        if self._best_step is None and any(map(_outlives_rollback, self._keep.values())):
            self.keep_best()
        while not self._finished():
            self._begin_graphs()
            self._within = True
            yield self.step
            self.step, self._within = self.step + 1, False
            self.elapsed_s = self.workers.agree(self._now() - started)
            self.fraction = self._fraction()
            if self.elapsed_s - logged >= self._log_every_s:
                logged = self.elapsed_s
                self._flush()
            if self._save_soon or self.elapsed_s - saved >= self._checkpoint_every_s:
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

    def note(self, **values: float | str) -> None:
        """Write ``values``, words among them, as a line of the log of their own."""
        self.records.write(self.steps_taken, elapsed_s=round(self.elapsed_s, 2), **values)

    def conclude(self, **values: torch.Tensor | float) -> None:
        """Write ``values``, which describe the trained network, as the last line of the log."""
        plain = {name: _number(value) for name, value in values.items()}
        self.records.write(self.step, elapsed_s=round(self.elapsed_s, 2), **plain)
        self.records.show_newest_sheet(self._context.workdir)
        self.records.close()

    # -- going back --------------------------------------------------------------------------------

    def keep_best(self) -> None:
        """Keep networks, optimisers and averages as they are now, for :meth:`restore_best`.

        They go to ``best.pt`` beside the checkpoint. Called alike in all processes of a run.
        """
        if self.workers.is_first:
            self._files.write_best(
                {"step": self.steps_taken, "keep": self._states(going_back=True)}
            )
        self._best_step = self.steps_taken
        self._save_soon = True  # best state and checkpoint should seldom differ in age

    def restore_best(self) -> bool:
        """Return to the state kept last; step, time and log go on.

        Called alike in all processes of a run, which share the folder.

        Returns:
            False where none was kept; nothing has changed then.
        """
        self.workers.agree(0.0)  # the first process has written by now
        state = self._files.read_best(self._best_step)
        if state is None:
            return False
        for name, one in state["keep"].items():
            self._keep[name].load_state_dict(one)
        self._save_soon = True
        _LOG.info("%s went back from step %d to %d", self._folder, self.steps_taken, state["step"])
        return True

    def stop(self) -> None:
        """End the loop after this step, whatever is left; a resumed run stays ended."""
        self._stopped = self._save_soon = True

    def is_finite(self) -> bool:
        """Whether all numbers that the loop keeps are finite: weights, averages, moments."""
        tensors = (t for t in tensors_in(self._states()) if t.is_floating_point())
        return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)

    @property
    def steps_taken(self) -> int:
        """How many steps were taken, the one that the body of the loop is at included."""
        return self.step + self._within

    # -- budget and log ----------------------------------------------------------------------------

    def _now(self) -> float:
        if self._context.budget_clock == "cpu":
            return time.process_time()
        return time.monotonic()

    def _begin_graphs(self) -> None:
        """Tell CUDA graphs of compiled networks that outputs of the last step are done with."""
        if self.workers.device.startswith("cuda"):
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]

    def _finished(self) -> bool:
        return self._stopped or self._fraction() >= 1.0

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
        pace = self._pace.describe(self.step, self.fraction)
        self._context.progress(self.fraction, f"{self._name} step {self.step}{pace} {text}")
        self.records.show_newest_sheet(self._context.workdir)

    # -- checkpoints -------------------------------------------------------------------------------

    def _save(self) -> None:
        self._save_soon = False
        if not self.workers.is_first:
            return
        state = {
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "stopped": self._stopped,
            "best_step": self._best_step,
            "rng": torch.get_rng_state(),
            "device_rng": self._device_rng(),
            "keep": self._states(),
        }
        self._files.write(state)

    def _states(self, *, going_back: bool = False) -> dict[str, Any]:
        return {
            name: thing.state_dict()
            for name, thing in self._keep.items()
            if not (going_back and _outlives_rollback(thing))
        }

    def _device_rng(self) -> torch.Tensor | None:
        if not self.workers.device.startswith("cuda"):
            return None
        return torch.cuda.get_rng_state(self.workers.device)

    def _restore(self) -> bool:
        state = self._files.read()
        if state is None:
            return False
        for name, thing in self._keep.items():
            thing.load_state_dict(state["keep"][name])
        torch.set_rng_state(state["rng"].cpu())
        if state["device_rng"] is not None:
            torch.cuda.set_rng_state(state["device_rng"].cpu(), self.workers.device)
        self.step, self.elapsed_s = int(state["step"]), float(state["elapsed_s"])
        self._best_step, self._stopped = state["best_step"], state.get("stopped", False)
        self.fraction = self._fraction()
        _LOG.info("Resumed %s at step %d, %.0f s", self._folder, self.step, self.elapsed_s)
        return True


def _outlives_rollback(thing: Stateful) -> bool:
    return bool(getattr(thing, "outlives_rollback", False))


def _at_least_one(context: FitContext, share: float) -> int:
    return max(1, round((context.max_steps or 0) * share))


def _number(value: torch.Tensor | float) -> float:
    return float(value.item()) if isinstance(value, torch.Tensor) else value
