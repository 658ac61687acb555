"""Distance of mean power spectra: sees up-sampling grids, blur and noise; blind to content.

Periodic traces of up-sampling stand out in mean spectra (Durall et al. 2020, arXiv 2003.01826).
Notation: N images of side S.
"""

from typing import TYPE_CHECKING

import numpy as np

from provenance.errors import UserError
from provenance.quality.intervals import BLOCKS, Estimate, deal, jackknife

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_FLOOR = 1e-4  # power of a hundredth of a grey level: keeps flat images finite
_IMAGES_AT_ONCE = 512


def mean_log_power(images: "NDArray[np.uint8]") -> "NDArray[np.float64]":
    """Return the mean power spectrum in decibels, (S, S // 2 + 1), frequencies as ``rfft2``'s.

    Args:
        images: uint8 (N, S, S, 3).
    """
    return _decibels(_power(images) / len(images))


def spectral_distance(a: "NDArray[np.uint8]", b: "NDArray[np.uint8]") -> float:
    """Return the root mean square difference of two mean spectra, in decibels, at least 0.

    Each image's grey values, less their mean and under a Hann window (else the jump from one border
    to the other would fill the axes), go through a Fourier transform; powers are averaged over the
    images, and their logarithms compared at every frequency but 0, in all directions: a grid of
    period two lives at three single frequencies, which averages over rings would drown.

    Args:
        a: uint8 (N, S, S, 3).
        b: uint8 (M, S, S, 3).

    Raises:
        UserError: Images of another size, or none.
    """
    check_image_pair(a, b)
    return _rms(mean_log_power(a), mean_log_power(b))


def estimate_spectral(
    a: "NDArray[np.uint8]", b: "NDArray[np.uint8]", *, blocks: int = BLOCKS, seed: int = 0
) -> Estimate:
    """Return the spectral distance with a 95 % interval by jackknife over blocks."""
    check_image_pair(a, b)
    block_a, block_b = deal(len(a), blocks, seed), deal(len(b), blocks, seed)
    count = min(int(block_a.max()), int(block_b.max())) + 1
    power_a = np.array([_power(a[block_a == g]) for g in range(count)])  # (G, S, S // 2 + 1)
    power_b = np.array([_power(b[block_b == g]) for g in range(count)])
    sum_a, sum_b = power_a.sum(0), power_b.sum(0)
    without = [
        _rms(
            _decibels((sum_a - power_a[g]) / (len(a) - (block_a == g).sum())),
            _decibels((sum_b - power_b[g]) / (len(b) - (block_b == g).sum())),
        )
        for g in range(count)
    ]
    value = _rms(_decibels(sum_a / len(a)), _decibels(sum_b / len(b)))
    return jackknife(value, np.array(without), least=0.0, is_biased=True)


def check_image_pair(a: "NDArray[np.uint8]", b: "NDArray[np.uint8]") -> None:
    """Check that two sets of images can be compared.

    Raises:
        UserError: They are not both uint8 (N, S, S, 3) of one S, or one is empty.
    """
    for images in (a, b):
        if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
            raise UserError(f"Images are uint8 (N, S, S, 3), not {images.dtype} {images.shape}.")
    if a.shape[1:] != b.shape[1:]:
        raise UserError(f"Images of {a.shape[1:3]} and {b.shape[1:3]} px cannot be compared.")
    if not len(a) or not len(b):
        raise UserError("Comparing needs images in both sets.")


def _power(images: "NDArray[np.uint8]") -> "NDArray[np.float64]":
    """Return the sum of power spectra over images."""
    height, width = images.shape[1:3]
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    window /= np.sqrt(np.square(window).mean())
    total = np.zeros((height, width // 2 + 1))
    for start in range(0, len(images), _IMAGES_AT_ONCE):
        grey = images[start : start + _IMAGES_AT_ONCE] @ np.array(_LUMA)  # (n, H, W)
        grey -= grey.mean((1, 2), keepdims=True)
        total += np.square(np.abs(np.fft.rfft2(grey * window, norm="ortho"))).sum(0)
    return total


def _decibels(power: "NDArray[np.float64]") -> "NDArray[np.float64]":
    found: NDArray[np.float64] = 10 * np.log10(power + _FLOOR)
    return found


def _rms(a: "NDArray[np.float64]", b: "NDArray[np.float64]") -> float:
    squares = np.square(a - b).ravel()[1:]  # without frequency 0
    return float(np.sqrt(squares.mean()))
