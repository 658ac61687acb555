"""Decodes a file of any kind that this suite reads; one branch per media kind."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance.errors import UnreadableError
from provenance.media.recognition import recognise
from provenance.types import MediaKind

if TYPE_CHECKING:
    from provenance.media.image import ImageLimits

DECODED_KINDS = frozenset({MediaKind.IMAGE, MediaKind.TEXT})
"""Media kinds that :func:`decode` can turn into data; of others, only evidence is read."""
WITHOUT_PIXELS = frozenset({"image/svg+xml"})
"""Media types of drawings: complete as they are, and nothing to decode."""


def decode(path: Path) -> tuple[MediaKind, Any]:
    """Read and decode a file, recognised by its content.

    Returns:
        The media kind, and the data as described by :class:`provenance.Media`.

    Raises:
        UnreadableError: Missing, damaged, too large, or of a kind that cannot be decoded yet.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror or error}") from error
    return decode_bytes(data)


def decode_bytes(data: bytes, limits: "ImageLimits | None" = None) -> tuple[MediaKind, Any]:
    """Decode the content of a file within limits; see :func:`decode`."""
    found = recognise(data[:4096])
    if found is None or found.kind is None:
        raise UnreadableError("is of no kind that this suite decodes")
    if found.kind is MediaKind.IMAGE:
        from provenance.media.image import decode_image

        return found.kind, decode_image(data, limits)
    if found.kind is MediaKind.TEXT:
        wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        return found.kind, data.decode("utf-16" if wide else "utf-8-sig", errors="replace")
    raise UnreadableError(f"{found.media_type}: this version decodes images and text only")
