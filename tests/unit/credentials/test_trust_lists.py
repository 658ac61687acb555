"""Imported lists: what is refused at the door, and what is noticed later."""

import base64
import collections
import contextlib
import datetime
import json
import random
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from made_roots import DAY, importer, pem, root
from timestamp_authority import timestamp_authority

from provenance.credentials import (
    TimestampPolicy,
    development_signer,
    load_signer,
    load_trust_anchors,
    read_credential,
    sign_bytes,
)
from provenance.credentials.keys import authority, certificates, listing
from provenance.credentials.trust import checking, lists, roots
from provenance.errors import CredentialError, UserError


@pytest.fixture
def add(tmp_path):
    return importer(tmp_path)


def test_a_list_is_kept_with_its_source_and_date(tmp_path, add):
    given = pem(root(), root(name="Other"))
    one = add(given)
    assert lists.load_list(tmp_path, "studio") == one
    assert len(one.subjects) == 2
    assert one.source == str(tmp_path / "given")
    assert datetime.datetime.fromisoformat(one.date).tzinfo is not None
    record = json.loads((tmp_path / "trust" / "studio.json").read_text())
    assert record["sha256"] == one.sha256
    assert checking.examine_list(tmp_path, "studio") == checking.Examination("studio", one)


def test_text_around_certificates_is_allowed(add):
    given = b"Subject: CN=Root\n# a note -- of mine\n\n" + pem(root()) + b"\r\nthe end\n"
    assert len(add(given).subjects) == 1


def without_line(data, text):
    lines = data.splitlines(keepends=True)
    lines.remove(text)
    return b"".join(lines)


GOOD = pem(root())
KEY = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
BEGIN, END = b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "holds no certificates"),
        (b"nonsense", "holds no certificates"),
        (GOOD + GOOD[: len(GOOD) // 2], "does not end"),
        (without_line(GOOD, BEGIN), "BEGIN is missing"),
        (without_line(GOOD + GOOD, END), "out of place"),
        (GOOD + GOOD.replace(b"BEGIN CERT", b"BEGIN-CERT"), "no proper BEGIN or END|is missing"),
        (GOOD.replace(b"-----BEGIN", b"----BEGIN"), "no proper BEGIN|is missing"),
        (GOOD + BEGIN + b"AAAA\n" + END, "cannot be read"),
        (GOOD + BEGIN + b"not base64!\n" + END, "cannot be read"),
        (GOOD + KEY, "holds a private key"),
        (GOOD + KEY.replace(b"PRIVATE", b"EC PRIVATE"), "holds a private key"),
        (GOOD + GOOD.replace(b" CERTIFICATE", b" TRUSTED CERTIFICATE"), "OpenSSL's own form"),
        (GOOD + GOOD.replace(b" CERTIFICATE", b" X509 CRL"), "revoked certificates"),
        (GOOD + GOOD.replace(b" CERTIFICATE", b" STRANGE THING"), "a STRANGE THING"),
        (base64.b64decode("".join(GOOD.decode().splitlines()[1:-1])), "binary form"),
        (GOOD + GOOD, "more than once"),
        (GOOD.replace(b"\n", b""), "holds no certificates|no proper BEGIN"),
    ],
)
def test_a_file_that_is_only_partly_a_list_is_refused(tmp_path, add, data, words):
    with pytest.raises(UserError, match=words) as caught:
        add(data)
    assert "given" in str(caught.value)
    assert not list(tmp_path.glob("trust/*.*"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: root(is_authority=False), "is no authority"),
        (lambda: root(signs_certificates=False), "may not sign certificates"),
        (lambda: root(begins=-9, ends=-1), "expired on"),
        (lambda: root(begins=1), "is not valid before"),
        (lambda: root(rsa.generate_private_key(65537, 1024)), "RSA key of 1024 bits"),
        (lambda: root(ec.generate_private_key(ec.SECP256K1())), "curve secp256k1"),
        (lambda: root(dsa.generate_private_key(1024)), "unknown kind"),
        (lambda: root(usages=[ExtendedKeyUsageOID.TIME_STAMPING]), "not for signing media"),
        (lambda: root(signer=ec.generate_private_key(ec.SECP256R1())), "signature does not fit"),
        (lambda: certificates.make_leaf(certificates.make_root()).certificate, "no authority"),
    ],
)
def test_a_certificate_that_vouches_for_nobody_is_refused(tmp_path, add, make, words):
    with pytest.raises(UserError, match=words) as caught:
        add(GOOD + pem(make()))
    assert "CN=" in str(caught.value)
    assert lists.list_names(tmp_path) == []


def test_roots_of_one_kind_are_refused_as_the_other(add):
    signing = root(usages=[ExtendedKeyUsageOID.EMAIL_PROTECTION])
    add(pem(signing))
    with pytest.raises(UserError, match="not for time-stamping"):
        add(pem(signing), "clock", "time")
    add(pem(root(usages=[ExtendedKeyUsageOID.TIME_STAMPING])), "clock", "time")


def test_an_expired_root_is_taken_where_it_is_meant(tmp_path, add):
    old = pem(root(begins=-9, ends=-1))
    with pytest.raises(UserError, match="--allow-expired"):
        add(old)
    add(old, allow_expired=True)
    assert lists.load_list(tmp_path, "studio").subjects == ("CN=Root",)
    (warning,) = checking.examine_list(tmp_path, "studio").warnings
    assert "expired on" in warning
    with pytest.raises(UserError, match="not valid before"):
        add(pem(root(begins=1)), "later", allow_expired=True)


def test_a_file_that_is_too_large_is_refused(tmp_path, add, monkeypatch):
    monkeypatch.setattr(roots, "MAX_BYTES", 1000)
    with pytest.raises(UserError, match="exceed"):
        add(GOOD + b" " * 1000)
    monkeypatch.undo()
    monkeypatch.setattr(roots, "_MOST_CERTIFICATES", 1)
    with pytest.raises(UserError, match="2 certificates; at most 1"):
        add(GOOD + pem(root()))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "no name"),
        ("Studio", "no name"),
        ("a" * 41, "no name"),
        ("../evil", "no name"),
        ("a\x1b", "no name"),
        ("development-ca", "kept for this program"),
        ("file-3", "kept for this program"),
        ("c2pa-time", "kept for the C2PA's list of kind time"),
    ],
)
def test_names_that_no_list_can_have(add, name, words):
    with pytest.raises(UserError, match=words):
        add(GOOD, name)


def test_a_list_is_replaced_only_when_told_so(tmp_path, add):
    add(GOOD)
    with pytest.raises(UserError, match="--replace"):
        add(pem(root()))
    other = root(name="Other")
    add(pem(other), replace=True)
    assert lists.load_list(tmp_path, "studio").subjects == ("CN=Other",)


def test_the_same_roots_are_not_imported_under_two_names(add):
    one, other = root(), root(name="Other")
    add(pem(one, other))
    with pytest.raises(UserError, match="trusted already, by the list studio"):
        add(pem(other, one), "again")
    add(pem(other, one), "clock", "time")  # another kind is another thing


def test_a_list_that_is_removed_is_gone(tmp_path, add):
    add(GOOD)
    lists.remove_list(tmp_path, "studio")
    assert lists.list_names(tmp_path) == []
    assert lists.strays(tmp_path) == []
    with pytest.raises(UserError, match="provenance trust add"):
        lists.load_list(tmp_path, "studio")
    with pytest.raises(UserError, match="no trust list"):
        lists.remove_list(tmp_path, "studio")


def edit(tmp_path, **changes):
    path = tmp_path / "trust" / "studio.json"
    record = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({k: v for k, v in record.items() if v is not ...}))


def test_lists_that_cannot_be_looked_at_do_not_pass_for_none(tmp_path, monkeypatch):
    monkeypatch.setenv("PROVENANCE_CONFIG_DIR", str(tmp_path))
    assert load_trust_anchors(None).lists == ()
    for name in ("trust", "development-ca"):
        (tmp_path / name).symlink_to(name)  # to itself, which nobody can follow
        with pytest.raises(UserError, match="Cannot tell whom you trust"):
            load_trust_anchors(None)
        (tmp_path / name).unlink()


def open_to_others(path):
    path.parent.chmod(0o755)
    path.chmod(0o666)


def test_the_development_ca_counts_only_where_nobody_else_may_write(tmp_path, monkeypatch):
    monkeypatch.setenv("PROVENANCE_CONFIG_DIR", str(tmp_path))
    development_signer()
    anchor = authority.anchor_path(tmp_path)
    for damage in (lambda: anchor.parent.chmod(0o777), lambda: open_to_others(anchor)):
        assert load_trust_anchors(None).lists
        damage()
        with pytest.raises(UserError, match="chmod go-w"):
            load_trust_anchors(None)
        assert "chmod go-w" in checking.examine_development(tmp_path).errors[0]
        anchor.parent.chmod(0o700)


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: (f / "trust/studio.pem").unlink(),
        lambda f: (f / "trust/studio.pem").write_bytes(b""),
        lambda f: (f / "trust/studio.pem").write_bytes(pem(root(name="Evil"))),
        lambda f: (f / "trust/studio.json").write_text("{"),
        lambda f: (f / "trust/studio.json").write_text("[]"),
        lambda f: edit(f, sha256="0" * 64),
        lambda f: edit(f, purpse="time"),
        lambda f: edit(f, purpose="everything"),
        lambda f: edit(f, purpose=...),
        lambda f: edit(f, date=3),
        lambda f: edit(f, date="yesterday"),
        lambda f: edit(f, next_update="2026-01-01"),
        lambda f: edit(f, name="other"),
        lambda f: edit(f, format=2),
        lambda f: (f / "trust").chmod(0o777),
        lambda f: open_to_others(f / "trust/studio.pem"),
        lambda f: open_to_others(f / "trust/studio.json"),
        lambda f: f.chmod(0o777),
    ],
)
def test_a_list_that_was_damaged_is_an_error_where_it_is_used(tmp_path, add, damage, monkeypatch):
    monkeypatch.setenv("PROVENANCE_CONFIG_DIR", str(tmp_path))
    add(GOOD)
    damage(tmp_path)
    for arguments in ({}, {"lists": ["studio"]}):
        with pytest.raises(UserError, match=r"trust remove studio|Cannot read|chmod"):
            load_trust_anchors(None, **arguments)
    (error,) = checking.examine_list(tmp_path, "studio").errors
    assert error
    lists.remove_list(tmp_path, "studio")  # damaged or not
    assert load_trust_anchors(None).lists == ()


def test_all_roots_expired_is_an_error_and_some_a_warning(tmp_path, add, monkeypatch):
    add(pem(root(ends=1)))
    add(pem(root(ends=1), root(ends=9)), "mixed")
    judge = roots.judge
    then = datetime.datetime.now(datetime.UTC) + 2 * DAY
    monkeypatch.setattr(
        roots, "judge", lambda found, purpose, now=None: judge(found, purpose, then)
    )
    with pytest.raises(UserError, match="All roots of the trust list studio have expired"):
        lists.load_list(tmp_path, "studio")
    assert checking.examine_list(tmp_path, "studio").errors
    assert len(lists.load_list(tmp_path, "mixed").subjects) == 2
    assert checking.examine_list(tmp_path, "mixed").warnings


def test_certificates_that_were_never_imported_are_named(tmp_path, add):
    add(GOOD)
    (tmp_path / "trust" / "dropped.pem").write_bytes(GOOD)
    assert lists.strays(tmp_path) == ["dropped"]
    assert lists.list_names(tmp_path) == ["studio"]
    lists.remove_list(tmp_path, "dropped")
    assert lists.strays(tmp_path) == []


def test_a_kill_between_the_two_files_is_no_list_or_a_loud_one(tmp_path, add, monkeypatch):
    def die(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(lists, "write_json", die)
    with pytest.raises(KeyboardInterrupt):
        add(GOOD)
    assert lists.list_names(tmp_path) == []
    monkeypatch.undo()
    add(GOOD)
    monkeypatch.setattr(lists, "write_json", die)
    with pytest.raises(KeyboardInterrupt):
        add(pem(root(name="Other")), replace=True)
    monkeypatch.undo()
    with pytest.raises(UserError, match="damaged"):
        lists.load_list(tmp_path, "studio")
    add(pem(root(name="Other")), replace=True)
    assert lists.load_list(tmp_path, "studio").subjects == ("CN=Other",)


def test_a_folder_that_cannot_be_written_says_so(tmp_path, add):
    (tmp_path / "trust").write_text("")
    with pytest.raises(CredentialError, match="PROVENANCE_CONFIG_DIR"):
        add(GOOD)


def test_what_an_import_would_say_can_be_asked_first(tmp_path, c2pa_data):
    path = tmp_path / "roots.pem"
    path.write_bytes(GOOD + GOOD + pem(root(is_authority=False)))
    found = checking.examine_file(path, "manifest")
    assert len(found.errors) == 2
    assert json.dumps(found.to_json())
    official = c2pa_data / "trust-list" / "C2PA-TSA-TRUST-LIST.json"
    assert checking.examine_file(official, None).errors == ()
    assert len(checking.examine_file(official, "manifest").errors) > 1


def test_names_in_a_list_cannot_change_what_is_said(add, tmp_path):
    hostile = "Root\x1b[2J\nError: forged"
    with pytest.raises(UserError) as caught:
        add(pem(root(name=hostile, is_authority=False)))
    assert "is no authority" in str(caught.value)  # the command line escapes it


def test_an_expired_root_vouches_for_a_file_of_a_trusted_time_and_for_nothing_else(
    tmp_path, png, manifest, add
):
    """Three seconds: the root has to expire between signing and reading."""
    key = ec.generate_private_key(ec.SECP256R1())
    short = certificates.KeyPair(key, root(key, ends=2.0 / 86400, signs_certificates=True))
    path = tmp_path / "key.pem"
    path.write_bytes(certificates.make_leaf(short).to_pem(short.certificate))
    path.chmod(0o600)
    files = {}
    with timestamp_authority(tmp_path / "clock") as clock:
        for name, policy in (("timed", TimestampPolicy(clock.url)), ("untimed", None)):
            signer = load_signer("pem", {"key": str(path)}, timestamp=policy)
            files[name] = tmp_path / f"{name}.png"
            files[name].write_bytes(sign_bytes(png, "image/png", manifest, signer))
        time_path = clock.root
    time.sleep(3.0)
    (tmp_path / "old.pem").write_bytes(pem(short.certificate))
    lists.add_list(tmp_path, "old", tmp_path / "old.pem", "manifest", allow_expired=True)
    archive = lists.load_list(tmp_path, "old")
    timed = load_trust_anchors([], [time_path])
    trust = type(timed)((archive, *timed.lists))
    found = read_credential(files["timed"], None, trust)
    assert (found.signer, found.time, found.trusted_by) == ("trusted", "trusted", "old")
    for name, lists_ in (("untimed", trust.lists), ("timed", (archive,))):
        found = read_credential(files[name], None, type(timed)(lists_))
        assert (found.integrity, found.signer) == ("ok", "untrusted")


def test_no_damage_of_a_certificate_is_more_than_a_refusal(tmp_path):
    """Names and extensions are parsed late by the library: a damaged one must not raise there."""
    rng = random.Random(5)
    whole = certificates.make_root().certificate.public_bytes(serialization.Encoding.DER)
    outcomes = collections.Counter()
    for _ in range(1500):
        der = bytearray(whole)
        for _ in range(rng.choice((1, 2, 5))):
            der[rng.randrange(len(der))] = rng.randrange(256)
        text = base64.encodebytes(bytes(der)).decode()
        path = tmp_path / "given.pem"
        path.write_text(f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n")
        found = checking.examine_file(path, "manifest")
        outcomes[bool(found.errors)] += bytes(der) != whole
        with contextlib.suppress(UserError):
            listing.list_certificates(path)
    # a root signs itself, so that a change shows, except where it makes an intermediate of it
    assert outcomes[True] > 8 * outcomes[False]
