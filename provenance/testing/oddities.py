"""A folder of files that break scanners: truncated, hostile, huge, unreadable, oddly named.

Everything is made in code, so that nothing odd lies in the repository.
"""

import os
import socket
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE_PX = 96
_BOMB_BYTES = 200 << 20


def odd_media(folder: Path) -> dict[str, str]:
    """Write the folder, and say what a scan must report of each file.

    Args:
        folder: Made when missing; should be empty.

    Returns:
        By path relative to ``folder``: a part of the error that the file's row must carry, or ""
        for a file that is odd but can be read. What the file system refuses to make, or the system
        lets this user read all the same (root reads anything), is left out or promised readable.

    Example:
        >>> import tempfile
        >>> promises = odd_media(Path(tempfile.mkdtemp()))
        >>> promises["empty.png"]
        'empty'
    """
    folder.mkdir(parents=True, exist_ok=True)
    promises: dict[str, str] = {}
    for name, (data, error) in _contents().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        promises[name] = error
    for make in (_links, _pipes, _not_permitted, _undecodable_name):
        promises |= make(folder)
    return promises


def _contents() -> dict[str, tuple[bytes, str]]:
    """Return names, contents and expected errors of what is an ordinary file."""
    picture = _picture()
    png, jpeg = _saved(picture, "PNG"), _saved(picture, "JPEG", quality=90)
    return {
        "ordinary.png": (png, ""),
        "ordinary.jpg": (jpeg, ""),
        "truncated.png": (png[: len(png) // 2], "truncated"),
        "truncated.jpg": (jpeg[: len(jpeg) // 2], "truncated"),
        "truncated-with-thumbnail.jpg": (_with_thumbnail(picture, cut=True), "truncated"),
        "missing-middle.jpg": (jpeg[: len(jpeg) // 2] + b"\xff\xd9", "missing"),
        "trailing-bytes.jpg": (jpeg + b"after the picture " * 8, ""),
        "empty.png": (b"", "empty"),
        "text.jpg": (b"This is a text, whatever its name says.\n", ""),
        "one-pixel.png": (_saved(picture.resize((1, 1)), "PNG"), ""),
        "sixteen-bit.png": (_sixteen_bit_png(), ""),
        "palette.png": (_saved(picture.convert("P"), "PNG"), ""),
        "transparent.png": (_saved(_transparent(picture), "PNG"), ""),
        "grey.png": (_saved(picture.convert("L"), "PNG"), ""),
        "cmyk.jpg": (_saved(picture.convert("CMYK"), "JPEG", quality=90), ""),
        "exif-rotated.jpg": (_rotated(picture), ""),
        "animated.gif": (_animated(picture, "GIF"), ""),
        "animated.webp": (_animated(picture, "WEBP"), ""),
        "animation-that-ends-opencv.png": (
            _deadly_animation(picture),
            "credential could not be examined",
        ),
        "declares-60000-x-60000.png": (_declared_png(60_000), "60000 x 60000"),
        "declares-65535-x-65535.gif": (_declared_gif(65_535), "65535 x 65535"),
        "declares-16384-x-16384.webp": (_declared_webp(16_384), "16384 x 16384"),
        "bomb-in-text-chunk.png": (_bomb_png(), ""),
        "deep-zlib-bomb.png": (_idat_bomb_png(), ""),
        "random.jpg": (b"\xff\xd8\xff" + bytes(range(256)) * 8, "JPEG ends"),
        "silence.wav": (_silence(), ""),
        ".hidden.png": (png, ""),
        "line\nbreak.png": (png, ""),
        "<script>alert(1)<\\script>.png": (png, ""),
        "=cmd|' 'A0.png": (png, ""),
        "right-to-left-\u202egnp.exe.png": (png, ""),
        "escape-\x1b[2J.png": (png, ""),
        "a/b/c/d/e/f/g/deep.png": (png, ""),
    }


def _picture() -> "Image":
    """Return a smooth RGB picture: gradients and a disc."""
    import numpy as np
    from PIL import Image

    y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX].astype(np.float32) / SIDE_PX
    disc = ((x - 0.5) ** 2 + (y - 0.4) ** 2 < 0.06).astype(np.float32)
    channels = np.stack([x, 1.0 - y, 0.3 + 0.6 * disc], axis=-1)  # (H, W, 3)
    return Image.fromarray((255 * channels).clip(0, 255).astype(np.uint8))


def _saved(picture: "Image", form: str, **options: Any) -> bytes:
    stream = BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def _transparent(picture: "Image") -> "Image":
    from PIL import Image

    result = picture.convert("RGBA")
    result.putalpha(Image.linear_gradient("L").resize(picture.size))
    return result


def _rotated(picture: "Image") -> bytes:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees to show
    return _saved(picture.resize((SIDE_PX, SIDE_PX // 2)), "JPEG", exif=exif)


def _with_thumbnail(picture: "Image", *, cut: bool) -> bytes:
    """Return a JPEG with a whole JPEG, EOI and all, inside its EXIF."""
    thumbnail = _saved(picture.resize((16, 16)), "JPEG")
    segment = b"Exif\0\0" + thumbnail
    marker = b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment
    jpeg = _saved(picture, "JPEG", quality=90)
    whole = jpeg[:2] + marker + jpeg[2:]
    return whole[: len(whole) - len(jpeg) // 2] if cut else whole


def _animated(picture: "Image", form: str) -> bytes:
    frames = [picture.rotate(angle) for angle in (90, 180)]
    return _saved(picture, form, save_all=True, append_images=frames, duration=80)


def _deadly_animation(picture: "Image") -> bytes:
    """Return an animated PNG, damaged so that OpenCV 5.0.0 ends with a segmentation fault."""
    animation = _animated(picture.resize((8, 8)), "PNG")
    return animation.replace(b"fcTL", b"fcSL", 1).replace(b"fdAT", b"fd\xffT")


def _sixteen_bit_png() -> bytes:
    rows = b"".join(
        b"\0" + b"".join(struct.pack(">HHH", x * 600, y * 600, 30_000) for x in range(SIDE_PX))
        for y in range(SIDE_PX)
    )
    return _png(SIDE_PX, SIDE_PX, rows, depth=16)


def _declared_png(side_px: int) -> bytes:
    return _png(side_px, side_px, bytes(1 << 20))


def _declared_gif(side_px: int) -> bytes:
    """Return a GIF whose screen and only frame are huge; its pixels are a few bytes."""
    screen = struct.pack("<HHBBB", side_px, side_px, 0xF0, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, side_px, side_px, 0)
    return b"GIF89a" + screen + frame + b"\x02\x02\x4c\x01\x00\x3b"


def _declared_webp(side_px: int) -> bytes:
    canvas = struct.pack("<I", side_px - 1)[:3] * 2
    chunk = b"VP8X" + struct.pack("<I", 10) + bytes(4) + canvas
    body = b"WEBP" + chunk + bytes(32)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _bomb_png() -> bytes:
    """Return a small picture beside a text chunk that inflates to hundreds of MiB."""
    text = b"Comment\0\0" + _zeros(_BOMB_BYTES)
    return _png(8, 8, bytes(8 * 25), extra=(b"zTXt", text))


def _idat_bomb_png() -> bytes:
    """Return a picture whose pixel data inflate to far more than its 8 x 8 pixels need."""
    header = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", _zeros(_BOMB_BYTES)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _zeros(count: int) -> bytes:
    """Return ``count`` zero bytes, deflated piece by piece."""
    deflater, piece = zlib.compressobj(9), bytes(1 << 20)
    pieces = [deflater.compress(piece) for _ in range(count >> 20)]
    return b"".join(pieces) + deflater.flush()


def _png(
    width: int,
    height: int,
    rows: bytes,
    *,
    depth: int = 8,
    extra: tuple[bytes, bytes] | None = None,
) -> bytes:
    """Build an RGB PNG of filtered ``rows``, with one more chunk before them."""
    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), *([extra] if extra else []), (b"IDAT", zlib.compress(rows))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in (*chunks, (b"IEND", b"")))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _silence() -> bytes:
    samples = bytes(16_000)
    form = struct.pack("<HHIIHH", 1, 1, 8_000, 16_000, 2, 16)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form
    body += b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(body)) + body


# --- what is no ordinary file ---------------------------------------------------------------------


def _links(folder: Path) -> dict[str, str]:
    (folder / "link-to-file.png").symlink_to("ordinary.png")
    (folder / "link-to-nothing.png").symlink_to("nowhere")
    (folder / "loop").symlink_to(".")
    return dict.fromkeys(("link-to-file.png", "link-to-nothing.png", "loop"), "symbolic link")


def _pipes(folder: Path) -> dict[str, str]:
    os.mkfifo(folder / "pipe.png")
    promises = {"pipe.png": "named pipe"}
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(str(folder / "socket.png"))
        except OSError:  # the path is longer than the 107 bytes that a socket's may have
            return promises
    return promises | {"socket.png": "socket"}


def _not_permitted(folder: Path) -> dict[str, str]:
    secret = folder / "not-permitted.png"
    secret.write_bytes(_saved(_picture(), "PNG"))
    secret.chmod(0)
    closed = folder / "closed-folder"
    closed.mkdir()
    closed.chmod(0)
    promises = {secret.name: "" if os.access(secret, os.R_OK) else "Permission denied"}
    if not os.access(closed, os.R_OK):
        promises[closed.name] = "Permission denied"
    return promises


def _undecodable_name(folder: Path) -> dict[str, str]:
    name = os.fsdecode(b"not-utf8-\xff\xfe.png")
    try:
        (folder / name).write_bytes(_saved(_picture(), "PNG"))
    except OSError:  # some file systems take UTF-8 only
        return {}
    return {name: ""}
