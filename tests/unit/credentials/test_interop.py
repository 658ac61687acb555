"""An independent engine and ours, on what we sign in every manner and on the files of others.

The engine is encypher-c2pa, which shares no code with c2pa-rs. It must work without a socket, and
so must ours: the last tests take the right to open one away.
"""

import io
import json
import subprocess
import sys
from pathlib import Path

import c2pa
import pytest
from carriers import FORMATS

from provenance.credentials import (
    edited_manifest,
    parent_ingredient,
    read_credential,
    sign_bytes,
)
from provenance.credentials.engine import context, settings
from provenance.media import recognise_file

HERE = Path(__file__).parent
# Bytes outside the manifest depend on its length (a size of RIFF, of an ID3 tag, of a TIFF or PDF
# table), so the hash of the first manifest cannot survive a longer store. The library writes such
# updates all the same, and then calls them invalid; of SVG it does not, but the other engine does.
NOT_UPDATABLE = {"webp", "tiff", "svg", "wav", "mp3", "flac", "avi", "pdf"}
UPDATABLE = [name for name in FORMATS if name not in NOT_UPDATABLE]
# the library rewrites these even where the manifest goes elsewhere: an empty ID3 tag, a new table
REWRITTEN = {"mp3", "flac", "pdf"}
SPEC_VERSION = {"name": "provenance", "version": "1", "specVersion": "2.4"}


@pytest.fixture
def agree(tmp_path, anchors, independent):
    """Assert that both engines accept the bytes, and return our credential."""

    def agree_(data, media_type, **more):
        path = tmp_path / "file"
        path.write_bytes(data)
        ours, theirs = read_credential(path, None, anchors), independent(data, media_type, **more)
        assert theirs["validation_results"]["failure"] == []
        assert (theirs["integrity"], theirs["validation_state"]) == ("valid", "Trusted")
        assert (ours.integrity, ours.signer) == ("ok", "trusted")
        return ours

    return agree_


def edit(data, media_type, signer, title="edited"):
    manifest = edited_manifest(title=title, source_type="trainedAlgorithmicMedia", generator="g")
    return sign_bytes(data, media_type, manifest, signer, parent=parent_ingredient("before"))


def update(data, media_type, signer):
    """Return the file with an update manifest: new words, the same content."""
    builder = c2pa.Builder({"claim_generator_info": [SPEC_VERSION]}, context())
    with builder:
        builder.set_intent(c2pa.C2paBuilderIntent.UPDATE)
        out = io.BytesIO()
        builder.sign(signer.native(), media_type, io.BytesIO(data), out)
    return out.getvalue()


# --- what we sign --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_a_chain_of_edits(agree, manifest, signer, name):
    made = FORMATS[name]
    data = sign_bytes(made.make(), made.media_type, manifest, signer)
    data = edit(edit(data, made.media_type, signer), made.media_type, signer)
    credential = agree(data, made.media_type)
    assert credential.library.n_manifests == 3
    assert credential.ancestors == "ok"


@pytest.mark.parametrize("name", UPDATABLE)
def test_an_update(agree, manifest, signer, name):
    made = FORMATS[name]
    data = sign_bytes(made.make(), made.media_type, manifest, signer)
    data = update(edit(data, made.media_type, signer), made.media_type, signer)
    credential = agree(data, made.media_type)
    assert credential.library.n_manifests == 3
    assert credential.ancestors == "ok"


@pytest.mark.parametrize("name", sorted(NOT_UPDATABLE))
def test_an_update_that_cannot_hold_is_seen(tmp_path, manifest, signer, anchors, independent, name):
    made = FORMATS[name]
    data = sign_bytes(made.make(), made.media_type, manifest, signer)
    data = update(data, made.media_type, signer)
    theirs = independent(data, made.media_type)
    assert (theirs["integrity"], theirs["hard_binding"]) == ("invalid", "mismatch")
    (tmp_path / "file").write_bytes(data)
    ours = read_credential(tmp_path / "file", None, anchors).integrity
    assert ours == ("ok" if name == "svg" else "failed")


def test_a_laundered_parent_is_seen_by_us_alone(
    tmp_path, png, manifest, signer, anchors, independent
):
    """Why the ancestors have an axis: each engine's own state calls this file good."""
    first = bytearray(sign_bytes(png, "image/png", manifest, signer))
    first[-30] ^= 1
    data = edit(bytes(first), "image/png", signer)
    theirs = independent(data, "image/png")
    assert (theirs["integrity"], theirs["validation_state"]) == ("valid", "Trusted")
    path = tmp_path / "laundered.png"
    path.write_bytes(data)
    ours = read_credential(path, None, anchors)
    assert (ours.integrity, ours.ancestors) == ("ok", "failed")


@pytest.mark.parametrize("name", FORMATS)
def test_a_manifest_beside_the_file(independent, manifest, signer, name):
    made = FORMATS[name]
    data = made.make()
    with c2pa.Builder(manifest, context()) as builder:
        builder.set_no_embed()
        out = io.BytesIO()
        store = builder.sign(signer.native(), made.media_type, io.BytesIO(data), out)
    assert (out.getvalue() == data) == (name not in REWRITTEN)
    data = out.getvalue()  # the store speaks of these bytes
    theirs = independent(data, made.media_type, manifest_store=store)
    assert (theirs["integrity"], theirs["hard_binding"]) == ("valid", "match")
    changed = data[:-20] + bytes([data[-20] ^ 1]) + data[-19:]
    theirs = independent(changed, made.media_type, manifest_store=store)
    assert (theirs["integrity"], theirs["hard_binding"]) == ("invalid", "mismatch")


def test_a_compressed_manifest(agree, png, manifest, signer):
    squeezing = settings()
    squeezing["core"]["prefer_compress_manifests"] = True
    with c2pa.Builder(manifest, c2pa.Context.from_dict(squeezing)) as builder:
        out = io.BytesIO()
        builder.sign(signer.native(), "image/png", io.BytesIO(png), out)
    assert b"com.provenance.generator" not in out.getvalue()
    agree(out.getvalue(), "image/png")


def test_whom_we_do_not_trust_neither_does_the_other(
    tmp_path, png, manifest, signer, nobody, independent
):
    data = sign_bytes(png, "image/png", manifest, signer)
    theirs = independent(data, "image/png", roots=None)
    assert (theirs["integrity"], theirs["validation_state"]) == ("valid", "Valid")
    path = tmp_path / "a.png"
    path.write_bytes(data)
    ours = read_credential(path, None, nobody)
    assert (ours.integrity, ours.signer) == ("ok", "untrusted")


# --- the files of others -------------------------------------------------------------------------

# file: (our integrity, what the other engine says of it, why they differ)
DIFFERENCES = {
    "adobe-20220124-E-uri-CIE-sig-CA.jpg": (
        "failed",
        "valid",
        "an assertion stored of an ingredient does not match its hash, and its signer did not say"
        " so; the other engine looks at the file's own manifest only",
    ),
    "legacy.mp4": (
        "ok",
        "invalid",
        "bound by c2pa.hash.bmff of specification 1.0, which the other engine's profile of 2.4"
        " no longer reads (claim.hardBindings.missing)",
    ),
    "update_manifest.jpg": (
        "ok",
        "invalid",
        "an update manifest from before specification 2.1 (claim.malformed, manifest.update.invalid"
        " in a profile of 2.4)",
    ),
}
# carries or names a credential that we put on no axis, and the other engine calls invalid
# (of dashinit.mp4, an init segment, the hash is in the segments)
NOT_CHECKED = {"prerelease.jpg", "cloud.jpg", "libpng-test_with_url.png", "dashinit.mp4"}
# signed with test certificates that expired: nothing else is wrong with them in either engine
EXPIRED = {"nikon-20221019-building.jpeg", "express-signed.pdf", "ocsp.jpg"}


def real_files(c2pa_data):
    for path in sorted(
        [*(c2pa_data / "public-testfiles").rglob("*"), *(c2pa_data / "fixtures").iterdir()]
    ):
        if path.is_file() and "manifests" not in path.parts:
            found = recognise_file(path) if path.stat().st_size else None
            if found and found.media_type != "text/plain":
                yield path, found.media_type


def test_both_engines_agree_on_the_integrity_of_every_public_file(
    c2pa_data, test_roots, independent
):
    said = {"ok": "valid", "failed": "invalid", "none": "invalid"}
    roots = "".join(one.pem for one in test_roots.lists)
    differences, n_with_credential = {}, 0
    for path, media_type in real_files(c2pa_data):
        ours = read_credential(path, media_type, test_roots)
        theirs = independent(path.read_bytes(), media_type, roots=roots)
        if said[ours.integrity] != theirs["integrity"]:
            differences[path.name] = (ours.integrity, theirs["integrity"])
        if ours.integrity == "ok" and path.name not in DIFFERENCES:
            n_with_credential += 1
            assert theirs["signature"] == "valid", path.name
        if ours.integrity == "none" and path.name not in NOT_CHECKED:
            assert not theirs["validation_results"]["failure"], path.name
    assert differences == {name: (us, them) for name, (us, them, _) in DIFFERENCES.items()}
    assert n_with_credential > 25


def test_an_expired_certificate_is_no_change_to_either(c2pa_data, test_roots, independent):
    for path, media_type in real_files(c2pa_data):
        if path.name in EXPIRED:
            assert read_credential(path, None, test_roots).signer == "expired"
            theirs = independent(path.read_bytes(), media_type)
            assert theirs["integrity"] == "valid"
            codes = {one["code"] for one in theirs["validation_results"]["failure"]}
            assert "claimSignature.outsideValidity" in codes


# --- without a network ---------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["ours", "independent"])
def test_no_engine_opens_a_socket(tmp_path, png, manifest, signer, anchors, independent, engine):
    """In a process that the kernel ends at its first socket, both answer as they always do."""
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(sign_bytes(png, "image/png", manifest, signer))
    bad.write_bytes(good.read_bytes()[:-30] + b"\0" + good.read_bytes()[-29:])
    roots = tmp_path / "roots.pem"
    roots.write_text("".join(one.pem for one in anchors.lists))
    script = [sys.executable, HERE / "offline.py", engine, roots, good, bad]
    found = subprocess.run(script, capture_output=True, text=True, check=False)
    if found.returncode == 77:
        pytest.skip(found.stderr)
    assert found.returncode == 0, found.stderr
    expected = {"ours": ["ok", "failed"], "independent": ["valid", "invalid"]}
    assert json.loads(found.stdout) == expected[engine]


def test_the_ban_on_sockets_bites(tmp_path):
    script = [sys.executable, HERE / "offline.py", "socket", tmp_path]
    found = subprocess.run(script, capture_output=True, text=True, check=False)
    if found.returncode == 77:
        pytest.skip(found.stderr)
    assert found.returncode == -31  # SIGSYS
