"""Stacked digits: a source with exactly 1,000 modes, on which collapse can be counted.

Three handwritten digits, one per colour channel (Metz et al. 2017, arXiv 1611.02163; Lin et al.
2018, PacGAN, arXiv 1712.04086): here the 1,797 digits of 8 x 8 px that come with scikit-learn,
instead of MNIST, which would have to be downloaded; so figures are not comparable with theirs.
Notation: N images of side S, F folds.
"""

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from provenance.errors import UserError
from provenance.quality.features import check_images_for_features
from provenance.training.seeds import derive_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODES = 1000
FOLDS = 10
_DIGIT_PX = 8
_DIGIT_MOST = 16
_GAMMA = 0.03  # of the kernel, for values 0..1


@dataclass(frozen=True, slots=True)
class ModeCount:
    """What became of 1,000 equally likely modes.

    Attributes:
        modes: How many of the 1,000 are among the samples.
        kl: Kullback-Leibler divergence of the samples' modes from equal shares, in nats, at least
            0; log 1000 = 6.9 where all samples are one.
        samples: N; both figures depend on it.
        expected_modes: What a faultless generator gets with N samples, on average.
        expected_kl: The same, to first order: 999 / 2 N.
    """

    modes: int
    kl: float
    samples: int
    expected_modes: float
    expected_kl: float


def count_modes(samples: "NDArray[np.uint8]") -> ModeCount:
    """Count the modes of samples of a generator that learned :func:`stack_digits`.

    Each channel is read by a support vector classifier of single digits, fitted on the spot.

    Args:
        samples: uint8 (N, S, S, 3), S a multiple of 8; the literature takes N = 26,000.

    Raises:
        UserError: Another shape.
    """
    check_images_for_features(samples)
    counts = np.bincount(read_digits(samples) @ (100, 10, 1), minlength=MODES)
    share = counts[counts > 0] / len(samples)
    missed = (1 - 1 / MODES) ** len(samples)
    return ModeCount(
        int((counts > 0).sum()),
        float((share * np.log(share * MODES)).sum()),
        len(samples),
        MODES * (1 - missed),
        min(float(np.log(MODES)), (MODES - 1) / (2 * len(samples))),
    )


def read_digits(images: "NDArray[np.uint8]") -> "NDArray[np.int64]":
    """Return the digit of each channel, int64 (N, 3).

    Raises:
        UserError: Images whose side is no multiple of 8.
    """
    side = images.shape[1]
    if side % _DIGIT_PX or images.shape[1] != images.shape[2]:
        raise UserError(f"Stacked digits have a side that is a multiple of 8, not {side} px.")
    factor = side // _DIGIT_PX
    cells = images.reshape(len(images), _DIGIT_PX, factor, _DIGIT_PX, factor, 3).mean((2, 4))
    flat = cells.transpose(0, 3, 1, 2).reshape(-1, _DIGIT_PX**2) / 255  # (N * 3, 64)
    return np.asarray(_reader().predict(flat), np.int64).reshape(-1, 3)


def stack_digits(
    count: int, *, size_px: int = 32, seed: int = 0
) -> "tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]":
    """Make stacked digits: every triple of digits is equally likely.

    The digits are dealt into ten folds and only digits of one fold are stacked, so that folds can
    be split into training and test without a digit in both.

    Args:
        count: N.
        size_px: S, a multiple of 8.
        seed: Of the choice; image i depends on seed and i alone.

    Returns:
        Images uint8 (N, S, S, 3); which of the 1,797 digits are stacked (N, 3); folds (N,), 0..9,
        in turn.

    Raises:
        UserError: A side that is no multiple of 8.
    """
    if size_px % _DIGIT_PX or size_px < _DIGIT_PX:
        raise UserError(f"Stacked digits have a side that is a multiple of 8, not {size_px} px.")
    classes = _digits()[1]
    fold = np.arange(count) % FOLDS
    rng = np.random.default_rng(derive_seed(seed, "stacked digits"))
    wanted = rng.integers(10, size=(count, 3))
    draws = rng.random((count, 3))
    which = np.empty((count, 3), np.int64)
    for digit in range(10):
        for f in range(FOLDS):
            members = np.flatnonzero(classes == digit)[f::FOLDS]
            chosen = (wanted == digit) & (fold == f)[:, None]
            which[chosen] = members[(draws[chosen] * len(members)).astype(int)]
    large = _enlarged(size_px)
    return np.ascontiguousarray(large[which].transpose(0, 2, 3, 1)), which, fold


@functools.cache
def _digits() -> "tuple[NDArray[np.float64], NDArray[np.int64]]":
    from sklearn.datasets import load_digits

    found = load_digits()  # read from the installed package
    return found.images / _DIGIT_MOST, found.target.astype(np.int64)


def _enlarged(size_px: int) -> "NDArray[np.uint8]":
    """Return all digits at a larger side, uint8 (1797, S, S), smoothly."""
    import cv2

    pixels, _ = _digits()
    shape = (size_px, size_px)
    large = [cv2.resize(p, shape, interpolation=cv2.INTER_LINEAR) for p in pixels]
    return (np.stack(large) * 255).round().astype(np.uint8)


@functools.cache
def _reader() -> Any:
    """Return a classifier of digits that have been enlarged and averaged down again."""
    from sklearn.svm import SVC

    large = _enlarged(4 * _DIGIT_PX)
    cells = large.reshape(len(large), _DIGIT_PX, 4, _DIGIT_PX, 4).mean((2, 4)) / 255
    return SVC(gamma=_GAMMA, C=10).fit(cells.reshape(len(large), -1), _digits()[1])
