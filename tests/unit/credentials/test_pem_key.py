"""Keys in PEM files: every form and algorithm, and each fault with its own words."""

import datetime
import pickle

import pytest
import signing_keys
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku
from signing_keys import Authority, certify, write_signer

from provenance.credentials import (
    PASSPHRASE_VARIABLE,
    SecretMissingError,
    load_signer,
    load_trust_anchors,
    read_credential,
    read_pem_key,
    read_signing_certificates,
    sign_bytes,
)
from provenance.credentials.signing.chains import read_chain
from provenance.credentials.signing.signatures import ALGORITHMS, Checker
from provenance.errors import CredentialError

HOUR = datetime.timedelta(hours=1)
DATA = b"to be signed" * 100


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_signs_what_is_trusted(tmp_path, png, manifest, algorithm):
    files = write_signer(tmp_path / "keys", algorithm, with_intermediate=algorithm != "es384")
    chosen = {"algorithm": algorithm} if algorithm in ("ps384", "ps512") else {}
    signer = load_signer("pem", files.settings | chosen)
    path = tmp_path / "a.png"
    path.write_bytes(sign_bytes(png, "image/png", manifest, signer))
    credential = read_credential(path, None, load_trust_anchors([files.root]))
    assert (credential.integrity, credential.signer) == ("ok", "trusted")
    assert read_pem_key(files.key, files.certificates, **chosen).algorithm == algorithm


@pytest.mark.parametrize("passphrase", [None, b"open sesame"])
@pytest.mark.parametrize("form", signing_keys.FORMS)
@pytest.mark.parametrize("algorithm", ["es256", "ps256"])
def test_every_form_is_read(tmp_path, monkeypatch, algorithm, form, passphrase):
    files = write_signer(tmp_path, algorithm, form=form, passphrase=passphrase)
    monkeypatch.setenv("HERE", "open sesame")
    key = read_pem_key(files.key, files.certificates, passphrase_variable="HERE")
    checker = Checker(files.private.public_key(), algorithm)
    assert checker.checked(key.sign(DATA), DATA)


def test_key_and_certificates_share_a_file_in_any_order(tmp_path):
    files = write_signer(tmp_path)
    key, chain = files.key.read_bytes(), files.certificates.read_bytes()
    for content in (key + chain, chain + key, b"Bag Attributes\n  localKeyID: 1\n" + key + chain):
        files.key.write_bytes(content)
        assert read_pem_key(files.key).certificates_pem == chain


def test_parameters_before_a_key_do_no_harm(tmp_path):
    """As ``openssl ecparam -genkey`` writes them."""
    files = write_signer(tmp_path, form="traditional")
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    files.key.write_bytes(parameters + files.key.read_bytes())
    assert read_pem_key(files.key, files.certificates).algorithm == "es256"


def test_a_passphrase_comes_from_the_environment_alone(tmp_path, monkeypatch):
    files = write_signer(tmp_path, passphrase=b"open sesame")
    with pytest.raises(SecretMissingError, match="never taken from the command line") as caught:
        load_signer("pem", files.settings)
    assert caught.value.variable == PASSPHRASE_VARIABLE
    assert "key.pem" in caught.value.what
    monkeypatch.setenv("MY_SECRET", "open sesame")
    signer = load_signer("pem", files.settings | {"passphrase_env": "MY_SECRET"})
    assert b"sesame" not in pickle.dumps(signer)
    assert "sesame" not in repr(signer)


def test_a_wrong_passphrase_is_named_and_not_shown(tmp_path, monkeypatch):
    files = write_signer(tmp_path, passphrase=b"open sesame")
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "close sesame")
    with pytest.raises(CredentialError, match=f"wrong passphrase in {PASSPHRASE_VARIABLE}") as it:
        read_pem_key(files.key, files.certificates)
    assert "sesame" not in str(it.value)


def test_a_key_is_neither_shown_nor_pickled(tmp_path):
    files = write_signer(tmp_path)
    key = read_pem_key(files.key, files.certificates)
    assert repr(key) == "PemKey(es256)"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(key)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_key_that_others_can_touch_is_refused(tmp_path, mode):
    files = write_signer(tmp_path)
    files.key.chmod(mode)
    with pytest.raises(CredentialError, match="chmod 600"):
        load_signer("pem", files.settings)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no private key"),
        (b"\x00\xff" * 50, "holds no private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "file is damaged"),
    ],
)
def test_a_file_without_a_key_is_refused(tmp_path, content, words):
    files = write_signer(tmp_path)
    files.key.write_bytes(content)
    with pytest.raises(CredentialError, match=words):
        read_pem_key(files.key, files.certificates)


def test_more_than_one_key_is_refused(tmp_path):
    files = write_signer(tmp_path)
    files.key.write_bytes(files.key.read_bytes() * 2)
    with pytest.raises(CredentialError, match="more than one private key"):
        read_pem_key(files.key, files.certificates)


def test_missing_files_are_named(tmp_path):
    files = write_signer(tmp_path)
    with pytest.raises(CredentialError, match=r"nowhere\.pem"):
        read_pem_key(tmp_path / "nowhere.pem", files.certificates)
    with pytest.raises(CredentialError, match=r"nowhere\.pem"):
        read_pem_key(files.key, tmp_path / "nowhere.pem")
    with pytest.raises(CredentialError, match="holds no certificate"):
        read_pem_key(files.key)


def test_a_key_of_another_certificate_is_refused(tmp_path):
    mine, other = write_signer(tmp_path / "a"), write_signer(tmp_path / "b")
    with pytest.raises(CredentialError, match="does not belong to the first certificate"):
        read_pem_key(mine.key, other.certificates)


@pytest.mark.parametrize(
    ("algorithm", "asked", "words"),
    [
        ("es256", "es384", "signs with es256"),
        ("ps256", "es256", "signs with ps256, ps384 or ps512"),
        ("ed25519", "rs256", "No signature algorithm"),
    ],
)
def test_an_algorithm_of_another_key_is_refused(tmp_path, algorithm, asked, words):
    files = write_signer(tmp_path, algorithm)
    with pytest.raises(CredentialError, match=words):
        read_pem_key(files.key, files.certificates, algorithm=asked)


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        ({"ends": -HOUR / 2}, "expired on"),
        ({"begins": HOUR}, "valid only from"),
        ({"is_authority": True}, "is an authority's"),
        ({"signs_certificates": True}, "key usage"),
        ({"names_authority": False}, "does not name its authority"),
        ({"usages": ()}, "extended key usage is none of"),
        ({"usages": (Eku.CODE_SIGNING, Eku.SERVER_AUTH)}, "extended key usage is none of"),
        ({"usages": (Eku.ANY_EXTENDED_KEY_USAGE,)}, "used for anything"),
        ({"usages": (Eku.EMAIL_PROTECTION, Eku.TIME_STAMPING)}, "used for time-stamping"),
        ({"usages": (Eku.EMAIL_PROTECTION, Eku.OCSP_SIGNING)}, "used for OCSP"),
    ],
)
def test_a_certificate_that_verifiers_refuse_signs_nothing(tmp_path, certificate, words):
    files = write_signer(tmp_path, **certificate)
    with pytest.raises(CredentialError, match=words):
        load_signer("pem", files.settings)
    with pytest.raises(CredentialError, match=words):
        read_signing_certificates(files.certificates)


def test_a_short_rsa_key_is_refused(tmp_path):
    key, root = signing_keys.make_key("ps256", rsa_bits=1024), Authority.make()
    leaf = certify(key.public_key(), root).public_bytes(signing_keys.PEM)
    signing_keys.write_key(tmp_path / "key.pem", key)
    (tmp_path / "chain.pem").write_bytes(leaf)
    with pytest.raises(CredentialError, match="1024 bits"):
        read_pem_key(tmp_path / "key.pem", tmp_path / "chain.pem")
    with pytest.raises(CredentialError, match="1024 bits"):
        read_chain(leaf, "x").check()


def test_the_order_of_a_chain_matters(tmp_path):
    files = write_signer(tmp_path, with_intermediate=True)
    leaf, above = read_chain(files.certificates.read_bytes(), "x").certificates
    stranger = Authority.make().pem
    pem = signing_keys.PEM
    wrong = above.public_bytes(pem) + leaf.public_bytes(pem)
    with pytest.raises(CredentialError, match="Put the signer's own first"):
        read_chain(wrong, "x").check()
    with pytest.raises(CredentialError, match="is not signed by the next"):
        read_chain(leaf.public_bytes(pem) + stranger, "x").check()
    read_chain(files.certificates.read_bytes() + files.root.read_bytes(), "x").check()


def test_p521_needs_sha512():
    """The library signs with such a chain, and then trusts nothing that it signed."""
    root, key = Authority.make("es512"), signing_keys.make_key("es512")
    weak = certify(key.public_key(), root, digest=hashes.SHA256()).public_bytes(signing_keys.PEM)
    with pytest.raises(CredentialError, match="SHA-512"):
        read_chain(weak + root.pem, "x").check()
    good = certify(key.public_key(), root).public_bytes(signing_keys.PEM)
    read_chain(good + root.pem, "x").check()


def test_too_many_certificates_are_refused():
    key, root = signing_keys.make_key("es256"), Authority.make()
    leaf = certify(key.public_key(), root).public_bytes(signing_keys.PEM)
    with pytest.raises(CredentialError, match="more than 8"):
        read_chain(leaf + root.pem * 8, "x").check()


def test_names_of_certificates_cannot_steer_a_terminal():
    key, root = signing_keys.make_key("es256"), Authority.make()
    hostile = certify(key.public_key(), root, name="\x1b[2Jevil", ends=-HOUR / 2)
    with pytest.raises(CredentialError, match="expired") as caught:
        read_chain(hostile.public_bytes(signing_keys.PEM), "x").check()
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_checker_takes_nothing_but_the_key_s_own_signature(algorithm):
    from provenance.credentials.signing.signatures import sign_with

    key, other = signing_keys.make_key(algorithm), signing_keys.make_key(algorithm)
    checker = Checker(key.public_key(), algorithm)
    signature = sign_with(key, algorithm, DATA)
    raw = checker.checked(signature, DATA)
    assert checker.checked(raw, DATA) == raw  # either form of ECDSA, and COSE's comes out
    wrong = [b"", b"x", raw[:-1], raw + b"\0", bytes(len(raw)), sign_with(other, algorithm, DATA)]
    for bad in (*wrong, sign_with(key, algorithm, DATA + b"."), None, "text"):
        with pytest.raises(CredentialError):
            checker.checked(bad, DATA)
