"""Lists of roots are checked before use: the library would take anything and trust nobody."""

import pytest

from provenance.credentials import config_folder, load_trust_anchors
from provenance.credentials.keys import authority
from provenance.errors import UserError


def test_the_default_is_this_machines_development_ca(signer):
    trust = load_trust_anchors(None)
    (own,) = trust.lists
    assert own.source == str(authority.anchor_path(config_folder()))
    assert "Development CA" in trust.names[0]
    assert trust.to_json()["lists"][0]["anchors"] == 1
    assert len(trust.sha256) == 64


def test_without_a_development_ca_nobody_is_trusted(monkeypatch, tmp_path):
    monkeypatch.setenv("PROVENANCE_CONFIG_DIR", str(tmp_path))
    assert load_trust_anchors(None) == load_trust_anchors([])
    assert load_trust_anchors([]).lists == ()
    assert not list(tmp_path.iterdir())  # verifying makes no CA


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"\xff\xfe\x00",
    ],
)
def test_a_list_without_certificates_is_refused_with_a_remedy(tmp_path, content):
    path = tmp_path / "roots.pem"
    path.write_bytes(content)
    with pytest.raises(UserError, match="Give a PEM file"):
        load_trust_anchors([path])
    with pytest.raises(UserError, match="Give a PEM file"):
        load_trust_anchors([], [path])


def test_a_missing_list_is_refused(tmp_path):
    with pytest.raises(UserError, match="Cannot read"):
        load_trust_anchors([tmp_path / "roots.pem"])


def test_comments_do_not_change_the_identity_of_a_list(tmp_path, anchors):
    path = tmp_path / "roots.pem"
    path.write_text("# a comment\n" + anchors.lists[0].pem)
    assert load_trust_anchors([path]).lists[0].sha256 == anchors.lists[0].sha256


def test_the_official_list_loads(c2pa_data):
    folder = c2pa_data / "trust-list"
    trust = load_trust_anchors(
        [folder / "C2PA-TRUST-LIST.pem"], [folder / "C2PA-TSA-TRUST-LIST.pem"]
    )
    assert len(trust.names) == 30
    assert [one["purpose"] for one in trust.to_json()["lists"]] == ["manifest", "time"]
