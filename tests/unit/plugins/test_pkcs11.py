"""Keys in a hardware module, with SoftHSM for the hardware."""

import sys

import pytest
from soft_token import PIN, soft_token

from provenance.credentials import (
    SecretMissingError,
    load_signer,
    load_trust_anchors,
    read_credential_bytes,
)
from provenance.errors import CredentialError, UserError
from provenance.testing.signer_promises import sign_sample

ALGORITHMS = ("es256", "es384", "ps256", "ed25519")


@pytest.fixture
def token(tmp_path, monkeypatch):
    from provenance.credentials.signing import signer

    with soft_token(tmp_path / "token", monkeypatch) as made:
        made.add_key("es256", b"\x01")
        _forget_modules()
        signer._opened.cache_clear()
        yield made
        _forget_modules()


def _forget_modules():
    from provenance_plugins.pkcs11 import token

    token._module.cache_clear()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_that_cannot_leave_its_token_signs(token, tmp_path, algorithm):
    if algorithm != "es256":
        token.add_key(algorithm, b"\x02")
    (tmp_path / "root.pem").write_bytes(token.root.pem)
    data = sign_sample(load_signer("pkcs11", token.settings(algorithm)))
    trust = load_trust_anchors([tmp_path / "root.pem"])
    credential = read_credential_bytes(data, "image/png", trust)
    assert (credential.integrity, credential.signer) == ("ok", "trusted")
    assert token.private_key(algorithm) == (False, True)  # not extractable, sensitive


def test_an_rsa_key_signs_with_longer_hashes(token):
    token.add_key("ps256", b"\x02")
    for algorithm in ("ps384", "ps512"):
        settings = token.settings("ps256") | {"algorithm": algorithm}
        assert sign_sample(load_signer("pkcs11", settings))


def test_a_key_is_found_by_its_id_too(token):
    settings = token.settings("es256")
    del settings["key"]
    assert sign_sample(load_signer("pkcs11", settings | {"key_id": "01"}))
    with pytest.raises(UserError, match="no private key with the id 77"):
        load_signer("pkcs11", settings | {"key_id": "77"})
    with pytest.raises(UserError, match="not hexadecimal"):
        load_signer("pkcs11", settings | {"key_id": "zz"})
    with pytest.raises(UserError, match=r"'key' \(a label\) or 'key_id'"):
        load_signer("pkcs11", settings)


def test_several_keys_of_one_label_need_an_id(token):
    token.add_key("es256", b"\x09")
    with pytest.raises(UserError, match="several private keys"):
        load_signer("pkcs11", token.settings("es256"))
    assert sign_sample(load_signer("pkcs11", token.settings("es256") | {"key_id": "09"}))


def test_a_missing_key_is_named(token):
    settings = token.settings("es256") | {"key": "no\x1b[2J"}
    with pytest.raises(UserError, match="no private key with the label") as caught:
        load_signer("pkcs11", settings)
    assert "\x1b" not in str(caught.value)


def test_a_wrong_pin_is_tried_once(token, monkeypatch):
    """Three wrong ones lock most tokens."""
    monkeypatch.setenv("PROVENANCE_PIN", "wrong")
    for _ in range(5):
        with pytest.raises(UserError, match="PIN in PROVENANCE_PIN is not the one") as caught:
            load_signer("pkcs11", token.settings("es256"))
        assert "wrong" not in str(caught.value)
    monkeypatch.setenv("PROVENANCE_PIN", PIN)
    assert sign_sample(load_signer("pkcs11", token.settings("es256")))


def test_the_pin_comes_from_the_environment_alone(token, monkeypatch):
    monkeypatch.delenv("PROVENANCE_PIN")
    with pytest.raises(SecretMissingError, match="PIN of the token 'media'") as caught:
        load_signer("pkcs11", token.settings("es256"))
    assert caught.value.variable == "PROVENANCE_PIN"
    monkeypatch.setenv("ANOTHER", PIN)
    settings = token.settings("es256") | {"pin_env": "ANOTHER"}
    assert sign_sample(load_signer("pkcs11", settings))


def test_tokens_are_chosen_by_label_or_slot(token):
    settings = token.settings("es256")
    with pytest.raises(UserError, match=r"no such token.*There: 'media' in slot"):
        load_signer("pkcs11", settings | {"token": "other"})
    with pytest.raises(UserError, match="no such token"):
        load_signer("pkcs11", settings | {"slot": "5"})
    with pytest.raises(UserError, match="is no number"):
        load_signer("pkcs11", settings | {"slot": "first"})
    del settings["token"]  # there is only one
    assert sign_sample(load_signer("pkcs11", settings))


def test_a_certificate_of_another_key_is_found_out(token):
    token.add_key("es384", b"\x02")
    settings = token.settings("es384") | {"key": "es256"}
    with pytest.raises(CredentialError, match="'pkcs11' failed"):
        sign_sample(load_signer("pkcs11", settings))


def test_a_session_that_broke_is_opened_anew(token):
    from provenance_plugins.pkcs11 import token as sessions

    signer = load_signer("pkcs11", token.settings("es256"))
    assert sign_sample(signer)
    module = sessions.module(token.module)
    for session in module._sessions.values():
        session.close()  # as when somebody pulls the device out and puts it back
    assert sign_sample(signer)


def test_a_library_that_is_none_is_refused(token, tmp_path):
    (tmp_path / "text.so").write_text("no library")
    with pytest.raises(UserError, match="cannot be used as a PKCS #11 library"):
        load_signer("pkcs11", token.settings("es256") | {"module": str(tmp_path / "text.so")})


def test_without_the_python_library_the_remedy_is_said(monkeypatch):
    for name in list(sys.modules):
        if name.startswith(("pkcs11", "provenance_plugins.pkcs11.")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(UserError, match=r"pip install 'provenance-suite\[pkcs11\]'"):
        load_signer("pkcs11", {"module": "/x.so"})


@pytest.mark.parametrize("name", ["module", "certificates"])
def test_missing_settings_are_named(token, name):
    settings = token.settings("es256")
    del settings[name]
    with pytest.raises(UserError, match=f"needs the setting '{name}'"):
        load_signer("pkcs11", settings)
