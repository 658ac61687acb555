"""Who does the work of making files: processes of this machine, or a Ray cluster.

Both do the same pieces of work, each of which writes what is not there yet. So what they make is
the same, a piece that was interrupted can be done again by anybody, and one engine can go on where
the other stood.
"""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Protocol

from provenance.errors import PluginError, UserError
from provenance.training.jobs import Job, Progress, run_jobs
from provenance.workers import ONE_THREAD

EngineName = Literal["local", "ray"]
_POLL_S = 0.25
_RETRIES = 3
_STORE_BYTES = 80 << 20  # results are a line each: the least that Ray takes is enough
_OFFLINE = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_DOCKER_CPU_WARNING": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


class Engine(Protocol):
    """Runs pieces of work."""

    def run(self, jobs: Sequence[Job], *, workers: int, progress: Progress) -> list[Any]:
        """Run all and return their results in order; at most ``workers`` at a time."""
        ...


class LocalEngine:
    """Worker processes of this machine; with one worker, this process."""

    def run(self, jobs: Sequence[Job], *, workers: int, progress: Progress) -> list[Any]:
        """See :class:`Engine`."""
        return run_jobs(jobs, workers=workers, progress=progress)


class RayEngine:
    """Tasks of a Ray cluster. The corpus must lie in a folder that all its machines share.

    So must the folder of the keys (``PROVENANCE_CONFIG_DIR``): keys do not travel.

    A task whose process or machine is lost is done again, up to three times; it finds what it has
    written. Usage statistics and the dashboard are off.

    Args:
        address: Of a running cluster (``auto``, ``HOST:6379``, ``ray://HOST:10001``); None starts
            one on this machine, which ends with the work.

    Raises:
        UserError: Ray is not installed.
    """

    def __init__(self, address: str | None = None) -> None:
        self._address = address
        os.environ.update(_OFFLINE)  # read when Ray is imported
        try:
            import ray  # noqa: F401
        except ImportError as error:
            raise UserError(
                "The engine 'ray' needs Ray. Install it: pip install 'provenance-suite[cluster]'."
            ) from error

    def run(self, jobs: Sequence[Job], *, workers: int, progress: Progress) -> list[Any]:
        """See :class:`Engine`.

        Raises:
            PluginError: The cluster cannot be reached, or lost a task for good.
            Exception: What a task raised.
        """
        from ray.exceptions import RayError, RayTaskError

        try:
            with _connected(self._address, workers):
                return _run(jobs, workers, progress)
        except RayTaskError as error:
            raise error.cause from error
        except (RayError, ConnectionError) as error:
            raise PluginError(
                f"The Ray cluster failed: {str(error).splitlines()[0]} Run the same command with "
                f"--resume; what is written stays."
            ) from error


def engine_of(name: EngineName, address: str | None = None) -> Engine:
    """Return an engine by its name.

    Raises:
        UserError: An address without ``ray``, or Ray is not installed.
    """
    if name == "ray":
        return RayEngine(address)
    if address is not None:
        raise UserError("An address is a Ray cluster's. Add --engine ray, or leave it out.")
    return LocalEngine()


@contextmanager
def _connected(address: str | None, workers: int) -> Iterator[None]:
    import logging

    import ray

    if ray.is_initialized():  # by whoever calls us from Python; it stays theirs
        yield
        return
    options: dict[str, Any] = {"address": address}
    if address is None:
        options = {
            "address": "local",  # whatever RAY_ADDRESS says
            "num_cpus": workers,
            "object_store_memory": _STORE_BYTES,
            "include_dashboard": False,
            "_node_ip_address": "127.0.0.1",
        }
    settings = {name: value for name, value in os.environ.items() if name.startswith("PROVENANCE_")}
    if address is None:  # plugins that this process finds, its tasks find
        settings["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    environment = {"env_vars": {**settings, **ONE_THREAD}}
    ray.init(**options, runtime_env=environment, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()


def _run(jobs: Sequence[Job], workers: int, progress: Progress) -> list[Any]:
    """Submit all, ``workers`` at a time, and pass progress on until all have ended."""
    import ray

    board: Any = ray.remote(num_cpus=0)(_Board).remote()
    task: Any = ray.remote(max_retries=_RETRIES, max_calls=0)(_run_there)
    waiting = list(enumerate(jobs))
    running: dict[Any, int] = {}
    results: dict[int, Any] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                number, job = waiting.pop(0)
                gpus = float(str(job.arguments.get("device", "")).startswith("cuda"))
                running[task.options(num_gpus=gpus).remote(job, board)] = number
            done, _ = ray.wait(list(running), timeout=_POLL_S)
            for message in ray.get(board.take.remote()):
                progress(*message)
            for reference in done:
                results[running.pop(reference)] = ray.get(reference)
    except BaseException:
        for reference in running:
            ray.cancel(reference, force=True)
        raise
    return [results[number] for number in range(len(jobs))]


class _Board:
    """An actor where tasks leave their progress."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[str, float, str]] = {}

    def put(self, name: str, fraction: float, text: str) -> None:
        self._left[name] = (name, fraction, text)

    def take(self) -> list[tuple[str, float, str]]:
        taken, self._left = list(self._left.values()), {}
        return taken


def _run_there(job: Job, board: Any) -> Any:
    """Do one piece of work in a process of the cluster."""
    told_at_s = 0.0

    def tell(fraction: float, text: str) -> None:
        nonlocal told_at_s
        if fraction >= 1 or time.monotonic() - told_at_s > _POLL_S:
            told_at_s = time.monotonic()
            board.put.remote(job.name, fraction, text)

    return job.function(**job.arguments, progress=tell)
