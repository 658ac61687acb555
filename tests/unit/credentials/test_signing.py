"""Signing: every format, all or nothing, and what the manifest says."""

import json
import os

import c2pa
import pytest

from provenance.credentials import (
    created_manifest,
    edited_manifest,
    generation_manifest,
    load_trust_anchors,
    parent_ingredient,
    read_credential,
    sign_bytes,
    sign_file,
)
from provenance.credentials.engine import settings
from provenance.errors import CredentialError, UnreadableError, UserError


def test_the_manifest_says_how_the_file_was_made(signed, anchors, claim):
    with signed.open("rb") as stream:
        store = json.loads(c2pa.Reader("image/png", stream).json())
    (manifest,) = store["manifests"].values()
    assertions = {a["label"]: a["data"] for a in manifest["assertions"]}
    (action,) = assertions["c2pa.actions.v2"]["actions"]
    assert assertions["c2pa.actions.v2"]["allActionsIncluded"] is True
    assert action["softwareAgent"] == {"name": "gan", "version": "1.0"}
    assert action["parameters"]["com.provenance.checkpoint_sha256"] == claim.checkpoint_sha256
    assert action["parameters"]["com.provenance.seed"] == 7
    assert "com.provenance.parent" not in action["parameters"]  # unknown is left out
    assert assertions["c2pa.ai-disclosure"]["modelName"] == "gan-32"
    assert assertions["com.provenance.generator"]["family"] == "gan"
    uses = assertions["cawg.training-mining"]["entries"]
    assert {use["use"] for use in uses.values()} == {"notAllowed"}
    assert not any("thumbnail" in label for label in assertions)


def test_pixels_survive(signed, pixels):
    from provenance.media import decode_image

    assert (decode_image(signed.read_bytes()) == pixels).all()


def test_a_source_type_is_checked_although_the_library_does_not(png, manifest, signer):
    manifest["assertions"][0]["data"]["actions"][0]["digitalSourceType"] = "http://x/typo"
    assert sign_bytes(png, "image/png", manifest, signer)  # so somebody must check
    with pytest.raises(UserError, match="Did you mean 'trainedAlgorithmicMedia'"):
        created_manifest(title="a", source_type="trainedAlgoritmicMedia", generator="g")


def test_only_models_are_disclosed():
    def labels(source_type):
        made = created_manifest(title="a", source_type=source_type, generator="g")
        return {assertion["label"] for assertion in made["assertions"]}

    assert "c2pa.ai-disclosure" in labels("trainedAlgorithmicMedia")
    assert labels("digitalCapture") == {"c2pa.actions.v2"}


def test_an_edit_keeps_the_parent(signed, tmp_path, signer, anchors):
    out = tmp_path / "edited.png"
    manifest = edited_manifest(title="e.png", source_type="trainedAlgorithmicMedia", generator="g")
    sign_file(signed, out, manifest, signer, parent=parent_ingredient("a.png"))
    credential = read_credential(out, None, anchors)
    assert credential.library.n_manifests == 2
    assert (credential.integrity, credential.ancestors) == ("ok", "ok")
    assert credential.statements.actions == ("c2pa.opened", "c2pa.edited")
    assert credential.source_type == "compositeWithTrainedAlgorithmicMedia"
    assert credential.origin == "trainedAlgorithmicMedia"
    assert credential.statements.edit_types == ("compositeWithTrainedAlgorithmicMedia",)


def test_a_failed_signing_leaves_the_old_output(tmp_path, png, signer):
    source, out = tmp_path / "a.png", tmp_path / "out.png"
    source.write_bytes(png)
    out.write_bytes(b"precious")
    with pytest.raises(CredentialError, match="could not be signed"):
        sign_file(source, out, {"assertions": [{"label": "c2pa.actions.v2", "data": 1}]}, signer)
    assert out.read_bytes() == b"precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "out.png"]


def test_an_output_that_cannot_be_written_is_an_error_of_ours(tmp_path, png, manifest, signer):
    source = tmp_path / "a.png"
    source.write_bytes(png)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for out in (tmp_path / "folder", tmp_path / "pipe", source / "below" / "b.png"):
        with pytest.raises(CredentialError, match="Cannot write"):
            sign_file(source, out, manifest, signer)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "folder", "pipe"]


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_file_is_never_signed_onto_itself(tmp_path, png, manifest, signer, link):
    source, out = tmp_path / "a.png", tmp_path / "b.png"
    source.write_bytes(png)
    link(source, out)
    for destination in (source, out):
        with pytest.raises(UserError, match="source itself"):
            sign_file(source, destination, manifest, signer)
    assert source.read_bytes() == png


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"just words", UserError, "cannot carry"),
        (b"", UnreadableError, "empty"),
        (b"\x89PNG\r\n\x1a\n broken", CredentialError, "could not be signed"),
    ],
)
def test_bad_input_is_an_error_of_ours(tmp_path, manifest, signer, content, error, words):
    source = tmp_path / "a.png"
    source.write_bytes(content)
    with pytest.raises(error, match=words):
        sign_file(source, tmp_path / "out.png", manifest, signer)
    assert not (tmp_path / "out.png").exists()


def test_bytes_of_an_unsupported_type_are_refused(manifest, signer):
    with pytest.raises(UserError, match="cannot carry"):
        sign_bytes(b"words", "text/plain", manifest, signer)


def test_the_network_and_thumbnails_are_off_and_extended_key_usages_given():
    found = settings((("urn:m", "PEM"),), (("urn:t", "TIME"),))
    assert found["verify"]["remote_manifest_fetch"] is False
    assert found["verify"]["ocsp_fetch"] is False
    assert found["core"]["allowed_network_hosts"] == []
    assert found["builder"]["thumbnail"]["enabled"] is False
    assert "1.3.6.1.4.1.62558.2.1" in found["trust"]["trust_config"]
    assert [a["trust_kind"] for a in found["trust"]["anchors"]] == ["manifest", "tsa"]


def test_generation_manifests_of_equal_claims_are_equal(claim):
    assert generation_manifest(claim) == generation_manifest(claim)


def test_signed_by_another_machine_is_untrusted_here(tmp_path, png, manifest, anchors):
    from provenance.credentials import development_signer

    path = tmp_path / "a.png"
    path.write_bytes(sign_bytes(png, "image/png", manifest, development_signer(tmp_path)))
    assert read_credential(path, None, anchors).signer == "untrusted"
    theirs = load_trust_anchors([tmp_path / "development-ca" / "trust-anchor.pem"])
    assert read_credential(path, None, theirs).signer == "trusted"


def test_a_signed_file_follows_the_umask(tmp_path, signed):
    opened = tmp_path / "opened"
    opened.touch()
    assert signed.stat().st_mode == opened.stat().st_mode


def test_text_that_is_not_unicode_is_replaced(png, manifest, signer):
    manifest["title"] = "caf\udce9"
    assert b"caf?" in sign_bytes(png, "image/png", manifest, signer)
