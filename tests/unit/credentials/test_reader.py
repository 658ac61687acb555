"""Reading: four axes for good, changed, stripped, foreign and hostile files, and never a raise."""

import http.server
import io
import json
import os
import pickle
import random
import threading
from dataclasses import replace
from pathlib import Path

import c2pa
import pytest
from PIL import Image

from provenance.credentials import (
    ReadingOptions,
    edited_manifest,
    load_signer,
    load_trust_anchors,
    parent_ingredient,
    read_credential,
    read_credential_bytes,
    sign_bytes,
    sign_file,
)
from provenance.credentials.engine import context
from provenance.credentials.keys import certificates
from provenance.credentials.reading import examination, opening
from provenance.files import write_atomic

CHUNK_HEADER = 8


def chunks(png):
    """Yield (type, start, end) of the chunks of a PNG."""
    at = CHUNK_HEADER
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        end = at + 12 + length
        yield png[at + 4 : at + 8], at, end
        at = end


def axes(credential):
    return credential.integrity, credential.signer, credential.time, credential.ancestors


# --- our own files -------------------------------------------------------------------------------


def test_a_signed_file_is_trusted(signed, anchors):
    credential = read_credential(signed, "image/png", anchors)
    assert axes(credential) == ("ok", "trusted", "none", "none")
    assert credential.library.state == "Trusted"
    assert credential.source_type == "trainedAlgorithmicMedia"
    assert credential.statements.title == "a.png"
    assert "Development CA" in credential.conclusion
    json.dumps(credential.to_json(), allow_nan=False)


def test_every_flipped_pixel_bit_is_found(signed, anchors):
    data = signed.read_bytes()
    ((_, start, end),) = [chunk for chunk in chunks(data) if chunk[0] == b"IDAT"]
    for position in range(start + CHUNK_HEADER, end, 97):
        changed = bytearray(data)
        changed[position] ^= 1 << (position % 8)
        signed.write_bytes(changed)
        credential = read_credential(signed, None, anchors)
        assert credential.integrity == "failed", position
        assert "assertion.dataHash.mismatch" in credential.conclusion


def test_a_stripped_manifest_is_no_credential(signed, anchors, png):
    data = signed.read_bytes()
    ((_, start, end),) = [chunk for chunk in chunks(data) if chunk[0] == b"caBX"]
    signed.write_bytes(data[:start] + data[end:])
    assert signed.read_bytes() == png
    credential = read_credential(signed, None, anchors)
    assert axes(credential) == ("none",) * 4
    assert not credential.is_present


def test_saving_anew_strips(signed, anchors):
    image = Image.open(io.BytesIO(signed.read_bytes()))
    image.save(signed, "PNG")
    assert read_credential(signed, None, anchors).integrity == "none"


def test_nobody_trusted_is_untrusted_and_never_tampered(signed, nobody):
    credential = read_credential(signed, None, nobody)
    assert axes(credential) == ("ok", "untrusted", "none", "none")
    assert "tamper" not in json.dumps(credential.to_json()).lower()


def test_a_manifest_moved_to_other_pixels_fails(signed, anchors, png, manifest, signer):
    other = sign_bytes(png[:-20] + b"\x00" + png[-19:], "image/png", manifest, signer)
    mine = signed.read_bytes()
    ((_, start, end),) = [chunk for chunk in chunks(mine) if chunk[0] == b"caBX"]
    ((_, other_start, other_end),) = [c for c in chunks(other) if c[0] == b"caBX"]
    signed.write_bytes(mine[:start] + other[other_start:other_end] + mine[end:])
    assert read_credential(signed, None, anchors).integrity == "failed"


def test_a_truncated_signed_file_is_not_without_credential(signed, anchors):
    data = signed.read_bytes()
    ((_, start, _),) = [chunk for chunk in chunks(data) if chunk[0] == b"IDAT"]
    signed.write_bytes(data[: start + 100])
    assert read_credential(signed, None, anchors).integrity == "failed"


def test_laundering_a_changed_parent_shows_in_the_ancestors(signed, tmp_path, signer, anchors):
    changed = bytearray(signed.read_bytes())
    changed[-30] ^= 1
    edit = edited_manifest(title="e", source_type="trainedAlgorithmicMedia", generator="g")
    out = tmp_path / "laundered.png"
    parent = parent_ingredient("a.png")
    out.write_bytes(sign_bytes(bytes(changed), "image/png", edit, signer, parent=parent))
    credential = read_credential(out, None, anchors)
    assert credential.library.state == "Trusted"  # so the state alone would have hidden it
    assert axes(credential) == ("ok", "trusted", "none", "failed")
    assert credential.is_broken
    assert credential.origin is None  # a broken parent has no say


def test_an_issuer_is_named_only_where_trusted(tmp_path, png, manifest, monkeypatch, nobody):
    monkeypatch.setattr(certificates, "ORGANISATION", "Adobe Inc.")
    root = certificates.make_root()
    leaf = certificates.make_leaf(root)
    write_atomic(tmp_path / "leaf.pem", leaf.to_pem(root.certificate), mode=0o600)
    path = tmp_path / "a.png"
    path.write_bytes(
        sign_bytes(
            png, "image/png", manifest, load_signer("pem", {"key": str(tmp_path / "leaf.pem")})
        )
    )
    credential = read_credential(path, None, nobody)
    assert credential.statements.claimed_issuer == "Adobe Inc."
    assert "Adobe" not in credential.conclusion


def test_details_are_kept_only_where_asked_for(signed, anchors):
    assert read_credential(signed, None, anchors).details is None
    detailed = read_credential(signed, None, anchors, options=ReadingOptions(detailed=True))
    assert detailed.details.store["validation_state"] == "Trusted"
    assert detailed.details.tree.condition == "ok"
    assert len(detailed.details.certificates) == 1
    assert pickle.loads(pickle.dumps(detailed)) == detailed  # crosses processes
    assert replace(detailed, details=None) == read_credential(signed, None, anchors)


def test_bytes_are_read_as_the_file_is(signed, anchors):
    data = signed.read_bytes()
    assert read_credential_bytes(data, None, anchors) == read_credential(signed, None, anchors)
    assert read_credential_bytes(data[:-1], None, anchors).integrity == "failed"


def test_a_root_of_time_stamps_does_not_vouch_for_signers(signed, anchors):
    own = Path(anchors.lists[0].source)
    trust = load_trust_anchors([], [own])
    assert trust.time
    assert read_credential(signed, None, trust).signer == "untrusted"
    # the library alone would have believed it
    with signed.open("rb") as stream:
        store = c2pa.Reader("image/png", stream, context=context((), trust.time))
        assert store.get_validation_state() == "Trusted"


def test_what_a_hostile_file_says_is_kept_as_text(tmp_path, png, manifest, signer, anchors):
    title = "<script>alert(1)</script>\x1b[2J\u202egnp.exe\n"
    manifest["title"] = title
    path = tmp_path / "a.png"
    path.write_bytes(sign_bytes(png, "image/png", manifest, signer))
    credential = read_credential(path, None, anchors)
    assert credential.statements.title == title
    assert title not in credential.conclusion


# --- formats -------------------------------------------------------------------------------------

CARRIERS = [
    *("sample1.png", "no_manifest.jpg", "sample1.webp", "sample1.gif", "test.tiff", "TUSCANY.TIF"),
    *("sample1.avif", "sample1.heic", "sample1.heif", "sample1.jxl", "sample1.svg", "sample1.wav"),
    *("sample1.mp3", "sample1.flac", "video1_no_manifest.mp4", "c.mov", "test.avi", "basic.pdf"),
]


@pytest.mark.parametrize("name", CARRIERS)
def test_a_format_is_told_by_its_content(c2pa_data, tmp_path, manifest, signer, anchors, name):
    """Neither a misleading name nor a wrong type from the caller hides a credential."""
    path = tmp_path / name
    sign_file(c2pa_data / "fixtures" / name, path, manifest, signer)
    expected = ("ok", "trusted", "none", "none")
    assert axes(read_credential(path, None, anchors)) == expected
    data = path.read_bytes()
    assert axes(read_credential_bytes(data, None, anchors)) == expected
    for misleading in ("x", "x.txt", "x.png", "x.jpg", "x.mp4", "x.c2pa"):
        path = path.rename(tmp_path / misleading)
        assert axes(read_credential(path, None, anchors)) == expected, misleading
    for wrong in ("image/png", "text/plain", "application/octet-stream", "nonsense"):
        assert axes(read_credential_bytes(data, wrong, anchors)) == expected, wrong


@pytest.mark.parametrize(
    ("head", "media_type", "name", "hint"),
    [
        (b"PK\x03\x04", None, "a.docx", "docx"),
        (b"PK\x03\x04", None, "a.EPUB", "epub"),
        (b"PK\x03\x04", None, "a.exe", "application/zip"),
        (b"PK\x03\x04", "application/zip", "a.odt", "odt"),
        (b"<!-- " + b"x" * 4091, None, "a.svg", "image/svg+xml"),
        (b"<!-- " + b"x" * 4091, None, "a.txt", "text/plain"),
        (b"\x00\x00\x00\x08wide\x00", None, "a.mov", "video/quicktime"),
        (b"\x00\x01\x02\x03", None, "a.png", "application/octet-stream"),
        (b"", "image/png", "a.jpg", "image/png"),
    ],
)
def test_names_are_believed_only_where_content_says_too_little(head, media_type, name, hint):
    assert opening.media_hint(head, media_type, name) == hint


# --- hostile files and odd paths -----------------------------------------------------------------


def test_mutations_never_raise_and_changed_content_is_never_trusted(signed, anchors):
    data = signed.read_bytes()
    ((_, start, end),) = [chunk for chunk in chunks(data) if chunk[0] == b"caBX"]
    rng = random.Random(0)
    for _ in range(300):
        changed = bytearray(data)
        position = rng.randrange(len(data))
        changed[position] ^= 1 << rng.randrange(8)
        if rng.random() < 0.3:
            del changed[rng.randrange(len(data)) :]
        signed.write_bytes(changed)
        credential = read_credential(signed, None, anchors)
        if changed[:start] != data[:start] or changed[end:] != data[end:]:
            assert (credential.integrity, credential.signer) != ("ok", "trusted")


@pytest.mark.parametrize("name", ["no_manifest.jpg", "sample1.wav", "sample1.avif", "basic.pdf"])
def test_mutations_of_other_formats_never_raise(
    c2pa_data, tmp_path, manifest, signer, anchors, name
):
    path = tmp_path / name
    sign_file(c2pa_data / "fixtures" / name, path, manifest, signer)
    data, rng = path.read_bytes(), random.Random(0)
    found = set()
    for _ in range(60):
        changed = bytearray(data)
        for _ in range(rng.choice([1, 5, 50])):
            changed[rng.randrange(len(data))] = rng.randrange(256)
        if rng.random() < 0.3:
            del changed[rng.randrange(len(data)) :]
        path.write_bytes(changed)
        found.add(read_credential(path, None, anchors).integrity)
    assert "failed" in found


@pytest.mark.parametrize(
    "error", [RecursionError("deep"), ValueError("JSON"), AttributeError("list"), TypeError("x")]
)
def test_a_malformed_report_is_a_damaged_credential(signed, anchors, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(examination, "_judge", fail)
    credential = read_credential(signed, None, anchors)
    assert credential.integrity == "failed"
    assert credential.is_present


@pytest.mark.parametrize("store", [{}, {"manifests": {}}, {"validation_results": None}])
def test_a_report_without_results_is_no_success(signed, anchors, monkeypatch, store):
    monkeypatch.setattr(c2pa.Reader, "json", lambda _: json.dumps(store))
    assert read_credential(signed, None, anchors).integrity == "failed"


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "empty", "device"])
def test_odd_paths_are_answers_too(tmp_path, nobody, kind):
    path = tmp_path / "x"
    make = {
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "empty": path.touch,
        "device": lambda: path.symlink_to("/dev/zero"),
    }
    make.get(kind, lambda: None)()
    credential = read_credential(path, None, nobody)
    assert credential.integrity == "none"
    assert credential.error
    assert "examined" in credential.conclusion


def test_a_file_beyond_the_limit_is_not_read(tmp_path, nobody, monkeypatch):
    path = tmp_path / "x.png"
    with path.open("wb") as stream:
        stream.truncate(opening.MAX_FILE_BYTES + 1)  # sparse: takes no disk
    assert "exceeds" in read_credential(path, None, nobody).error


def test_a_named_server_is_never_asked(tmp_path, png, manifest, signer, anchors):
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/m.c2pa"
        with c2pa.Builder(manifest, context()) as builder:
            builder.set_no_embed()
            builder.set_remote_url(url)
            out = io.BytesIO()
            builder.sign(signer.native(), "image/png", io.BytesIO(png), out)
        path = tmp_path / "a.png"
        path.write_bytes(out.getvalue())
        credential = read_credential(path, None, anchors)
        server.shutdown()
    assert credential.remote_url == url
    assert axes(credential) == ("none",) * 4
    assert asked == []
