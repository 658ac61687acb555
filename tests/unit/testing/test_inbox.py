"""The folder that the demo scans holds what its names say."""

from dataclasses import replace

import numpy as np
import pytest

from provenance.corpora import Corpus, Row
from provenance.credentials import (
    GenerationClaim,
    development_signer,
    generation_manifest,
    load_trust_anchors,
    read_credential,
    sign_bytes,
)
from provenance.files import sha256_bytes, write_atomic
from provenance.media import decode_image, encode_png
from provenance.testing.inbox import edit_signed_png, make_inbox
from provenance.types import Label, MediaKind, Split, Step

PIXELS = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def signed_png() -> bytes:
    claim = GenerationClaim("a.png", "vae", "1.0", "vae", "vae-32", "ab" * 32, 7, "sample")
    manifest = generation_manifest(claim)
    return sign_bytes(encode_png(PIXELS), "image/png", manifest, development_signer())


def integrity(path) -> str:
    return read_credential(path, "image/png", load_trust_anchors(None)).integrity


@pytest.fixture
def corpus(tmp_path):
    """One real item of a photograph and one signed sample, both for testing."""
    data = signed_png()
    write_atomic(tmp_path / "corpus" / "sample.png", data)
    sample = Row(
        file_name="sample.png", sha256=sha256_bytes(data), kind=MediaKind.IMAGE,
        label=Label.SYNTHETIC, generator="vae", generator_version="1.0", checkpoint=None, seed=7,
        category=None, parent=None, step=Step.SAMPLE, split=Split.TEST, manifest="embedded",
        group=None,
    )  # fmt: skip
    real = replace(
        sample, file_name="real.png", label=Label.REAL, generator=None, step=Step.REAL,
        parent="coffee/x2/r0000c0000", group="coffee",
    )  # fmt: skip
    return Corpus(tmp_path / "corpus", {}, (real, sample), "")


def test_the_inbox_holds_what_its_names_say(corpus, tmp_path):
    inbox = tmp_path / "inbox"
    write_atomic(inbox / "left-over.png", b"of an earlier run")
    make_inbox(corpus, inbox, each=2)
    assert sorted(path.name for path in inbox.iterdir()) == [
        "edited-after-signing.png",
        "photograph-coffee-0.png",
        "photograph-coffee-1.png",
        "signed-vae-0.png",
        "stripped-vae-0.png",
    ]
    assert integrity(inbox / "signed-vae-0.png") == "ok"
    assert integrity(inbox / "stripped-vae-0.png") == "none"
    assert integrity(inbox / "edited-after-signing.png") == "failed"
    stripped = decode_image((inbox / "stripped-vae-0.png").read_bytes())
    assert np.array_equal(stripped, PIXELS)


def test_an_edit_changes_a_corner_and_keeps_the_manifest():
    data = signed_png()
    edited = edit_signed_png(data)
    pixels = decode_image(edited)
    assert np.array_equal(pixels[:8, :8], 255 - PIXELS[:8, :8])
    assert np.array_equal(pixels[8:], PIXELS[8:])
    assert len(edited) == len(data)
