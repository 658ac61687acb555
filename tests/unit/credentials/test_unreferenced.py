"""Manifests that somebody puts into a store beside those that are signed for."""

import io

import c2pa
from impostors import certificates, sign

from provenance.credentials import (
    ReadingOptions,
    edited_manifest,
    parent_ingredient,
    read_credential_bytes,
)
from provenance.credentials.engine import context

PNG = "image/png"


def test_a_manifest_put_beside_somebody_elses_is_a_change(png, manifest, signer, anchors):
    """No hash covers it, and the library passes it over; it could say that the parent is bad."""
    key, chain, _ = certificates("Nobody", "nobody")
    changed = bytearray(sign(png, PNG, manifest, key, chain))
    changed[-30] ^= 1
    words = edited_manifest(title="a", source_type="digitalCapture", generator="g")
    own = _store(png, manifest, signer.native())
    info = c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, chain, key, None)
    foreign = _store(png, words, c2pa.Signer.from_info(info), bytes(changed))
    start = 8 + int.from_bytes(own[8:12])  # of the first manifest, behind the description
    store = own[:start] + foreign[start:] + own[start:]
    store = len(store).to_bytes(4) + store[4:]
    options = ReadingOptions(detailed=True)
    found = read_credential_bytes(png, PNG, anchors, manifest_data=store, options=options)
    assert (found.library.state, found.signer) == ("Trusted", "trusted")
    assert found.integrity == "failed"
    assert "not what was signed (manifest.unreferenced)" in found.conclusion
    assert "manifest.unreferenced" in found.details.tree.codes
    assert read_credential_bytes(png, PNG, anchors, manifest_data=own).integrity == "ok"


def _store(data, manifest, signer, parent=None):
    with c2pa.Builder(manifest, context()) as builder:
        builder.set_no_embed()
        if parent is not None:
            builder.add_ingredient(parent_ingredient("p"), PNG, io.BytesIO(parent))
        return bytes(builder.sign(signer, PNG, io.BytesIO(data), io.BytesIO()))
