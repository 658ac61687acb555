"""How different images of one set are from one another: low variety is the mark of collapse.

Notation: P pairs, C channels, S = side in pixels; images float (P, C, S, S), 0..255.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from provenance.errors import UserError

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of scales, finest first (Wang et al. 2003)
_WINDOW_PX, _SIGMA_PX = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_PAIRS_AT_ONCE = 256
THUMBNAIL_PX = 8


@dataclass(frozen=True, slots=True)
class Diversity:
    """Variety of a set; meaningful beside that of real images.

    Attributes:
        ms_ssim: Mean multi-scale structural similarity of pairs, as in Odena et al. 2017 (arXiv
            1610.09585, section 4.2): 1 when all are equal. HIGHER IS LESS VARIED.
        thumbnail: Root mean square distance of pairs of 8 px thumbnails, in grey levels (0..255):
            0 when all are equal.
    """

    ms_ssim: float
    thumbnail: float


def diversity(images: "NDArray[np.uint8]", *, pairs: int = 512, seed: int = 0) -> Diversity:
    """Measure the variety of images on random pairs. 512 pairs of 32 px take some 0.1 s.

    Args:
        images: uint8 (N, S, S, 3), N at least 2.
        pairs: At least 1; each image is in about equally many.
        seed: Of the pairs.

    Raises:
        UserError: Fewer than two images.
    """
    one, other = choose_pairs(len(images), pairs, seed)
    small = thumbnails(images)
    apart = np.sqrt(np.square(small[one] - small[other]).mean(1))  # (P,)
    return Diversity(float(ms_ssim(images[one], images[other]).mean()), float(apart.mean()))


def choose_pairs(
    count: int, pairs: int, seed: int
) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Return two indices per pair: no item with itself, and each about equally often.

    Raises:
        UserError: Fewer than two items.
    """
    if count < 2:
        raise UserError(f"Variety is that of pairs; {count} images have none. Ask for more.")
    rng = np.random.default_rng(seed)
    order = rng.permutation(count)
    place = np.arange(pairs)
    step = 1 + place // count % (count - 1)  # next neighbours in the order, then those after
    return order[place % count], order[(place + step) % count]


def thumbnails(images: "NDArray[np.uint8]", side_px: int = THUMBNAIL_PX) -> "NDArray[np.float32]":
    """Return each image as means over a grid of ``side_px`` cells, float32 (N, side^2 * 3).

    Images smaller than that stay as they are.
    """
    count, height, width, _ = images.shape
    rows = np.linspace(0, height, min(side_px, height) + 1).astype(int)
    columns = np.linspace(0, width, min(side_px, width) + 1).astype(int)
    found = np.add.reduceat(images, rows[:-1], axis=1, dtype=np.float32)
    found = np.add.reduceat(found, columns[:-1], axis=2)  # (N, side, side, 3)
    cells = np.outer(np.diff(rows), np.diff(columns))
    small = np.asarray(found / cells[..., None], np.float32)
    return small.reshape(count, -1)


def ms_ssim(a: "NDArray[np.uint8]", b: "NDArray[np.uint8]") -> "NDArray[np.float64]":
    """Return the multi-scale structural similarity of each pair, (P,), at most 1.

    After Wang, Simoncelli and Bovik 2003 (Gaussian window of 11 px, sigma 1.5). Five scales need
    176 px; smaller images get as many as leave 11 px at the coarsest, with the first weights
    scaled to sum 1: two scales at 32 px. Negative terms count as 0.

    Args:
        a: uint8 (P, S, S, 3).
        b: uint8 (P, S, S, 3).
    """
    import torch

    found = []
    for start in range(0, len(a), _PAIRS_AT_ONCE):
        pair = [_to_float(x[start : start + _PAIRS_AT_ONCE]) for x in (a, b)]
        with torch.inference_mode():
            found.append(_similarity(*pair).double().numpy())
    return np.concatenate(found) if found else np.empty(0)


def _to_float(images: "NDArray[np.uint8]") -> "torch.Tensor":
    import torch

    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float()


def _similarity(a: "torch.Tensor", b: "torch.Tensor") -> "torch.Tensor":
    import torch
    from torch.nn.functional import avg_pool2d

    shortest = min(a.shape[2:])
    scales = max(1, sum(shortest >> level >= _WINDOW_PX for level in range(len(_WEIGHTS))))
    total = torch.ones(len(a))
    for level in range(scales):
        luminance, contrast = _terms(a, b)
        weight = _WEIGHTS[level] / sum(_WEIGHTS[:scales])
        term = luminance if level == scales - 1 else contrast
        total = total * term.clamp(min=0) ** weight
        a, b = avg_pool2d(a, 2), avg_pool2d(b, 2)
    return total


def _terms(a: "torch.Tensor", b: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
    """Return per pair the mean of luminance times contrast, and of contrast alone."""
    import torch

    mean_a, mean_b, square_a, square_b, product = _blur(
        torch.cat([a, b, a * a, b * b, a * b])
    ).chunk(5)
    variances = (square_a - mean_a**2).clamp(min=0) + (square_b - mean_b**2).clamp(min=0)
    contrast = (2 * (product - mean_a * mean_b) + _C2) / (variances + _C2)
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    return (luminance * contrast).mean((1, 2, 3)), contrast.mean((1, 2, 3))


def _blur(images: "torch.Tensor") -> "torch.Tensor":
    """Return images (N, C, H, W) under the Gaussian window where it lies within them."""
    import torch
    from torch.nn.functional import conv2d

    count, channels, height, width = images.shape
    size = min(_WINDOW_PX, height, width) // 2 * 2 - 1 if min(height, width) < _WINDOW_PX else 11
    x = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    window = torch.exp(-0.5 * (x / _SIGMA_PX) ** 2)
    window /= window.sum()
    flat = images.reshape(count * channels, 1, height, width)
    rows = conv2d(flat, window.reshape(1, 1, 1, -1))
    blurred = conv2d(rows, window.reshape(1, 1, -1, 1))
    return blurred.reshape(count, channels, *blurred.shape[2:])
