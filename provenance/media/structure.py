"""Reads the skeleton of image files: declared size and completeness, before any decoder runs.

Decoders disagree about truncated files, and some fill what is missing with grey. Pixels that were
never in the file must not be judged, so the skeleton is walked to its end here first.
"""

import re
import struct
import warnings
from collections.abc import Iterator
from io import BytesIO

from provenance.errors import UnreadableError

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MOST_CHUNKS = 200_000  # 256 MiB of ordinary 8 KiB chunks are 32,768
# in entropy-coded data FF is followed by 00 (stuffing), D0..D7 (restart) or FF (fill);
# anything else is the next marker (ITU-T T.81, B.1.1)
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOFn without DHT, JPG, DAC
_SOI, _EOI, _SOS, _TEM = 0xD8, 0xD9, 0xDA, 0x01
PILLOW_FORMATS = ("GIF", "TIFF", "BMP", "AVIF", "JPEG2000")


def read_structure(data: bytes) -> tuple[int, int]:
    """Return the declared width and height in pixels; PNG and JPEG are walked to their last byte.

    Args:
        data: The whole file.

    Raises:
        UnreadableError: The header is damaged, or the file ends before the image does.
    """
    if data.startswith(PNG_SIGNATURE):
        return _read_png(data)
    if data.startswith(b"\xff\xd8"):
        return _read_jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _read_webp(data)
    return _ask_pillow(data)


def _read_png(data: bytes) -> tuple[int, int]:
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise UnreadableError("truncated or damaged: a PNG without its header")
    width, height = struct.unpack_from(">II", data, 16)
    if not width or not height:
        raise UnreadableError(f"damaged: a PNG that declares {width} x {height} pixels")
    for _ in _png_chunks(data):
        pass
    return width, height


def bare_png(data: bytes) -> bytes:
    """Return a PNG with the chunks that its pixels need, and no other.

    Text, profiles and animation are so much more code to attack: OpenCV 5.0 dies of damaged
    animation chunks. Without them, it decodes the still picture, which is an animation's first.

    Args:
        data: What :func:`read_structure` has accepted.
    """
    needed = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
    pieces = [data[start:end] for kind, start, end in _png_chunks(data) if kind in needed]
    return data[:8] + b"".join(pieces)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of each chunk, to IEND.

    Raises:
        UnreadableError: The file ends before IEND.
    """
    offset = 8
    for _ in range(_MOST_CHUNKS):
        if offset + 12 > len(data):
            raise UnreadableError(f"truncated: the PNG ends at byte {len(data):,}, without IEND")
        length, kind = struct.unpack_from(">I4s", data, offset)
        yield kind, offset, offset + 12 + length
        if kind == b"IEND":
            return
        offset += 12 + length
    raise UnreadableError(f"damaged: a PNG of more than {_MOST_CHUNKS:,} chunks")


def _read_jpeg(data: bytes) -> tuple[int, int]:
    """Walk markers from SOI to the EOI that closes the image; what follows it is none of it.

    Segments are skipped by their length, so a thumbnail's own EOI inside EXIF is never seen.
    """
    size: tuple[int, int] | None = None
    offset = 2
    for _ in range(_MOST_CHUNKS):
        offset, marker = _next_marker(data, offset)
        if marker == _EOI and size is not None:
            return size
        if marker in (_EOI, _SOI, _TEM):
            raise UnreadableError("damaged: a JPEG that ends before its first picture")
        end = _segment_end(data, offset)
        if marker in _FRAMES and size is None:
            size = _frame_size(data, offset, end)
        elif marker == _SOS and size is None:
            raise UnreadableError("damaged: a JPEG whose scan comes before its frame")
        offset = end
    raise UnreadableError(f"damaged: a JPEG of more than {_MOST_CHUNKS:,} segments")


def _next_marker(data: bytes, offset: int) -> tuple[int, int]:
    """Return where the next marker's parameters start, and its code."""
    found = _MARKER.search(data, offset)
    if found is None:
        raise UnreadableError(f"truncated: the JPEG ends at byte {len(data):,}, without EOI")
    return found.end(), data[found.end() - 1]


def _segment_end(data: bytes, offset: int) -> int:
    if offset + 2 > len(data):
        raise UnreadableError(f"truncated: the JPEG ends at byte {len(data):,}, without EOI")
    length = int.from_bytes(data[offset : offset + 2], "big")
    return offset + max(length, 2)


def _frame_size(data: bytes, offset: int, end: int) -> tuple[int, int]:
    if end > len(data) or end - offset < 8:
        raise UnreadableError("truncated or damaged: a JPEG without its frame header")
    height, width = struct.unpack_from(">HH", data, offset + 3)
    if not width or not height:  # a height of 0 is given later by DNL: legal, used by nobody
        raise UnreadableError(f"a JPEG that declares {width} x {height} pixels is not supported")
    return width, height


def _read_webp(data: bytes) -> tuple[int, int]:
    """Read the first chunk after the RIFF header (RFC 9649); Pillow would allocate the canvas."""
    (declared,) = struct.unpack_from("<I", data, 4)
    if declared + 8 > len(data) or len(data) < 30:
        raise UnreadableError(f"truncated: {len(data):,} bytes of a WebP of {declared + 8:,}")
    chunk, body = data[12:16], data[20:30]
    if chunk == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if chunk == b"VP8L" and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", body, 6)
        return width & 0x3FFF, height & 0x3FFF
    raise UnreadableError("damaged: a WebP without its header")


def _ask_pillow(data: bytes) -> tuple[int, int]:
    from PIL import Image

    # the limit on pixels is ours to check: Pillow's own would warn, and only at its own number
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd tags; what matters raises
            with Image.open(BytesIO(data), formats=PILLOW_FORMATS) as image:
                return image.size
    except MemoryError:
        raise
    except Exception as error:  # Pillow's parsers raise nearly anything
        raise UnreadableError("truncated, damaged, or of an unknown format") from error
