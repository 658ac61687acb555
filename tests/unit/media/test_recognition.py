"""What a file is, told by its content: every format of the shared media, and lookalikes."""

import pytest

from provenance import MediaKind
from provenance.errors import UnreadableError
from provenance.media import recognise, recognise_file

BY_SUFFIX = {
    ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".gif": "image/gif",
    ".webp": "image/webp", ".tif": "image/tiff", ".tiff": "image/tiff", ".avif": "image/avif",
    ".heic": "image/heic", ".heif": "image/heif", ".jxl": "image/jxl", ".svg": "image/svg+xml",
    ".wav": "audio/wav", ".flac": "audio/flac", ".mp3": "audio/mpeg", ".mp4": "video/mp4",
    ".mov": "video/quicktime", ".avi": "video/x-msvideo", ".m4s": "video/mp4",
    ".pdf": "application/pdf", ".zip": "application/zip", ".txt": "text/plain",
    ".json": "text/plain", ".md": "text/plain", ".pem": "text/plain", ".c2pa": None, ".ttf": None,
}  # fmt: skip


@pytest.mark.parametrize("suffix", sorted(BY_SUFFIX))
def test_every_format_of_the_shared_media(shared_data, suffix):
    files = [p for p in shared_data.rglob("*") if p.suffix.lower() == suffix and p.stat().st_size]
    assert files
    for path in files[:40]:
        found = recognise_file(path)
        assert (found and found.media_type) == BY_SUFFIX[suffix], path


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"BM" + bytes(12) + b"\x28\0\0\0", "image/bmp"),
        (b"BMW is a maker of cars, and this is a text.", "text/plain"),
        ("Grüße".encode("utf-16"), "text/plain"),
        (b"\xef\xbb\xbfwith a mark", "text/plain"),
        ("ü".encode() * 2048, "text/plain"),
        (("x" + "ü" * 2048).encode()[:4096], "text/plain"),  # cut inside a character
        (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
        (b"\xff\xfb\x90\x64" + bytes(64), "audio/mpeg"),
        (b"\xff\xf1\x50\x80" + bytes(64), "audio/aac"),
        (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "image/jxl"),
        (b"OggS" + bytes(60), "audio/ogg"),
        (b"\x1aE\xdf\xa3" + bytes(60), "video/x-matroska"),
        (bytes(64), None),
        (b"binary \x00\x01\x02", None),
    ],
)
def test_heads(head, media_type):
    found = recognise(head)
    assert (found and found.media_type) == media_type


def test_kinds_follow_and_containers_have_none():
    assert recognise(b"\x89PNG\r\n\x1a\n").kind is MediaKind.IMAGE
    assert recognise(b"%PDF-1.7").kind is None


def test_empty_and_missing_files_say_so(tmp_path):
    (tmp_path / "empty").touch()
    with pytest.raises(UnreadableError, match="empty"):
        recognise_file(tmp_path / "empty")
    with pytest.raises(UnreadableError, match="No such file"):
        recognise_file(tmp_path / "missing")
