"""Small pictures that a manifest store holds of a file and of what it was made from.

Whoever signed chose them, so they may show something else than the file, and their bytes are
hostile: none is passed on. Each is decoded within limits and encoded anew, small, as JPEG.
"""

import io
import logging
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import c2pa

from provenance.credentials.reading.statements import short_text
from provenance.errors import UnreadableError

MAX_THUMBNAILS = 64
MAX_BYTES = 4 << 20
MAX_PIXELS = 4_000_000
SIDE_PX = 192
_LOG = logging.getLogger(__name__)


class _Bounded(io.BytesIO):
    """A stream that takes no more than ``MAX_BYTES``."""

    def write(self, data: Any, /) -> int:
        if self.tell() + len(memoryview(data)) > MAX_BYTES:
            raise OSError(f"larger than {MAX_BYTES:,} bytes")
        return super().write(data)


def read_thumbnails(reader: c2pa.Reader, store: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the pictures in a store by the URI that names them: JPEG of at most 192 px a side.

    Pictures that cannot be had, decoded or bounded (SVG has no pixels) are left out.

    Args:
        reader: Open, with the store.
        store: Its JSON report. At most 64 different pictures are read, the file's own first.
    """
    uris = islice(dict.fromkeys(_uris(store)), MAX_THUMBNAILS)
    return {uri: picture for uri in uris if (picture := _picture(reader, uri)) is not None}


def small_picture(data: bytes) -> bytes:
    """Return an image as a JPEG of at most 192 px a side.

    Args:
        data: An image file of at most 4 megapixels. Hostile.

    Raises:
        UnreadableError: It cannot be decoded, or is too large.
    """
    from provenance.media import ImageLimits, decode_image, thumbnail

    return thumbnail(decode_image(data, ImageLimits(MAX_BYTES, MAX_PIXELS)), side_px=SIDE_PX)


def _picture(reader: c2pa.Reader, uri: str) -> bytes | None:
    stream = _Bounded()
    try:
        reader.resource_to_stream(uri, stream)
        return small_picture(stream.getvalue())
    except (c2pa.C2paError, OSError, UnreadableError) as error:
        _LOG.debug("No picture for %s: %s", uri, error)
        return None


def _uris(store: Mapping[str, Any]) -> Iterator[str]:
    manifests = store.get("manifests") or {}
    own = manifests.get(store.get("active_manifest")) or {}
    for manifest in (own, *manifests.values()):
        for one in (manifest, *(manifest.get("ingredients") or ())):
            uri = short_text((one.get("thumbnail") or {}).get("identifier"))
            if uri:
                yield uri
