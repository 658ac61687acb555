"""Lists of roots are checked before use: the library would take anything and trust nobody."""

import logging

import pytest

from provenance.credentials import config_folder, load_trust_anchors, read_credential
from provenance.credentials.keys import authority, certificates
from provenance.credentials.trust import lists
from provenance.errors import UserError


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A config folder of this test alone, since imported lists count everywhere."""
    monkeypatch.setenv("PROVENANCE_CONFIG_DIR", str(tmp_path / "config"))
    return tmp_path / "config"


def pem(*pairs):
    return certificates.certificates_pem(*(pair.certificate for pair in pairs))


def test_the_default_is_this_machines_development_ca(config, signer):
    trust = load_trust_anchors(None)
    (own,) = trust.lists
    assert own.source == str(authority.anchor_path(config_folder()))
    assert "Development CA" in trust.names[0]
    assert trust.to_json()["lists"][0]["anchors"] == 1
    assert len(trust.sha256) == 64


def test_without_a_development_ca_nobody_is_trusted(config):
    assert load_trust_anchors(None) == load_trust_anchors([])
    assert load_trust_anchors([]).lists == ()
    assert not config.exists()  # verifying makes no CA


def test_imported_lists_count_by_default_or_by_name(config, signer, tmp_path):
    (tmp_path / "studio.pem").write_bytes(pem(certificates.make_root()))
    (tmp_path / "clock.pem").write_bytes(pem(certificates.make_root()))
    lists.add_list(config, "studio", tmp_path / "studio.pem", "manifest")
    lists.add_list(config, "clock", tmp_path / "clock.pem", "time")

    def names(*arguments, **options):
        return [one.name for one in load_trust_anchors(*arguments, **options).lists]

    assert names(None) == ["development-ca", "clock", "studio"]
    assert names(None, lists=["studio"]) == ["studio"]
    assert names(None, lists=["development-ca", "clock"]) == ["development-ca", "clock"]
    assert names([]) == []
    assert names([], lists=["studio"]) == ["studio"]
    assert names([tmp_path / "clock.pem"], lists=["studio"]) == ["studio", "file-1"]
    assert names(None, [tmp_path / "clock.pem"], lists=[]) == ["file-1"]
    with pytest.raises(UserError, match="Did you mean 'studio'"):
        load_trust_anchors(None, lists=["studo"])


def test_a_development_ca_that_is_not_there_cannot_be_named(config):
    with pytest.raises(UserError, match="keys init"):
        load_trust_anchors(None, lists=["development-ca"])


def test_after_rotation_old_and_new_files_are_trusted_by_default(config, signed, tmp_path):
    assert read_credential(signed, None, load_trust_anchors(None)).signer == "trusted"
    authority.rotate_authority(config, root=True)
    trust = load_trust_anchors(None)
    assert len(trust.names) == 2
    assert read_credential(signed, None, trust).signer == "trusted"


def test_a_root_of_one_kind_never_vouches_for_the_other(config, signed):
    """The library takes roots of time-stamps for signers too (0.38.1); we do not."""
    own = authority.anchor_path(config)
    as_time = load_trust_anchors([], [own])
    assert read_credential(signed, None, as_time).signer == "untrusted"
    lists.add_list(config, "clock", own, "time")
    named = load_trust_anchors(None, lists=["clock"])
    assert named.manifest == ()
    assert read_credential(signed, None, named).signer == "untrusted"
    both = load_trust_anchors(None)
    found = read_credential(signed, None, both)
    assert (found.signer, found.trusted_by) == ("trusted", "development-ca")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"\xff\xfe\x00",
        b"{}",
    ],
)
def test_a_list_without_certificates_is_refused_with_a_remedy(tmp_path, content):
    path = tmp_path / "roots.pem"
    path.write_bytes(content)
    for arguments in ([[path]], [[], [path]]):
        with pytest.raises(UserError, match=r"Give (a PEM file|the JSON list)"):
            load_trust_anchors(*arguments)


def test_a_missing_list_is_refused(tmp_path):
    with pytest.raises(UserError, match="Cannot read"):
        load_trust_anchors([tmp_path / "roots.pem"])


def test_comments_do_not_change_the_identity_of_a_list(tmp_path, anchors):
    path = tmp_path / "roots.pem"
    path.write_text("# a comment\n" + anchors.lists[0].pem)
    assert load_trust_anchors([path]).lists[0].sha256 == anchors.lists[0].sha256


def test_a_file_with_an_expired_root_is_taken_with_a_warning(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(certificates, "ROOT_DAYS", 0)
    monkeypatch.setattr(certificates, "_CLOCK_SKEW", 100 * certificates._CLOCK_SKEW)
    path = tmp_path / "old.pem"
    path.write_bytes(pem(certificates.make_root()))
    with caplog.at_level(logging.WARNING):
        load_trust_anchors([path])
    assert "expired on" in caplog.text


def test_the_official_lists_load(c2pa_data):
    folder = c2pa_data / "trust-list"
    for ending in ("pem", "json"):
        trust = load_trust_anchors(
            [folder / f"C2PA-TRUST-LIST.{ending}"], [folder / f"C2PA-TSA-TRUST-LIST.{ending}"]
        )
        assert len(trust.names) == 30
        about = trust.to_json()["lists"]
        assert [one["purpose"] for one in about] == ["manifest", "time"]
    assert about[0]["date"] == "2026-08-05T00:11:39+00:00"
    assert about[0]["next_update"] == "2027-08-05T00:11:39+00:00"
