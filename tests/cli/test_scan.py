"""``provenance scan`` on the folder that breaks scanners, and as programs and people use it."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import fake_distribution
import psutil
import pytest

from provenance.cli.scan import _with_progress
from provenance.testing import odd_media

MOST_BYTES = 1_500_000_000
COMMAND = (sys.executable, "-m", "provenance")
SLOW_READER = """
import time, provenance
from provenance import EvidenceSpec

class Reader:
    def __init__(self, settings): pass
    def read(self, path, media_type):
        if path.name >= "5": time.sleep(600)
        return []

@provenance.hookimpl
def register_evidence(register):
    register(EvidenceSpec("slow", "1", None, "slow", "MIT"), Reader)
"""


def scan(*arguments, **options):
    command = [*COMMAND, "scan", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, **options)


def rows_of(result):
    return {row["path"]: row for row in map(json.loads, result.stdout.splitlines())}


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inbox") / "odd"
    promises = odd_media(folder)
    # its pixels can be decoded, but whether it carries a credential cannot be told
    return folder, promises


@pytest.fixture
def few(tmp_path):
    folder = tmp_path / "few"
    folder.mkdir()
    for i in range(10):
        (folder / f"{i}.txt").write_text("some text\n")
    return folder


def peak_bytes(process):
    """Sample the memory of a process and its children until it ends; return the most."""
    most = 0
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            family = [watched, *watched.children(recursive=True)]
            most = max(most, sum(member.memory_info().rss for member in family))
        except psutil.NoSuchProcess:
            continue
        time.sleep(0.02)
    return most


def nobody_left(group, within_s=10):
    """Whether a process group is empty, soon: multiprocessing's own tracker ends a moment later."""
    for _ in range(within_s * 20):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_the_folder_that_breaks_scanners(odd, tmp_path):
    """A row for each file, exit 6, a report that is whole, and memory within the promise."""
    folder, promises = odd
    report = tmp_path / "report.html"
    command = [*COMMAND, "scan", str(folder), "--json", "--report", str(report), "--jobs", "2"]
    with (tmp_path / "rows").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE)
        most = peak_bytes(process)
    assert process.returncode == 6, process.stderr.read()
    assert 20_000_000 < most < MOST_BYTES
    rows = [json.loads(line) for line in (tmp_path / "rows").read_text("ascii").splitlines()]
    errors = {os.path.relpath(row["path"], folder): row["error"] for row in rows}
    assert set(errors) == set(promises)
    assert len(rows) == len(promises)
    for name, promised in promises.items():
        assert promised in (errors[name] or ""), name
        assert bool(promised) == bool(errors[name]), name
    page = report.read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;\\script&gt;" in page
    assert page.count("<article") == len(promises)


def test_rows_have_the_keys_of_the_design(odd):
    folder, _ = odd
    rows = rows_of(scan(folder / "ordinary.png", folder / "empty.png", "--json"))
    keys = ["path", "sha256", "kind", "verdict", "probability", "reasons", "error", "evidence"]
    for row in rows.values():
        assert list(row)[: len(keys)] == keys
    empty = rows[str(folder / "empty.png")]
    assert (empty["verdict"], empty["error"]) == ("error", "the file is empty")
    assert rows[str(folder / "ordinary.png")]["verdict"] == "no-evidence"


def test_undecodable_names_survive_the_journey(odd):
    folder, promises = odd
    (name,) = [name for name in promises if name.startswith("not-utf8")]
    result = scan(os.fsencode(folder / name).decode("utf-8", "surrogateescape"), "--json")
    (path,) = rows_of(result)
    assert os.fsencode(path) == os.fsencode(folder / name)


def test_the_table_escapes_names_and_ends_with_counts(odd):
    folder, promises = odd
    result = scan(folder)
    text = result.stdout.decode()
    assert result.returncode == 6
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "escape-\\x1b[2J.png" in text
    assert "line\\nbreak.png" in text
    errors = sum(map(bool, promises.values()))
    assert text.splitlines()[-1].startswith(f"{len(promises)} files: ")
    assert text.endswith(f"{errors} with an error\n")


def test_without_models_it_says_so_once_and_where_they_come_from(few):
    result = scan(few, cwd=few)
    assert result.returncode == 0
    assert result.stderr.count(b"No detectors are loaded") == 1
    assert b"train-detector" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--fail-on", "no-evidence"], 10),
        (["--fail-on", "error"], 10),
        (["--fail-on", "synthetic"], 6),
        (["--fail-on", "synthetic", "--fail-on", "error"], 10),
        ([], 6),
    ],
)
def test_exit_codes(odd, arguments, code):
    folder, _ = odd
    assert scan(folder / "ordinary.png", folder / "truncated.png", *arguments).returncode == code


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing.png"], 1, "No such file or folder: missing.png"),
        ([], 2, "Missing argument"),
        ([".", "--report", "r.pdf"], 1, "a report ends in .html"),
        ([".", "--models", "nowhere"], 1, "No folder nowhere"),
        ([".", "--detector", "x"], 1, "No trained detector 'x'"),
        ([".", "--fail-on", "fake"], 2, "Invalid value for '--fail-on'"),
        ([".", "--trust-anchors", "missing.pem"], 2, "does not exist"),
    ],
)
def test_mistakes_are_told_before_the_scan(few, arguments, code, message):
    result = scan(*arguments, cwd=few)
    assert result.returncode == code
    assert message in result.stderr.decode()
    assert result.stdout == b""


def test_a_reader_that_leaves_early_ends_it_quietly(few):
    command = f"{' '.join(COMMAND)} -q scan {few} --json | head -1; exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")
    assert len(result.stdout.splitlines()) == 1


def test_interrupted_keeps_what_was_done(few, tmp_path):
    """Ctrl-C reaches the whole process group, workers included."""
    fake_distribution.install(tmp_path / "site", "zz-slow", SLOW_READER)
    environment = os.environ | {
        "PYTHONPATH": str(tmp_path / "site"),
        "PROVENANCE_LOAD_PLUGINS": "zz-slow",
    }
    report = tmp_path / "r.csv"
    process = subprocess.Popen(
        [*COMMAND, "scan", str(few), "--json", "--report", str(report), "--jobs", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    lines = [process.stdout.readline() for _ in range(5)]
    os.killpg(process.pid, signal.SIGINT)
    rest, messages = process.communicate(timeout=30)
    assert process.returncode == 130
    assert [json.loads(line)["path"][-5:] for line in lines] == [f"{i}.txt" for i in range(5)]
    assert rest == b""
    assert b"Traceback" not in messages
    assert b"5 files before the interruption" in messages
    assert len(report.read_text().splitlines()) == 6
    assert nobody_left(process.pid)


def test_credentials_are_read_with_the_anchors_given(shared_data):
    jpegs = shared_data / "c2pa" / "public-testfiles" / "image" / "jpeg"
    anchors = shared_data / "c2pa" / "test-roots.pem"
    result = scan(jpegs, "--json", "--trust-anchors", anchors)
    verdicts = {Path(path).name: row["verdict"] for path, row in rows_of(result).items()}
    assert verdicts["adobe-20220124-E-sig-CA.jpg"] == "tampered"
    assert verdicts["adobe-20220124-A.jpg"] == "no-evidence"
    assert verdicts["adobe-20220124-CA.jpg"] != "tampered"


def test_a_credential_that_cannot_be_examined_is_an_error(shared_data):
    path = shared_data / "c2pa" / "fixtures" / "nested_moov_1000.mp4"
    result = scan(path, "--json")
    (row,) = rows_of(result).values()
    assert (result.returncode, row["verdict"]) == (6, "error")
    assert row["error"].startswith("c2pa: its credential could not be examined (")


def test_progress_survives_files_that_came_after_the_count(monkeypatch):
    monkeypatch.setattr("provenance.scanning.walk", lambda paths: [])
    monkeypatch.setattr("provenance.cli.output.is_quiet", lambda: False)
    assert list(_with_progress(iter("ab"), [Path()])) == ["a", "b"]


def test_colours_and_columns_on_a_terminal(odd):
    folder, _ = odd
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": "90", "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    paths = [str(folder / "ordinary.png"), str(folder / "truncated.png")]
    process = subprocess.Popen(
        [*COMMAND, "scan", *paths], stdout=theirs, stderr=subprocess.DEVNULL, env=environment
    )
    os.close(theirs)
    pieces = []

    def read():
        while True:
            try:
                pieces.append(os.read(ours, 4096))
            except OSError:  # the other end is closed
                return

    reader = threading.Thread(target=read)
    reader.start()
    process.wait(60)
    reader.join(10)
    os.close(ours)
    text = b"".join(pieces).decode()
    assert "\x1b[1;33merror" in text
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert max(map(len, plain.splitlines())) <= 90
