"""Every option of ``provenance sign``, on one file and in a pipe; what is wrong is refused."""

import json
import subprocess
import sys

import c2pa
import numpy as np
import pytest
from click.testing import CliRunner

from provenance.cli.main import cli, run
from provenance.media import encode_png


@pytest.fixture
def sign(capsys):
    """Run ``provenance sign``; return its exit code, stdout and stderr."""

    def sign_(*arguments):
        code = run(["sign", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return sign_


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def picture(seed):
    rng = np.random.default_rng(seed)
    return encode_png(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))


@pytest.fixture
def plain(folder):
    (folder / "a.png").write_bytes(picture(0))
    return "a.png"


@pytest.fixture
def other(folder):
    (folder / "b.png").write_bytes(picture(1))
    return "b.png"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def said(path):
    """Return the assertions of a file's own manifest by label."""
    with open(path, "rb") as stream:  # noqa: PTH123
        store = json.loads(c2pa.Reader("image/png", stream).json())
    manifest = store["manifests"][store["active_manifest"]]
    return {one["label"]: one["data"] for one in manifest["assertions"]}


def test_what_is_said_of_a_file(sign, plain):
    options = ["--source-type", "digitalCapture", "--title", "Sky", "--generator", "camera"]
    options += ["--generator-version", "2", "--claim", "desk=north", "--claim", "url=http://x/?a=b"]
    options += ["--training-mining", "allowed", "--training-mining", "data_mining=notAllowed"]
    options += ["--action", "cropped,source_type=humanEdits,description=sky, mostly,com.x.px=20"]
    options += ["--action", "c2pa.published,when=2026-05-04T12:30:00Z"]
    code, out, _ = sign(plain, "--out", "out.png", "--json", *options)
    assert code == 0
    assert json.loads(out)["title"] == "Sky"
    found = said("out.png")
    created, cropped, published = found["c2pa.actions.v2"]["actions"]
    assert created["digitalSourceType"].endswith("/digitalCapture")
    assert created["softwareAgent"] == {"name": "camera", "version": "2"}
    assert cropped["description"] == "sky, mostly"
    assert cropped["parameters"] == {"com.x.px": "20"}
    assert published["when"] == "2026-05-04T12:30:00Z"
    assert found["com.provenance.claims"] == {"desk": "north", "url": "http://x/?a=b"}
    entries = found["cawg.training-mining"]["entries"]
    assert entries["cawg.data_mining"] == {"use": "notAllowed"}
    assert entries["cawg.ai_training"] == {"use": "allowed"}
    assert "c2pa.ai-disclosure" not in found


def test_options_win_over_the_recipe(sign, plain, folder):
    recipe = 'title = "A"\nsource_type = "digitalCapture"\nclaims = {desk = "north", shift = "day"}'
    (folder / "r.toml").write_text(recipe)
    options = ["--recipe", "r.toml", "--title", "B", "--claim", "shift=night"]
    code, out, _ = sign(plain, "--out", "out.png", "--json", *options)
    report = json.loads(out)
    assert (code, report["title"], report["source_type"]) == (0, "B", "digitalCapture")
    assert said("out.png")["com.provenance.claims"] == {"desk": "north", "shift": "night"}


def test_an_edit_that_lost_its_credential_gets_its_parent_back(sign, plain, other):
    sign(plain, "--out", "made.png", "--model", "gan-32")
    options = ["--ingredient", "parent=made.png", "--ingredient", f"component={plain}"]
    code, out, _ = sign(other, "--out", "out.png", "--json", *options)
    report = json.loads(out)
    assert code == 0
    assert (report["signer"], report["ancestors"]) == ("trusted", "ok")
    assert report["edit_types"] == ["compositeWithTrainedAlgorithmicMedia"]
    assert report["actions"] == ["c2pa.opened", "c2pa.placed", "c2pa.edited"]
    assert report["parent_kept"] is False  # it was named, not found in the file


def test_an_action_takes_the_source_type_of_the_edit(sign, plain, other):
    sign(plain, "--out", "signed.png")
    code, out, _ = sign(
        *(other, "--out", "out.png", "--ingredient", "parent=signed.png", "--json"),
        *("--source-type", "compositeWithTrainedAlgorithmicMedia", "--action", "filtered"),
    )
    report = json.loads(out)
    assert (code, report["actions"]) == (0, ["c2pa.opened", "c2pa.filtered"])
    assert report["source_type"] == "compositeWithTrainedAlgorithmicMedia"


@pytest.mark.parametrize("text", ["made.png", "mother=made.png", "parent="])
def test_an_ingredient_without_its_role_is_a_usage_error(sign, plain, text):
    code, _, err = sign(plain, "--out", "out.png", "--ingredient", text)
    assert code == 2
    assert "--ingredient parent=" in err
    assert "--ingredient component=" in err


def test_an_update_and_a_redaction(sign, plain):
    sign(plain, "--out", "1.png", "--claim", "witness=Ada Lovelace")
    code, out, _ = sign("1.png", "--out", "2.png", "--update", "--claim", "ok=yes", "--json")
    assert (code, json.loads(out)["integrity"]) == (0, "ok")
    options = ["--redact", "com.provenance.claims", "--redact-reason", "c2pa.invalid.data"]
    code, out, _ = sign("1.png", "--out", "3.png", "--json", *options)
    report = json.loads(out)
    assert (code, report["integrity"], report["signer"]) == (0, "ok", "trusted")
    with open("3.png", "rb") as stream:  # noqa: PTH123
        assert b"Ada Lovelace" not in stream.read()
    assert said("3.png")["c2pa.actions.v2"]["actions"][1]["reason"] == "c2pa.invalid.data"


def test_a_sidecar_lies_beside_a_copy(sign, plain, folder):
    code, out, _ = sign(plain, "--out", "out.png", "--sidecar", "--json")
    report = json.loads(out)
    assert (code, report["place"], report["integrity"]) == (0, "sidecar", "ok")
    assert (folder / "out.png").read_bytes() == (folder / plain).read_bytes()
    assert (folder / "out.c2pa").exists()


def test_in_place(sign, plain, folder):
    (folder / plain).chmod(0o600)
    code, _, _ = sign(plain, "--in-place")
    assert code == 0
    assert (folder / plain).stat().st_mode & 0o777 == 0o600
    assert run(["verify", plain]) == 0
    assert names(folder) == [plain]


def test_a_dry_run_shows_the_manifest_and_writes_nothing(sign, plain, folder):
    code, out, _ = sign(plain, "--out", "out.png", "--dry-run", "--model", "gan-32")
    manifest = json.loads(out)
    assert code == 0
    assert manifest["title"] == "a.png"
    assert manifest["assertions"][0]["label"] == "c2pa.actions.v2"
    code, out, _ = sign(folder, "--out", "elsewhere", "--dry-run", "--model", "gan-32")
    assert (code, json.loads(out)) == (0, {"model": "gan-32"})
    assert names(folder) == ["a.png"]


def test_a_pem_key_signs(sign, plain):
    from provenance.credentials import development_signer

    key = dict(development_signer().settings)["key"]
    options = ["--signer", "pem", "--signer-option", f"key={key}", "--json"]
    code, out, err = sign(plain, "--out", "out.png", *options)
    assert code == 0, err
    assert json.loads(out)["signer"] == "trusted"


def test_a_time_stamping_authority_that_does_not_answer(sign, plain, folder):
    address = ["--timestamp", "http://127.0.0.1:9/"]  # the port of "discard": nobody listens
    code, _, err = sign(plain, "--out", "out.png", *address)
    assert code == 1
    assert "127.0.0.1" in err
    assert not (folder / "out.png").exists()
    code, out, err = sign(
        plain, "--out", "out.png", *address, "--timestamp-policy", "prefer", "--json"
    )
    assert code == 0
    assert "without a time-stamp" in err
    assert json.loads(out)["time"] == "none"
    assert "without a time-stamp" in json.loads(out)["notes"][0]
    (folder / "many").mkdir()
    (folder / "many" / "a.png").write_bytes((folder / plain).read_bytes())
    _, out, _ = sign("many", "--out", "signed", *address, "--timestamp-policy", "prefer", "--json")
    assert "without a time-stamp" in json.loads(out)["notes"][0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--source-type", "digitalcapture"], "Did you mean 'digitalCapture'"),
        (["--claim", "desk"], "Write --claim key=value"),
        (["--claim", "Desk=x"], "The claim 'Desk' is malformed"),
        (["--claim", "a=1", "--claim", "a=2"], "given twice"),
        (["--action", "cropped"], "needs a source_type"),
        (["--action", "croped,source_type=humanEdits"], "Did you mean 'c2pa.cropped'"),
        (["--action", "cropped,sourcetype=humanEdits"], "Did you mean 'source_type'"),
        (["--training-mining", "never"], "No use is called 'never'"),
        (["--training-mining", "never"], "Error: training_mining: "),  # once, not for each entry
        (["--ingredient", "parent=a.png"], "a.png is an ingredient of itself"),
        (["--ingredient", "component=./a.png"], "a.png is an ingredient of itself"),
        (["--training-mining", "mining=allowed"], "Did you mean 'cawg.data_mining'"),
        (["--update"], "no credential to update"),
        (["--redact", "com.provenance.claims"], "no credential to update"),
        (["--ingredient", "parent=none.png"], "none.png"),
        (["--signer", "pm"], "Did you mean 'pem'"),
        (["--signer", "pem", "--signer-option", "kye=x"], "Did you mean 'key'"),
        (["--timestamp", "tsa.example.org"], "no address of a time-stamping authority"),
        (["--recipe", "none.toml"], "Cannot read the recipe"),
        (["--title", "x" * 2000], "at most 1000"),
        (["--model", "x" * 2000], "at most 1000"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_written(sign, plain, folder, options, words):
    code, _, err = sign(plain, "--out", "out.png", *options)
    assert code in (1, 5)
    assert words in err
    assert names(folder) == ["a.png"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["a.png"],
        ["a.png", "--out", "b.png", "--in-place"],
        ["a.png", "--out", "."],
        ["a.png", "--out", "-", "--json"],
        ["a.png", "--out", "b.png", "--resume"],
        ["a.png", "--out", "b.png", "--timestamp-policy", "prefer"],
        ["a.png", "--out", "b.png", "--signer-option", "key=x"],
        ["a.png", "--out", "b.png", "--generator-version", "1"],
        [".", "--out", "-"],
        ["-", "--in-place"],
        ["none.png", "--out", "b.png"],
    ],
)
def test_usage_errors(sign, plain, folder, arguments):
    assert sign(*arguments)[0] == 2
    assert names(folder) == ["a.png"]


# --- pipes ----------------------------------------------------------------------------------------


def pipe(*arguments, data=b""):
    return CliRunner().invoke(cli, ["sign", *arguments], input=data, standalone_mode=False)


def test_from_stdin_to_stdout(folder):
    result = pipe("-", "--out", "-", "--model", "gan-32", data=picture(0))
    (folder / "out.png").write_bytes(result.stdout_bytes)
    assert run(["verify", "out.png"]) == 0
    assert "c2pa.ai-disclosure" in said("out.png")


def test_from_stdin_to_a_file_and_from_a_file_to_stdout(folder, plain):
    assert pipe("-", "--out", "out.png", data=picture(0)).exception is None
    result = pipe("out.png", "--out", "-")
    (folder / "again.png").write_bytes(result.stdout_bytes)
    assert run(["verify", "out.png", "again.png"]) == 0


def test_what_cannot_go_through_a_pipe(monkeypatch):
    from provenance.cli import sign

    assert "lies beside a file" in str(pipe("-", "--out", "-", "--sidecar", data=b"x").exception)
    assert "cannot carry" in str(pipe("-", "--out", "-", data=b"words").exception)
    assert "empty" in str(pipe("-", "--out", "-").exception)
    monkeypatch.setattr(sign, "_MAX_STDIN_BYTES", 10)
    assert "exceeds" in str(pipe("-", "--out", "-", data=picture(0)).exception)


def test_a_broken_parent_is_said_of_a_pipe_too(folder):
    pipe("-", "--out", "out.png", data=picture(0))
    data = bytearray((folder / "out.png").read_bytes())
    data[-30] ^= 1
    result = pipe("-", "--out", "-", data=bytes(data))
    assert "does not hold" in result.stderr
    assert result.stdout_bytes.startswith(b"\x89PNG")


def test_messages_name_stdin_and_not_the_file_that_was_to_be(folder):
    for data, words in ((b"words", "stdin cannot carry"), (b"", "stdin: the file is empty")):
        assert words in str(pipe("-", "--out", "out.png", data=data).exception)
    assert "give --out -" in str(pipe("-", data=picture(0)).exception)
    assert names(folder) == []


@pytest.mark.parametrize("options", [["--out", "-"], ["--out", "b.png", "--json"]])
def test_a_full_disk_behind_stdout_is_no_bug(plain, folder, options):
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "provenance", "sign", plain, *options],
            stdout=full,
            stderr=subprocess.PIPE,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"Error: Cannot write to stdout: No space left on device")


def test_a_signer_whom_nobody_here_trusts_is_said_so(sign, plain, folder):
    """Most often the root is not known here yet, or certificates in between were left out."""
    from provenance.credentials import development_signer

    elsewhere = dict(development_signer(folder / "elsewhere").settings)["key"]
    options = ("--signer", "pem", "--signer-option", f"key={elsewhere}")
    code, _, err = sign(plain, "--out", "b.png", *options)
    assert code == 0
    assert "provenance trust add" in err
    assert "Note" not in sign(plain, "--out", "c.png")[2]
