"""Statistics in which machines still differ from cameras, of a batch of equal-sized windows.

Notation: N windows of H x W pixels, C = 3 channels. All functions take and return float32.
Interpolation and learned up-sampling leave periodic and missing high frequencies (spectrum, block
DCT) and noise that is too smooth or too alike between neighbours (residuals); a camera's colour
filter ties its channels together in a way that networks copy only roughly (correlations).
"""

import functools
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Array: TypeAlias = NDArray[np.float32]

SMALLEST_SIDE_PX = 32
_TINY = 1e-6
_RADII = 20  # bins of the azimuthal spectrum, from the lowest frequency to the corner
_BLOCK = 8
_TRUNCATE = 2  # Fridrich & Kodovsky use T = 2: five levels
_LEVELS = 2 * _TRUNCATE + 1
_ORDER = 4  # residuals in a row that form one co-occurrence

# BT.601, as JPEG has it; chroma without its offset
_TO_YCC = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32
)


def features(windows: NDArray[np.uint8]) -> Array:
    """Return one row of features for each window.

    Args:
        windows: uint8 (N, H, W, 3), RGB, H and W at least 32.

    Returns:
        float32 (N, F); F is the same for every H and W.
    """
    rgb = _planes(windows)
    planes = rgb.astype(np.float32)
    ycc = (_TO_YCC @ planes.reshape(*planes.shape[:2], -1)).reshape(planes.shape)
    integers = rgb.astype(np.int16)
    parts = (azimuthal(ycc), block_dct(ycc), correlations(planes), co_occurrences(integers))
    return np.concatenate(parts, axis=1).astype(np.float32)


def _planes(windows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return contiguous channel planes (N, C, H, W): every step below runs along rows."""
    import cv2  # twenty times faster at this than numpy's strided copy

    n, height, width, _ = windows.shape
    split = cv2.split(windows.reshape(n * height, width, 3))
    return np.stack([plane.reshape(n, height, width) for plane in split], axis=1)


# --- azimuthal power spectrum ---------------------------------------------------------------------


def azimuthal(planes: Array) -> Array:
    """Return the log power over radius, of each channel, relative to the channel's total.

    Durall et al., "Watch your up-convolution" (CVPR 2020): averages over the angle of the squared
    Fourier magnitude. A Hann window keeps the borders' jump out of the high frequencies.

    Args:
        planes: float32 (N, C, H, W).

    Returns:
        float32 (N, C * 20).
    """
    n, channels, height, width = planes.shape
    taper = _hann(height)[:, None] * _hann(width)[None, :]
    centred = (planes - planes.mean((2, 3), keepdims=True)) * taper
    spectrum = _rfft2(centred)  # (N, C, H, W // 2 + 1)
    power = (spectrum.real**2 + spectrum.imag**2).reshape(n * channels, -1)
    order, starts, sizes = _rings(height, width)
    profile = np.add.reduceat(power[:, order], starts, axis=1) / sizes  # (N * C, radii)
    share = profile / (profile.sum(1, keepdims=True) + _TINY)
    return np.asarray(np.log(share + _TINY).reshape(n, -1), np.float32)


def _rfft2(planes: Array) -> NDArray[np.complex64]:
    # scikit-learn brings scipy, whose transform is five times as fast as numpy's in float32
    from scipy import fft  # type: ignore[import-untyped]

    return np.asarray(fft.rfft2(planes, axes=(2, 3), workers=1), np.complex64)


@functools.lru_cache(maxsize=8)
def _hann(length: int) -> Array:
    return np.hanning(length + 2)[1:-1].astype(np.float32)


@functools.lru_cache(maxsize=8)
def _rings(height: int, width: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """Return the frequencies in order of radius, where each ring starts there, and its size."""
    y = np.fft.fftfreq(height)[:, None]
    x = np.fft.rfftfreq(width)[None, :]
    radius = np.sqrt(y**2 + x**2).ravel() / np.sqrt(0.5)  # 0..1, 1 = the corner
    ring = np.minimum((radius * _RADII).astype(int), _RADII - 1)
    order = np.argsort(ring, kind="stable")
    starts = np.searchsorted(ring[order], np.arange(_RADII))
    return order, starts, np.bincount(ring, minlength=_RADII).astype(np.float32)


# --- 8x8 block DCT --------------------------------------------------------------------------------


def block_dct(planes: Array) -> Array:
    """Return spread and shape of each AC coefficient of the 8x8 block DCT.

    Spread: log root mean square over the blocks, of each channel. Shape: log of root mean square
    over mean magnitude, of luma alone, which tells a Laplacian (photographs) from narrower or
    quantised distributions. 63 * (C + 1) features.

    Args:
        planes: float32 (N, C, H, W), luma first.
    """
    n, channels, height, width = planes.shape
    rows, columns = height // _BLOCK, width // _BLOCK
    whole = planes[:, :, : rows * _BLOCK, : columns * _BLOCK]
    blocks = whole.reshape(n, channels, rows, _BLOCK, columns, _BLOCK).transpose(0, 1, 2, 4, 3, 5)
    flat = blocks.reshape(n, channels, rows * columns, _BLOCK**2)
    coefficients = flat @ _dct_basis()  # (N, C, blocks, 64)
    square = np.einsum("ncbk,ncbk->nck", coefficients, coefficients) / (rows * columns)
    spread = 0.5 * np.log(square[:, :, 1:] + _TINY)
    magnitude = np.abs(coefficients[:, 0]).mean(1)[:, 1:]
    shape = spread[:, 0] - np.log(magnitude + _TINY)
    return np.concatenate([spread.reshape(n, -1), shape], axis=1)


@functools.cache
def _dct_basis() -> Array:
    """Return the orthonormal 2-d DCT-II of a flattened 8x8 block as a matrix (64, 64)."""
    k = np.arange(_BLOCK)
    basis = np.cos(np.pi * (2 * k[None, :] + 1) * k[:, None] / (2 * _BLOCK)) / 2  # (frequency, x)
    basis[0] /= np.sqrt(2)
    return np.kron(basis, basis).T.astype(np.float32)


# --- correlations of residuals between channels and neighbours ------------------------------------


def correlations(planes: Array) -> Array:
    """Return how residuals of channels, and of neighbouring pixels, go together.

    For the horizontal and the vertical first difference: correlation of each pair of channels,
    lag-1 and lag-2 correlation within each channel along the difference, and log energy.
    28 features.

    Args:
        planes: float32 (N, 3, H, W), RGB.
    """
    parts = []
    for axis in (2, 3):
        residual = np.diff(planes, axis=axis)
        energy = (residual**2).mean((2, 3)) + _TINY  # (N, 3)
        for a, b in ((0, 1), (1, 2), (0, 2)):
            product = np.einsum("nhw,nhw->n", residual[:, a], residual[:, b])
            size = residual[0, 0].size * np.sqrt(energy[:, a] * energy[:, b])
            parts.append((product / size)[:, None])
        for lag in (1, 2):
            parts.append(_lagged(residual, axis, lag) / energy)
        parts += [np.log(energy), np.log(energy[:, [0, 2]] / energy[:, [1]]) / 2]
    return np.concatenate(parts, axis=1).astype(np.float32)


def _lagged(residual: Array, axis: int, lag: int) -> Array:
    if axis == 2:
        ahead, behind = residual[:, :, lag:], residual[:, :, :-lag]
    else:
        ahead, behind = residual[..., lag:], residual[..., :-lag]
    size = ahead.shape[2] * ahead.shape[3]
    return np.asarray(np.einsum("nchw,nchw->nc", ahead, behind) / size, np.float32)


# --- co-occurrences of quantised residuals --------------------------------------------------------


def co_occurrences(channels: NDArray[np.int16]) -> Array:
    """Return square roots of the frequencies of four neighbouring quantised residuals.

    Fridrich & Kodovsky, "Rich models for steganalysis of digital images" (TIFS 2012): high-pass
    residuals, divided by a step, rounded and truncated to -2..2, counted along rows and columns and
    merged over sign and direction. Of their many residuals these: first and second difference and
    the 3x3 "square" of green, and the first difference of red minus green. 169 features each.

    Args:
        channels: int16 (N, 3, H, W), RGB.
    """
    green = channels[:, 1]
    contrast = channels[:, 0] - green
    first = [(np.diff(green, axis=2), 2), (np.diff(green, axis=1), 1)]
    second = [(np.diff(green, 2, axis=2), 2), (np.diff(green, 2, axis=1), 1)]
    square = np.diff(np.diff(green, 2, axis=2), 2, axis=1)
    both = [(square, 2), (square, 1)]
    colour = [(np.diff(contrast, axis=2), 2), (np.diff(contrast, axis=1), 1)]
    groups = ((first, 1), (second, 2), (both, 4), (colour, 1))
    return np.concatenate([_histogram(group, step) for group, step in groups], axis=1)


def _histogram(residuals: "Sequence[tuple[NDArray[np.int16], int]]", step: int) -> Array:
    """Count four in a row over all ``(residual, axis)`` together, merged over symmetries."""
    n = len(residuals[0][0])
    total = np.zeros((n, _LEVELS**_ORDER), np.float32)
    for residual, axis in residuals:
        total += _count(_code(_quantise(residual, step), axis), total.shape[1])
    merged = total @ _merge()
    return np.asarray(np.sqrt(merged / merged.sum(1, keepdims=True)), np.float32)


def _quantise(residual: NDArray[np.int16], step: int) -> NDArray[np.uint8]:
    """Return ``clip(round(residual / step), -2, 2) + 2``, rounding half away from zero.

    As comparisons, which are the cheapest thing to do with small integers. Rounding must not favour
    a sign, since signs are merged afterwards.
    """
    one, two = (step + 1) // 2, (3 * step + 1) // 2
    above = (residual >= one).view(np.uint8) + (residual >= two).view(np.uint8)
    below = (residual <= -one).view(np.uint8) + (residual <= -two).view(np.uint8)
    return np.asarray(above + np.uint8(_TRUNCATE) - below, np.uint8)


def _code(levels: NDArray[np.uint8], axis: int) -> NDArray[np.uint16]:
    """Return each run of four levels along ``axis`` (1 or 2) as one number in base 5."""
    pairs = _after(levels, axis, 1, _LEVELS).astype(np.uint16)  # 5 * level + next
    return _after(pairs, axis, 2, _LEVELS**2)


def _after(values: NDArray[Any], axis: int, shift: int, base: int) -> NDArray[Any]:
    """Return ``base * values + values shifted by shift`` along ``axis``."""
    if axis == 1:
        return np.asarray(values[:, :-shift] * values.dtype.type(base) + values[:, shift:])
    return np.asarray(values[:, :, :-shift] * values.dtype.type(base) + values[:, :, shift:])


@functools.cache
def _merge() -> Array:
    """Return the matrix (codes, classes): a run, its reverse and their negatives are one class."""
    classes: dict[tuple[int, ...], int] = {}
    of_code = []
    for code in range(_LEVELS**_ORDER):
        run = tuple(code // _LEVELS**place % _LEVELS - _TRUNCATE for place in range(_ORDER))
        negative = tuple(-level for level in run)
        smallest = min(run, run[::-1], negative, negative[::-1])
        of_code.append(classes.setdefault(smallest, len(classes)))
    return np.eye(len(classes), dtype=np.float32)[of_code]


def _count(codes: NDArray[np.uint16], bins: int) -> NDArray[np.intp]:
    """Return the histogram of each window's codes (N, bins)."""
    n = len(codes)
    if codes[0].size > bins * 16:  # large windows: no index arithmetic on every pixel
        return np.stack([np.bincount(window.ravel(), minlength=bins) for window in codes])
    offset = (np.arange(n) * bins).reshape(n, 1, 1)
    return np.bincount((codes + offset).ravel(), minlength=n * bins).reshape(n, bins)
