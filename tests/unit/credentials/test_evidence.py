"""The evidence reader: as strong as what stands behind a credential, and no stronger."""

import io
import json
import pickle

import c2pa
import pytest

from provenance import Channel, UnreadableError, Verdict
from provenance.credentials import (
    created_manifest,
    edited_manifest,
    parent_ingredient,
    sign_bytes,
)
from provenance.credentials.engine import context
from provenance.credentials.reading.credential import Credential, Statements
from provenance.plugins import registry
from provenance_plugins.c2pa import reader as plugin


def build(**settings):
    return registry().evidence["c2pa"].factory(settings)


@pytest.fixture
def write(tmp_path, png, signer):
    def write_(manifest, *, data=png, parent=None):
        path = tmp_path / "a.png"
        path.write_bytes(sign_bytes(data, "image/png", manifest, signer, parent=parent))
        return path

    return write_


def one(path, **settings):
    (evidence,) = build(**settings).read(path, "image/png")
    return evidence


def test_our_synthetic_file_is_synthetic_by_credential(signed):
    evidence = one(signed, trust_anchors=None)
    assert (evidence.channel, evidence.says) == (Channel.CREDENTIAL, Verdict.SYNTHETIC)
    assert evidence.source == "c2pa@0.38.1"
    assert evidence.probability is None
    assert evidence.detail["signer"] == "trusted"
    assert len(evidence.detail["trust_sha256"]) == 64
    pickle.dumps(evidence.to_json())  # crosses processes


def test_an_unvouched_claim_is_what_the_file_declares_of_itself(signed):
    evidence = one(signed, trust_anchors=[])
    assert (evidence.channel, evidence.says) == (Channel.METADATA, Verdict.SYNTHETIC)
    assert "no given trust anchor vouches" in evidence.reason
    assert "tamper" not in evidence.reason


def test_a_changed_file_is_tampered(signed):
    changed = bytearray(signed.read_bytes())
    changed[-30] ^= 1
    signed.write_bytes(changed)
    assert one(signed).says is Verdict.TAMPERED


def test_no_manifest_is_no_evidence(tmp_path, png):
    path = tmp_path / "a.png"
    path.write_bytes(png)
    assert build().read(path, "image/png") == []
    path.write_text("words")
    assert build().read(path, "text/plain") == []


@pytest.mark.parametrize("kind", ["missing", "folder", "empty"])
def test_what_cannot_be_examined_is_an_error(tmp_path, kind):
    path = tmp_path / "a.png"
    {"folder": path.mkdir, "empty": path.touch}.get(kind, lambda: None)()
    with pytest.raises(UnreadableError, match="could not be examined"):
        build().read(path, "image/png")


def test_a_sidecar_speaks_for_its_file_and_not_for_itself(tmp_path, png, manifest, signer):
    path = tmp_path / "a.png"
    path.write_bytes(png)
    with c2pa.Builder(manifest, context()) as builder:
        builder.set_no_embed()
        store = builder.sign(signer.native(), "image/png", io.BytesIO(png), io.BytesIO())
    path.with_suffix(".c2pa").write_bytes(bytes(store))
    evidence = one(path)
    assert (evidence.channel, evidence.says) == (Channel.CREDENTIAL, Verdict.SYNTHETIC)
    assert evidence.detail["place"] == "sidecar"
    assert build().read(path.with_suffix(".c2pa"), "application/octet-stream") == []
    path.write_bytes(png + b"x")
    assert one(path).says is Verdict.TAMPERED


def test_the_detail_says_where_the_credential_was_and_stays_small(signed):
    evidence = one(signed)
    assert evidence.detail["place"] == "embedded"
    assert evidence.detail["trusted_by"] == "development-ca"
    assert evidence.detail["signals"] == ["fullyGenAIMedia"]
    assert len(json.dumps(evidence.to_json())) < 2500


def test_a_capture_counts_only_with_a_trusted_signer(write):
    path = write(created_manifest(title="a", source_type="digitalCapture", generator="camera"))
    assert one(path).says is Verdict.CAPTURED
    forged = one(path, trust_anchors=[])
    assert (forged.channel, forged.says) == (Channel.CREDENTIAL, Verdict.INCONCLUSIVE)


@pytest.mark.parametrize(
    ("source_type", "says"),
    [
        ("compositeWithTrainedAlgorithmicMedia", Verdict.EDITED),
        ("compositeCapture", Verdict.EDITED),
        ("humanEdits", Verdict.EDITED),
        ("algorithmicMedia", Verdict.SYNTHETIC),
        ("trainedAlgorithmicData", Verdict.SYNTHETIC),
        ("negativeFilm", Verdict.CAPTURED),
        ("digitalCreation", Verdict.INCONCLUSIVE),
        ("screenCapture", Verdict.INCONCLUSIVE),
    ],
)
def test_source_types(write, source_type, says):
    path = write(created_manifest(title="a", source_type=source_type, generator="g"))
    assert one(path).says is says


@pytest.mark.parametrize(
    ("edit", "says"),
    [("humanEdits", Verdict.EDITED), ("trainedAlgorithmicMedia", Verdict.EDITED)],
)
def test_an_edit_of_a_capture_is_edited(write, edit, says):
    path = write(created_manifest(title="a", source_type="digitalCapture", generator="camera"))
    manifest = edited_manifest(title="b", source_type=edit, generator="g")
    path = write(manifest, data=path.read_bytes(), parent=parent_ingredient("a"))
    assert one(path).says is says


def test_an_edit_of_a_synthetic_file_stays_synthetic(write, manifest):
    path = write(manifest)
    edit = edited_manifest(title="b", source_type="humanEdits", generator="g")
    path = write(edit, data=path.read_bytes(), parent=parent_ingredient("a"))
    assert one(path).says is Verdict.SYNTHETIC


@pytest.mark.parametrize("signer", ["expired", "untrusted"])
def test_nobody_is_revoked_into_a_claim(signer):
    claim = Statements(source_type="trainedAlgorithmicMedia", origin="trainedAlgorithmicMedia")
    credential = Credential("ok", signer, "none", "none", "x", claim, is_present=True)
    assert plugin.judge(credential)[:2] == (Channel.METADATA, Verdict.SYNTHETIC)
    revoked = Credential("ok", "revoked", "none", "none", "x", claim, is_present=True)
    assert plugin.judge(revoked)[:2] == (Channel.CREDENTIAL, Verdict.INCONCLUSIVE)


def test_what_only_names_a_server_is_inconclusive_and_says_so(c2pa_data):
    path = c2pa_data / "fixtures" / "cloud.jpg"
    (evidence,) = build().read(path, "image/jpeg")
    assert evidence.says is Verdict.INCONCLUSIVE
    assert "not fetched" in evidence.reason


def test_a_tampered_ancestor_is_tampered_even_where_the_library_says_trusted(c2pa_data):
    roots = [str(c2pa_data / "test-roots.pem")]
    path = c2pa_data / "fixtures" / "CACAE-uri-CA.jpg"
    (evidence,) = build(trust_anchors=roots).read(path, "image/jpeg")
    assert evidence.detail["library"]["state"] == "Trusted"
    assert evidence.says is Verdict.TAMPERED


def test_a_real_firefly_image_declares_itself(shared_data):
    path = shared_data / "image" / "verify_site" / "adobe_firefly" / "butteryfly.jpg"
    (evidence,) = build().read(path, "image/jpeg")
    assert (evidence.channel, evidence.says) == (Channel.METADATA, Verdict.SYNTHETIC)


def test_a_real_chatgpt_image_that_nobody_touched_is_not_tampered(shared_data):
    folder = shared_data / "image" / "gpt4o_gallery" / "gpt_image_1"
    (path,) = folder.glob("76__*.png")
    (evidence,) = build().read(path, "image/png")
    assert evidence.says is not Verdict.TAMPERED
    assert "does not follow the specification" in evidence.reason
