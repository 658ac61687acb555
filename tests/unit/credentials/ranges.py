"""Which bytes of a signed file its credential covers, as the credential itself declares."""

import io
import json
from itertools import pairwise

import c2pa

# boxes that specification 2.4, 18.7.2 leaves out of the hash of a base media file
UNCOVERED_BOXES = (b"ftyp", b"free", b"skip", b"mfra", b"uuid")


def uncovered(data: bytes, media_type: str) -> list[tuple[int, int]]:
    """Return (start, end) of the stretches that the hash leaves out, in order.

    The manifest lies in the longest one.
    """
    reader = c2pa.Reader(media_type, io.BytesIO(data))
    store = json.loads(reader.detailed_json())
    assertions = store["manifests"][store["active_manifest"]]["assertion_store"]
    if "c2pa.hash.data" in assertions:
        return sorted(
            (one["start"], one["start"] + one["length"])
            for one in assertions["c2pa.hash.data"]["exclusions"]
        )
    return [(start, end) for kind, start, end in boxes(data) if kind in UNCOVERED_BOXES]


def covered(data: bytes, media_type: str) -> list[tuple[int, int]]:
    """Return (start, end) of the stretches that the hash covers, in order."""
    edges = [(0, 0), *uncovered(data, media_type), (len(data), len(data))]
    return [(end, start) for (_, end), (start, _) in pairwise(edges) if end < start]


def manifest(data: bytes, media_type: str) -> tuple[int, int]:
    """Return (start, end) of the stretch that holds the manifest."""
    return longest(uncovered(data, media_type))


def longest(stretches: list[tuple[int, int]]) -> tuple[int, int]:
    return max(stretches, key=lambda stretch: stretch[1] - stretch[0])


def boxes(data: bytes):
    """Yield (type, start, end) of the top-level boxes of a base media file."""
    at = 0
    while at < len(data):
        end = at + int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], at, end
        at = end


def flipped(data: bytes, bit: int) -> bytes:
    """Return ``data`` with one bit changed; bits count from the first byte's lowest."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def changed_content(data: bytes, media_type: str) -> bytes:
    """Return a copy with one letter or digit changed around the middle of what is covered.

    An SVG with a changed bracket would be no SVG, and a test of that would show too little.
    """
    start, end = longest(covered(data, media_type))
    middle = (start + end) // 2
    found = next(at for at in range(middle, end) if data[at : at + 1].isalnum())
    return flipped(data, found * 8)
