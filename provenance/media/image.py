"""Images in and out: the one place where pixels are decoded and where RGB meets OpenCV's BGR."""

import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import cv2
import numpy as np

from provenance.errors import UnreadableError
from provenance.media.quiet import decoder_messages
from provenance.media.recognition import recognise
from provenance.media.stored import stored_png
from provenance.media.structure import PILLOW_FORMATS, PNG_SIGNATURE, bare_png, read_structure

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

_LOG = logging.getLogger(__name__)
_STORED = 0  # PNG compression level: file size then depends on the dimensions alone
_NO_DECODER = {
    "image/heic": "HEIC",
    "image/heif": "HEIF",
    "image/jxl": "JPEG XL",
    "image/svg+xml": "SVG (a drawing without pixels of its own)",
}
# libjpeg fills with grey what these name, and reports success
_MISSING = ("premature end", "bad Huffman code")


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
    dropped, grey becomes three equal channels, 16 bits become 8, CMYK becomes RGB without a colour
    profile. A file that ends early is an error, never a picture with a grey rest.

    Args:
        data: The whole file.
        limits: Checked against the header before any pixel is decoded.

    Returns:
        uint8 (H, W, 3), RGB, 0..255.

    Raises:
        UnreadableError: Damaged, truncated, of an unknown format, or over a limit.
        MemoryError: The process may not have what the image needs.
    """
    limits = limits or ImageLimits()
    found = recognise(data[:4096])
    media_type = found.media_type if found else "application/octet-stream"
    _check_size(data, media_type, limits)
    for decoder in _DECODERS.get(media_type, (_with_opencv, _with_pillow)):
        try:
            return decoder(data)
        except _DecoderError as error:
            _LOG.debug("%s: %s", decoder.__name__, error)
    raise UnreadableError(f"cannot be decoded: damaged, or an unusual {media_type}")


def encode_png(pixels: "NDArray[np.uint8]", *, compression: int = _STORED) -> bytes:
    """Encode RGB as PNG, without compression unless asked for.

    Stored rather than deflated on purpose: a deflated file is smaller the smoother its content, and
    so its size alone would tell generated from real.

    Args:
        pixels: uint8 (H, W, 3), RGB.
        compression: 0 (stored) to 9; leave it at 0 in a corpus.
    """
    if compression == _STORED and pixels.ndim == 3 and pixels.shape[2] == 3:
        return stored_png(pixels)  # takes a fifth of OpenCV's time
    return _encode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, compression])


def encode_jpeg(pixels: "NDArray[np.uint8]", *, quality: int = 85) -> bytes:
    """Encode RGB (uint8 (H, W, 3)) as JPEG, for thumbnails and reports."""
    return _encode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])


def thumbnail(pixels: "NDArray[np.uint8]", *, side_px: int = 128) -> bytes:
    """Return a JPEG of an image (uint8 (H, W, 3), RGB) whose longer side is at most ``side_px``."""
    height, width = pixels.shape[:2]
    factor = min(1.0, side_px / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if factor < 1 else pixels
    return encode_jpeg(np.asarray(small, np.uint8), quality=80)


class _DecoderError(Exception):
    """This decoder gives up; the other may do better."""


def _check_size(data: bytes, media_type: str, limits: ImageLimits) -> None:
    if len(data) > limits.max_bytes:
        raise UnreadableError(f"{len(data):,} bytes are over the limit of {limits.max_bytes:,}")
    if media_type in _NO_DECODER:
        raise UnreadableError(f"{_NO_DECODER[media_type]} cannot be decoded by this version")
    width, height = read_structure(data)
    if width * height > limits.max_pixels:
        raise UnreadableError(
            f"declares {width} x {height} pixels, over the limit of {limits.max_pixels:,}"
        )


def _with_opencv(data: bytes) -> "NDArray[np.uint8]":
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    if data.startswith(PNG_SIGNATURE):
        data = bare_png(data)
    with decoder_messages() as messages:
        try:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error as error:
            if error.code == cv2.Error.StsNoMem:
                raise MemoryError(error.err) from error
            raise _DecoderError(error.err) from error
    if any(words in message for message in messages for words in _MISSING):
        raise UnreadableError("truncated or damaged: part of the picture is missing")
    if pixels is None or pixels.ndim != 3:
        raise _DecoderError("no picture")
    return np.ascontiguousarray(pixels, np.uint8)


def _with_pillow(data: bytes) -> "NDArray[np.uint8]":
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # our own limit was checked against the header
    try:
        with warnings.catch_warnings(), decoder_messages():
            warnings.simplefilter("ignore")
            with Image.open(BytesIO(data), formats=PILLOW_FORMATS) as image:
                image.load()
                return _eight_bits(image)
    except (MemoryError, UnreadableError):
        raise
    except Exception as error:  # Pillow's parsers raise nearly anything
        raise _DecoderError(str(error)) from error


def _eight_bits(image: "Image.Image") -> "NDArray[np.uint8]":
    """Return uint8 (H, W, 3); Pillow's own conversion clips 16 bits instead of scaling them."""
    if image.mode.startswith("I;16"):
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)  # (H, W, 3)
    if image.mode in ("I", "F"):
        raise UnreadableError(f"samples of mode {image.mode} have no known range")
    return np.array(image.convert("RGB"), np.uint8)


# Pillow fills the missing rows of a PNG with black, so OpenCV has the only word on the common
# formats. But OpenCV paints a GIF's transparency, and multiplies a TIFF's colours with its alpha.
_DECODERS: Mapping[str, tuple[Callable[[bytes], "NDArray[np.uint8]"], ...]] = {
    "image/png": (_with_opencv,),
    "image/jpeg": (_with_opencv,),
    "image/webp": (_with_opencv,),
    "image/gif": (_with_pillow,),
    "image/tiff": (_with_pillow, _with_opencv),
}


def _encode(suffix: str, pixels: "NDArray[np.uint8]", parameters: list[int]) -> bytes:
    done, data = cv2.imencode(suffix, np.ascontiguousarray(pixels[..., ::-1]), parameters)
    if not done:
        raise UnreadableError(f"OpenCV cannot write {suffix} images of shape {pixels.shape}")
    encoded: bytes = data.tobytes()
    return encoded
