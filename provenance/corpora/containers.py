"""What a container says without its content: the features that the shortcut audit is fitted on.

Sources: PNG specification (third edition) sections 5 and 11, for chunks and IDAT's zlib header;
ITU-T T.81 annex B, for JPEG segments; C2PA 2.4 annex A for where manifests lie (PNG ``caBX``,
JPEG APP11 with JUMBF).
"""

import contextlib
import struct
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from provenance.errors import UnreadableError
from provenance.media import recognise
from provenance.media.structure import read_structure

_PNG_HEAD = 8
_PNG_CREDENTIAL = b"caBX"
_JPEG_CREDENTIAL = 0xEB  # APP11
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
# the standard luminance table of T.81 annex K at quality 50, summed: qualities scale it
_STANDARD_SUM = 3692.0


@dataclass(frozen=True, slots=True)
class Container:
    """One file's container.

    Attributes:
        features: Name to number; names differ between formats.
        has_credential: Whether it carries a C2PA manifest.
    """

    features: dict[str, float]
    has_credential: bool


def without_credential(data: bytes) -> bytes:
    """Return a PNG or JPEG file without its C2PA manifest; other files as they are."""
    if data.startswith(b"\x89PNG"):
        kept = [data[a:b] for name, a, b in _png_chunks(data) if name != _PNG_CREDENTIAL]
        return data[:_PNG_HEAD] + b"".join(kept)
    if data.startswith(b"\xff\xd8"):
        segments = list(_jpeg_segments(data))
        kept = [data[a:b] for code, a, b in segments if not _is_manifest(code, data[a:b])]
        return data[:2] + b"".join(kept) + data[segments[-1][2] if segments else 2 :]
    return data


def measure(data: bytes) -> Container:
    """Measure a file as it is, credential included.

    Args:
        data: The whole file.
    """
    found = recognise(data[:4096])
    media_type = "unknown" if found is None else found.media_type
    features = {"file bytes": float(len(data)), f"is {media_type}": 1.0}
    with contextlib.suppress(UnreadableError):  # no picture, or a damaged one: has no size
        width, height = read_structure(data)
        features |= {"width": width, "height": height, "aspect": width / height}
        features["bytes per pixel"] = len(data) / (width * height)
    if media_type == "image/png":
        features |= _png_features(data)
    if media_type == "image/jpeg":
        features |= _jpeg_features(data)
    return Container(features, len(without_credential(data)) != len(data))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield type, start and end of each chunk, up to where the file is damaged."""
    at = _PNG_HEAD
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 12 + length
        yield data[at + 4 : at + 8], at, min(end, len(data))
        at = end


def _png_features(data: bytes) -> dict[str, float]:
    chunks = list(_png_chunks(data))
    names = Counter(name.decode("latin-1") for name, _, _ in chunks)
    features: dict[str, float] = {f"png chunk {name}": n for name, n in names.items()}
    features["png chunks"] = len(chunks)
    if len(data) >= 29:
        features["png bit depth"], features["png colour type"] = data[24], data[25]
        features["png interlace"] = data[28]
    first = next((start for name, start, _ in chunks if name == b"IDAT"), None)
    if first is not None and first + 10 <= len(data):
        features["png deflate level"] = data[first + 9] >> 6  # FLEVEL of RFC 1950
    return features


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker code, start and end of each segment before the picture's own data."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        code = data[at + 1]
        if code == 0xDA:  # start of scan: entropy-coded data follow
            return
        (length,) = struct.unpack_from(">H", data, at + 2)
        end = min(at + 2 + max(2, length), len(data))
        yield code, at, end
        at = end


def _is_manifest(code: int, segment: bytes) -> bool:
    return code == _JPEG_CREDENTIAL and segment[4:6] == b"JP"  # JPEG XT's identifier for JUMBF


def _jpeg_features(data: bytes) -> dict[str, float]:
    features: defaultdict[str, float] = defaultdict(float)
    for code, start, end in _jpeg_segments(data):
        features[f"jpeg segment {code:02X}"] += 1
        body = data[start + 4 : end]
        if code == 0xDB and body[:1] == b"\0":  # 8 bits, table 0: luminance
            features["jpeg quantisation"] = float(np.frombuffer(body[1:65], np.uint8).sum())
        elif code in _JPEG_FRAMES and len(body) >= 8:
            features |= {"jpeg frame": code, "jpeg bits": body[0], "jpeg subsampling": body[7]}
        elif code == 0xE1:
            features["exif"] += body.startswith(b"Exif")
        elif code == 0xE2:
            features["icc profile"] += body.startswith(b"ICC_PROFILE")
    if features.get("jpeg quantisation"):
        features["jpeg quality"] = _quality(features["jpeg quantisation"])
    return dict(features)


def _quality(table_sum: float) -> float:
    """Estimate the quality (1..100) in libjpeg's scale, from the sum of the luminance table."""
    scale = 100.0 * table_sum / _STANDARD_SUM
    return 5000.0 / scale if scale > 100 else (200.0 - scale) / 2
