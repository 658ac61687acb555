"""PNG without compression: as large as its dimensions say, whatever it shows.

Sources: PNG specification (third edition), 5 (chunks), 9 (filters), 10 (zlib); RFC 1950 and 1951.
"""

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB_8 = (8, 2, 0, 0, 0)  # bits, colour type, deflate, the only set of filters, not interlaced


def stored_png(pixels: "NDArray[np.uint8]") -> bytes:
    """Return pixels, uint8 (H, W, 3), RGB, as PNG of three chunks, with no filter."""
    height, width = pixels.shape[:2]
    lines = np.zeros((height, 1 + 3 * width), np.uint8)  # each begins with its filter: none
    lines[:, 1:] = pixels.reshape(height, 3 * width)
    head = struct.pack(">II5B", width, height, *_RGB_8)
    data = zlib.compress(lines.tobytes(), 0)
    return b"".join(
        (_SIGNATURE, _chunk(b"IHDR", head), _chunk(b"IDAT", data), _chunk(b"IEND", b""))
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(kind))
    return b"".join((struct.pack(">I", len(data)), kind, data, struct.pack(">I", checksum)))
