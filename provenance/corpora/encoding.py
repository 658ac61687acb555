"""One encoder for all files of a media kind, and the batches that generators take and give.

Real and synthetic files pass through the same function, so that no container tells them apart.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from provenance.errors import PluginError, UserError
from provenance.types import MediaKind

_SUFFIXES = {MediaKind.IMAGE: ".png"}
_MEDIA_TYPES = {MediaKind.IMAGE: "image/png"}


def suffix(kind: MediaKind) -> str:
    """Return the end of file names of this kind.

    Raises:
        UserError: Files of this kind cannot be written yet.
    """
    if kind not in _SUFFIXES:
        raise UserError(f"A corpus of {kind} cannot be written yet. Known: image.")
    return _SUFFIXES[kind]


def media_type(kind: MediaKind) -> str:
    """Return the MIME type of the files of this kind."""
    return _MEDIA_TYPES[kind]


def encode(kind: MediaKind, data: Any) -> bytes:
    """Return the file of one decoded item; equal data give equal bytes.

    Args:
        kind: Media kind.
        data: As described by :class:`provenance.Media`.
    """
    suffix(kind)  # refuses other kinds
    from provenance.media import encode_png

    return encode_png(data)


def stack(kind: MediaKind, items: Sequence[Any]) -> Any:
    """Return decoded items as the batch that generators take: images uint8 (N, H, W, 3)."""
    return np.stack(items) if kind is MediaKind.IMAGE else list(items)


def check_batch(kind: MediaKind, batch: Any, *, count: int, size_px: int, source: str) -> Any:
    """Return what a generator gave, if it is what the contract says.

    Args:
        kind: Media kind.
        batch: The generator's answer.
        count: How many items it must have.
        size_px: Side of images.
        source: Named in the error.

    Raises:
        PluginError: Another type, shape or length.
    """
    if kind is not MediaKind.IMAGE:
        fits = len(batch) == count
        wanted = f"{count} items"
    else:
        wanted = f"uint8 {(count, size_px, size_px, 3)}"
        fits = f"{getattr(batch, 'dtype', '')} {getattr(batch, 'shape', '')}" == wanted
    if not fits:
        shape = getattr(batch, "shape", "no array")
        raise PluginError(f"{source} gave {getattr(batch, 'dtype', '')} {shape}, not {wanted}")
    return batch
