"""Manifest stores as the boxes that they are made of, and the little CBOR that is written here.

Sources: ISO/IEC 19566-5 (JUMBF), B.1 and B.3, for boxes; C2PA specification 2.4, 11.1, for their
nesting; RFC 8949, 3, for CBOR.
"""

import struct
from collections.abc import Iterator

SUPERBOX, DESCRIPTION, CBOR = b"jumb", b"jumd", b"cbor"
_HEAD = struct.Struct(">I4s")
_UUID_AND_TOGGLES = 17
_SALT = b"\0\0\0\x18c2sh"
SALT_BYTES = 16
UNSIGNED, BYTES, TEXT = 0, 2, 3  # major types


def box(kind: bytes, *parts: bytes) -> bytes:
    """Return a box with its head."""
    return _HEAD.pack(_HEAD.size + sum(map(len, parts)), kind) + b"".join(parts)


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and content of the boxes that lie in ``data`` one after the other.

    Raises:
        ValueError: They do not fill it.
    """
    at = 0
    while at < len(data):
        if at + _HEAD.size > len(data):
            raise ValueError("a box ends in its head")
        size, kind = _HEAD.unpack_from(data, at)
        if size < _HEAD.size or at + size > len(data):
            raise ValueError("a box is longer than what holds it")
        yield kind, data[at + _HEAD.size : at + size]
        at += size


def label_of(description: bytes) -> bytes:
    """Return the label in the content of a description box."""
    return description[_UUID_AND_TOGGLES:].partition(b"\0")[0]


def salt_of(description: bytes) -> bytes:
    """Return the salt at the end of the content of a description box, or nothing."""
    head = description[-SALT_BYTES - len(_SALT) : -SALT_BYTES]
    return description[-SALT_BYTES:] if head == _SALT else b""


def cbor_head(major: int, value: int) -> bytes:
    """Return the first bytes of a CBOR item: its type, and its value or length.

    Args:
        major: Major type, 0..7.
        value: 0..2**32-1.
    """
    if value < 24:
        return bytes([major << 5 | value])
    if value < 1 << 8:
        return bytes([major << 5 | 24, value])
    if value < 1 << 16:
        return struct.pack(">BH", major << 5 | 25, value)
    return struct.pack(">BI", major << 5 | 26, value)


def cbor_text(text: str) -> bytes:
    """Return a text as CBOR; what is not Unicode becomes a question mark."""
    encoded = text.encode(errors="replace")
    return cbor_head(TEXT, len(encoded)) + encoded


def cbor_bytes(data: bytes) -> bytes:
    """Return bytes as CBOR."""
    return cbor_head(BYTES, len(data)) + data


def first_bytes(data: bytes) -> bytes:
    """Return the CBOR byte string that ``data`` begins with, its head included.

    Raises:
        ValueError: It begins with something else, or a string longer than 2**32.
    """
    widths = {24: 1, 25: 2, 26: 4}
    if not data or data[0] >> 5 != BYTES:
        raise ValueError("no CBOR byte string")
    short = data[0] & 31
    width = widths.get(short, 0)
    length = int.from_bytes(data[1 : 1 + width], "big") if width else short
    if short >= 24 and not width:
        raise ValueError("no CBOR byte string of a known length")
    return data[: 1 + width + length]
