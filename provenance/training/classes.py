"""Classes of real items, for generators that can be told what to make."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from provenance.errors import UserError, did_you_mean
from provenance.training.seeds import derive_rng
from provenance.types import Media

_MOST_CLASSES = 1000
_FEWEST_ITEMS = 16  # of a class: below, a folder's name is no class


def find_classes(source: Sequence[Media]) -> tuple[str, ...]:
    """Return the classes of a source in order of their names.

    None where an item has no category, where there is one class only or more than 1,000, or where
    one has fewer than 16 items: the names of folders are not always classes.
    """
    counts = Counter(item.category for item in source)
    names = [name for name in counts if name is not None]
    is_classed = len(names) == len(counts) and 1 < len(names) <= _MOST_CLASSES
    return tuple(sorted(names)) if is_classed and min(counts.values()) >= _FEWEST_ITEMS else ()


def number_classes(source: Sequence[Media], classes: Sequence[str]) -> NDArray[np.int64]:
    """Return the number of each item's class, int64 (N,); zeros where there are no classes."""
    numbers = {name: number for number, name in enumerate(classes)}
    return np.array([numbers.get(item.category or "", 0) for item in source], np.int64)


def choose_classes(
    name: str,
    n: int,
    seed: int,
    label: str | Sequence[str] | None,
    classes: Sequence[str],
    shares: Tensor,
) -> Tensor:
    """Return the number of the class of each sample, int64 (n,), on the CPU.

    Args:
        name: Of the generator, for messages.
        n: How many.
        seed: Row i depends on ``seed + i`` alone.
        label: Class of all or of each; None draws them.
        classes: That the generator has learned; zeros are returned where there are none.
        shares: How often each was in the source, float (K,), summing to 1.

    Raises:
        UserError: A class that it has not learned, or another number of labels than ``n``.
    """
    if label is None:
        return _draw_classes(n, seed, shares) if classes else torch.zeros(n, dtype=torch.long)
    labels = [label] * n if isinstance(label, str) else list(label)
    if len(labels) != n:
        raise UserError(f"{name} was given {len(labels)} labels for {n} items.")
    for one in labels:
        if not classes:
            raise UserError(f"{name} knows no classes, so not {one!r}. Leave the label out.")
        if one not in classes:
            raise UserError(f"{name} knows no class {one!r}.{did_you_mean(one, list(classes))}")
    return torch.tensor([classes.index(one) for one in labels], dtype=torch.long)


def _draw_classes(n: int, seed: int, shares: Tensor) -> Tensor:
    # a stream of its own: that of ``seed + i`` draws the latents
    streams = (derive_rng(seed + i, "class") for i in range(n))
    uniform = torch.cat([torch.rand(1, generator=rng) for rng in streams] or [torch.empty(0)])
    return torch.searchsorted(shares.double().cumsum(0), uniform.double()).clamp(
        max=len(shares) - 1
    )
