"""Contact sheets: many small pictures in one, so that a person sees a generator at a glance."""

from typing import TYPE_CHECKING

import cv2
import numpy as np

from provenance.media.image import encode_png

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_GAP_PX = 2
_BACKGROUND = 24


def contact_sheet(
    rows: "Sequence[NDArray[np.uint8]]", *, captions: "Sequence[str]" = (), scale: int = 2
) -> bytes:
    """Draw rows of pictures under one another.

    Args:
        rows: Each uint8 (N, H, W, 3), RGB; rows may differ in length, not in H and W.
        captions: One a row, written in the left margin; none leaves the margin out.
        scale: Whole factor by which pixels are repeated.

    Returns:
        A PNG file.
    """
    height, width = rows[0].shape[1] * scale, rows[0].shape[2] * scale
    margin = 9 * max(map(len, captions)) + 12 if captions else 0
    columns = max(len(row) for row in rows)
    sheet = np.full(
        (
            len(rows) * (height + _GAP_PX) + _GAP_PX,
            margin + columns * (width + _GAP_PX) + _GAP_PX,
            3,
        ),
        _BACKGROUND,
        np.uint8,
    )
    for r, row in enumerate(rows):
        top = _GAP_PX + r * (height + _GAP_PX)
        for c, picture in enumerate(row):
            left = margin + _GAP_PX + c * (width + _GAP_PX)
            large = picture.repeat(scale, axis=0).repeat(scale, axis=1)
            sheet[top : top + height, left : left + width] = large
        if captions:
            place = (6, top + height // 2 + 5)
            cv2.putText(sheet, captions[r], place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (230,) * 3, 1)
    return encode_png(sheet, compression=9)
