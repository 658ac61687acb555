"""Every registered signer keeps the promises of the kit."""

import contextlib
import json
import shutil
import sys

import pytest
from signing_keys import write_signer
from soft_token import soft_token

from provenance.plugins import registry
from provenance.testing import check_signer

NAMES = ("pem", "pkcs11", "command")


def check(name, settings, **arguments):
    offer = registry().signer(name)
    results = check_signer(
        offer.factory, offer.spec, settings, module=offer.owner.target, **arguments
    )
    assert {result.status for result in results} == {"passed"}


def test_all_built_in_signers_are_checked():
    built_in = {
        name
        for name, offer in registry().signers.items()
        if offer.owner.distribution == "provenance-suite"
    }
    assert built_in == set(NAMES)


def test_pem(tmp_path, monkeypatch):
    files = write_signer(tmp_path, "es384", passphrase=b"a passphrase", with_intermediate=True)
    monkeypatch.setenv("KIT_PASSPHRASE", "a passphrase")
    settings = files.settings | {"passphrase_env": "KIT_PASSPHRASE"}
    bad = ({}, settings | {"algorithm": "es256"}, settings | {"passphrase_env": "NOT_SET"})
    check("pem", settings, bad_settings=bad)


def test_pkcs11(tmp_path, monkeypatch):
    from provenance_plugins.pkcs11 import token as sessions

    with soft_token(tmp_path / "token", monkeypatch) as token:
        token.add_key("es256", b"\x01")
        sessions._module.cache_clear()
        settings = token.settings("es256") | {"pin_env": "PROVENANCE_PIN"}

        @contextlib.contextmanager
        def unplugged():
            """The token's files go away, and come back."""
            tokens = token.folder / "tokens"
            module = sessions.module(token.module)
            with module.lock:
                module._library.finalize()
                tokens.rename(token.folder / "away")
                tokens.mkdir()
                module._library.initialize()
            try:
                yield
            finally:
                with module.lock:
                    module._library.finalize()
                    tokens.rmdir()
                    (token.folder / "away").rename(tokens)
                    module._library.initialize()

        bad = ({}, settings | {"key": "another"}, settings | {"token": "another"})
        check("pkcs11", settings, bad_settings=bad, broken=unplugged)
        sessions._module.cache_clear()


def test_command(tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    files = write_signer(tmp_path)
    program = tmp_path / "sign"
    program.write_text(
        f"#!{sys.executable} -S\n"
        "import os, sys\n"
        f"os.path.exists({str(tmp_path / 'down')!r}) and sys.exit('the service is down')\n"
        f"os.execlp('openssl', 'openssl', 'dgst', '-sha256', '-sign', {str(files.key)!r})\n"
    )
    program.chmod(0o700)

    @contextlib.contextmanager
    def down():
        (tmp_path / "down").touch()
        yield
        (tmp_path / "down").unlink()

    settings = {
        "command": json.dumps([str(program)]),
        "certificates": str(files.certificates),
    }
    bad = ({}, settings | {"command": "no-such-program"}, settings | {"timeout_s": "-1"})
    check("command", settings, bad_settings=bad, broken=down)
