"""Finds the labels that end the process: the library must not see them.

c2pa-rs 0.91.3 looks for a version ("v2") behind the last dot of the label of a JUMBF box, and cuts
the text after one byte. Where a longer character begins there, it aborts, which no caller can
catch: a picture of 4 kB would end a server. C2PA's own labels are ASCII (specification 2.4, 6.2).

Labels are looked for as they lie in the file. One inside compressed or encrypted parts, or in a GIF
or SVG of more than 16 MiB, goes unseen, so bytes from strangers are best read in worker processes,
as ``provenance verify`` and ``scan`` do.
"""

import base64
import binascii
import io
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import IO

from provenance.credentials.reading.containers import (
    APP11,
    CREDENTIAL_CHUNK,
    jpeg_segments,
    png_chunks,
)
from provenance.errors import UnreadableError

_DESCRIPTION = b"jumd"
_MAX_LABEL_BYTES = 4096
# A superbox begins with its description (ISO 19566-5): size, type, UUID of 16 bytes, one byte of
# flags, and the label up to a zero. The four bytes of that type alone would stand in one video of
# 4 GB by chance, and accuse it of a damaged credential.
_BEFORE_LABEL_BYTES = 4 + 4 + 4 + 17
_LABEL_BEYOND_ASCII = re.compile(rb"jumb.{4}jumd.{17}[^\0\x80-\xff]{0,4095}+[\x80-\xff]", re.DOTALL)
_MOST_LABELS = 50_000  # a store of a thousand manifests has a fifth of that
_BEFORE_LONG_CHARACTER = re.compile(rb"(?:\A|\.)[\x80-\xff]")
_SVG_ELEMENT = b":manifest"  # whose text is a store in base64; nothing else in between is taken
_SVG_STORE = re.compile(rb">([A-Za-z0-9+/]{40,}={0,2})<")
_PNG, _JPEG, _GIF = b"\x89PNG", b"\xff\xd8", b"GIF8"
_GIF_STORE = re.compile(rb"C2PA_GIF[\0-\xff]{3}")  # an application extension, with its version
_SEGMENT_HEAD_BYTES = 20  # of an APP11 segment, box header included, which each of them repeats
_SEGMENT_BOX = slice(6, 8)  # number of the box of which a segment holds a piece
_IN_MEMORY_BYTES = 16 << 20
_OVERLAP_BYTES = _BEFORE_LABEL_BYTES + _MAX_LABEL_BYTES


def holds_deadly_label(stream: IO[bytes], manifest_data: bytes | None = None) -> bool:
    """Whether reading a file, or the manifest store beside it, would abort the process.

    Args:
        stream: The file; its position is changed.
        manifest_data: The content of a sidecar, or of a manifest from a server.
    """
    if manifest_data is not None and _is_deadly(manifest_data):
        return True
    if isinstance(stream, io.BytesIO):
        return _is_deadly_file(stream.getvalue())
    stream.seek(0)
    content = stream.read(_IN_MEMORY_BYTES)
    if len(content) < _IN_MEMORY_BYTES:
        return _is_deadly_file(content)
    return any(map(_is_deadly, _windows(content, stream)))


def _windows(content: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    """Yield a large file in pieces that overlap by a label: mapping it would need its size."""
    while content:
        yield content
        more = stream.read(_IN_MEMORY_BYTES)
        content = content[-_OVERLAP_BYTES:] + more if more else b""


def _is_deadly_file(content: bytes) -> bool:
    if any(map(_is_deadly, _parts(content))):
        return True
    if content.startswith((_PNG, _JPEG)):  # the library goes by these first bytes
        return False
    return _SVG_ELEMENT in content and any(map(_is_deadly, _stores_in_text(content)))


def _parts(content: bytes) -> list[bytes]:
    """Return where a store may lie: parts of the commonest formats, for speed; else all."""
    try:
        if content[:4] == _PNG:
            chunks = png_chunks(content)
            return [content[start:stop] for start, stop, kind in chunks if kind == CREDENTIAL_CHUNK]
        if content[:2] == _JPEG:
            return _boxes_in_jpeg(content)
    except UnreadableError:
        return [content]
    return _blocks_in_gif(content) if content[:4] == _GIF else [content]


def _boxes_in_jpeg(content: bytes) -> list[bytes]:
    """Return the boxes that lie in pieces in the segments: a label may lie across two of them."""
    boxes: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for start, stop, marker in jpeg_segments(content, strict=True):
        if marker == APP11:
            segment = content[start:stop]
            # each piece repeats the head of its box, without which a first label lacks its mark
            box = boxes[segment[_SEGMENT_BOX]]
            box.append(segment[_SEGMENT_HEAD_BYTES:] if box else segment)
    return list(map(b"".join, boxes.values()))


def _blocks_in_gif(content: bytes) -> list[bytes]:
    """Return what application extensions hold: blocks of at most 255 bytes, sizes before them."""
    found = []
    for match in _GIF_STORE.finditer(content):
        at, blocks = match.end(), []
        while at < len(content) and content[at]:
            blocks.append(content[at + 1 : at + 1 + content[at]])
            at += 1 + content[at]
        found.append(b"".join(blocks))
    return found


def _is_deadly(content: bytes) -> bool:
    is_large = len(content) >= _MOST_LABELS * len(_DESCRIPTION)
    if is_large and content.count(_DESCRIPTION) >= _MOST_LABELS:
        return True
    at = 0
    while found := _LABEL_BEYOND_ASCII.search(content, at):
        at = found.start() + 1
        label = found.start() + _BEFORE_LABEL_BYTES
        text = content[label : label + _MAX_LABEL_BYTES].partition(b"\0")[0]
        if _BEFORE_LONG_CHARACTER.search(text):
            return True
    return False


def _stores_in_text(content: bytes) -> list[bytes]:
    """Return the manifest stores in an SVG, where they stand in base64."""
    found = []
    for match in _SVG_STORE.finditer(content):
        try:
            found.append(base64.b64decode(match[1]))
        except binascii.Error:
            continue  # the library refuses it too
    return found
