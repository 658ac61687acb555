"""Images: the same pixels as Pillow's, refusal of what is incomplete or too large, silence."""

import struct
import subprocess
import sys
import time
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, features

from provenance.errors import UnreadableError
from provenance.media import ImageLimits, decode_image, encode_jpeg, encode_png, thumbnail
from provenance.media.image import _DecoderError, _with_pillow
from provenance.media.structure import bare_png, read_structure

NAMES = (
    "rgb.png", "grey.png", "grey-alpha.png", "alpha.png", "palette.png", "palette-transparent.png",
    "bits.png", "animated.png", "rgb.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg",
    "exif-rotated.jpg", "two-pictures.jpg", "lossy.webp", "alpha.webp", "animated.webp",
    "animated.gif", "transparent.gif", "rgb.bmp", "rgb.tiff", "alpha.tiff", "cmyk.tiff",
    "lzw.tiff", "rgb.jp2",
)  # fmt: skip


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width, height, data, *extra):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*piece) for piece in chunks)


def test_the_table_is_complete(forms):
    assert set(NAMES) == set(forms)


@pytest.mark.parametrize("name", NAMES)
def test_pixels_are_those_of_pillow(forms, name):
    """Colours as stored: alpha dropped, no EXIF rotation, first frame; CMYK may round by one."""
    pixels = decode_image(forms[name])
    with Image.open(BytesIO(forms[name])) as image:
        expected = np.asarray(image.convert("RGB"))
    assert pixels.dtype == np.uint8
    assert pixels.shape == expected.shape == (48, 64, 3)
    assert np.abs(pixels.astype(int) - expected).max() <= (1 if "cmyk" in name else 0)


@pytest.mark.skipif(not features.check("avif"), reason="Pillow was built without AVIF")
def test_avif():
    stream = BytesIO()
    Image.new("RGB", (32, 24), (200, 40, 90)).save(stream, "AVIF", quality=90)
    pixels = decode_image(stream.getvalue())
    assert pixels.shape == (24, 32, 3)
    assert np.abs(pixels.astype(int).mean((0, 1)) - (200, 40, 90)).max() < 6


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_keep_their_upper_eight(form):
    grey = (np.arange(1200, dtype=np.uint16) * 54).reshape(30, 40)
    stream = BytesIO()
    Image.fromarray(grey).save(stream, form)
    pixels = decode_image(stream.getvalue())
    assert np.abs(pixels.astype(int) - (grey >> 8)[..., None]).max() <= 1


def test_an_adobe_cmyk_jpeg_is_not_a_negative():
    stream = BytesIO()
    Image.new("RGB", (32, 32), (220, 30, 30)).convert("CMYK").save(stream, "JPEG", quality=95)
    assert b"Adobe" in stream.getvalue()
    red, green, blue = decode_image(stream.getvalue()).reshape(-1, 3).mean(0)
    assert red > 200
    assert max(green, blue) < 60


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("part", [0.2, 0.5, 0.8])
def test_truncated_files_are_errors_not_grey(forms, name, part):
    if name in ("animated.gif", "two-pictures.jpg") and part == 0.8:
        pytest.skip("what is cut off belongs to the second picture")
    data = forms[name]
    with pytest.raises(UnreadableError):
        decode_image(data[: int(len(data) * part)])


@pytest.mark.parametrize("name", ["rgb.png", "rgb.jpg", "lossy.webp"])
def test_even_the_last_bytes_are_needed(forms, name):
    with pytest.raises(UnreadableError, match="truncated"):
        decode_image(forms[name][:-2])


def test_the_thumbnail_inside_does_not_end_the_picture_outside(forms):
    """An EXIF thumbnail is a whole JPEG with an EOI of its own."""
    inner, outer = forms["grey.jpg"], forms["rgb.jpg"]
    segment = b"\xff\xe1" + struct.pack(">H", len(inner) + 8) + b"Exif\0\0" + inner
    whole = outer[:2] + segment + outer[2:]
    assert decode_image(whole).shape == (48, 64, 3)
    with pytest.raises(UnreadableError, match="truncated"):
        decode_image(whole[: 2 + len(segment) + len(outer) // 2])


@pytest.mark.parametrize("name", ["rgb.png", "rgb.jpg", "progressive.jpg"])
def test_bytes_after_the_end_do_not_matter(forms, name):
    expected = decode_image(forms[name])
    assert np.array_equal(decode_image(forms[name] + b"appended \xff\xd8 bytes" * 99), expected)


def test_a_jpeg_closed_too_early_is_an_error(forms):
    """Structurally whole; libjpeg fills with grey, and says so only on stderr."""
    stream = BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    Image.fromarray(noise).save(stream, "JPEG")
    data = stream.getvalue()
    with pytest.raises(UnreadableError, match="missing"):
        decode_image(data[: len(data) // 2] + b"\xff\xd9")


def test_a_png_with_too_few_rows_is_an_error():
    rows = zlib.compress(bytes(20 * 31))
    with pytest.raises(UnreadableError):
        decode_image(png_of(10, 40, rows))


def test_fill_bytes_and_restart_markers_are_walked_over(forms):
    stream = BytesIO()
    Image.open(BytesIO(forms["rgb.jpg"])).save(stream, "JPEG", restart_marker_blocks=2)
    data = stream.getvalue()
    assert b"\xff\xd0" in data
    assert read_structure(data[:2] + b"\xff\xff\xff" + data[2:]) == (64, 48)


def test_only_the_pixels_of_a_png_reach_the_decoder(forms):
    bare = bare_png(forms["animated.png"])
    assert b"acTL" not in bare
    assert np.array_equal(decode_image(bare), decode_image(forms["animated.png"]))


def test_damaged_animation_chunks_never_reach_opencv(forms):
    """OpenCV 5.0.0 ends with a segmentation fault on this file when it is given all of it."""
    damaged = forms["animated.png"].replace(b"fcTL", b"fcSL", 1).replace(b"fdAT", b"fd\xffT")
    assert np.array_equal(decode_image(damaged), decode_image(forms["animated.png"]))


HUGE = {
    "png": png_of(60_000, 60_000, zlib.compress(bytes(1 << 20))),
    "jpeg": b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03" + bytes(9)
    + b"\xff\xda\0\x02\xff\xd9",
    "gif": b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0x80, 0, 0) + bytes(6)
    + b"\x2c" + struct.pack("<HHHHB", 0, 0, 65_535, 65_535, 0) + b"\x02\x02\x4c\x01\x00\x3b",
    "gif-frame": b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6)
    + b"\x2c" + struct.pack("<HHHHB", 0, 0, 65_535, 65_535, 0) + b"\x02\x02\x4c\x01\x00\x3b",
    "webp": b"RIFF\x36\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(4) + b"\xff\x3f\0\xff\x3f\0" + bytes(32),
    "webp-lossless": b"RIFF\x2e\0\0\0WEBPVP8L\x20\0\0\0\x2f\xff\xff\xff\x0f" + bytes(29),
    "bmp": b"BM" + bytes(12) + struct.pack("<IiiHHIIiiII", 40, 60_000, 60_000, 1, 24, *[0] * 6),
    "tiff": b"II*\0\x08\0\0\0\x05\0" + b"".join(
        struct.pack("<HHII", tag, 4, 1, value)
        for tag, value in ((256, 60_000), (257, 60_000), (262, 1), (273, 8), (279, 8))
    ) + bytes(4),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(HUGE))
def test_declared_sizes_are_refused_at_once(name):
    start = time.perf_counter()
    with pytest.raises(UnreadableError, match="pixels, over the limit"):
        decode_image(HUGE[name])
    assert time.perf_counter() - start < 1.0


def test_a_jpeg_of_countless_segments_is_given_up_on():
    with pytest.raises(UnreadableError, match="JPEG of more than 200,000 segments"):
        decode_image(b"\xff\xd8\xff\xe0\0\x02" + b"\xff\xfe\0\x02" * 200_001 + b"\xff\xd9")


def test_pillow_is_asked_only_for_formats_that_are_expected():
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    for data in (eps, b"P6 1 1 255 abc"):  # EPS would start Ghostscript
        with pytest.raises(_DecoderError, match="cannot identify"):
            _with_pillow(data)


def test_limits_can_be_set(forms):
    with pytest.raises(UnreadableError, match="64 x 48"):
        decode_image(forms["rgb.png"], ImageLimits(max_pixels=1_000))
    with pytest.raises(UnreadableError, match="bytes are over"):
        decode_image(forms["rgb.png"], ImageLimits(max_bytes=20))


@pytest.mark.parametrize("name", ["sample1.heic", "sample1.heif", "sample1.jxl", "sample1.svg"])
def test_formats_without_a_decoder_are_named(shared_data, name):
    with pytest.raises(UnreadableError, match="cannot be decoded by this version"):
        decode_image((shared_data / "c2pa" / "fixtures" / name).read_bytes())


def test_every_other_fixture_decodes(shared_data):
    suffixes = {".jpg", ".png", ".gif", ".webp", ".avif", ".tif"}
    for path in (shared_data / "c2pa" / "fixtures").iterdir():
        if path.suffix.lower() in suffixes:
            assert decode_image(path.read_bytes()).ndim == 3, path.name


def test_decoders_are_silent_and_other_lines_are_not(tmp_path, forms):
    """What libpng, libjpeg, libtiff and OpenCV print on damage goes nowhere."""
    for name in ("rgb.png", "rgb.jpg", "lzw.tiff", "animated.gif", "lossy.webp"):
        data = bytearray(forms[name])
        data[len(data) // 2 : len(data) // 2 + 8] = b"\xff\x00damage"
        (tmp_path / name).write_bytes(bytes(data))
    code = """if True:
        import pathlib, sys
        from provenance.errors import UnreadableError
        from provenance.media import decode_image
        for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
            try: decode_image(path.read_bytes())
            except UnreadableError: pass
        from provenance.media.quiet import decoder_messages
        import os
        with decoder_messages() as caught:
            os.write(2, b"libpng error: heard\\nsomebody else's line\\n")
        assert caught == ["libpng error: heard"], caught
    """
    command = [sys.executable, "-c", code, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "somebody else's line\n")


def test_png_round_trip_and_size_independent_of_content():
    smooth = np.zeros((40, 50, 3), np.uint8)
    noise = np.random.default_rng(1).integers(0, 255, smooth.shape, np.uint8)
    assert np.array_equal(decode_image(encode_png(noise)), noise)
    assert len(encode_png(smooth)) == len(encode_png(noise))


@pytest.mark.parametrize(
    ("shape", "size"), [((300, 600), (64, 128)), ((1, 9000), (1, 128)), ((5, 7), (5, 7))]
)
def test_thumbnails_fit_and_never_enlarge(shape, size):
    small = decode_image(thumbnail(np.full((*shape, 3), 90, np.uint8)))
    assert small.shape[:2] == size


def test_jpeg_round_trip_keeps_the_channel_order():
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 255
    assert decode_image(encode_jpeg(red))[0, 0, 0] > 240
