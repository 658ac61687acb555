"""What attackers do: borrowed names and clocks, text that steers terminals, changed parents."""

import shutil
import time

import c2pa
import pytest
from impostors import ATTACKS, certificates, hostile_component, hostile_manifest, sign
from timestamp_authority import timestamp_authority

from provenance.cli.main import run
from provenance.credentials import (
    TimestampPolicy,
    created_manifest,
    edited_manifest,
    load_signer,
    load_trust_anchors,
    parent_ingredient,
    read_credential,
    read_credential_bytes,
    sign_bytes,
)
from provenance.credentials.engine import context
from provenance.credentials.keys import certificates as our_certificates
from provenance.files import write_atomic

PNG = "image/png"
LEAF_S = 2.0  # a certificate's whole life


def axes(credential):
    return credential.integrity, credential.signer, credential.time, credential.ancestors


# --- borrowed names ------------------------------------------------------------------------------


def test_a_borrowed_issuer_is_never_stated(tmp_path, png, nobody, anchors, capsys):
    key, chain, root = certificates("Adobe Inc", "Adobe C2PA")
    path = tmp_path / "a.png"
    manifest = created_manifest(title="a", source_type="digitalCapture", generator="g")
    path.write_bytes(sign(png, PNG, manifest, key, chain))
    for trust in (nobody, anchors):
        credential = read_credential(path, None, trust)
        assert axes(credential) == ("ok", "untrusted", "none", "none")
        assert credential.statements.claimed_issuer == "Adobe Inc"
        assert credential.trusted_by is None
        assert "Adobe" not in credential.conclusion
    assert run(["verify", str(path)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert out.count("Adobe Inc") == out.count('"Adobe Inc", which nobody confirms')
    # whoever trusts that root hears the name, and from which list it is
    (tmp_path / "root.pem").write_bytes(root)
    trusted = read_credential(path, None, load_trust_anchors([tmp_path / "root.pem"]))
    assert "since Adobe Inc signed it" in trusted.conclusion
    assert trusted.trusted_by == "file-1"


def test_a_certificate_beside_a_false_signature_is_nobodys(signed, anchors):
    """The name and the chain are a trusted signer's; only the signature is not."""
    data = bytearray(signed.read_bytes())
    start = data.index(b"c2pa.signature")
    changed = []
    for position in range(start + 900, start + 2500, 7):  # the chain, the signature, the padding
        data[position] ^= 4
        changed.append(read_credential_bytes(bytes(data), PNG, anchors))
        data[position] ^= 4
    false = [one for one in changed if "claimSignature.mismatch" in one.conclusion]
    assert false
    assert {one.signer for one in false} == {"untrusted"}
    assert {one.trusted_by for one in false} == {None}


@pytest.mark.parametrize(
    "name", ["clear", "title", "eight-bit-csi", "newline", "right-to-left", "script", "markup"]
)
def test_no_text_of_a_file_steers_the_terminal(tmp_path, png, capsys, name):
    attack = ATTACKS[name]
    key, chain, root = certificates(attack, attack)
    components = ((hostile_component(attack), png),)
    data = sign(png, PNG, hostile_manifest(attack), key, chain, components=components)
    path = tmp_path / "a.png"
    path.write_bytes(data)
    (tmp_path / "root.pem").write_bytes(root)
    for arguments in ([], ["--json"], ["--trust-anchors", str(tmp_path / "root.pem")]):
        assert run(["verify", str(path), *arguments]) == 0
        shown = capsys.readouterr()
        text = (shown.out + shown.err).replace("\n", "")
        assert text.isprintable(), ascii(text)


# --- borrowed clocks -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def expired(tmp_path_factory):
    """A file with a time-stamp and one without, whose certificate has expired since."""
    folder = tmp_path_factory.mktemp("expired")
    root = our_certificates.make_root()
    with pytest.MonkeyPatch.context() as patch, timestamp_authority(folder / "tsa") as authority:
        patch.setattr(our_certificates, "LEAF_DAYS", LEAF_S / 86400)
        leaf = our_certificates.make_leaf(root)
        made = time.monotonic()
        write_atomic(folder / "leaf.pem", leaf.to_pem(root.certificate), mode=0o600)
        settings = {"key": str(folder / "leaf.pem")}
        manifest = created_manifest(title="a", source_type="digitalCapture", generator="g")
        png = _png()
        for name, timestamp in (("with", TimestampPolicy(authority.url)), ("without", None)):
            signer = load_signer("pem", settings, timestamp=timestamp)
            (folder / f"{name}.png").write_bytes(sign_bytes(png, PNG, manifest, signer))
    (folder / "root.pem").write_bytes(our_certificates.certificates_pem(root.certificate))
    shutil.copy(folder / "tsa" / "root.pem", folder / "time.pem")
    time.sleep(max(0.0, made + LEAF_S + 1 - time.monotonic()))
    return folder


def _png():
    import numpy as np

    from provenance.media import encode_png

    return encode_png(np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("name", "manifest", "clock", "expected"),
    [
        ("with", ["root"], ["time"], ("ok", "trusted", "trusted", "none")),
        ("with", ["root"], [], ("ok", "expired", "untrusted", "none")),
        ("without", ["root"], ["time"], ("ok", "expired", "none", "none")),
        ("with", [], ["time"], ("ok", "untrusted", "trusted", "none")),
        # each root given for the other's purpose, or for both of them the wrong way round
        ("with", ["root", "time"], [], ("ok", "expired", "untrusted", "none")),
        ("with", ["time"], ["root"], ("ok", "expired", "untrusted", "none")),
        ("with", [], ["root", "time"], ("ok", "untrusted", "trusted", "none")),
    ],
)
def test_an_expired_certificate_is_excused_by_a_trusted_clock_only(
    expired, name, manifest, clock, expected
):
    trust = load_trust_anchors(
        [expired / f"{one}.pem" for one in manifest], [expired / f"{one}.pem" for one in clock]
    )
    credential = read_credential(expired / f"{name}.png", None, trust)
    assert axes(credential) == expected
    assert not credential.is_broken
    assert (credential.trusted_by is not None) == (credential.signer == "trusted")


def test_a_root_of_time_stamps_that_signs_media_is_believed_by_the_library_alone(
    tmp_path, png, nobody
):
    key, chain, root = certificates("Time Ltd", "Time")
    path = tmp_path / "a.png"
    manifest = created_manifest(title="a", source_type="digitalCapture", generator="g")
    path.write_bytes(sign(png, PNG, manifest, key, chain))
    (tmp_path / "time.pem").write_bytes(root)
    trust = load_trust_anchors([], [tmp_path / "time.pem"])
    assert axes(read_credential(path, None, trust)) == ("ok", "untrusted", "none", "none")
    with path.open("rb") as stream:
        alone = c2pa.Reader(PNG, stream, context=context((), trust.time))
        assert alone.get_validation_state() == "Trusted"


# --- laundering ----------------------------------------------------------------------------------


def test_a_changed_parent_stays_visible_through_two_more_signatures(signed, signer, anchors):
    changed = bytearray(signed.read_bytes())
    changed[-30] ^= 1
    data = bytes(changed)
    for title in ("once", "twice"):
        edit = edited_manifest(title=title, source_type="humanEdits", generator="g")
        data = sign_bytes(data, PNG, edit, signer, parent=parent_ingredient(title))
    credential = read_credential_bytes(data, None, anchors)
    assert credential.library.state == "Trusted"
    assert axes(credential) == ("ok", "trusted", "none", "failed")
    assert credential.is_broken


def test_a_changed_component_is_an_ancestor_too(signed, png, anchors):
    changed = bytearray(signed.read_bytes())
    changed[-30] ^= 1
    key, chain, _ = certificates("O", "C")
    manifest = created_manifest(title="a", source_type="composite", generator="g")
    part = {"title": "c", "relationship": "componentOf"}
    data = sign(png, PNG, manifest, key, chain, components=((part, bytes(changed)),))
    assert read_credential_bytes(data, None, anchors).ancestors == "failed"


# --- every exception of the library has a place --------------------------------------------------

ERRORS = [
    (c2pa.C2paError.Assertion("x"), "failed"),
    (c2pa.C2paError.AssertionNotFound("x"), "failed"),
    (c2pa.C2paError.Decoding("x"), "failed"),
    (c2pa.C2paError.Encoding("x"), "error"),
    (c2pa.C2paError.FileNotFound("x"), "error"),
    (c2pa.C2paError.Io("x"), "error"),
    (c2pa.C2paError.Json("x"), "failed"),
    (c2pa.C2paError.Manifest("x"), "failed"),
    (c2pa.C2paError.ManifestNotFound("x"), "none"),
    (c2pa.C2paError.NotSupported("x"), "none"),
    (c2pa.C2paError.Other("x"), "error"),
    (c2pa.C2paError.RemoteManifest("x"), "error"),
    (c2pa.C2paError.ResourceNotFound("x"), "error"),
    (c2pa.C2paError.Signature("x"), "failed"),
    (c2pa.C2paError.UntrackedPointer("x"), "error"),
    (c2pa.C2paError.Verify("x"), "failed"),
    (c2pa.C2paError.WrongPointerType("x"), "error"),
    (c2pa.C2paError("x"), "error"),
    (c2pa.C2paError("Remote: must fetch remote manifests from url http://a/b"), "remote"),
    (c2pa.C2paError("Other: prerelease content detected"), "present"),
    (MemoryError(), "error"),
]


def test_the_list_of_exceptions_is_complete():
    known = {value for value in vars(c2pa.C2paError).values() if isinstance(value, type)}
    assert known == {type(error) for error, _ in ERRORS} & known


@pytest.mark.parametrize(("error", "place"), ERRORS, ids=lambda value: repr(value)[:40])
def test_exceptions(png, signed, nobody, monkeypatch, error, place):
    def fail(*_, **__):
        raise error

    def outcome(data):
        credential = read_credential_bytes(data, PNG, nobody)
        assert credential.conclusion.endswith(".")
        if credential.error:
            return "error"
        if credential.integrity == "failed":
            return "failed"
        return (
            ("remote" if credential.remote_url else "present") if credential.is_present else "none"
        )

    monkeypatch.setattr(c2pa.Reader, "__init__", fail)
    assert outcome(png) == place
    # where a manifest store begins in the file, an unknown failure is that of a credential
    unknown = place == "error" and not isinstance(error, MemoryError)
    assert outcome(signed.read_bytes()) == ("failed" if unknown else place)
