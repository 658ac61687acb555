"""Calls a plugin's ``score`` and trusts nothing of it; averages the windows of a file."""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from provenance.contracts import Scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from provenance.contracts import Detector

_LOG = logging.getLogger(__name__)
_BATCH = 256


def abstain(reasons: Sequence[str]) -> Scores:
    """Return scores that abstain on every item, for the reasons given."""
    return Scores(
        np.zeros(len(reasons), np.float32), np.zeros(len(reasons), np.bool_), tuple(reasons)
    )


def score_usable(
    batch: Sequence[Any],
    problem: Callable[[Any], str],
    logits: "Callable[[list[Any]], NDArray[np.floating]]",
) -> Scores:
    """Score the items that a detector can take and abstain on the rest; for plugin authors.

    Args:
        batch: N decoded items.
        problem: Says why an item cannot be scored; "" where it can.
        logits: Called once with the usable items (M), if any; returns M logits.
    """
    reasons = [problem(item) for item in batch]
    usable = np.array([not reason for reason in reasons], np.bool_)
    values = np.zeros(len(batch), np.float32)
    if usable.any():
        values[usable] = logits(
            [item for item, reason in zip(batch, reasons, strict=True) if not reason]
        )
    return Scores(values, usable, tuple(reasons))


def score_items(detector: "Detector", items: Sequence[Any], *, batch: int = _BATCH) -> Scores:
    """Score items in batches; whatever goes wrong with one costs only that one.

    A batch on which the plugin raises, or whose scores break the contract, is scored again item by
    item; an item that fails on its own abstains with the error as its reason.

    Args:
        detector: A trained detector.
        items: N decoded windows, already cut to the card's input spec.
        batch: How many the plugin gets at once.
    """
    parts = [
        _score_batch(detector, items[start : start + batch])
        for start in range(0, len(items), batch)
    ]
    return _join(parts)


def score_files(detector: "Detector", windows: Sequence[Sequence[Any]]) -> Scores:
    """Score files of which each is one or more windows: the mean logit of those that apply.

    Args:
        detector: A trained detector.
        windows: N files, each the list of its windows; an empty list abstains.
    """
    flat = [window for file in windows for window in file]
    scores = score_items(detector, flat)
    ends = np.cumsum([len(file) for file in windows], dtype=int)
    parts = [
        _mean(scores, slice(end - len(file), end)) for file, end in zip(windows, ends, strict=True)
    ]
    return _join(parts)


def _mean(scores: Scores, part: slice) -> Scores:
    applicable = scores.applicable[part]
    if not applicable.any():
        reasons = scores.reason[part]
        return abstain([reasons[0] if reasons else "has no window to score"])
    mean = scores.logit[part][applicable].mean(dtype=np.float64)
    return Scores(np.array([mean], np.float32), np.ones(1, np.bool_), ("",))


def _score_batch(detector: "Detector", items: Sequence[Any]) -> Scores:
    try:
        return _checked(detector.score(items), len(items))
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything; one item pays for it
        _LOG.debug("score failed on %d items", len(items), exc_info=error)
        if len(items) == 1:
            return abstain([f"the detector failed: {type(error).__name__}: {error}"])
    return _join([_score_batch(detector, [item]) for item in items])


def _checked(scores: Scores, count: int) -> Scores:
    """Return the scores as the contract has them.

    Raises:
        ValueError: Wrong number of anything, or a score that is not finite.
    """
    logit = np.asarray(scores.logit, np.float32)
    applicable = np.asarray(scores.applicable, np.bool_)
    if logit.shape != (count,) or applicable.shape != (count,) or len(scores.reason) != count:
        raise ValueError(f"{count} items got scores of shape {logit.shape}")
    if not np.isfinite(logit[applicable]).all():
        raise ValueError("a score is not finite")
    return Scores(logit, applicable, tuple(scores.reason))


def _join(parts: Sequence[Scores]) -> Scores:
    if not parts:
        return abstain([])
    return Scores(
        np.concatenate([part.logit for part in parts]),
        np.concatenate([part.applicable for part in parts]),
        tuple(reason for part in parts for reason in part.reason),
    )
