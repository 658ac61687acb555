"""Worker processes: results in order, errors raised, nobody left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import psutil
import pytest

from provenance.training import Job, run_jobs

MODULE = """
    import os
    import sys
    import time
    from pathlib import Path


    def double(value, progress):
        progress(0.5, "half")
        print("a stray print")
        return value * 2, os.getpid(), os.environ["OMP_NUM_THREADS"]


    def fail(progress):
        raise ValueError("as it was meant to")


    def fail_after(path, progress):
        while not (Path(path).exists() and Path(path).read_text()):
            time.sleep(0.05)
        fail(progress)


    def beat(path, progress):
        while True:
            Path(path).write_text(f"{os.getpid()} {time.time()}")
            time.sleep(0.05)


    if __name__ == "__main__":
        from provenance.training import Job, run_jobs

        jobs = [Job(str(i), beat, {"path": path}) for i, path in enumerate(sys.argv[1:])]
        run_jobs(jobs, workers=2, progress=lambda *_: None)
"""


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A module whose functions children can import."""
    (tmp_path / "the_work.py").write_text(dedent(MODULE))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    import importlib

    yield importlib.import_module("the_work")
    del sys.modules["the_work"]


def test_results_come_in_order_from_several_processes(work):
    seen = []
    jobs = [Job(str(i), work.double, {"value": i}) for i in range(4)]
    results = run_jobs(jobs, workers=2, progress=lambda *event: seen.append(event))
    assert [value for value, _, _ in results] == [0, 2, 4, 6]
    assert os.getpid() not in {process for _, process, _ in results}
    assert {threads for _, _, threads in results} == {"1"}
    assert sorted(seen) == [(str(i), 0.5, "half") for i in range(4)]


def test_one_job_runs_in_this_process(work):
    ((_, process, _),) = run_jobs(
        [Job("one", work.double, {"value": 1})], workers=2, progress=lambda *_: None
    )
    assert process == os.getpid()


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_job_is_raised(work, workers):
    jobs = [Job("good", work.double, {"value": 1}), Job("bad", work.fail)]
    with pytest.raises(ValueError, match="as it was meant to"):
        run_jobs(jobs, workers=workers, progress=lambda *_: None)


def test_an_error_ends_the_other_jobs(work, tmp_path):
    beat = tmp_path / "beat"
    jobs = [
        Job("beat", work.beat, {"path": str(beat)}),
        Job("bad", work.fail_after, {"path": str(beat)}),
    ]
    with pytest.raises(ValueError, match="as it was meant to"):
        run_jobs(jobs, workers=2, progress=lambda *_: None)
    assert not alive(int(beat.read_text().split()[0]))


def test_workers_end_with_a_killed_parent(work, tmp_path):
    beats = [tmp_path / "beat-0", tmp_path / "beat-1"]
    parent = subprocess.Popen([sys.executable, tmp_path / "the_work.py", *beats])
    try:
        wait_for(lambda: all(beat.exists() and beat.read_text() for beat in beats), 60)
        children = [int(beat.read_text().split()[0]) for beat in beats]
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_for(lambda: not any(alive(child) for child in children), 10)


def alive(process: int) -> bool:
    return psutil.pid_exists(process) and psutil.Process(process).status() != "zombie"


def wait_for(condition, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_distributed_training_averages_gradients(tmp_path):
    """Two processes under torchrun see different data and end with equal weights."""
    script = tmp_path / "fit.py"
    script.write_text(
        dedent("""
        import sys
        from pathlib import Path

        import torch
        from torch import distributed

        from provenance import FitContext
        from provenance.training import TrainingLoop

        network = torch.nn.Linear(2, 1)
        torch.nn.init.zeros_(network.weight)
        torch.nn.init.zeros_(network.bias)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        loop = TrainingLoop(FitContext(Path(sys.argv[1]), max_steps=3), {"network": network})
        wrapped = loop.workers.wrap(network)
        torch.manual_seed(loop.workers.rank)
        for _ in loop:
            optimizer.zero_grad()
            wrapped(torch.randn(4, 2)).sub(1).square().mean().backward()
            optimizer.step()
        mine = network.weight.detach().flatten()
        all_weights = [torch.empty_like(mine) for _ in range(loop.workers.count)]
        distributed.all_gather(all_weights, mine)
        assert loop.workers.count == 2
        assert torch.equal(*all_weights) and mine.abs().sum() > 0
        distributed.barrier()  # who leaves first would cut the others' connections
        distributed.destroy_process_group()
        """)
    )
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        str(script), str(tmp_path / "run"),
    ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    assert Path(tmp_path / "run" / "train" / "checkpoint.pt").exists()
