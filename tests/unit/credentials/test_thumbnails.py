"""Pictures in manifest stores: decoded within limits, encoded anew, never passed on as they are."""

import datetime
import io
import json
import zlib

import c2pa
import numpy as np
import pytest

from provenance.credentials import ReadingOptions, read_credential
from provenance.credentials.engine import context
from provenance.credentials.reading import thumbnails
from provenance.media import decode_image, encode_jpeg, encode_png

PNG = "image/png"
WITH_PICTURES = ReadingOptions(detailed=True, thumbnails=True)
JPEG = "public-testfiles/image/jpeg"


@pytest.fixture
def signed_with(tmp_path, png, manifest, signer):
    """Signs a PNG whose manifest holds the given bytes as its thumbnail."""

    def signed_with_(picture, media_type):
        definition = {**manifest, "thumbnail": {"format": media_type, "identifier": "picture"}}
        with c2pa.Builder(json.dumps(definition), context()) as builder:
            builder.add_resource("picture", io.BytesIO(picture))
            out = io.BytesIO()
            builder.sign(signer.native(), PNG, io.BytesIO(png), out)
        path = tmp_path / "file.png"
        path.write_bytes(out.getvalue())
        return path

    return signed_with_


def pictures_of(path, anchors):
    return read_credential(path, None, anchors, options=WITH_PICTURES).details.thumbnails


def chunk(kind, content):
    check = zlib.crc32(kind + content).to_bytes(4, "big")
    return len(content).to_bytes(4, "big") + kind + content + check


def bomb():
    """A PNG of some hundred bytes that declares 900 megapixels."""
    header = (30_000).to_bytes(4, "big") * 2 + bytes((8, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def noise(side_px):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (side_px, side_px, 3), dtype=np.uint8)


@pytest.mark.parametrize(("encode", "media_type"), [(encode_png, PNG), (encode_jpeg, "image/jpeg")])
def test_a_picture_becomes_a_small_jpeg(signed_with, anchors, encode, media_type):
    original = encode(noise(400))
    (picture,) = pictures_of(signed_with(original, media_type), anchors).values()
    assert picture.startswith(b"\xff\xd8\xff")
    assert picture not in original
    assert decode_image(picture).shape == (thumbnails.SIDE_PX, thumbnails.SIDE_PX, 3)


def test_nothing_that_stands_beside_the_pixels_is_passed_on(signed_with, anchors):
    jpeg = encode_jpeg(noise(64))
    words = b"<script>alert(1)</script>"
    comment = b"\xff\xfe" + (len(words) + 2).to_bytes(2, "big") + words
    (picture,) = pictures_of(
        signed_with(jpeg[:2] + comment + jpeg[2:] + words, "image/jpeg"), anchors
    ).values()
    assert words not in picture


@pytest.mark.parametrize(
    ("picture", "media_type"),
    [
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>', "image/svg+xml"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', PNG),
        (b"<!doctype html><script>alert(1)</script>", "image/jpeg"),
        (bomb(), PNG),
        (encode_png(noise(1300)), PNG),  # 5 MB
        (encode_png(np.zeros((2100, 2100, 3), np.uint8), compression=9), PNG),  # 4.4 megapixels
        (encode_jpeg(noise(64))[:300], "image/jpeg"),
        (b"", PNG),
    ],
)
def test_hostile_and_large_pictures_are_left_out(signed_with, anchors, picture, media_type):
    path = signed_with(picture, media_type)
    credential = read_credential(path, None, anchors, options=WITH_PICTURES)
    assert credential.integrity == "ok"
    assert credential.details.tree.thumbnail_uri is not None
    assert credential.details.thumbnails == {}


def test_pictures_are_read_only_where_they_are_asked_for(signed_with, anchors):
    path = signed_with(encode_png(noise(64)), PNG)
    for options in (ReadingOptions(detailed=True), ReadingOptions(thumbnails=True)):
        details = read_credential(path, None, anchors, options=options).details
        assert details is None or details.thumbnails == {}


def test_pictures_of_a_public_file_stand_in_its_tree(c2pa_data, test_roots):
    path = c2pa_data / JPEG / "adobe-20220124-CAIAIIICAICIICAIICICA.jpg"
    details = read_credential(path, None, test_roots, options=WITH_PICTURES).details
    named = {node.thumbnail_uri for node in details.tree.walk()}
    assert len(named) == 13
    assert named <= set(details.thumbnails)
    assert max(map(len, details.thumbnails.values())) < 32 << 10


def test_the_number_of_pictures_is_bounded(c2pa_data, test_roots, monkeypatch):
    monkeypatch.setattr(thumbnails, "MAX_THUMBNAILS", 3)
    path = c2pa_data / JPEG / "adobe-20220124-CAIAIIICAICIICAIICICA.jpg"
    details = read_credential(path, None, test_roots, options=WITH_PICTURES).details
    assert len(details.thumbnails) == 3
    assert details.tree.thumbnail_uri in details.thumbnails


def test_certificates_tell_how_long_they_are_valid(signed_with, anchors):
    path = signed_with(encode_png(noise(64)), PNG)
    details = read_credential(path, None, anchors, options=ReadingOptions(detailed=True)).details
    (certificate,) = details.certificates.values()
    assert "CN=provenance development signer" in certificate.subject
    begin, end = map(
        datetime.datetime.fromisoformat, (certificate.not_before, certificate.not_after)
    )
    assert begin < datetime.datetime.now(datetime.UTC) < end
    assert certificate.algorithm == "es256"
    assert set(certificate.to_json()) == {
        "subject", "issuer", "not_before", "not_after", "algorithm",
    }  # fmt: skip
