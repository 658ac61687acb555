"""Divides groups (photographs, speakers, authors) over the splits, before anything is generated."""

from collections.abc import Mapping, Sequence

import numpy as np

from provenance.errors import UserError
from provenance.training.seeds import derive_seed
from provenance.types import Split

FRACTIONS: Mapping[Split, float] = {
    Split.TRAIN: 0.5,
    Split.VALIDATION: 0.1,
    Split.CALIBRATION: 0.2,
    Split.TEST: 0.2,
}
_FEW = 500
_TRIALS = 32


def assign_splits(groups: Mapping[str, int], seed: int) -> dict[str, Split]:
    """Give each group a split, so that the items of the splits come near ``FRACTIONS``.

    Groups are placed in a random order, each where most is missing. With few groups the order
    matters, so that the best of 32 orders is taken.

    Args:
        groups: Group to its number of items, at least one each.
        seed: Equal seeds give equal splits, whatever the order of ``groups``.

    Returns:
        Group to split; every split has a group.

    Raises:
        UserError: There are fewer groups than splits.
    """
    if len(groups) < len(FRACTIONS):
        raise UserError(
            f"The source has {len(groups)} groups (photographs) and {len(FRACTIONS)} splits need "
            f"one each. Give a source with more pictures."
        )
    random = np.random.default_rng(derive_seed(seed, "splits"))
    names = sorted(groups)
    trials = _TRIALS if len(names) <= _FEW else 1
    orders = [[names[i] for i in random.permutation(len(names))] for _ in range(trials)]
    return min((_place(order, groups) for order in orders), key=lambda s: _distance(s, groups))


def _place(order: Sequence[str], groups: Mapping[str, int]) -> dict[str, Split]:
    total = sum(groups.values())
    missing = {split: fraction * total for split, fraction in FRACTIONS.items()}
    empty = list(FRACTIONS)
    placed: dict[str, Split] = {}
    for left, group in zip(range(len(order), 0, -1), order, strict=True):
        # the last groups are kept for splits that still have none
        split = max(empty if left == len(empty) else missing, key=missing.__getitem__)
        placed[group] = split
        missing[split] -= groups[group]
        if split in empty:
            empty.remove(split)
    return placed


def _distance(placed: Mapping[str, Split], groups: Mapping[str, int]) -> float:
    """Return how far the shares are from ``FRACTIONS``: the sum of absolute differences."""
    total = sum(groups.values())
    shares = dict.fromkeys(FRACTIONS, 0.0)
    for group, split in placed.items():
        shares[split] += groups[group] / total
    return sum(abs(shares[split] - fraction) for split, fraction in FRACTIONS.items())
