"""Which tokens are drawn anew, and with what randomness. All of it depends on seeds alone.

Notation: N images, S = side in pixels, F = pixels a token along each side, G = S/F, T = G*G tokens.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import max_pool2d

from provenance import UserError
from provenance.training import draw_rows


def draw_uniform(n: int, seed: int, length: int) -> Tensor:
    """Return draws (n, length) within 0..1, row i from ``seed + i``."""
    return draw_rows(n, seed, lambda rng: torch.rand(length, generator=rng))


def choose_places(
    n: int,
    fraction: float,
    seed: int,
    size_px: int,
    factor: int,
    mask: NDArray[np.bool_] | None,
) -> Tensor:
    """Return which tokens are drawn anew, bool (n, T): a share of those that a mask touches.

    Args:
        n: How many images.
        fraction: The share, 0..1.
        seed: Of the first image; row i depends on its mask and ``seed + i`` alone.
        size_px: S.
        factor: F.
        mask: bool (n, S, S), or None for all tokens.

    Raises:
        UserError: A mask of another shape or type.
    """
    length = (size_px // factor) ** 2
    touched = torch.ones(n, length, dtype=torch.bool)
    if mask is not None:
        touched = _touched(_check_mask(mask, n, size_px), factor)
    order = draw_rows(n, seed, lambda rng: _order(length, rng))  # (n, T), each row a permutation
    rank = torch.where(touched, order, length).argsort(1).argsort(1)  # among the touched ones
    # as Python rounds: half to even, so that without a mask the count is what it always was
    counts = [round(fraction * count) for count in touched.sum(1).tolist()]
    return touched & (rank < torch.tensor(counts, dtype=torch.long)[:, None])


def _order(length: int, rng: torch.Generator) -> Tensor:
    torch.rand(length, generator=rng)  # those are the draws of tokens: places must not repeat them
    return torch.randperm(length, generator=rng)


def _check_mask(mask: NDArray[np.bool_], n: int, size_px: int) -> Tensor:
    """Return the mask as a tensor (n, S, S)."""
    pixels = np.asarray(mask)
    if pixels.dtype != np.bool_ or pixels.shape != (n, size_px, size_px):
        raise UserError(
            f"A mask for {n} images of {size_px} px is bool {(n, size_px, size_px)}; "
            f"this one is {pixels.dtype} {pixels.shape}."
        )
    return torch.from_numpy(np.ascontiguousarray(pixels))


def _touched(mask: Tensor, factor: int) -> Tensor:
    """Return which tokens stand for at least one true pixel of a mask (n, S, S): bool (n, T)."""
    return max_pool2d(mask[:, None].float(), factor).flatten(1) > 0
