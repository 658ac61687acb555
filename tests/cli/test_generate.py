"""``provenance generate`` as a user runs it: output, exit codes, faults, kills at any moment."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import fake_distribution
import pytest

from provenance import ExitCode, Step
from provenance.corpora import open_corpus
from provenance.files import TEMPORARY_PREFIX, sha256_file

COUNT = 48
FILES = COUNT * 5  # real, three steps of tint, samples of plain


@pytest.fixture(scope="module")
def environment(tmp_path_factory, root):
    """An environment whose only generators are the fake ones."""
    folder = tmp_path_factory.mktemp("site")
    source = (root / "tests/unit/corpora/fake_generators.py").read_text()
    fake_distribution.install(folder, "fake-generators", source)
    return os.environ | {
        "PYTHONPATH": str(folder),
        "PROVENANCE_LOAD_PLUGINS": "photos,folder,fake-generators",
        "PROVENANCE_CONFIG_DIR": str(tmp_path_factory.mktemp("config")),
    }


def arguments(out, *more, budget="0.1"):
    words = ["generate", "--count", str(COUNT), "--size", "16", "--budget", budget]
    return [sys.executable, "-m", "provenance", *words, "--out", str(out), *map(str, more)]


def run(environment, out, *more, **kwargs):
    return subprocess.run(
        arguments(out, *more, **kwargs),
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def made(environment, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "corpus"
    done = run(environment, out, "--json", "--jobs", "2")
    assert done.returncode == ExitCode.OK, done.stderr
    return out, done


def assert_whole(out):
    """No file is half-written, missing, doubled or unlisted."""
    corpus = open_corpus(out)
    there = [path for name in ("real", "synthetic") for path in (out / name).rglob("*.png")]
    assert len(corpus.rows) == len(there) == FILES
    assert {str(path.relative_to(out)) for path in there} == {r.file_name for r in corpus.rows}
    assert all(sha256_file(out / row.file_name) == row.sha256 for row in corpus.rows)
    for row in corpus.rows:
        corpus.load(row)
    assert not list(out.rglob(f"{TEMPORARY_PREFIX}*"))
    assert len({row.sha256 for row in corpus.rows if row.step is Step.REAL}) == COUNT


def test_stdout_is_one_json_object_and_progress_goes_to_stderr(made):
    out, done = made
    summary = json.loads(done.stdout)
    assert summary["corpus"] == str(out)
    assert summary["files"] == FILES
    assert summary["failed"] == {}
    assert all(Path(sheet).is_file() for sheet in summary["sheets"])
    assert "train tint: 100%" in done.stderr
    assert_whole(out)


def test_every_synthetic_file_carries_a_manifest_and_no_real_one_does(made):
    for row in open_corpus(made[0]).rows:
        data = (made[0] / row.file_name).read_bytes()
        assert (b"caBX" in data) == (row.manifest == "embedded") == (row.label == "synthetic")


def test_a_finished_corpus_can_be_resumed_and_stays_the_same(made, environment):
    out, _ = made
    before = {path: sha256_file(path) for path in out.rglob("*") if path.is_file()}
    done = run(environment, out, "--resume")
    assert done.returncode == ExitCode.OK, done.stderr
    assert before == {path: sha256_file(path) for path in out.rglob("*") if path.is_file()}


def test_a_folder_in_use_is_refused_with_what_to_do(made, environment):
    done = run(environment, made[0])
    assert done.returncode == ExitCode.USER_ERROR
    assert "--resume" in done.stderr
    assert "--out" in done.stderr


def test_a_dry_run_prints_the_plan_and_writes_nothing(environment, tmp_path):
    done = run(environment, tmp_path / "corpus", "--dry-run", "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    plan = json.loads(done.stdout)
    assert plan["real_files"] == COUNT
    assert plan["synthetic_files"] == {"tint": 3 * COUNT, "plain": COUNT}
    assert sum(plan["groups_per_split"].values()) == 11
    assert not (tmp_path / "corpus").exists()


def test_a_generator_that_fails_costs_only_itself(environment, tmp_path):
    out = tmp_path / "corpus"
    faulty = environment | {"FAKE_FAULT": "sample"}
    done = run(faulty, out, "--json", "--no-sign", "--jobs", "1")
    assert done.returncode == ExitCode.PLUGIN
    assert list(json.loads(done.stdout)["failed"]) == ["plain"]
    assert "Left out plain" in done.stderr
    assert {row.generator for row in open_corpus(out).rows} == {None, "tint"}
    assert not (out / "synthetic" / "plain").exists()
    # once it is mended, the same command fetches what is missing
    again = run(environment, out, "--no-sign", "--resume")
    assert again.returncode == ExitCode.OK, again.stderr
    assert_whole(out)


def test_no_generator_left_is_an_error(environment, tmp_path):
    done = run(environment | {"FAKE_FAULT": "fit"}, tmp_path / "c", "--family", "plain")
    assert done.returncode == ExitCode.PLUGIN
    assert "fault in fit" in done.stderr
    assert not (tmp_path / "c" / "corpus.json").exists()


def test_two_runs_into_one_folder_do_not_mix(environment, tmp_path):
    out = tmp_path / "corpus"
    first = subprocess.Popen(
        arguments(out, "--no-sign", budget="3"), env=environment, stderr=subprocess.DEVNULL
    )
    try:
        wait_until((out / ".work" / "plan.json").exists)
        second = run(environment, out, "--no-sign", "--resume", budget="3")
    finally:
        first.kill()
        first.wait()
    assert second.returncode == ExitCode.USER_ERROR
    assert "Another run" in second.stderr


def wait_until(condition, limit_s=60):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def count_files(out):
    return sum(1 for _ in out.rglob("*.png"))


def reached(out, number):
    """Whether so many pictures are there, or for None, whether there is a plan."""
    return (out / ".work" / "plan.json").exists() if number is None else count_files(out) >= number


def test_a_run_killed_again_and_again_leaves_a_whole_corpus(environment, tmp_path):
    """SIGKILL in training, while real and while synthetic files are written, at random moments."""
    out = tmp_path / "corpus"
    chance = random.Random(time.time_ns())  # every run of the tests tries other moments
    stages = [(1, COUNT), (COUNT, 3 * COUNT), (3 * COUNT, FILES)]
    numbers = [None, *(chance.randrange(*stage) for stage in stages)]  # None: in training
    for number in numbers:
        process = subprocess.Popen(
            arguments(out, "--resume", "--jobs", "2"), env=environment, stderr=subprocess.DEVNULL
        )
        wait_until(lambda n=number, p=process: reached(out, n) or p.poll() is not None)
        time.sleep(chance.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)  # nothing happens where it has ended
        process.wait()
    done = run(environment, out, "--resume", "--jobs", "2")
    assert done.returncode == ExitCode.OK, done.stderr
    assert_whole(out)


def test_torchrun_trains_one_generator_in_two_processes(tmp_path):
    """Both processes take part in the training of a real generator; the first writes."""
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
        *("-m", "provenance", "generate", "--family", "vae", "--count", "20", "--budget", "2"),
        *("--device", "cpu", "--no-sign", "--out", str(tmp_path / "corpus")),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-3000:]
    corpus = open_corpus(tmp_path / "corpus")
    assert len(corpus.rows) == 80  # real, and three steps of the vae
    assert done.stderr.count("Corpus: ") == 1
