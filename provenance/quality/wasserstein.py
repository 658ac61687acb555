"""Sliced Wasserstein distance of small patches, per band of a Laplacian pyramid.

After Karras et al. 2018, arXiv 1710.10196, section 5: the finest band sees pixel-scale structure
and grids, the coarsest large shapes. Patches are 7 x 7 px; their distributions are compared along
random directions. Two departures, both so that a loss of contrast counts: colour channels of both
sets are scaled by mean and deviation of the first, real one (the authors scale each set by its
own); and pyramids go down to 16 px, so 32 px images have two bands.

Notation: N images of side S, P patches per image, V = 147 values of a patch, K directions.
"""

from typing import TYPE_CHECKING

import numpy as np

from provenance.errors import UserError
from provenance.quality.intervals import Estimate
from provenance.quality.spectra import check_image_pair
from provenance.training.seeds import derive_seed

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

_PATCH_PX = 7
_COARSEST_PX = 16
_MOST_PATCHES = 32_768
_MOST_PER_IMAGE = 32
_DIRECTIONS = 128
_DIRECTIONS_AT_ONCE = 16
_IMAGES_AT_ONCE = 512
_UNIT = 1000.0
_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def sliced_wasserstein(
    a: "NDArray[np.uint8]", b: "NDArray[np.uint8]", *, seed: int = 0
) -> tuple[float, ...]:
    """Return the distance x 1,000 of each band, the finest first; side S, S / 2 ... 16 px.

    Each image gives up to 32 patches, a set at most 32,768. Grows slightly as patches become fewer:
    compare figures of equal numbers of images, and look at the distance between real images.

    Args:
        a: uint8 (N, S, S, 3), the real images.
        b: uint8 (M, S, S, 3).
        seed: Of places of patches and of directions.

    Raises:
        UserError: Images of another size, below 8 px, or none.
    """
    return tuple(estimate.value for estimate in estimate_sliced(a, b, seed=seed).values())


def estimate_sliced(
    a: "NDArray[np.uint8]", b: "NDArray[np.uint8]", *, seed: int = 0
) -> dict[int, Estimate]:
    """Return each band's distance with a 95 % interval, by the side of its band in px.

    The interval is the infinitesimal jackknife over images: by duality the distance is the mean
    over one set less the mean over the other of a function that has slope 1 or -1 everywhere, and
    the spread of an image's mean of it is what the image contributes. Too wide where the two sets
    hardly differ, since that function is then noise. Arguments as
    :func:`sliced_wasserstein`.
    """
    check_image_pair(a, b)
    if min(a.shape[1:3]) < _PATCH_PX + 1:
        raise UserError(f"Patches of {_PATCH_PX} px do not fit into {a.shape[1:3]} px.")
    count = min(len(a), len(b))
    per_image = max(1, min(_MOST_PER_IMAGE, _MOST_PATCHES // count))
    count = min(count, _MOST_PATCHES)
    bands_a = _patches(a[:count], per_image, seed)
    bands_b = _patches(b[:count], per_image, seed + 1)
    return {side: _compare(bands_a[side], bands_b[side], count, seed) for side in bands_a}


# --- patches --------------------------------------------------------------------------------------


def _patches(
    images: "NDArray[np.uint8]", per_image: int, seed: int
) -> "dict[int, NDArray[np.float32]]":
    """Return patches of each band, (N * P, 3, 49), by the side of the band."""
    import torch

    rng = np.random.default_rng(derive_seed(seed, "patches"))
    found: dict[int, list[NDArray[np.float32]]] = {}
    for start in range(0, len(images), _IMAGES_AT_ONCE):
        some = np.ascontiguousarray(images[start : start + _IMAGES_AT_ONCE])
        batch = torch.from_numpy(some).permute(0, 3, 1, 2).float()
        for band in laplacian_pyramid(batch):
            side = min(band.shape[2:])
            found.setdefault(side, []).append(_cut(band.numpy(), per_image, rng))
    return {side: np.concatenate(parts) for side, parts in found.items()}


def laplacian_pyramid(images: "torch.Tensor") -> "list[torch.Tensor]":
    """Return the bands of images float (N, C, S, S), finest first; the last is what is left.

    Burt and Adelson 1983, with the binomial filter of five taps and mirrored borders.
    """
    bands = []
    while min(images.shape[2:]) // 2 >= _COARSEST_PX and not any(s % 2 for s in images.shape[2:]):
        small = _smooth(images)[:, :, ::2, ::2]
        bands.append(images - _enlarge(small))
        images = small
    return [*bands, images]


def _smooth(images: "torch.Tensor", gain: float = 1.0) -> "torch.Tensor":
    import torch
    from torch.nn.functional import conv2d, pad

    taps = torch.tensor(_BINOMIAL) * gain
    channels = images.shape[1]
    padded = pad(images, (2, 2, 2, 2), mode="reflect")
    rows = conv2d(padded, taps.reshape(1, 1, 1, 5).expand(channels, 1, 1, 5), groups=channels)
    return conv2d(rows, taps.reshape(1, 1, 5, 1).expand(channels, 1, 5, 1), groups=channels)


def _enlarge(images: "torch.Tensor") -> "torch.Tensor":
    """Return (N, C, 2H, 2W): zeros between the pixels, then the filter, twice as strong."""
    n, channels, height, width = images.shape
    large = images.new_zeros(n, channels, 2 * height, 2 * width)
    large[:, :, ::2, ::2] = images
    return _smooth(large, gain=2.0)


def _cut(
    band: "NDArray[np.float32]", per_image: int, rng: np.random.Generator
) -> "NDArray[np.float32]":
    """Return patches at random places, (N * P, 3, 49)."""
    n, channels, height, width = band.shape
    windows = np.lib.stride_tricks.sliding_window_view(band, (_PATCH_PX, _PATCH_PX), axis=(2, 3))
    row = rng.integers(height - _PATCH_PX + 1, size=(n, per_image))
    column = rng.integers(width - _PATCH_PX + 1, size=(n, per_image))
    cut = windows[np.arange(n)[:, None], :, row, column]  # (N, P, 3, 7, 7)
    return cut.reshape(n * per_image, channels, _PATCH_PX**2)


# --- distance -------------------------------------------------------------------------------------


def _compare(a: "NDArray[np.float32]", b: "NDArray[np.float32]", count: int, seed: int) -> Estimate:
    """Return the distance of two sets of patches (N * P, 3, 49) of ``count`` images each."""
    mean = a.mean((0, 2), keepdims=True)
    deviation = np.maximum(a.std((0, 2), keepdims=True), 1e-6)
    flat_a, flat_b = (((x - mean) / deviation).reshape(len(x), -1) for x in (a, b))  # (N * P, V)
    rng = np.random.default_rng(derive_seed(seed, "directions"))
    directions = rng.normal(size=(flat_a.shape[1], _DIRECTIONS)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=0)
    values = []
    share_a, share_b = np.zeros(count), np.zeros(count)  # what each image contributes
    for start in range(0, _DIRECTIONS, _DIRECTIONS_AT_ONCE):
        some = directions[:, start : start + _DIRECTIONS_AT_ONCE]
        for x, y in zip((flat_a @ some).T, (flat_b @ some).T, strict=True):
            distance, potential_a, potential_b = _along(x, y)
            values.append(distance)
            share_a += potential_a.reshape(count, -1).mean(1) / _DIRECTIONS
            share_b += potential_b.reshape(count, -1).mean(1) / _DIRECTIONS
    error = np.sqrt((share_a.var() + share_b.var()) / max(1, count - 1))
    value = float(np.mean(values))
    low, high = max(0.0, value - 1.96 * error), value + 1.96 * error
    return Estimate(_UNIT * value, float(_UNIT * low), float(_UNIT * high))


def _along(
    x: "NDArray[np.float32]", y: "NDArray[np.float32]"
) -> "tuple[float, NDArray[np.float64], NDArray[np.float64]]":
    """Return the Wasserstein-1 distance of two equally large sets of numbers, and its potentials.

    The potential f has slope sign(F_y - F_x), with F the distribution functions; the distance is
    mean f(x) - mean f(y), up to the sign.
    """
    both = np.concatenate([x, y]).astype(np.float64)
    order = np.argsort(both)
    steps = np.where(order < len(x), 1, -1)
    excess = steps.cumsum()[:-1]  # n (F_x - F_y) between neighbours
    gaps = np.diff(both[order])
    potential = np.empty(len(both))
    potential[order] = np.concatenate([[0.0], np.cumsum(-np.sign(excess) * gaps)])
    distance = float(np.abs(excess) @ gaps) / len(x)
    return distance, potential[: len(x)], potential[len(x) :]
