"""Reduces what a plugin hands over to plain JSON values, so that one odd value spoils no row."""

import math
import numbers
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from provenance.types import Evidence

_DEEPEST = 16
_LONGEST = 20_000  # characters of one text, items of one list


def plain_evidence(evidence: Evidence) -> Evidence:
    """Return the statement with plain detail and a probability that is one.

    Raises:
        ValueError: The probability is not between 0 and 1.
    """
    probability = evidence.probability
    if probability is not None and not 0.0 <= probability <= 1.0:
        raise ValueError(f"{evidence.source} gives a probability of {probability}")
    return replace(
        evidence,
        probability=None if probability is None else float(probability),
        detail=plain(dict(evidence.detail)),
    )


def plain(value: Any, depth: int = 0) -> Any:
    """Return ``value`` as JSON can hold it: NaN becomes None, what is unknown becomes its text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, numbers.Integral):  # numpy's
        return int(value)
    if isinstance(value, str):
        return str(value)[:_LONGEST]
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    if depth >= _DEEPEST:
        return "..."
    if isinstance(value, Mapping):
        return {str(key): plain(item, depth + 1) for key, item in list(value.items())[:_LONGEST]}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item, depth + 1) for item in list(value)[:_LONGEST]]
    return str(value)[:_LONGEST]
