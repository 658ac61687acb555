"""Euclidean distances between many points in bounded memory.

Notation: N and M points, D coordinates, k neighbours.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_CELLS_AT_ONCE = 4_000_000  # of a distance matrix: bounds memory at some 100 MB


def distance_rows(
    a: "NDArray[np.floating]", b: "NDArray[np.floating]"
) -> "Iterator[tuple[slice, NDArray[np.float64]]]":
    """Yield ``(rows, distances)``: which rows of ``a``, and their distances to all of ``b``.

    In float64 about the mean of ``b``: |x|^2 + |y|^2 - 2 x.y loses digits far from the origin.

    Args:
        a: float (N, D).
        b: float (M, D).
    """
    centre = b.mean(0, dtype=np.float64)
    other = b.astype(np.float64) - centre
    squares = np.square(other).sum(1)
    rows_at_once = max(1, _CELLS_AT_ONCE // len(b))
    for start in range(0, len(a), rows_at_once):
        rows = slice(start, min(start + rows_at_once, len(a)))
        some = a[rows].astype(np.float64) - centre
        squared = some @ other.T  # (rows, M)
        squared *= -2
        squared += squares
        squared += np.square(some).sum(1)[:, None]
        yield rows, np.sqrt(np.maximum(squared, 0, out=squared), out=squared)


def nearest_others(
    points: "NDArray[np.floating]", count: int
) -> "tuple[NDArray[np.int64], NDArray[np.float64]]":
    """Return the nearest ``count`` other points of each: indices and distances, nearest first.

    Args:
        points: float (N, D), N above ``count``.
        count: k.

    Returns:
        int64 (N, k) and float64 (N, k).
    """
    index = np.empty((len(points), count), np.int64)
    distance = np.empty((len(points), count))
    for rows, found in distance_rows(points, points):
        own = np.arange(rows.start, rows.stop)
        found[np.arange(len(own)), own] = np.inf
        index[rows], distance[rows] = smallest(found, count)
    return index, distance


def smallest(
    distances: "NDArray[np.float64]", count: int
) -> "tuple[NDArray[np.int64], NDArray[np.float64]]":
    """Return where the ``count`` smallest of each row (N, M) are and what they are, in order."""
    if count < distances.shape[1]:
        index = np.argpartition(distances, count - 1, axis=1)[:, :count]
    else:
        index = np.broadcast_to(np.arange(distances.shape[1]), distances.shape)
    found = np.take_along_axis(distances, index, 1)
    order = np.argsort(found, axis=1, kind="stable")
    return np.take_along_axis(index, order, 1), np.take_along_axis(found, order, 1)
