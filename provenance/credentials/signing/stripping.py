"""Takes a credential out of a PNG or JPEG file, and leaves every other byte as it is.

This removes evidence. It is for tests and experiments: to see what a platform that drops metadata
leaves, say, or what a detector makes of a file alone.

PNG: chunks of type ``caBX`` (C2PA specification 2.4, A.3.2). JPEG: segments APP11 that carry the
JUMBF superbox of a C2PA store (A.3.1; ISO 19566-5, D.2); other JUMBF, and JPEG XT, stay. Both are
read by lengths that hostile files choose, so each is checked against what is there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from provenance.credentials.reading.containers import (
    APP11,
    CREDENTIAL_CHUNK,
    JPEG,
    PNG,
    jpeg_segments,
    png_chunks,
)
from provenance.credentials.reading.opening import STORE_MARK, open_regular
from provenance.errors import UnreadableError, UserError
from provenance.files import is_same_file, write_atomic
from provenance.media import recognise

MAX_STRIPPED_BYTES = 1 << 30
_COMMON_IDENTIFIER = b"JP"
_BOX_HEADER_BYTES = 8
_SUPERBOX = b"jumb"  # ISO 19566-5, B.1


@dataclass(frozen=True, slots=True)
class Stripped:
    """A file without its credential.

    Attributes:
        data: The file.
        n_parts: Chunks or segments that were taken out; 0 where there was no credential.
        n_bytes: Their size.
    """

    data: bytes
    n_parts: int
    n_bytes: int


def strip_credential(data: bytes) -> Stripped:
    """Return a file without the credential that is inside it; every other byte stays.

    Args:
        data: A whole PNG or JPEG file. Hostile.

    Raises:
        UserError: It is of another type.
        UnreadableError: Its structure is damaged, or it is larger than 1 GiB.

    Example:
        >>> from provenance.credentials import created_manifest, development_signer, sign_bytes
        >>> from provenance.media import encode_png
        >>> import numpy
        >>> png = encode_png(numpy.zeros((8, 8, 3), "uint8"))
        >>> made = created_manifest(title="a", source_type="digitalCreation", generator="g")
        >>> strip_credential(sign_bytes(png, "image/png", made, development_signer())).data == png
        True
    """
    if len(data) > MAX_STRIPPED_BYTES:
        raise UnreadableError("The file exceeds 1 GiB, the limit for strip.")
    found = recognise(data[:4096])
    media_type = "of no known type" if found is None else found.media_type
    finders = {PNG: _png_spans, JPEG: _jpeg_spans}
    if media_type not in finders:
        raise UserError(
            f"A credential can be taken out of PNG and JPEG only; the content is {media_type}."
            f" Saving the file anew in an editor removes it too, but changes other bytes."
        )
    return _without(data, list(finders[media_type](data)))


def strip_file(source: Path, out: Path) -> Stripped:
    """Write a copy of a file without the credential inside it: all of it, or nothing.

    Args:
        source: Never written.
        out: Replaced when it exists; must not be ``source``.

    Raises:
        UserError: The type is another, ``out`` is ``source``, or it cannot be written.
        UnreadableError: ``source`` cannot be read.
    """
    if is_same_file(source, out):
        raise UserError(f"{out} is the source itself. Choose another name for the copy.")
    try:
        with open_regular(source, MAX_STRIPPED_BYTES) as stream:
            found = strip_credential(stream.read(MAX_STRIPPED_BYTES + 1))
    except UnreadableError as error:
        raise UnreadableError(f"{source}: {error}") from error
    except OSError as error:
        raise UnreadableError(f"{source} cannot be read: {error.strerror or error}") from error
    try:
        write_atomic(out, found.data)
    except OSError as error:
        raise UserError(f"Cannot write {out}: {error.strerror or error}.") from error
    return found


def _without(data: bytes, spans: list[tuple[int, int]]) -> Stripped:
    view, kept, end = memoryview(data), [], 0
    for start, stop in spans:
        kept.append(view[end:start])
        end = stop
    kept.append(view[end:])
    return Stripped(b"".join(kept), len(spans), sum(stop - start for start, stop in spans))


def _png_spans(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of each ``caBX`` chunk; what follows the end is no part of the file."""
    for start, stop, kind in png_chunks(data):
        if kind == CREDENTIAL_CHUNK:
            yield start, stop


def _jpeg_spans(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of each segment that carries a part of a C2PA store.

    A store is cut into segments that share an instance number (``En``) and repeat the header of
    the box; the first tells what is inside, the others belong to it by that number.
    """
    stores: set[bytes] = set()
    for start, stop, marker in jpeg_segments(data):
        content = data[start + 4 : stop]
        if marker != APP11 or not content.startswith(_COMMON_IDENTIFIER):
            continue
        instance, number = content[2:4], int.from_bytes(content[4:8])
        if number == 1 and _is_store(content[8:]):
            stores.add(instance)
        elif number == 1:
            stores.discard(instance)  # another box under the same number
        if instance in stores:
            yield start, stop


def _is_store(box: bytes) -> bool:
    """Whether a box is the JUMBF superbox of a C2PA manifest store."""
    header = 16 if box[:4] == b"\x00\x00\x00\x01" else _BOX_HEADER_BYTES  # an extended length
    return box[4:8] == _SUPERBOX and box.startswith(STORE_MARK, header + 4)
