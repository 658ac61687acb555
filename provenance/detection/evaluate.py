"""The tables of a test: all items, each generator, each step of the ladder, each one held out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from provenance.detection.calibration import (
    Calibration,
    Threshold,
    fit_calibration,
    fit_threshold,
)
from provenance.detection.metrics import METRICS, Estimate, summarise
from provenance.types import Split, Step

if TYPE_CHECKING:
    from numpy.typing import NDArray

LADDER = (Step.RECONSTRUCTION, Step.RESAMPLE, Step.SAMPLE)


@dataclass(frozen=True, slots=True)
class ScoredItem:
    """What one item of the calibration or test split scored.

    Attributes:
        id: Of the item.
        split: Calibration or test.
        synthetic: The truth.
        generator: That made it; None for real items.
        step: Rung of the ladder.
        cluster: The real item that it stems from, or its own id: what the bootstrap draws.
        logit: None where the detector abstained.
    """

    id: str
    split: Split
    synthetic: bool
    generator: str | None
    step: Step
    cluster: str
    logit: float | None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ScoredItem":
        """Rebuild what ``dataclasses.asdict`` made plain."""
        return cls(**{**value, "split": Split(value["split"]), "step": Step(value["step"])})


@dataclass(frozen=True, slots=True)
class Levels:
    """Calibration and both thresholds of one fit."""

    calibration: Calibration
    strict: Threshold
    lax: Threshold


@dataclass(frozen=True, slots=True)
class TableRow:
    """One line of a test.

    Attributes:
        group: ``all``, ``generator``, ``step`` or ``held-out``.
        name: Of the generator or step; "" for all.
        real: Real items tested.
        synthetic: Synthetic items tested.
        abstained: Items on which the detector abstained; they are in no metric.
        metrics: Estimates by the keys of :data:`provenance.detection.METRICS`.
    """

    group: str
    name: str
    real: int
    synthetic: int
    abstained: int
    metrics: Mapping[str, Estimate]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of ``report.json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "TableRow":
        """Rebuild what :meth:`to_json` made plain."""
        metrics = {name: Estimate(**value["metrics"][name]) for name in METRICS}
        return cls(**{**value, "metrics": metrics})


def fit_levels(items: Sequence[ScoredItem]) -> Levels:
    """Fit calibration and thresholds on the items of the calibration split.

    Raises:
        UserError: A class is missing there.
    """
    logits, synthetic, _ = _arrays([item for item in items if item.split is Split.CALIBRATION])
    calibration = fit_calibration(logits, synthetic)
    reals = logits[~synthetic]
    return Levels(calibration, fit_threshold(reals, 0.01), fit_threshold(reals, 0.05))


def table_rows(items: Sequence[ScoredItem], levels: Levels, *, seed: int) -> list[TableRow]:
    """Test on all items of the test split, on each generator and on each step.

    Each group of fakes is set against all real test items.
    """
    tested = [item for item in items if item.split is Split.TEST]
    generators = sorted({item.generator for item in tested if item.generator})
    rows = [_row("all", "", tested, levels, seed)]
    for name in generators:
        rows.append(_row("generator", name, _against(tested, _made_by(name)), levels, seed))
    for step in LADDER:
        if any(item.step is step for item in tested):
            rows.append(_row("step", str(step), _against(tested, _at(step)), levels, seed))
    return rows


def held_out_row(name: str, items: Sequence[ScoredItem], levels: Levels, *, seed: int) -> TableRow:
    """Test a detector that never saw generator ``name`` on that generator alone."""
    tested = [item for item in items if item.split is Split.TEST]
    return _row("held-out", name, _against(tested, _made_by(name)), levels, seed)


def _made_by(name: str) -> Callable[[ScoredItem], bool]:
    return lambda item: item.generator == name


def _at(step: Step) -> Callable[[ScoredItem], bool]:
    return lambda item: item.step is step


def _against(items: Sequence[ScoredItem], wanted: Callable[[ScoredItem], bool]) -> list[ScoredItem]:
    return [item for item in items if not item.synthetic or wanted(item)]


def _row(group: str, name: str, items: Sequence[ScoredItem], levels: Levels, seed: int) -> TableRow:
    logits, synthetic, clusters = _arrays(items)
    metrics = summarise(
        logits,
        synthetic,
        clusters,
        calibration=levels.calibration,
        threshold_logit=levels.lax.logit,
        seed=seed,
    )
    real = int((~synthetic).sum())
    abstained = len(items) - len(logits)
    return TableRow(group, name, real, int(synthetic.sum()), abstained, metrics)


def _arrays(
    items: Sequence[ScoredItem],
) -> "tuple[NDArray[np.float64], NDArray[np.bool_], list[str]]":
    scored = [item for item in items if item.logit is not None]
    logits = np.array([item.logit for item in scored], np.float64)
    synthetic = np.array([item.synthetic for item in scored], np.bool_)
    return logits, synthetic, [item.cluster for item in scored]
