"""Stripping: the bytes that were there before, and nothing else touched; hostile files end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import provenance
from provenance.credentials import strip_credential, strip_file
from provenance.credentials.reading.containers import is_bare, jpeg_segments
from provenance.errors import UnreadableError, UserError
from provenance.media import decode_image, encode_jpeg

PNG_HEAD = b"\x89PNG\r\n\x1a\n"
JPEG_HEAD = b"\xff\xd8"


@pytest.fixture(params=["png", "jpeg"])
def plain(request, pixels, png):
    return png if request.param == "png" else encode_jpeg(pixels)


def test_what_we_signed_becomes_what_it_was(plain):
    found = strip_credential(provenance.sign(plain))
    assert found.data == plain
    assert found.n_parts == 1
    assert found.n_bytes == len(provenance.sign(plain)) - len(plain)


def test_an_edit_with_a_large_credential_spans_segments(plain):
    signed = plain
    for _ in range(3):
        data = {"text": "x" * 60_000}
        signed = provenance.sign(signed, assertions=[{"label": "com.example.long", "data": data}])
    assert len(signed) > 180_000
    found = strip_credential(signed)
    assert found.data == plain
    assert (found.n_parts == 1) == plain.startswith(PNG_HEAD)


def test_a_file_without_a_credential_stays(plain):
    found = strip_credential(plain)
    assert (found.data, found.n_parts, found.n_bytes) == (plain, 0, 0)


def test_other_boxes_in_app11_stay(pixels):
    """JPEG XT and other JUMBF use the same marker and the same identifier."""
    header = bytes.fromhex("00000018") + b"jumb" + bytes.fromhex("00000010") + b"jumd" + b"12345678"
    other = b"JP" + bytes.fromhex("0009 00000001") + header
    segment = b"\xff\xeb" + (len(other) + 2).to_bytes(2) + other
    plain = encode_jpeg(pixels)
    plain = plain[:2] + segment + plain[2:]
    signed = provenance.sign(plain)
    assert strip_credential(signed).data == plain


def test_public_files_lose_their_credential_and_nothing_else(c2pa_data):
    paths = sorted((c2pa_data / "public-testfiles" / "image").rglob("*.jp*g"))
    stripped = 0
    for path in paths:
        before = path.read_bytes()
        found = strip_credential(before)
        credential = provenance.verify(found.data, media_type="image/jpeg")
        assert credential.integrity == "none", path.name
        assert len(found.data) == len(before) - found.n_bytes
        pixels = max(stop for _, stop, _ in jpeg_segments(before))
        assert found.data.endswith(before[pixels:]), path.name
        assert (decode_image(found.data) == decode_image(before)).all(), path.name
        stripped += found.n_parts > 0
    assert stripped >= 20


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"words", UserError, "PNG and JPEG only"),
        (b"GIF89a" + bytes(20), UserError, "the content is image/gif"),
        (PNG_HEAD + b"\xff\xff\xff\xffIDAT", UnreadableError, "longer than what is left"),
        (PNG_HEAD + b"\0\0", UnreadableError, "longer than what is left"),
        (JPEG_HEAD + b"\xff\xe0\xff\xff", UnreadableError, "longer than what is left"),
        (JPEG_HEAD + b"\xff\xe0\0\0\0\0", UnreadableError, "longer than what is left"),
        (JPEG_HEAD + b"\xff\xff", UnreadableError, "marker is missing"),
        (JPEG_HEAD + b"\xff\xd0" * 1_000_001, UnreadableError, "more than"),
    ],
)
def test_hostile_files_are_refused(data, error, words):
    with pytest.raises(error, match=words):
        strip_credential(data)


@settings(deadline=None)
@given(st.sampled_from([PNG_HEAD, JPEG_HEAD + b"\xff"]), st.binary(max_size=400))
def test_any_bytes_end_well(head, tail):
    try:
        found = strip_credential(head + tail)
    except (UserError, UnreadableError):
        return
    assert len(found.data) + found.n_bytes == len(head + tail)


def test_a_file_is_never_stripped_onto_itself(tmp_path, plain):
    path = tmp_path / "a"
    path.write_bytes(plain)
    with pytest.raises(UserError, match="source itself"):
        strip_file(path, path)
    with pytest.raises(UserError, match="Cannot write"):
        strip_file(path, path / "below")
    with pytest.raises(UnreadableError, match="No such file"):
        strip_file(tmp_path / "none", tmp_path / "out")


# --- whether a file is bare, told by its structure ------------------------------------------------


def test_a_bare_file_is_told_from_a_signed_one(plain):
    kind = "image/png" if plain.startswith(PNG_HEAD) else "image/jpeg"
    assert is_bare(plain, kind) is True
    assert is_bare(provenance.sign(plain), kind) is None
    assert is_bare(plain[: len(plain) // 4], kind) in (None, True)
    assert is_bare(plain, "image/webp") is None


def test_what_is_called_bare_is_bare_for_the_library_too(c2pa_data):
    """Over all files that people made: a credential is never overlooked."""
    kinds = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
    bare = 0
    for path in sorted(c2pa_data.rglob("*")):
        kind = kinds.get(path.suffix.lower())
        if kind is None or not is_bare(path.read_bytes(), kind):
            continue
        credential = provenance.verify(path.read_bytes(), media_type=kind)
        assert not credential.is_present, path.name
        bare += 1
    assert bare >= 2


def test_a_credential_named_in_xmp_is_not_overlooked(pixels, png):
    address = b'<x dcterms:provenance="http://127.0.0.1/a.c2pa"/>'
    xmp = b"http://ns.adobe.com/xap/1.0/\0" + address
    jpeg = encode_jpeg(pixels)
    segment = b"\xff\xe1" + (len(xmp) + 2).to_bytes(2) + xmp
    assert is_bare(jpeg[:2] + segment + jpeg[2:], "image/jpeg") is None
    text = b"XML:com.adobe.xmp\0\0\0\0\0" + address
    chunk = len(text).to_bytes(4) + b"iTXt" + text + bytes(4)
    assert is_bare(png[:33] + chunk + png[33:], "image/png") is None
    assert is_bare(png + b"more", "image/png") is None


JPEG_HEAD = b"\xff\xd8\xff\xe0\x00\x04ab"
CREDENTIAL = b"\xff\xeb\x00\x06JPxx"
PIXELS = b"\xff\xda\x00\x02\xff\xd9"


@pytest.mark.parametrize("between", [b"\x00", b"\xff", b"\xff\x00", b"\xff\x0e\x10\x00", b"junk"])
def test_a_jpeg_with_bytes_between_its_segments_is_not_called_bare(between):
    assert is_bare(JPEG_HEAD + PIXELS, "image/jpeg")
    assert not is_bare(JPEG_HEAD + CREDENTIAL + PIXELS, "image/jpeg")
    for data in (JPEG_HEAD + between + PIXELS, JPEG_HEAD + between + CREDENTIAL + PIXELS):
        assert not is_bare(data, "image/jpeg")  # the library looks at it


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("rest", [b"", bytes(5000), b"\xff" * 5000, b"\xff\x00" * 5000, b"\xff"])
def test_a_jpeg_that_just_ends_is_damaged(rest, strict):
    from itertools import islice

    with pytest.raises(UnreadableError):
        list(islice(jpeg_segments(JPEG_HEAD + rest, strict=strict), 10))
