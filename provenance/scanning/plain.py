"""Reduces what a plugin hands over to plain JSON values, so that one odd value spoils no row."""

import math
import numbers
from collections.abc import Mapping
from typing import Any

from provenance.types import Channel, Evidence, Verdict

_DEEPEST = 16
_LONGEST = 20_000  # characters of one text, items of one list
_MOST_BITS = 1_024  # Python writes no integer of more than 4,300 digits, and few others read one


def plain_evidence(evidence: Evidence) -> Evidence:
    """Return the statement with plain values throughout, and a probability that is one.

    Called where the plugin is, so that what it gets wrong is its own failure and not the scan's.

    Raises:
        ValueError: The probability is not between 0 and 1; the channel or verdict is none.
    """
    probability = evidence.probability
    if probability is not None and not 0.0 <= probability <= 1.0:
        raise ValueError(f"{evidence.source} gives a probability of {probability}")
    return Evidence(  # and not replace(): a plugin's own subclass may not survive pickling
        channel=Channel(evidence.channel),
        source=str(evidence.source)[:_LONGEST],
        says=Verdict(evidence.says),
        probability=None if probability is None else float(probability),
        reason=str(evidence.reason)[:_LONGEST],
        detail=plain(dict(evidence.detail)),
    )


def plain(value: Any, depth: int = 0) -> Any:
    """Return ``value`` as JSON can hold it: NaN becomes None, what is unknown becomes its text.

    So do integers of more than 1,024 bits, as hexadecimal.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):  # numpy's, too
        return _plain_integer(int(value))
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


def _plain_integer(value: int) -> int | str:
    return value if value.bit_length() <= _MOST_BITS else hex(value)[:_LONGEST]
