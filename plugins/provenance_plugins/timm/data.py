"""Batches of as many fakes as photographs, each fake beside the photograph it was made of."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from provenance import Label, LabelledMedia, UserError

_CONTRAST = 0.8  # of the logarithm: from 0.45 to 2.2 times
_BRIGHTNESS = 20.0  # of 255


class Pairs:
    """Windows in memory, drawn as pairs of a real and a synthetic one.

    Generators are drawn alike, however many items each has. A synthetic window that was made from a
    real one of this set is drawn with it: then content tells nothing, and only traces are left
    (AlignedForensics, arXiv 2410.11835, batches reals with their own reconstructions).

    Args:
        items: uint8 (H, W, 3) windows of one size.

    Raises:
        UserError: A class is missing.
    """

    def __init__(self, items: Sequence[LabelledMedia]) -> None:
        self.windows = stack([item.media.data for item in items])  # (N, 3, H, W)
        real = [i for i, item in enumerate(items) if item.label is Label.REAL]
        of_generator: dict[str, list[int]] = defaultdict(list)
        for i, item in enumerate(items):
            if item.label is Label.SYNTHETIC:
                of_generator[item.generator or ""].append(i)
        if not real or not of_generator:
            raise UserError("timm needs real and synthetic items to learn from.")
        by_parent = {items[i].parent: i for i in real}
        twin = [by_parent.get(item.parent, -1) if item.parent else -1 for item in items]
        self._real = torch.tensor(real)
        self._of_generator = [torch.tensor(members) for members in of_generator.values()]
        self._twin = torch.tensor(twin)

    def draw(self, count: int) -> Tensor:
        """Return ``count`` pairs: uint8 (count, 2, 3, H, W), real first; torch's random state."""
        which = torch.randint(len(self._of_generator), (count,))
        fakes = torch.stack([_one_of(self._of_generator[int(g)]) for g in which])
        reals = self._real[torch.randint(len(self._real), (count,))]
        twins = self._twin[fakes]
        reals = torch.where(twins >= 0, twins, reals)
        return self.windows[torch.stack([reals, fakes], dim=1)]


def _one_of(members: Tensor) -> Tensor:
    return members[torch.randint(len(members), ())]


def stack(windows: "Sequence[np.ndarray]") -> Tensor:
    """Return windows uint8 (H, W, 3) of one size as a tensor uint8 (N, 3, H, W)."""
    return torch.from_numpy(np.stack(windows)).permute(0, 3, 1, 2)


def augment(pairs: Tensor) -> Tensor:
    """Turn, mirror, lighten and stretch contrast, both of a pair alike; nothing interpolates.

    Contrast changes by a lot: the noise of a photograph grows and shrinks with it, so that a
    network cannot take little noise alone for synthetic, and fails less on other photographs.

    Args:
        pairs: float (B, 2, 3, H, W), 0..255, H = W.

    Returns:
        float, same shape; not clipped, since clipping would erase traces.
    """
    count = len(pairs)
    for dim in (3, 4):
        pairs = torch.where(_coins(count, pairs), pairs.flip(dim), pairs)
    pairs = torch.where(_coins(count, pairs), pairs.transpose(3, 4), pairs)
    mean = pairs.mean((3, 4), keepdim=True)
    contrast = torch.exp(_CONTRAST * _between(count, pairs))
    return mean + (pairs - mean) * contrast + _BRIGHTNESS * _between(count, pairs)


def _coins(count: int, like: Tensor) -> Tensor:
    return torch.rand(count, 1, 1, 1, 1, device=like.device) < 0.5


def _between(count: int, like: Tensor) -> Tensor:
    return 2 * torch.rand(count, 1, 1, 1, 1, device=like.device) - 1
