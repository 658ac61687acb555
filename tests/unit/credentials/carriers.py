"""Every format that can carry a credential, as files of a kilobyte or so, made here.

The containers are whole; what lies in them is noise where no encoder is at hand, since engines
hash media and never decode it. ``real`` names the file of the shared data of the same format.
"""

import io
import struct
import wave
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

_SIDE_PX = 12
_N_PAYLOAD_BYTES = 512


@dataclass(frozen=True)
class Format:
    """A format, a maker of a small file of it, and the name of a real one in the fixtures."""

    name: str
    media_type: str
    make: Callable[[], bytes]
    real: str | None


def payload(n_bytes: int = _N_PAYLOAD_BYTES) -> bytes:
    """Return noise that stands for coded media, always the same, never a start code."""
    return np.random.default_rng(1).integers(1, 127, n_bytes, dtype=np.uint8).tobytes()


def image(encoding: str, **options) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (_SIDE_PX, _SIDE_PX, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, encoding, **options)
    return stream.getvalue()


def box(kind: bytes, *content: bytes) -> bytes:
    """Return a box of the ISO base media file format."""
    body = b"".join(content)
    return struct.pack(">I", 8 + len(body)) + kind + body


def base_media(brand: bytes, *middle: bytes) -> bytes:
    brands = box(b"ftyp", brand, bytes(4), brand, b"isom")
    return brands + b"".join(middle) + box(b"mdat", payload())


def movie(brand: bytes) -> bytes:
    header = struct.pack(">IIIII", 0, 0, 0, 1000, 1000) + bytes(80)
    return base_media(brand, box(b"moov", box(b"mvhd", header)))


def still(brand: bytes) -> bytes:
    handler = box(b"hdlr", bytes(8), b"pict", bytes(13))
    return base_media(brand, box(b"meta", bytes(4), handler, box(b"pitm", bytes(4), b"\0\1")))


def jxl() -> bytes:
    brands = box(b"ftyp", b"jxl ", bytes(4), b"jxl ")
    return box(b"JXL ", b"\r\n\x87\n") + brands + box(b"jxlc", b"\xff\x0a" + payload())


def svg() -> bytes:
    shapes = "".join(f'<circle cx="{n}" cy="{n * n % 97}" r="3"/>' for n in range(30))
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="99" height="99">{shapes}</svg>'.encode()


def wav() -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(payload())
    return stream.getvalue()


def mp3() -> bytes:
    frame_bytes = 417  # MPEG 1 layer III, 128 kbit/s, 44.1 kHz
    return (b"\xff\xfb\x90\x00" + payload(frame_bytes - 4)) * 3


def flac() -> bytes:
    rates = (44100 << 44 | 0 << 41 | 15 << 36 | 4096).to_bytes(8, "big")  # mono, 16 bit
    stream_info = struct.pack(">HH", 4096, 4096) + bytes(6) + rates + bytes(16)
    return b"fLaC" + b"\x80" + len(stream_info).to_bytes(3, "big") + stream_info + payload()


def chunk(kind: bytes, *content: bytes) -> bytes:
    """Return a RIFF chunk."""
    body = b"".join(content)
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def avi() -> bytes:
    main = struct.pack("<14I", 40_000, 0, 0, 0x10, 1, 0, 0, 0, _SIDE_PX, _SIDE_PX, 0, 0, 0, 0)
    headers = chunk(b"LIST", b"hdrl", chunk(b"avih", main))
    return chunk(b"RIFF", b"AVI ", headers, chunk(b"LIST", b"movi", chunk(b"00dc", payload())))


def pdf() -> bytes:
    """Return a page that draws lines, with a cross-reference table that is right."""
    drawing = b"\n".join(b"%d 0 m %d 99 l S" % (n, 99 - n) for n in range(30))
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R/Resources<<>>>>",
        b"<</Length %d>>\nstream\n%s\nendstream" % (len(drawing), drawing),
    )
    out, places = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    trailer = b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n"
    return out + head + table + trailer % (len(objects) + 1, len(out))


FORMATS = {
    one.name: one
    for one in (
        Format("png", "image/png", lambda: image("PNG"), "sample1.png"),
        Format("jpeg", "image/jpeg", lambda: image("JPEG"), "no_manifest.jpg"),
        Format("webp", "image/webp", lambda: image("WEBP", lossless=True), "sample1.webp"),
        Format("gif", "image/gif", lambda: image("GIF"), "sample1.gif"),
        Format("tiff", "image/tiff", lambda: image("TIFF"), "test.tiff"),
        Format("avif", "image/avif", lambda: still(b"avif"), "sample1.avif"),
        Format("heic", "image/heic", lambda: still(b"heic"), "sample1.heic"),
        Format("heif", "image/heif", lambda: still(b"mif1"), "sample1.heif"),
        Format("jxl", "image/jxl", jxl, "sample1.jxl"),
        Format("svg", "image/svg+xml", svg, "sample1.svg"),
        Format("wav", "audio/wav", wav, "sample1.wav"),
        Format("mp3", "audio/mpeg", mp3, "sample1.mp3"),
        Format("m4a", "audio/mp4", lambda: movie(b"M4A "), None),
        Format("flac", "audio/flac", flac, "sample1.flac"),
        Format("mp4", "video/mp4", lambda: movie(b"mp42"), "video1_no_manifest.mp4"),
        Format("mov", "video/quicktime", lambda: movie(b"qt  "), "c.mov"),
        Format("avi", "video/x-msvideo", avi, "test.avi"),
        Format("pdf", "application/pdf", pdf, "basic.pdf"),
    )
}
