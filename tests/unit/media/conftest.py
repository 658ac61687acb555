"""Small pictures in every form that occurs."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image


def saved(picture, form, **options):
    stream = BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def make_forms():
    """Return name: file; the colours are smooth, so that lossy forms stay close."""
    y, x = np.mgrid[0:48, 0:64].astype(np.float32)
    rgb = np.stack([x * 4, y * 5, 255 - x * 2 - y], axis=-1).clip(0, 255).astype(np.uint8)
    picture = Image.fromarray(rgb)
    turned = [picture.transpose(Image.Transpose.ROTATE_180)]
    alpha = Image.linear_gradient("L").resize(picture.size)
    transparent = picture.convert("RGBA")
    transparent.putalpha(alpha)
    animated = {"save_all": True, "append_images": turned, "duration": 50}
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "rgb.png": saved(picture, "PNG"),
        "grey.png": saved(picture.convert("L"), "PNG"),
        "grey-alpha.png": saved(transparent.convert("LA"), "PNG"),
        "alpha.png": saved(transparent, "PNG"),
        "palette.png": saved(picture.convert("P"), "PNG"),
        "palette-transparent.png": saved(picture.convert("P"), "PNG", transparency=3),
        "bits.png": saved(picture.convert("1"), "PNG"),
        "animated.png": saved(picture, "PNG", **animated),
        "rgb.jpg": saved(picture, "JPEG", quality=95),
        "progressive.jpg": saved(picture, "JPEG", progressive=True),
        "grey.jpg": saved(picture.convert("L"), "JPEG"),
        "cmyk.jpg": saved(picture.convert("CMYK"), "JPEG", quality=95),
        "exif-rotated.jpg": saved(picture, "JPEG", exif=exif),
        "two-pictures.jpg": saved(picture, "MPO", save_all=True, append_images=turned),
        "lossy.webp": saved(picture, "WEBP"),
        "alpha.webp": saved(transparent, "WEBP", lossless=True, exact=True),
        "animated.webp": saved(picture, "WEBP", lossless=True, **animated),
        "animated.gif": saved(picture, "GIF", **animated),
        "transparent.gif": saved(transparent, "GIF"),
        "rgb.bmp": saved(picture, "BMP"),
        "rgb.tiff": saved(picture, "TIFF"),
        "alpha.tiff": saved(transparent, "TIFF"),
        "cmyk.tiff": saved(picture.convert("CMYK"), "TIFF"),
        "lzw.tiff": saved(picture, "TIFF", compression="tiff_lzw"),
        "rgb.jp2": saved(picture, "JPEG2000"),
    }


FORMS = make_forms()


@pytest.fixture(scope="session")
def forms():
    return FORMS
