"""``provenance keys`` through the command line, and settings of commands that have commands."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from provenance.cli import keys
from provenance.cli.main import cli, run
from provenance.credentials.keys import algorithms, requests
from provenance.errors import ExitCode


@pytest.fixture(autouse=True)
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("PROVENANCE_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "config"


def invoke(*arguments, **options):
    return CliRunner().invoke(cli, ["keys", *arguments], **options)


def as_json(*arguments):
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_literals_of_the_help_are_those_of_the_code():
    assert algorithms.ALGORITHMS == keys._ALGORITHMS
    assert tuple(requests.USAGES) == keys._USAGES


@pytest.mark.parametrize("arguments", [["--help"], ["request", "--help"]])
def test_help_imports_no_cryptography_and_keeps_its_lines(arguments):
    code = (
        "import sys\nfrom provenance.cli.main import run\n"
        f"run(['keys', *{arguments!r}])\nassert 'cryptography' not in sys.modules\n"
        "assert 'c2pa' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "\\b" not in result.stdout
    assert "\n    provenance keys request" in result.stdout


def test_the_life_of_a_development_ca(config, tmp_path):
    assert as_json("list") == []
    assert not config.exists()
    made = as_json("init", "--algorithm", "ES384", "--intermediate")
    assert [one["role"] for one in made] == ["leaf", "intermediate", "root"]
    assert {one["algorithm"] for one in made} == {"es384"}
    assert made == as_json("list")
    after = as_json("rotate", "--root", "--no-intermediate")
    assert [one["role"] for one in after] == ["leaf", "root", "former root"]
    assert after[2]["sha256"] == made[2]["sha256"]
    assert [one["role"] for one in as_json("rotate", "--forget")] == ["leaf", "root"]


def test_the_table_says_until_when_each_key_is_good():
    invoke("init")
    result = invoke("list")
    (entry, _) = as_json("list")
    assert entry["not_after"][:10] in result.stdout
    assert "es256" in result.stdout
    assert entry["warning"] is None
    assert "Warning" not in result.stderr


def test_an_end_within_thirty_days_is_warned_of(monkeypatch):
    from provenance.credentials.keys import certificates

    monkeypatch.setattr(certificates, "LEAF_DAYS", 20)
    result = invoke("init")
    assert "Warning: provenance development signer" in result.stderr
    assert "ends in 19 days" in result.stderr


def test_a_key_that_others_can_read_is_warned_of(config):
    invoke("init")
    (config / "development-ca" / "leaf.pem").chmod(0o644)
    assert "Others may read the key" in invoke("list").stderr
    assert "Others may read" not in invoke("rotate").stderr


def test_a_second_authority_is_refused(capsys):
    assert invoke("init").exit_code == 0
    assert run(["keys", "init"]) == ExitCode.USER_ERROR
    assert "keys rotate" in capsys.readouterr().err


def test_there_must_be_keys_to_show(capsys):
    for arguments in (["show"], ["rotate"]):
        assert run(["keys", *arguments]) == ExitCode.USER_ERROR
        assert "provenance keys init" in capsys.readouterr().err


def test_the_chain_can_be_read_and_the_anchor_handed_out(config, tmp_path, capsys):
    invoke("init")
    result = invoke("show", "--export", "anchor.pem")
    assert "May sign media" in result.stdout
    assert "May sign certificates" in result.stdout
    anchor = (tmp_path / "anchor.pem").read_bytes()
    assert anchor == (config / "development-ca" / "trust-anchor.pem").read_bytes()
    assert b"PRIVATE" not in anchor
    (entry,) = as_json("show", "anchor.pem")
    assert entry["is_authority"]
    assert run(["keys", "show", "--export", "anchor.pem"]) == ExitCode.USER_ERROR
    assert "not overwritten" in capsys.readouterr().err
    assert invoke("show", "anchor.pem", "--export", "b.pem").exit_code == ExitCode.USAGE


def test_names_in_certificates_cannot_steer_a_terminal(tmp_path, capsys):
    from cryptography.hazmat.primitives import hashes

    from provenance.credentials.keys import certificates

    root = certificates.make_root()
    hostile = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "\x1b[2J\u202eevil")])
    forged = certificates._builder(hostile, hostile, root.key, days=9).sign(
        root.key, hashes.SHA256()
    )
    (tmp_path / "evil.pem").write_bytes(certificates.certificates_pem(forged))
    result = invoke("show", "evil.pem")
    assert "\\x1b[2J\\u202eevil" in result.stdout
    assert "\x1b" not in result.output
    assert "\u202e" not in result.output


REQUEST = ["request", "--out", "key.pem", "--csr", "a.csr"]
WHO = ["--organisation", "Example News", "--common-name", "Studio"]


def test_a_request_for_a_real_certificate(tmp_path):
    result = invoke(*REQUEST, *WHO, "--country", "de")
    assert result.exit_code == 0, result.output
    assert "NOT encrypted" in result.stdout
    request = x509.load_pem_x509_csr((tmp_path / "a.csr").read_bytes())
    assert request.subject.rfc4514_string() == "CN=Studio,O=Example News,C=DE"
    assert run(["keys", *REQUEST, *WHO]) == ExitCode.USER_ERROR


def test_a_passphrase_from_the_environment_or_the_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KEY_WORD", "correct horse")
    assert as_json(*REQUEST, *WHO, "--passphrase-env", "KEY_WORD")["encrypted"]
    pem = (tmp_path / "key.pem").read_bytes()
    assert serialization.load_pem_private_key(pem, b"correct horse")

    other = ["request", "--out", "other.pem", "--csr", "other.csr", *WHO]
    result = invoke(*other, "--passphrase", input="battery staple\nbattery staple\n")
    assert result.exit_code == 0, result.output
    assert "battery" not in result.output
    pem = (tmp_path / "other.pem").read_bytes()
    assert serialization.load_pem_private_key(pem, b"battery staple")

    both = ["--passphrase", "--passphrase-env", "KEY_WORD"]
    assert invoke(*other, *both).exit_code == ExitCode.USAGE
    assert run(["keys", *other, "--passphrase-env", "NO_SUCH"]) == ExitCode.USER_ERROR
    assert "NO_SUCH is not set" in capsys.readouterr().err


def test_where_nobody_can_be_asked_the_other_way_is_named(tmp_path):
    """In a job without a terminal that was "Interrupted.", exit code 130."""
    done = subprocess.run(
        [sys.executable, "-m", "provenance", "keys", *REQUEST, *WHO, "--passphrase"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=tmp_path,
        start_new_session=True,
    )
    assert done.returncode == ExitCode.USER_ERROR
    assert b"--passphrase-env" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_misspelt_command_gets_a_suggestion(capsys):
    assert run(["keys", "rotat"]) == ExitCode.USAGE
    assert "Did you mean 'rotate'" in capsys.readouterr().err


def test_settings_reach_commands_of_commands(tmp_path, monkeypatch):
    (tmp_path / "provenance.toml").write_text("[keys.list]\njson = true\n")
    assert json.loads(invoke("list").stdout) == []
    monkeypatch.setenv("PROVENANCE_KEYS_LIST_AS_JSON", "0")
    assert invoke("list").stdout == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[keys.list]\njsn = true\n", r"[keys.list] has no option 'jsn'. Did you mean 'json'"),
        ("[keys.lst]\njson = true\n", r"no command or option 'lst'. Did you mean 'list'"),
        ("[keys]\nlist = true\n", r"write [keys.list]"),
        ("[keys]\njson = true\n", r"no command or option 'json'"),
    ],
)
def test_wrong_settings_of_a_group_are_user_errors(tmp_path, capsys, text, words):
    (tmp_path / "provenance.toml").write_text(text)
    assert run(["keys", "list"]) == ExitCode.USER_ERROR
    assert words in capsys.readouterr().err
