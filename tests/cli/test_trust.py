"""``provenance trust`` through the command line: what people see, and exit codes."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from provenance.cli.main import cli, run
from provenance.credentials import development_signer
from provenance.credentials.keys import certificates
from provenance.credentials.trust import official
from provenance.errors import ExitCode


@pytest.fixture(autouse=True)
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("PROVENANCE_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "config"


@pytest.fixture
def roots(tmp_path):
    path = tmp_path / "roots.pem"
    path.write_bytes(certificates.certificates_pem(certificates.make_root().certificate))
    return str(path)


def invoke(*arguments):
    return CliRunner().invoke(cli, ["trust", *arguments])


def as_json(*arguments):
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("name", ["--help", "add", "list", "remove", "check", "update"])
def test_help_is_light_and_keeps_its_lines(name):
    arguments = [name] if name == "--help" else [name, "--help"]
    code = (
        "import sys\nfrom provenance.cli.main import run\n"
        f"run(['trust', *{arguments!r}])\n"
        "assert not {'cryptography', 'c2pa', 'pydantic'} & set(sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "Usage:" in result.stdout
    assert "\\b" not in result.stdout


def test_the_life_of_a_list(roots):
    assert as_json("list") == []
    assert "Nobody is trusted here yet" in invoke("list").stderr
    (added,) = as_json("add", "studio", roots, "--kind", "manifest")
    assert (added["name"], added["purpose"], added["anchors"]) == ("studio", "manifest", 1)
    assert added["errors"] == added["warnings"] == []
    assert as_json("list") == [added]
    assert as_json("check")["lists"] == [added]
    assert invoke("remove", "studio").exit_code == 0
    assert as_json("list") == []


def test_the_words_for_time_are_two(roots):
    (added,) = as_json("add", "clock", roots, "--kind", "tsa")
    assert added["purpose"] == "time"


def test_the_development_ca_is_listed_too(roots, config):
    development_signer(config)
    invoke("add", "studio", roots, "--kind", "manifest")
    assert [one["name"] for one in as_json("list")] == ["development-ca", "studio"]
    result = invoke("check")
    assert "trusts whom it is told to" in result.stderr
    assert "development-ca" in result.stdout


def test_a_bad_list_is_refused_with_what_is_wrong(tmp_path, capsys):
    path = tmp_path / "bad.pem"
    path.write_bytes(certificates.make_root().to_pem())
    assert run(["trust", "add", "bad", str(path), "--kind", "manifest"]) == ExitCode.USER_ERROR
    assert "private key" in capsys.readouterr().err
    assert run(["trust", "add", "bad", "none.pem", "--kind", "manifest"]) == ExitCode.USER_ERROR
    assert "Cannot read" in capsys.readouterr().err
    assert run(["trust", "add", "bad", str(path)]) == ExitCode.USAGE


def test_check_says_what_an_import_would(tmp_path, roots, capsys):
    assert run(["trust", "check", roots]) == ExitCode.OK
    leaf = certificates.make_leaf(certificates.make_root())
    path = tmp_path / "leaf.pem"
    path.write_bytes(certificates.certificates_pem(leaf.certificate))
    assert run(["trust", "check", str(path)]) == ExitCode.USER_ERROR
    assert "is no authority" in capsys.readouterr().err


def test_a_damaged_list_fails_check_and_names_the_way_out(config, roots, capsys):
    invoke("add", "studio", roots, "--kind", "manifest")
    (config / "trust" / "studio.pem").write_text("garbage")
    assert run(["trust", "check"]) == ExitCode.USER_ERROR
    assert "trust remove studio" in capsys.readouterr().err
    assert run(["trust", "list"]) == ExitCode.OK  # a list of what there is, with its state
    assert "error" in capsys.readouterr().out
    assert run(["trust", "remove", "studio"]) == ExitCode.OK


def test_a_library_that_does_not_keep_to_its_part_fails_check(monkeypatch, roots, capsys):
    from provenance.credentials import engine

    settings = engine.settings
    engine._context.cache_clear()
    monkeypatch.setattr(engine, "settings", lambda *_: settings())  # nobody is ever trusted
    code = run(["trust", "check", roots, "--json"])
    engine._context.cache_clear()
    assert code == ExitCode.USER_ERROR
    assert json.loads(capsys.readouterr().out)["selftest"]["ok"] is False


def test_a_file_dropped_into_the_folder_is_named(config, roots):
    invoke("add", "studio", roots, "--kind", "manifest")
    (config / "trust" / "dropped.pem").write_text("")
    for command in ("list", "check"):
        assert "trust/dropped.pem was never imported" in invoke(command).stderr


def test_misspelt_names_get_a_suggestion(roots, capsys):
    invoke("add", "studio", roots, "--kind", "manifest")
    for command in (["remove", "studi"], ["check", "studi"]):
        assert run(["trust", *command]) == ExitCode.USER_ERROR
        assert "Did you mean 'studio'" in capsys.readouterr().err
    assert run(["trust", "updat"]) == ExitCode.USAGE
    assert "Did you mean 'update'" in capsys.readouterr().err


def test_names_in_certificates_cannot_steer_a_terminal(tmp_path, monkeypatch):
    monkeypatch.setattr(
        certificates, "_authority_name", lambda *_: certificates._name("\x1b[2J\u202e evil")
    )
    monkeypatch.setattr(certificates, "ROOT_DAYS", 0)
    monkeypatch.setattr(certificates, "_CLOCK_SKEW", 99 * certificates._CLOCK_SKEW)
    path = tmp_path / "evil.pem"
    path.write_bytes(certificates.certificates_pem(certificates.make_root().certificate))
    for arguments in (["add", "evil", str(path), "--kind", "time", "--allow-expired"], ["check"]):
        result = invoke(*arguments)
        assert "\\x1b[2J\\u202e evil" in result.output
        assert "\x1b" not in result.output
        assert "\u202e" not in result.output


def test_an_update_shows_what_changed(c2pa_data_cli, monkeypatch):
    result = invoke("update", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "c2pa would become the list of 2026-08-05" in result.stdout
    assert "+ CN=Google C2PA Root CA G3,O=Google LLC,C=US" in result.stdout
    assert "30 added, 0 removed, 0 kept" in result.stdout
    assert as_json("list") == []
    changes = as_json("update")
    assert [(one["name"], len(one["added"])) for one in changes] == [
        ("c2pa", 30),
        ("c2pa-time", 22),
    ]
    assert "0 added, 0 removed, 30 kept" in invoke("update", "c2pa").stdout


@pytest.fixture
def c2pa_data_cli(shared_data, monkeypatch):
    """The official lists come from disk instead of the network."""
    folder = shared_data / "c2pa" / "trust-list"
    defaults = official.update_list.__kwdefaults__
    monkeypatch.setitem(
        defaults, "fetch", lambda url: (folder / url.rpartition("/")[2]).read_bytes()
    )


def test_an_update_without_a_network_says_how_to_do_without(monkeypatch, capsys):
    from provenance.credentials import fetching

    def fail(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(fetching.socket, "getaddrinfo", fail)
    assert run(["trust", "update"]) == ExitCode.USER_ERROR
    assert "provenance trust add" in capsys.readouterr().err


def test_an_address_belongs_to_one_list(capsys):
    assert run(["trust", "update", "--url", "https://example.org/a"]) == ExitCode.USAGE
    assert run(["trust", "update", "c2pa", "--url", "http://example.org/a"]) == ExitCode.USER_ERROR
    assert "over https only" in capsys.readouterr().err


def test_verify_trusts_an_imported_list(tmp_path, config, roots):
    """Somebody else's file: untrusted, then trusted once their anchor was imported."""
    from provenance.credentials import created_manifest, sign_bytes
    from provenance.media import encode_png

    np = pytest.importorskip("numpy")
    png = encode_png(np.zeros((32, 32, 3), dtype=np.uint8))
    words = {"title": "a", "source_type": "digitalCapture", "generator": "camera", "model": None}
    theirs = development_signer(tmp_path / "theirs")
    (tmp_path / "a.png").write_bytes(
        sign_bytes(png, "image/png", created_manifest(**words), theirs)
    )

    def signer():
        result = CliRunner().invoke(cli, ["verify", "a.png", "--json"])
        return json.loads(result.stdout)[0]["signer"]

    assert signer() == "untrusted"
    anchor = tmp_path / "theirs" / "development-ca" / "trust-anchor.pem"
    invoke("add", "friends", str(anchor), "--kind", "time")
    assert signer() == "untrusted"
    invoke("remove", "friends")
    invoke("add", "friends", str(anchor), "--kind", "manifest")
    assert signer() == "trusted"
