"""Workers and what is around them: a script without a guard, Ctrl-C, Ctrl-Z, a dead parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from .conftest import workers_of

# A user's script as they are written: no function, no guard.
SCRIPT = """
import sys
print("begun", flush=True)
sys.path.insert(0, {folder!r})
from worker_functions import make
from provenance.workers import map_in_workers
{code}
options = dict(jobs=2, lost=lambda *lost: lost, worker_bytes=None)
for result in map_in_workers(make, {items}, item_s={item_s}, **options):
    print(result, flush=True)
"""


@pytest.fixture
def script(tmp_path):
    """Start a user's script over items; killed in the end."""
    started = []

    def start(items, item_s=30.0, code=""):
        path = tmp_path / "script.py"
        folder = str(Path(__file__).parent)
        path.write_text(SCRIPT.format(folder=folder, items=items, item_s=item_s, code=code))
        started.append(
            subprocess.Popen(
                [sys.executable, str(path)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_script_needs_no_guard(script):
    out, errors = script("range(3)").communicate(timeout=30)
    assert (out, errors) == ("begun\n0\n2\n4\n", "")


def test_a_function_of_the_script_itself_is_told(script):
    _, errors = script("range(3)", code="def make(): return abs").communicate(timeout=30)
    assert "provenance.errors.ProvenanceError: Worker processes cannot do their work" in errors
    assert "must come from modules that can be imported, not from a script" in errors


def test_an_interrupt_is_raised_here_and_ends_the_workers(script):
    process = script("[1, 2, 'hang', 'spin']")
    for line in ("begun", "2", "4"):
        assert process.stdout.readline() == f"{line}\n"
    workers = workers_of(process.pid)
    assert len(workers) == 2
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does: workers get it too
    _, errors = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGINT
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert errors.count("Traceback") == 1
    assert not psutil.wait_procs(workers, timeout=5)[1]


def test_workers_end_with_their_parent(script):
    process = script("[1, 2, 'hang', 'spin']")
    for _ in range(3):
        process.stdout.readline()
    workers = workers_of(process.pid)
    process.kill()
    assert len(workers) == 2
    assert not psutil.wait_procs(workers, timeout=5)[1]


def test_time_during_which_all_were_stopped_is_no_items_fault(script):
    """Ctrl-Z and ``fg``: the items took longer than their limit, but not of their own accord."""
    process = script("[1, 2, 0.6, 0.6]", item_s=1.0)
    for _ in range(3):
        process.stdout.readline()
    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(2.2)
    os.killpg(process.pid, signal.SIGCONT)
    out, errors = process.communicate(timeout=10)
    assert (out, errors) == ("0.6\n0.6\n", "")
