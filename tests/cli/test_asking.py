"""A passphrase is asked for on a terminal, not shown, and not missed by anybody else."""

import os
import pty
import sys

import cv2
import numpy as np
import pytest
from signing_keys import write_signer

from provenance.cli.asking import with_secrets
from provenance.credentials import SecretMissingError, load_trust_anchors, read_credential

SECRET = "open sesame"


@pytest.fixture
def arguments(tmp_path):
    files = write_signer(tmp_path / "keys", passphrase=SECRET.encode())
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    options = [f"--signer-option={name}={value}" for name, value in files.settings.items()]
    source, out = str(tmp_path / "a.png"), str(tmp_path / "out.png")
    return ["sign", source, "--out", out, "--signer", "pem", *options]


def on_a_terminal(arguments, answer):
    """Run a command as the leader of a terminal; return its exit code and all that was shown."""
    process, terminal = pty.fork()
    if process == 0:
        os.execv(sys.executable, [sys.executable, "-m", "provenance", *arguments])
    shown = b""
    with os.fdopen(terminal, "r+b", buffering=0) as stream:
        while True:
            try:
                chunk = stream.read(1024)
            except OSError:  # how Linux says that the other end has closed
                break
            if not chunk:
                break
            shown += chunk
            if shown.endswith(b": ") and answer is not None:
                stream.write(answer.encode() + b"\n")
                answer = None
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), shown.decode()


def test_the_passphrase_is_asked_for(arguments, tmp_path):
    code, shown = on_a_terminal(arguments, SECRET)
    assert code == 0, shown
    assert "Passphrase of the key key.pem: " in shown
    assert SECRET not in shown
    trust = load_trust_anchors([tmp_path / "keys" / "root.pem"])
    assert read_credential(tmp_path / "out.png", None, trust).signer == "trusted"


def test_a_wrong_answer_ends_the_command(arguments, tmp_path):
    code, shown = on_a_terminal(arguments, "close sesame")
    assert code == 1
    assert "wrong passphrase" in shown
    assert "close sesame" not in shown
    assert not (tmp_path / "out.png").exists()


def test_nobody_is_asked_where_there_is_no_terminal(monkeypatch):
    class Pipe:
        def isatty(self):
            return False

    def make():
        raise SecretMissingError("A_VARIABLE", "PIN")

    monkeypatch.setattr(sys, "stdin", Pipe())
    with pytest.raises(SecretMissingError, match="A_VARIABLE"):
        with_secrets(make)
