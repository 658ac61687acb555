"""Divides groups (photographs, speakers, authors) over the splits, before anything is generated."""

from collections.abc import Collection, Mapping, Sequence

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


def assign_splits(
    groups: Mapping[str, int], seed: int, *, trained_on: Collection[str] = ()
) -> dict[str, Split]:
    """Give each group a split, so that the items of the splits come near ``FRACTIONS``.

    Groups are placed in a random order, each where most is missing. With few groups the order
    matters, so that the best of 32 orders is taken.

    Args:
        groups: Group to its number of items, at least one each.
        seed: Equal seeds give equal splits, whatever the order of ``groups``.
        trained_on: Groups that a generator has learned from already: they can only train.

    Returns:
        Group to split; every split has a group.

    Raises:
        UserError: There are fewer groups than splits.
    """
    fixed = {group: Split.TRAIN for group in sorted(groups) if group in set(trained_on)}
    names = sorted(set(groups) - set(fixed))
    needed = len(FRACTIONS) - bool(fixed)
    if len(names) < needed:
        raise UserError(
            f"The source has {len(names)} groups (photographs) that no generator has learned from, "
            f"and {needed} splits need one each. Give a source with more pictures."
        )
    random = np.random.default_rng(derive_seed(seed, "splits"))
    trials = _TRIALS if len(names) <= _FEW else 1
    orders = [[names[i] for i in random.permutation(len(names))] for _ in range(trials)]
    placed = (_place(order, groups, fixed) for order in orders)
    return min(placed, key=lambda splits: _distance(splits, groups))


def _place(
    order: Sequence[str], groups: Mapping[str, int], fixed: Mapping[str, Split]
) -> dict[str, Split]:
    total = sum(groups.values())
    missing = {split: fraction * total for split, fraction in FRACTIONS.items()}
    for group, split in fixed.items():
        missing[split] -= groups[group]
    empty = [split for split in FRACTIONS if split not in fixed.values()]
    placed = dict(fixed)
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
