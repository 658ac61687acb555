"""Keys behind a command: what it gets, what it may answer, and what is left of it."""

import json
import os
import re
import shlex
import shutil
import sys
import time
from pathlib import Path

import pytest
from signing_keys import write_signer

from provenance import sign
from provenance.credentials import (
    Recipe,
    load_signer,
    load_trust_anchors,
    read_credential_bytes,
    sign_bytes,
)
from provenance.errors import CredentialError, UserError
from provenance.testing.signer_promises import sign_sample

README = Path(__file__).parents[3] / "plugins" / "provenance_plugins" / "command" / "README.md"


@pytest.fixture
def files(tmp_path):
    return write_signer(tmp_path / "keys")


@pytest.fixture
def signer(files):
    """Return a signer whose command is this Python program."""

    def make(program, **more):
        command = json.dumps([sys.executable, "-S", "-c", program])
        certificates = str(files.certificates)
        return load_signer("command", {"command": command, "certificates": certificates, **more})

    return make


def openssl(files):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    return ["openssl", "dgst", "-sha256", "-sign", str(files.key)]


@pytest.mark.parametrize("form", [json.dumps, shlex.join])
def test_a_command_signs(files, form):
    settings = {"command": form(openssl(files)), "certificates": str(files.certificates)}
    data = sign_sample(load_signer("command", settings))
    credential = read_credential_bytes(data, "image/png", load_trust_anchors([files.root]))
    assert (credential.integrity, credential.signer) == ("ok", "trusted")


def test_the_readme_s_example_works(files, tmp_path, monkeypatch):
    openssl(files)
    text = README.read_text()
    (recipe,) = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "kms-stand-in.pem").write_bytes(files.key.read_bytes())
    (tmp_path / "chain.pem").write_bytes(files.certificates.read_bytes())
    (tmp_path / "recipe.toml").write_text(recipe)
    monkeypatch.chdir(tmp_path)
    shutil.copy(files.key, "kms-stand-in.pem")
    source = sign_sample(load_signer("development", {}))
    data = sign(source, recipe=Recipe.read(tmp_path / "recipe.toml"))
    credential = read_credential_bytes(data, "image/png", load_trust_anchors([files.root]))
    assert (credential.integrity, credential.signer) == ("ok", "trusted")


def test_no_shell_reads_the_command(files, tmp_path):
    settings = {"certificates": str(files.certificates)}
    command = shlex.join([*openssl(files), "/dev/stdin"]) + f" ; touch {tmp_path}/pwned"
    with pytest.raises(CredentialError, match="exit code"):
        sign_sample(load_signer("command", settings | {"command": command}))
    assert not (tmp_path / "pwned").exists()


def test_the_environment_is_passed_through(signer, files, monkeypatch):
    """Key services find their credentials there."""
    monkeypatch.setenv("KMS_KEY", str(files.key))
    program = "import os, subprocess, sys\n" + (
        "sys.exit(subprocess.call(['openssl', 'dgst', '-sha256', '-sign', os.environ['KMS_KEY']]))"
    )
    openssl(files)
    assert sign_sample(signer(program))


BAD = {
    "fails": ("import sys; sys.stderr.write('no such key\\n'); sys.exit(3)", "exit code 3"),
    "killed": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "exit code -9"),
    "silent": ("import sys; sys.stdin.buffer.read()", "no signature"),
    "deaf": ("pass", "no signature"),
    "talkative": ("print('x' * 5000)", "more than a signature"),
    "endless": ("while True: print('x' * 5000)", "more than a signature"),
    "text": ("print('c2lnbmF0dXJl')", "not one of the certificate's key"),
    "zeros": ("import sys; sys.stdout.buffer.write(bytes(64))", "not one of the certificate's"),
}


@pytest.mark.parametrize("name", BAD)
def test_whatever_is_no_signature_is_an_error(signer, name):
    program, words = BAD[name]
    handle = signer(program)
    with pytest.raises(CredentialError, match=words):
        sign_sample(handle)


def test_the_command_s_own_words_are_shown_escaped_and_cut(signer):
    program = "import sys; sys.stderr.write('x' * 9999 + '\\x1b[2J denied'); sys.exit(1)"
    with pytest.raises(CredentialError, match="denied") as caught:
        sign_sample(signer(program))
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_good_signature_of_another_key_is_refused(files, tmp_path):
    command = json.dumps(openssl(write_signer(tmp_path / "other")))
    settings = {"command": command, "certificates": str(files.certificates)}
    with pytest.raises(CredentialError, match="belongs to another certificate"):
        sign_sample(load_signer("command", settings))


def test_a_command_that_takes_too_long_is_stopped_with_its_children(signer, tmp_path):
    note = tmp_path / "child"
    program = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)\n"
    )
    start = time.monotonic()
    with pytest.raises(CredentialError, match=r"more than 1\.5 s"):
        sign_sample(signer(program, timeout_s="1.5"))
    assert time.monotonic() - start < 10
    assert is_gone(int(note.read_text()))


def is_gone(process_id):
    """Whether a process ends within seconds; a zombie that nobody waits for counts as ended."""
    for _ in range(100):
        try:
            os.kill(process_id, 0)
            state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_manifest_longer_than_a_pipe_is_no_trouble():
    """Both sides write before they read."""
    from provenance_plugins.command.process import run

    data = os.urandom(1 << 20)
    program = "import sys; sys.stdout.write('a' * 100000); sys.stdout.flush(); sys.stdin.read()"
    done = run((sys.executable, "-S", "-c", program), b"a" * (1 << 20), timeout_s=20, max_bytes=1)
    assert done.is_too_long
    program = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"
    done = run((sys.executable, "-S", "-c", program), data, timeout_s=20, max_bytes=len(data))
    assert (done.output, done.exit_code) == (data, 0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"command": ""}, "needs the setting 'command'"),
        ({"command": "[]"}, "needs the setting 'command'"),
        ({"command": "[1, 2]"}, "needs the setting 'command'"),
        ({"command": "[not json"}, "cannot be read"),
        ({"command": "sign 'unclosed"}, "cannot be read"),
        ({"command": '["a\\u0000b"]'}, "needs the setting 'command'"),
        ({"command": "no-such-program-anywhere"}, "no program 'no-such-program-anywhere'"),
        ({"command": "cat", "timeout_s": "soon"}, "no time in seconds"),
        ({"command": "cat", "timeout_s": "0"}, "no time in seconds"),
        ({"command": "cat", "timeout_s": "nan"}, "no time in seconds"),
        ({"command": "cat", "certificates": ""}, "needs the setting 'certificates'"),
    ],
)
def test_bad_settings_are_named(files, settings, words):
    with pytest.raises(UserError, match=re.escape(words)):
        load_signer("command", {"certificates": str(files.certificates)} | settings)


def test_a_command_that_cannot_be_started_is_an_error(files, tmp_path, png_and_manifest):
    program = tmp_path / "program"
    program.write_text("no program, but marked as one")
    program.chmod(0o755)
    handle = load_signer(
        "command", {"command": str(program), "certificates": str(files.certificates)}
    )
    with pytest.raises(CredentialError, match="cannot be started"):
        sign_bytes(*png_and_manifest, handle)


@pytest.fixture
def png_and_manifest():
    import numpy as np

    from provenance.credentials import created_manifest
    from provenance.media import encode_png

    manifest = created_manifest(title="a", source_type="digitalCapture", generator="g")
    return encode_png(np.zeros((4, 4, 3), np.uint8)), "image/png", manifest
