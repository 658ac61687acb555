"""Keys of every algorithm, what is said of them, and requests for certificates of a real CA."""

import datetime
import io
import json
from pathlib import Path

import c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

from provenance.credentials import load_signer
from provenance.credentials.engine import context
from provenance.credentials.keys import algorithms, authority, certificates, listing
from provenance.credentials.keys.requests import Subject, request_certificate
from provenance.errors import CredentialError, UserError

SUBJECT = Subject("Example News", "Example News Studio", "de")


def library_state(png, manifest, leaf, chain, root):
    """Sign and read with the bare library: what it makes of these certificates."""
    info = c2pa.C2paSignerInfo(
        getattr(c2pa.C2paSigningAlg, leaf.algorithm.upper()),
        certificates.certificates_pem(leaf.certificate, *chain), leaf.key_pem(), None,
    )  # fmt: skip
    out = io.BytesIO()
    with c2pa.Builder(json.dumps(manifest), context()) as builder:
        builder.sign(c2pa.Signer.from_info(info), "image/png", io.BytesIO(png), out)
    anchors = (("urn:test", certificates.certificates_pem(root.certificate).decode()),)
    with c2pa.Reader("image/png", io.BytesIO(out.getvalue()), context=context(anchors)) as reader:
        return json.loads(reader.json())["validation_state"]


@pytest.mark.parametrize("intermediate", [False, True])
@pytest.mark.parametrize("algorithm", algorithms.ALGORITHMS)
def test_the_library_trusts_every_algorithm(tmp_path, png, manifest, algorithm, intermediate):
    folder = authority.create_authority(tmp_path, algorithm=algorithm, intermediate=intermediate)
    leaf, pem = authority.load_pair(folder / authority.LEAF)
    root, _ = authority.load_pair(folder / authority.ROOT)
    chain = x509.load_pem_x509_certificates(pem)[1:]
    assert leaf.algorithm == algorithm
    assert library_state(png, manifest, leaf, chain, root) == "Trusted"
    assert (folder / authority.INTERMEDIATE).exists() is intermediate


def test_a_renewed_leaf_keeps_its_algorithm(tmp_path):
    folder = authority.create_authority(tmp_path, algorithm="ed25519")
    authority.rotate_authority(tmp_path)
    assert authority.load_pair(folder / authority.LEAF)[0].algorithm == "ed25519"
    authority.rotate_authority(tmp_path, algorithm="es384", root=True)
    for name in (authority.LEAF, authority.ROOT):
        assert authority.load_pair(folder / name)[0].algorithm == "es384"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: rsa.generate_private_key(65537, 1024), "RSA key of 1024 bits"),
        (lambda: ec.generate_private_key(ec.SECP256K1()), "curve secp256k1"),
        (ed448.Ed448PrivateKey.generate, "unknown kind .*Ed448"),
        (lambda: dsa.generate_private_key(1024), "unknown kind .*DSA"),
    ],
)
def test_keys_that_c2pa_does_not_take_say_what_they_are(make, words):
    with pytest.raises(CredentialError, match=words):
        algorithms.algorithm_of(make().public_key())


def test_an_unknown_algorithm_gets_a_suggestion():
    with pytest.raises(UserError, match="Did you mean 'es256'"):
        algorithms.make_key("es265")


def test_p521_keys_sign_certificates_with_sha512():
    key = ec.generate_private_key(ec.SECP521R1())
    assert algorithms.certificate_hash(key).name == "sha512"
    assert algorithms.algorithm_of(key) == "es512"


def test_a_list_says_until_when_each_key_is_good(tmp_path):
    assert listing.list_keys(tmp_path) == []
    assert list(tmp_path.iterdir()) == []  # looking makes nothing
    authority.create_authority(tmp_path, intermediate=True)
    authority.rotate_authority(tmp_path, root=True)
    entries = listing.list_keys(tmp_path)
    assert [entry.role for entry in entries] == ["leaf", "intermediate", "root", "former root"]
    assert [entry.has_key for entry in entries] == [True, True, True, False]
    assert [entry.is_authority for entry in entries] == [False, True, True, True]
    leaf, intermediate, root, _ = entries
    assert leaf.issuer == intermediate.subject
    assert intermediate.issuer == root.subject == root.issuer
    assert 362 <= leaf.days_left <= 364
    assert leaf.usages == ("emailProtection",)
    assert json.dumps([entry.to_json() for entry in entries])
    assert not any(entry.warning for entry in entries)


@pytest.mark.parametrize(("days", "left"), [(31, None), (30, 29), (5, 4)])
def test_an_end_is_warned_of_thirty_days_ahead(monkeypatch, days, left):
    root = certificates.make_root()
    monkeypatch.setattr(certificates, "LEAF_DAYS", days)
    warning = listing.expiry_warning(certificates.make_leaf(root).to_pem(root.certificate))
    if left is None:
        assert warning is None
    else:
        assert f"ends in {left} days" in warning
        assert "Renew it" in warning


def test_signing_warns_of_a_certificate_that_ends_soon(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(certificates, "LEAF_DAYS", 20)
    root = certificates.make_root()
    path = tmp_path / "key.pem"
    path.write_bytes(certificates.make_leaf(root).to_pem(root.certificate))
    path.chmod(0o600)
    with caplog.at_level("WARNING"):
        load_signer("pem", {"key": str(path)})
    assert "ends in 19 days" in caplog.text


def test_what_has_ended_is_said_to_have_ended(monkeypatch):
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=400)
    root = certificates.make_root()
    monkeypatch.setattr(certificates, "_now", lambda: past)
    leaf = certificates.make_leaf(root)
    assert "ended on" in listing.expiry_warning(leaf.to_pem(root.certificate))


def test_a_warning_needs_certificates():
    with pytest.raises(CredentialError, match="cannot be read"):
        listing.expiry_warning(b"nonsense")


def ask(tmp_path, **options):
    key, csr = tmp_path / "keys" / "key.pem", tmp_path / "request.csr"
    request_certificate(key, csr, SUBJECT, **options)
    return key, x509.load_pem_x509_csr(csr.read_bytes())


def test_a_request_asks_for_what_the_programme_prescribes(tmp_path):
    key, request = ask(tmp_path)
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=Example News Studio,O=Example News,C=DE"
    usage = request.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert usage.value.content_commitment
    assert not usage.value.key_cert_sign
    extended = request.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [one.dotted_string for one in extended] == [
        "1.3.6.1.4.1.62558.2.1", "1.3.6.1.5.5.7.3.36",
    ]  # fmt: skip
    assert not request.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    assert private.public_key() == request.public_key()
    assert key.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        ("es384", ec.EllipticCurvePublicKey),
        ("ps256", rsa.RSAPublicKey),
        ("ed25519", ed25519.Ed25519PublicKey),
    ],
)
def test_requests_take_every_algorithm(tmp_path, algorithm, kind):
    _, request = ask(tmp_path, algorithm=algorithm)
    assert request.is_signature_valid
    assert isinstance(request.public_key(), kind)


def test_a_passphrase_encrypts_the_key(tmp_path):
    key, _ = ask(tmp_path, passphrase=b"correct horse")
    assert b"ENCRYPTED" in key.read_bytes()
    assert serialization.load_pem_private_key(key.read_bytes(), b"correct horse")
    with pytest.raises(ValueError, match=r"[Ii]ncorrect"):
        serialization.load_pem_private_key(key.read_bytes(), b"wrong")


@pytest.mark.parametrize("taken", ["keys/key.pem", "request.csr"])
def test_nothing_is_overwritten_and_nothing_is_left_behind(tmp_path, taken):
    path = tmp_path / taken
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    with pytest.raises(UserError, match="Choose another name"):
        ask(tmp_path)
    assert path.read_text() == "mine"
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == [path]


def test_a_request_that_cannot_be_written_leaves_no_key(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CredentialError, match="Cannot write"):
        request_certificate(tmp_path / "key.pem", tmp_path / "file" / "a.csr", SUBJECT)
    assert not (tmp_path / "key.pem").exists()


@pytest.mark.parametrize(
    "words",
    [
        {"usages": ("code",)},
        {"usages": ()},
        {"passphrase": b"short"},
        {"algorithm": "rsa"},
    ],
)
def test_requests_that_make_no_sense_are_refused(tmp_path, words):
    with pytest.raises(UserError):
        ask(tmp_path, **words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "parts",
    [("", "b"), ("a", " "), ("a", "b" * 65), ("a\x1b[2J", "b"), ("a", "b", "DEU"), ("a", "b", "1")],
)
def test_subjects_that_no_authority_takes_are_refused(parts):
    with pytest.raises(UserError):
        Subject(*parts)


def test_a_file_of_certificates_can_be_shown(tmp_path):
    root = certificates.make_root()
    path = tmp_path / "chain.pem"
    path.write_bytes(certificates.certificates_pem(certificates.make_leaf(root).certificate))
    (entry,) = listing.list_certificates(path)
    assert (entry.role, entry.has_key, entry.path) == ("certificate", False, str(path))
    path.write_text("nothing")
    with pytest.raises(UserError, match="Give a PEM file"):
        listing.list_certificates(path)
    with pytest.raises(UserError, match="Cannot read"):
        listing.list_certificates(Path(tmp_path / "none.pem"))
