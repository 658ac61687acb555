"""Recognises and decodes files safely: by content, within limits, whatever the name says."""

from typing import TYPE_CHECKING

from provenance._lazy import lazy_exports

if TYPE_CHECKING:
    from provenance.media.decode import decode
    from provenance.media.image import (
        ImageLimits,
        decode_image,
        encode_jpeg,
        encode_png,
    )
    from provenance.media.recognise import Recognised, recognise, recognise_file
    from provenance.media.sheet import contact_sheet
    from provenance.media.windows import cut_windows

__all__ = [
    "ImageLimits",
    "Recognised",
    "contact_sheet",
    "cut_windows",
    "decode",
    "decode_image",
    "encode_jpeg",
    "encode_png",
    "recognise",
    "recognise_file",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "ImageLimits": "provenance.media.image",
        "Recognised": "provenance.media.recognise",
        "contact_sheet": "provenance.media.sheet",
        "cut_windows": "provenance.media.windows",
        "decode": "provenance.media.decode",
        "decode_image": "provenance.media.image",
        "encode_jpeg": "provenance.media.image",
        "encode_png": "provenance.media.image",
        "recognise": "provenance.media.recognise",
        "recognise_file": "provenance.media.recognise",
    },
)
