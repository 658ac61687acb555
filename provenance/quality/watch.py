"""Mode collapse, noticed while a generator trains, and what is done about it.

Losses do not show it: a relativistic loss stays near log 2 whether samples are good, bad, or all
the same. So samples are looked at, at fixed parts of the budget.
"""

import functools
import logging
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from provenance.contracts import FitContext
from provenance.quality.quick import QuickFigures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from provenance.training import TrainingLoop

_LOG = logging.getLogger(__name__)
_CHECKS = (0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0)
# How these were chosen, and what healthy and collapsing runs measure: README.md, Watching
_LEAST_VARIETY = 0.3
_FALL = 0.35  # of the best recall so far
_NOTABLE_RECALL = 0.3  # below, it comes and goes by chance
_FEWEST_STEPS = 100  # before, nothing has been learned that could have collapsed
_GROWTH = 0.25  # a young network's variety grows at least as this power of its steps
_NOTABLE_VARIETY, _LOSS = 0.5, 0.5  # a network that had it is not young; a fall is no fluctuation
_NO_NUMBERS = "weights or samples are no numbers"
_STATE = ("gentleness", "_left", "_best", "_low", "_variety", "_recall", "_began", "_age")
_DONE = {
    "warn": "Training goes on; see on_collapse.",
    "stop": "Training ends with the best state so far.",
    "roll-back": "Training goes back to the best state so far, and on more gently.",
    "soften": "Training goes on more gently.",
}


class CollapseWatch:
    """Looks at samples on a fixed schedule; warns of collapse, and acts by ``context.on_collapse``.

    Usage in a trainer::

        watch = CollapseWatch(context, images)
        loop = TrainingLoop(context, {"network": network, "optimizer": optimizer, "watch": watch})
        for step in loop:
            ...  # learning rates times watch.gentleness, penalties divided by it, at every step
            if watch.is_due(loop.fraction):
                watch.look(loop, draw_samples(watch.n_samples), score_gap=gap)
        if watch.is_due(loop.fraction):  # the check at 1.0
            watch.look(loop, draw_samples(watch.n_samples))

    What is done, by policy: ``warn`` nothing more; ``stop`` goes back to the best state and ends
    the loop; ``roll-back`` goes back to it, halves ``gentleness`` and goes on; ``soften`` halves
    ``gentleness`` and goes on from where the run stands, unless weights are no numbers any more,
    which nothing but going back can mend.

    A sign of collapse is a variety under 0.3 of that of real images, or a recall of layouts below
    0.35 of what it was. It counts where samples have had some variety, 0.5, and lost half of it.
    Else it may be that of a young network: then it counts from 100 steps on, where variety hardly
    grows from one look to the next. Weights or samples that are no numbers count at once. Poor
    samples that differ from one another do not.

    Attributes:
        n_samples: How many samples a look wants.
        gentleness: 1.0, halved by each remedy.

    Args:
        context: Gives the policy.
        reals: uint8 (N, S, S, 3), what is trained on; an even choice of it is compared with.
        checks: Parts of the budget (0..1) at which to look.
        samples: How many samples, and real images, a look compares.
    """

    outlives_rollback = True  # remedies would be forgotten, and looks repeated

    def __init__(
        self,
        context: FitContext,
        reals: "NDArray[np.uint8]",
        *,
        checks: Sequence[float] = _CHECKS,
        samples: int = 256,
    ) -> None:
        self.n_samples = samples
        self.gentleness = 1.0
        self._policy = context.on_collapse
        chosen = np.linspace(0, len(reals) - 1, max(2, min(samples, len(reals)))).astype(int)
        self._reals = reals[chosen]
        self._left = sorted(checks)
        self._best: float | None = None  # smallest kernel distance of a healthy look
        self._low: float | None = None  # variety at the last look, where that had signs
        self._variety = self._recall = 0.0  # the highest so far
        self._began = 0  # step at which the weights were fresh
        self._age = 1  # steps since then at the last look

    def is_due(self, fraction: float) -> bool:
        """Return whether a check has been passed since the last call; once for each.

        Args:
            fraction: Where the run stands (0..1), as ``TrainingLoop.fraction``.
        """
        before = len(self._left)
        self._left = [check for check in self._left if check > fraction]
        return len(self._left) < before

    def look(
        self,
        loop: "TrainingLoop",
        samples: "NDArray[np.uint8] | NDArray[np.floating[Any]] | None",
        **balance: float,
    ) -> None:
        """Measure samples, log the figures as a line of their own, and act on collapse.

        Under ``torchrun`` all processes call this, and do what the first one's look decides.

        Args:
            loop: That is running, or has just ended.
            samples: (n, S, S, 3), 0..255; floats are checked for what is no number. Only the first
                process's count; others may give None.
            balance: Further numbers for the log, such as the gap between a critic's scores.
        """
        seen = self._examine(loop, samples, balance) if loop.workers.is_first else None
        figures, signs = loop.workers.share(seen) or ({}, [])
        collapse = self._judge(figures, signs, loop.steps_taken)
        action = self._act(loop, figures, signs, collapse)
        words = "; ".join(signs) if collapse else "none"
        loop.note(**figures, collapse=words, action=action, gentleness=self.gentleness)

    def state_dict(self) -> dict[str, Any]:
        """Return remedies taken and checks left, for checkpoints."""
        return {name: getattr(self, name) for name in _STATE}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        for name in _STATE:
            setattr(self, name, state[name])

    @functools.cached_property
    def _reference(self) -> QuickFigures:
        return QuickFigures(self._reals)

    def _examine(
        self, loop: "TrainingLoop", samples: Any, balance: dict[str, float]
    ) -> tuple[dict[str, float], list[str]]:
        """Return the figures of samples, and signs of collapse in words."""
        given = np.asarray(samples)
        numbers = {name: float(value) for name, value in balance.items()}
        finite = np.isfinite(given).all() and all(map(math.isfinite, numbers.values()))
        pixels = np.nan_to_num(given, posinf=255).clip(0, 255).astype(np.uint8)
        figures = {**self._reference.measure(pixels), **numbers}
        broken = [] if finite and loop.is_finite() else [_NO_NUMBERS]
        return figures, broken + self._signs(figures)

    def _signs(self, figures: dict[str, float]) -> list[str]:
        """Return in words which floors the figures are under."""
        variety, recall = figures["variety"], figures["recall"]
        signs = []
        if variety < _LEAST_VARIETY:
            signs.append(f"samples have {variety:.2g} of the variety of real ones")
        if self._recall > _NOTABLE_RECALL and recall < _FALL * self._recall:
            signs.append(f"recall fell from {self._recall:.2f} to {recall:.2f}")
        return signs

    def _judge(self, figures: dict[str, float], signs: list[str], steps: int) -> bool:
        """Return whether signs mean collapse; remember what the next look is compared with."""
        variety, before, best = figures["variety"], self._low, self._variety
        age = steps - self._began
        grown = before is None or variety > before * (age / self._age) ** _GROWTH
        is_young = age < _FEWEST_STEPS
        self._low, self._age = variety if signs else None, max(age, 1)
        self._variety = max(best, variety)
        if not is_young:
            self._recall = max(self._recall, figures["recall"])
        if _NO_NUMBERS in signs:
            return True
        has_fallen = best > _NOTABLE_VARIETY and variety < _LOSS * best
        return bool(signs) and (has_fallen or not (is_young or grown))

    def _act(
        self, loop: "TrainingLoop", figures: dict[str, float], signs: list[str], collapse: bool
    ) -> str:
        """Do what the policy says; return a word for it."""
        if not collapse:
            return self._keep_if_best(loop, figures) if not signs else "wait"
        action = self._policy
        if action == "soften" and _NO_NUMBERS in signs:
            action = "roll-back"
        _LOG.warning(
            "Generator collapsed by step %d: %s. %s",
            loop.steps_taken, "; ".join(signs), _DONE[action],
        )  # fmt: skip
        if action in ("stop", "roll-back"):
            loop.restore_best()
            self._began = self._began if self._best is not None else loop.steps_taken
        if action in ("soften", "roll-back"):
            self.gentleness /= 2
            self._low = math.inf  # a run that has collapsed is not given the time to do so again
        if action == "stop":
            loop.stop()
        return action

    def _keep_if_best(self, loop: "TrainingLoop", figures: dict[str, float]) -> str:
        if self._best is not None and figures["kernel"] >= self._best:
            return "none"
        self._best = figures["kernel"]
        loop.keep_best()
        return "keep"
