"""Stamped files are what the library would have made, and nothing else is ever stamped."""

import dataclasses
import io
import json
import re

import c2pa
import numpy as np
import pytest

from provenance.credentials import (
    CredentialSession,
    Signer,
    TimestampPolicy,
    development_signer,
    generation_manifest,
    load_trust_anchors,
    read_credential_bytes,
    sign_bytes,
    sign_generated,
)
from provenance.credentials.engine import context
from provenance.credentials.keys import authority
from provenance.credentials.signing import batches
from provenance.credentials.signing.stamps import Holes, Stamp, StampError
from provenance.media import decode_bytes, encode_jpeg, encode_png

PNG = "image/png"


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 255, (8, 16, 16, 3), np.uint8)


@pytest.fixture
def signer(tmp_path, monkeypatch):
    monkeypatch.setenv("PROVENANCE_CONFIG_DIR", str(tmp_path))
    return development_signer()


@pytest.fixture
def by_library(monkeypatch):
    """Count what is signed by the library."""
    calls = []

    def counted(*arguments):
        calls.append(arguments)
        return sign_bytes(*arguments)

    monkeypatch.setattr(batches, "sign_bytes", counted)
    return calls


def claims(claim, count, **changes):
    return [dataclasses.replace(claim, title=f"{n:05}.png", **changes) for n in range(count)]


def files(pictures, made):
    return [(encode_png(pixels), one) for pixels, one in zip(pictures, made, strict=False)]


def report(data):
    with c2pa.Reader(PNG, io.BytesIO(data), context=context()) as reader:
        return json.loads(reader.json())


def steady(found):
    """Return a report without what is drawn anew for each signature."""
    label = found["active_manifest"]
    manifest = found["manifests"][label]
    text = json.dumps(found).replace(label, "LABEL").replace(manifest["instance_id"], "INSTANCE")
    value = json.loads(text)
    value["manifests"]["LABEL"]["signature_info"].pop("time", None)
    return value


@pytest.mark.parametrize("algorithm", ["es256", "es384", "ed25519", "ps256"])
def test_stamped_files_say_what_the_library_says(algorithm, tmp_path, monkeypatch, pictures, claim):
    monkeypatch.setenv("PROVENANCE_CONFIG_DIR", str(tmp_path))
    authority.create_authority(tmp_path, algorithm=algorithm)
    signer, trust = development_signer(), load_trust_anchors(None)
    made = [
        dataclasses.replace(one, step="reconstruction", parent="photo/" + "x" * length)
        for one, length in zip(claims(claim, 8), (0, 1, 23, 24, 255, 256, 300, 5000), strict=True)
    ]
    given = files(pictures, made)
    for (data, one), signed in zip(given, sign_generated(given, PNG, signer), strict=True):
        credential = read_credential_bytes(signed, PNG, trust)
        assert (credential.integrity, credential.signer) == ("ok", "trusted")
        reference = sign_bytes(data, PNG, generation_manifest(one), signer)
        assert steady(report(signed)) == steady(report(reference))
        assert len(signed) == len(reference)
        assert np.array_equal(decode_bytes(signed)[1], decode_bytes(data)[1])


def test_one_signature_of_the_library_serves_a_batch(signer, by_library, pictures, claim):
    sign_generated(files(pictures, claims(claim, 8)), PNG, signer)
    assert len(by_library) == 1


def test_nothing_that_should_be_unique_is_repeated(signer, pictures, claim):
    same = [(encode_png(pictures[0]), claim)] * 6
    reports = [report(data) for data in sign_generated(same, PNG, signer)]
    assert len({one["active_manifest"] for one in reports}) == 6
    ids = {one["manifests"][one["active_manifest"]]["instance_id"] for one in reports}
    assert len(ids) == 6
    signed = sign_generated(same, PNG, signer)
    salts = {data[data.index(b"c2sh") + 4 :][:16] for data in signed}
    assert len(salts) == 6


def test_claims_of_several_kinds_may_be_mixed(signer, by_library, pictures, claim):
    made = claims(claim, 8)
    made[::2] = [dataclasses.replace(one, seed=None, parent="p") for one in made[::2]]
    signed = sign_generated(files(pictures, made), PNG, signer)
    assert len(by_library) == 2
    for data, one in zip(signed, made, strict=True):
        found = report(data)["manifests"]
        (manifest,) = found.values()
        assert manifest["title"] == one.title
        facts = next(a for a in manifest["assertions"] if a["label"].endswith(".generator"))
        assert facts["data"] == one.facts()


def test_texts_that_are_not_unicode_or_look_like_code_are_kept_as_the_library_keeps_them(
    signer, pictures, claim
):
    texts = ["caf\udce9", "\u202e\x1b[31m", 'a"b\\c', "", "日本" * 20, "\0", "a\nb", "é" * 12]
    made = [dataclasses.replace(claim, parent=text) for text in texts]
    given = files(pictures, made)
    for (data, one), signed in zip(given, sign_generated(given, PNG, signer), strict=True):
        reference = sign_bytes(data, PNG, generation_manifest(one), signer)
        assert steady(report(signed)) == steady(report(reference))


def test_a_changed_pixel_or_word_is_noticed(signer, pictures, claim):
    trust = load_trust_anchors(None)
    signed = sign_generated(files(pictures, claims(claim, 4)), PNG, signer)[0]
    for at in (signed.index(b"IDAT") + 40, signed.index(b"gan-32"), signed.index(b"c2sh") + 6):
        changed = bytearray(signed)
        changed[at] ^= 1
        assert read_credential_bytes(bytes(changed), PNG, trust).integrity == "failed"


@pytest.mark.parametrize("count", [1, 3])
def test_few_files_are_signed_by_the_library(count, signer, by_library, pictures, claim):
    sign_generated(files(pictures, claims(claim, count)), PNG, signer)
    assert len(by_library) == count


def test_other_types_are_signed_by_the_library(signer, by_library, pictures, claim):
    given = [
        (encode_jpeg(pixels), one)
        for pixels, one in zip(pictures[:5], claims(claim, 5), strict=True)
    ]
    signed = sign_generated(given, "image/jpeg", signer)
    assert len(by_library) == 5
    session = CredentialSession(signer=signer)
    assert all(session.verify(data).integrity == "ok" for data in signed)


def test_a_file_that_carries_a_manifest_already_is_left_to_the_library(signer, pictures, claim):
    given = files(pictures, claims(claim, 5))
    given[2] = (sign_bytes(given[2][0], PNG, generation_manifest(claim), signer), given[2][1])
    assert all(
        read_credential_bytes(data, PNG, load_trust_anchors(None)).integrity == "ok"
        for data in sign_generated(given, PNG, signer)
    )


def test_keys_elsewhere_and_time_stamps_are_the_librarys(signer):
    assert signer.key_in_memory() is not None
    asking = Signer(signer.name, signer.settings, TimestampPolicy("http://localhost:9"))
    assert asking.key_in_memory() is None


def test_a_stamp_that_does_not_hold_is_not_used(signer, by_library, monkeypatch, pictures, claim):
    """Should the library ever change the meaning of a part, its own signature is taken instead."""
    monkeypatch.setattr(batches, "_checked", set())
    monkeypatch.setattr(Stamp, "sign", lambda self, png, texts: png + b"x")
    signed = sign_generated(files(pictures, claims(claim, 5)), PNG, signer)
    assert len(by_library) == 6
    assert all(
        read_credential_bytes(data, PNG, load_trust_anchors(None)).integrity == "ok"
        for data in signed
    )


@pytest.mark.parametrize("label", [b"c2pa.hash.data", b"xmp.iid:", b"urn:c2pa:", b"caBX"])
def test_stores_of_another_form_are_refused(label, signer, png, manifest):
    signed = sign_bytes(png, PNG, manifest, signer)
    assert label in signed
    with pytest.raises(StampError):
        Stamp(signed.replace(label, label[::-1]), {}, signer.key_in_memory())


def test_another_key_is_noticed(signer, png, manifest, tmp_path):
    authority.create_authority(tmp_path / "other")
    other = development_signer(tmp_path / "other")
    with pytest.raises(StampError, match="not one of the certificate's key"):
        Stamp(sign_bytes(png, PNG, manifest, signer), {}, other.key_in_memory())


def test_a_key_that_is_exchanged_meanwhile_costs_no_file(
    signer, by_library, pictures, claim, tmp_path, monkeypatch
):
    """Between a look at the key and the library's own: then there are two, and no stamp."""
    authority.create_authority(tmp_path / "other")
    old = development_signer(tmp_path / "other").key_in_memory()
    monkeypatch.setattr(Signer, "key_in_memory", lambda self: old)
    signed = sign_generated(files(pictures, claims(claim, 5)), PNG, signer)
    assert len(by_library) == 6
    assert all(
        read_credential_bytes(data, PNG, load_trust_anchors(None)).signer == "trusted"
        for data in signed
    )


def test_a_word_inside_of_another_text_is_no_hole(signer, png, claim):
    made = generation_manifest(dataclasses.replace(claim, title="see WORD", parent="WORD"))
    with pytest.raises(StampError, match="cannot be exchanged"):
        Stamp(sign_bytes(png, PNG, made, signer), {"parent": "WORD"}, signer.key_in_memory())


@pytest.mark.parametrize("identifier", [rb"urn:c2pa:([0-9a-f-]{36})", rb"xmp.iid:([0-9a-f-]{36})"])
def test_an_identifier_within_an_assertion_is_no_hole(identifier, signer, png, claim):
    made = generation_manifest(dataclasses.replace(claim, parent="x" * 36))
    signed = sign_bytes(png, PNG, made, signer)
    repeated = signed.replace(b"x" * 36, re.search(identifier, signed)[1])
    with pytest.raises(StampError, match="an identifier stands where"):
        Stamp(repeated, {}, signer.key_in_memory())


def test_holes_are_filled_wherever_they_are():
    holes = Holes(b"a-XX-b-YY-XX", {"x": b"XX", "y": b"YY"})
    assert holes.fill({"x": b"1", "y": b""}) == b"a-1-b--1"
    assert Holes(b"abc", {}).fill({}) == b"abc"
    with pytest.raises(StampError, match="z"):
        Holes(b"abc", {"z": b"Z"})
