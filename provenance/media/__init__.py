"""Recognises and decodes files safely: by content, within limits, whatever the name says."""

from typing import TYPE_CHECKING

from provenance._lazy import lazy_exports

if TYPE_CHECKING:
    from provenance.media.decoding import DECODED_KINDS, WITHOUT_PIXELS, decode, decode_bytes
    from provenance.media.image import (
        ImageLimits,
        decode_image,
        encode_jpeg,
        encode_png,
        thumbnail,
    )
    from provenance.media.recognition import Recognised, recognise, recognise_file, recognise_stream
    from provenance.media.sheet import contact_sheet
    from provenance.media.windows import cut_windows

__all__ = [
    "DECODED_KINDS",
    "WITHOUT_PIXELS",
    "ImageLimits",
    "Recognised",
    "contact_sheet",
    "cut_windows",
    "decode",
    "decode_bytes",
    "decode_image",
    "encode_jpeg",
    "encode_png",
    "recognise",
    "recognise_file",
    "recognise_stream",
    "thumbnail",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "DECODED_KINDS": "provenance.media.decoding",
        "WITHOUT_PIXELS": "provenance.media.decoding",
        "ImageLimits": "provenance.media.image",
        "Recognised": "provenance.media.recognition",
        "contact_sheet": "provenance.media.sheet",
        "cut_windows": "provenance.media.windows",
        "decode": "provenance.media.decoding",
        "decode_bytes": "provenance.media.decoding",
        "decode_image": "provenance.media.image",
        "encode_jpeg": "provenance.media.image",
        "encode_png": "provenance.media.image",
        "recognise": "provenance.media.recognition",
        "recognise_file": "provenance.media.recognition",
        "recognise_stream": "provenance.media.recognition",
        "thumbnail": "provenance.media.image",
    },
)
