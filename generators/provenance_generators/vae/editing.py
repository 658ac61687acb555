"""Which parts of an image are drawn anew.

Notation: N images, S = side in pixels, G = side of the latent grid, T = G*G cells in raster order.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from provenance import UserError
from provenance.training import derive_rng

_PATTERNS = 16
"""Orders in which cells are drawn anew: images that share one share the costly part of it."""


def check_fraction(fraction: float) -> None:
    """Check a part of the content.

    Raises:
        UserError: It does not lie within 0..1.
    """
    if not 0 <= fraction <= 1:
        raise UserError(f"The fraction drawn anew lies between 0 and 1, not at {fraction}.")


def check_mask(mask: Any, n: int, size_px: int) -> NDArray[np.bool_]:
    """Return a mask as bool (N, S, S).

    Raises:
        UserError: Another type or shape.
    """
    given = np.asarray(mask)
    if given.shape != (n, size_px, size_px) or given.dtype != np.bool_:
        raise UserError(
            f"A mask is bool {(n, size_px, size_px)}, true where content is drawn anew; "
            f"this one is {given.dtype} {given.shape}."
        )
    return given


def choose_cells(
    n: int, fraction: float, seed: int, grid: int, mask: NDArray[np.bool_] | None
) -> Tensor:
    """Return which cells are drawn anew, bool (N, T).

    Args:
        n: N.
        fraction: 0..1 of the cells or, with a mask, of those that its true part touches.
        seed: Row i depends on ``seed + i`` alone.
        grid: G.
        mask: bool (N, S, S).
    """
    cells = grid * grid
    allowed = torch.ones(n, cells, dtype=torch.bool) if mask is None else _touched(mask, grid)
    orders = torch.stack(
        [torch.randperm(cells, generator=derive_rng(p, "vae", "cells")) for p in range(_PATTERNS)]
    )  # (P, T): the cells in the order in which they are chosen
    which = torch.tensor([_pattern(seed + i) for i in range(n)], dtype=torch.long)
    order = orders[which]  # (N, T)
    ordered = allowed.gather(1, order)
    wanted = (fraction * allowed.sum(1, keepdim=True)).round()
    taken = ordered & (ordered.cumsum(1) <= wanted)
    return torch.zeros_like(allowed).scatter(1, order, taken)


def blend(
    new: NDArray[np.uint8], plain: NDArray[np.uint8], mask: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Return ``plain`` where a mask is false, and ``new`` inside, with a soft edge between them.

    The edge lies within the true part, so that nothing outside changes; true parts that are no
    wider than the edge, a thirty-second of the side, stay as they are.

    Args:
        new: uint8 (N, S, S, 3).
        plain: Same shape.
        mask: bool (N, S, S).
    """
    reach = max(1, mask.shape[1] // 32)
    inside = torch.from_numpy(mask).float()[:, None]  # (N, 1, S, S)
    share = torch.nn.functional.avg_pool2d(
        inside, 2 * reach + 1, stride=1, padding=reach, count_include_pad=False
    )
    weight = ((2 * share - 1).clamp(min=0) * inside)[:, 0, :, :, None].numpy()
    mixed = plain + weight * (new.astype(np.float32) - plain)
    return np.asarray(mixed.round(), np.uint8)


def kept_units(chosen: Tensor, grid: tuple[int, int, int]) -> Tensor:
    """Return which latent units stay, bool (N, Z), where cells (N, T) are drawn anew."""
    return (~chosen)[:, None].expand(-1, grid[0], -1).flatten(1)


def draws(n: int, seed: int, normal: int) -> tuple[Tensor, Tensor]:
    """Return uniform (n,) and normal (n, ``normal``) draws, row i from ``seed + i`` alone."""
    streams = [derive_rng(seed + i, "vae", "resample") for i in range(n)]
    uniform = [torch.rand(1, generator=rng) for rng in streams]
    noise = [torch.randn(1, normal, generator=rng) for rng in streams]
    return torch.cat([*uniform, torch.empty(0)]), torch.cat([*noise, torch.empty(0, normal)])


def _pattern(seed: int) -> int:
    return int(torch.randint(_PATTERNS, (1,), generator=derive_rng(seed, "vae", "pattern")))


def _touched(mask: NDArray[np.bool_], grid: int) -> Tensor:
    """Return the cells (N, T) that have a true pixel of masks (N, S, S)."""
    n, size_px, _ = mask.shape
    side = size_px // grid
    cells = mask.reshape(n, grid, side, grid, side).any((2, 4))  # (N, G, G)
    return torch.from_numpy(cells.reshape(n, grid * grid))
