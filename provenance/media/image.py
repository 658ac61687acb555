"""Images in and out: the one place where pixels are decoded and where RGB meets OpenCV's BGR."""

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import cv2
import numpy as np

from provenance.errors import UnreadableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STORED = 0  # PNG compression level: file size then depends on the dimensions alone


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What an image may cost.

    Attributes:
        max_bytes: Largest file.
        max_pixels: Largest declared width times height.
    """

    max_bytes: int = 256 << 20
    max_pixels: int = 100_000_000


def decode_image(data: bytes, limits: ImageLimits | None = None) -> "NDArray[np.uint8]":
    """Decode an image file, first frame only.

    The EXIF orientation is ignored: rotating breaks the 8x8 grid on which JPEG traces lie. Alpha is
    dropped, grey becomes three equal channels, 16 bits become 8.

    Args:
        data: The whole file.
        limits: Checked against the header before any pixel is decoded.

    Returns:
        uint8 (H, W, 3), RGB, 0..255.

    Raises:
        UnreadableError: Damaged, truncated, of an unknown format, or over a limit.
    """
    limits = limits or ImageLimits()
    _check_size(data, limits)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise UnreadableError(f"cannot be decoded: {error.err or error}") from error
    if pixels is None:
        raise UnreadableError("cannot be decoded: damaged, or of a format that OpenCV lacks")
    return np.ascontiguousarray(pixels[..., ::-1])


def encode_png(pixels: "NDArray[np.uint8]") -> bytes:
    """Encode RGB as PNG without compression.

    Stored rather than deflated on purpose: a deflated file is smaller the smoother its content, and
    so its size alone would tell generated from real.

    Args:
        pixels: uint8 (H, W, 3), RGB.
    """
    return _encode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, _STORED])


def encode_jpeg(pixels: "NDArray[np.uint8]", *, quality: int = 85) -> bytes:
    """Encode RGB (uint8 (H, W, 3)) as JPEG, for thumbnails and reports."""
    return _encode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])


def _encode(suffix: str, pixels: "NDArray[np.uint8]", parameters: list[int]) -> bytes:
    done, data = cv2.imencode(suffix, np.ascontiguousarray(pixels[..., ::-1]), parameters)
    if not done:
        raise UnreadableError(f"OpenCV cannot write {suffix} images of shape {pixels.shape}")
    encoded: bytes = data.tobytes()
    return encoded


def _check_size(data: bytes, limits: ImageLimits) -> None:
    if len(data) > limits.max_bytes:
        raise UnreadableError(f"{len(data):,} bytes are over the limit of {limits.max_bytes:,}")
    width, height = declared_size_px(data)
    if width * height > limits.max_pixels:
        raise UnreadableError(
            f"declares {width} x {height} pixels, over the limit of {limits.max_pixels:,}"
        )


def declared_size_px(data: bytes) -> tuple[int, int]:
    """Return the width and height that the header declares; no pixel is decoded.

    Raises:
        UnreadableError: The header cannot be read.
    """
    from PIL import Image

    # the limit on pixels is ours to check: Pillow's own would warn, and only at its own number
    Image.MAX_IMAGE_PIXELS = None
    try:
        with Image.open(BytesIO(data)) as image:
            return image.size
    except Exception as error:  # Pillow's parsers raise nearly anything
        raise UnreadableError(f"cannot be decoded: {error}") from error
