"""``provenance train-detector`` as a person and as a program see it, killed at any moment."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import example_detector
import fake_distribution
import pytest

from provenance.detection import load_artefact
from provenance.testing.corpus import tiny_items, write_tiny_corpus

EXAMPLE = ("--detector", "example")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A corpus, and a third party's detector on the path."""
    folder = tmp_path_factory.mktemp("cli")
    write_tiny_corpus(folder / "corpus", tiny_items(40))
    source = Path(example_detector.__file__).read_text(encoding="utf-8")
    fake_distribution.install(folder / "site", "example-plugin", source)
    return folder


def arguments(*options):
    return [sys.executable, "-m", "provenance", "train-detector", *options]


def environment(workplace):
    return os.environ | {"PYTHONPATH": str(workplace / "site"), "COLUMNS": "100"}


def train(workplace, *options):
    return subprocess.run(
        arguments(*options),
        cwd=workplace, env=environment(workplace), capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_table_has_every_metric_and_every_test(workplace):
    result = train(workplace, *EXAMPLE, "--out", "table", "--jobs", "1")
    assert result.returncode == 0, result.stderr
    for word in ("AUROC", "TPR@1%", "ECE", "chequered", "smoothed", "not seen:", "reconstruction"):
        assert word in result.stdout
    assert "example all: 100% done" in result.stderr
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_json_holds_the_report_and_nothing_else(workplace):
    result = train(workplace, *EXAMPLE, "--out", "json", "--json", "--jobs", "2")
    (found,) = json.loads(result.stdout)
    assert found["detector"] == "example"
    assert found["error"] is None
    rows = {(row["group"], row["name"]): row for row in found["report"]["rows"]}
    assert ("held-out", "chequered") in rows
    saved = json.loads((workplace / "json" / "example" / "report.json").read_text())
    assert saved == found["report"]


def test_a_dry_run_writes_nothing(workplace):
    result = train(
        workplace, "--dry-run", "--json", "--out", "dry", "--option", "timm.residual=false"
    )
    rows = json.loads(result.stdout)
    assert {row["detector"] for row in rows} == {"spectral", "timm", "example"}
    assert {row["fold"] for row in rows} == {"all", "without-chequered", "without-smoothed"}
    assert {row["window_px"] for row in rows} == {32}
    assert {row["options"].get("residual") for row in rows} == {False, None}
    assert not (workplace / "dry").exists()


def test_all_detectors_failing_is_a_plugin_problem(workplace):
    result = train(
        workplace, *EXAMPLE, "--out", "fail", "--option", "example.fail=true", "--jobs", "1"
    )
    assert result.returncode == 4
    assert "told to fail" in result.stderr
    assert "Traceback" not in result.stderr


def test_one_of_two_detectors_failing_is_incomplete(workplace):
    options = ("--option", "example.fail=true", "--detector", "spectral", "--jobs", "1")
    result = train(workplace, *EXAMPLE, *options, "--out", "half")
    assert result.returncode == 6
    assert "spectral" in result.stdout
    assert (workplace / "half" / "spectral" / "card.json").is_file()
    assert not (workplace / "half" / "example").exists()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("nowhere",), 1, "provenance generate"),
        (("--detector", "exampel"), 1, "Did you mean 'example'"),
        (("--option", "example"), 2, "NAME.KEY=VALUE"),
        (("--option", "example.delay=1", "--detector", "example"), 1, "Did you mean 'delay_s'"),
        (("--budget", "0"), 2, "--budget"),
        (("--device", "cuda:99"), 1, "not on this machine"),
    ],
)
def test_bad_requests_say_what_to_do(workplace, options, code, message):
    result = train(workplace, *options, "--out", "bad")
    assert (result.returncode, message in result.stderr) == (code, True), result.stderr


def test_two_runs_never_write_to_one_folder(workplace):
    slow = ("--option", "example.delay_s=60", "--jobs", "1")
    with started(workplace, *EXAMPLE, *slow, "--out", "shared") as process:
        wait_for(workplace / "shared" / ".training" / "example")
        result = train(workplace, *EXAMPLE, "--out", "shared")
        process.kill()
    assert result.returncode == 1
    assert "Another run is writing" in result.stderr


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_a_random_moment_resume_finishes(workplace, seed):
    """With worker processes, which must end with their parent; twice, so that it may be resumed."""
    out = workplace / f"killed-{seed}"
    options = (*EXAMPLE, "--out", out.name, "--option", "example.delay_s=0.4", "--jobs", "2")
    for resume in ((), ("--resume",)):
        with started(workplace, *options, *resume) as process:
            wait_for(out / ".training" / "example", out / "example")
            time.sleep(random.Random(seed).uniform(0, 3))
            process.kill()
    result = train(workplace, *options, "--resume", "--json")
    assert result.returncode == 0, result.stderr
    (found,) = json.loads(result.stdout)
    assert len(found["report"]["rows"]) == 7
    assert [path.name for path in out.iterdir() if path.name != ".training"] == ["example"]
    leftovers = [path for path in out.rglob("*") if path.name.startswith(".tmp-")]
    assert leftovers == []


def test_spectral_and_timm_train_and_load(workplace):
    options = ("--detector", "spectral", "--detector", "timm", "--max-steps", "4", "--jobs", "1")
    result = train(workplace, *options, "--out", "both", "--json")
    assert result.returncode == 0, result.stderr
    items = [item.media.data for item in tiny_items(40)[-9:]]
    for found in json.loads(result.stdout):
        detector = load_artefact(workplace / found["folder"], "cpu")
        assert len(detector.judge([[item] for item in items])) == 9
        logs = list((workplace / found["folder"] / "log").rglob("log.jsonl"))
        assert len(logs) == 4
        assert all(json.loads(line) for log in logs for line in log.read_text().splitlines())


class started:  # noqa: N801 - reads as a statement where it is used
    """Run a command and see to it that it has ended when the block ends."""

    def __init__(self, workplace, *options):
        self._process = subprocess.Popen(
            arguments(*options),
            cwd=workplace, env=environment(workplace),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def __enter__(self):
        return self._process

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


def wait_for(*paths, limit_s=30):
    deadline = time.monotonic() + limit_s
    while not any(path.exists() for path in paths):
        assert time.monotonic() < deadline, f"{paths[0]} never came"
        time.sleep(0.02)
