"""Engines: whoever makes the files, they are the same; what is lost is done again."""

import dataclasses
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from provenance import UserError
from provenance.corpora import open_corpus
from provenance.corpora.engines import LocalEngine, RayEngine, engine_of
from provenance.media import decode_bytes
from provenance.training.jobs import Job

ray = pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = pytest.mark.xdist_group("ray")  # one cluster at a time


def double(*, value, progress):
    progress(1.0, "doubled")
    return 2 * value


def die_once(*, mark, progress):
    """End the process the first time, as a machine that is switched off."""
    if not Path(mark).exists():
        Path(mark).write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def fail(*, progress):
    raise OSError(28, "No space left on device")


def wait(*, mark, progress):
    Path(mark).write_text("started")
    time.sleep(60)


@pytest.fixture(scope="module")
def cluster():
    """A cluster of this machine; it takes seconds to start."""
    RayEngine()  # no usage statistics
    ray.init(
        address="local",
        num_cpus=2,
        object_store_memory=80 << 20,
        include_dashboard=False,
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
    )
    yield
    ray.shutdown()


@pytest.fixture(autouse=True)
def importable():
    """Functions of this file travel by the name of its module."""
    module = sys.modules[__name__]
    ray.cloudpickle.register_pickle_by_value(module)
    yield
    ray.cloudpickle.unregister_pickle_by_value(module)


def run(engine, *jobs, workers=2):
    messages = []
    results = engine.run(jobs, workers=workers, progress=lambda *one: messages.append(one))
    return results, messages


def test_ray_makes_the_same_corpus(make, corpus_folder):
    checkpoints = tuple(str(corpus_folder / "generators" / name) for name in ("tint", "plain"))
    folder, _ = make(checkpoints=checkpoints, engine=RayEngine(), jobs=2)
    ours, theirs = open_corpus(make(checkpoints=checkpoints)[0]), open_corpus(folder)
    plain = [[dataclasses.replace(row, sha256="") for row in one.rows] for one in (ours, theirs)]
    assert plain[0] == plain[1]
    assert not ray.is_initialized()
    for mine, other in zip(ours.rows, theirs.rows, strict=True):
        pixels = [decode_bytes(one.read(row))[1] for one, row in ((ours, mine), (theirs, other))]
        assert np.array_equal(*pixels)


def test_results_come_in_order_and_a_task_whose_process_dies_is_done_again(cluster, tmp_path):
    jobs = [Job(f"n{n}", double, {"value": n}) for n in range(3)]
    jobs += [Job("dies", die_once, {"mark": str(tmp_path / "mark")})]
    results, messages = run(RayEngine(), *jobs)
    assert results == [0, 2, 4, "done"]
    assert (tmp_path / "mark").exists()
    assert {name for name, _, _ in messages} <= {job.name for job in jobs}
    assert ray.is_initialized()  # it is not the engine's


def test_a_full_disk_reaches_the_caller(cluster):
    with pytest.raises(OSError, match="No space left"):
        run(RayEngine(), Job("fails", fail))


def test_an_interruption_ends_all_tasks(cluster, tmp_path, monkeypatch):
    mark, look, started = tmp_path / "mark", ray.wait, time.monotonic()

    def interrupted(*arguments, **options):
        if mark.exists():
            raise KeyboardInterrupt
        return look(*arguments, **options)

    monkeypatch.setattr(ray, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(RayEngine(), Job("waits", wait, {"mark": str(mark)}))
    assert time.monotonic() - started < 40
    monkeypatch.undo()
    assert run(RayEngine(), Job("n", double, {"value": 1}))[0] == [2]  # its place is free


def test_usage_statistics_are_off():
    RayEngine()
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_engines_by_name():
    assert isinstance(engine_of("local"), LocalEngine)
    assert isinstance(engine_of("ray", "auto"), RayEngine)
    with pytest.raises(UserError, match="Add --engine ray"):
        engine_of("local", "auto")


def test_without_ray_the_user_hears_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"provenance-suite\[cluster\]"):
        engine_of("ray")
