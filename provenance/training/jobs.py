"""Independent pieces of work in worker processes: families of generators, folds of detectors.

Each worker computes with one thread, since processes that each use all cores slow one another down.
A worker ends itself when its parent is gone, so that a killed run leaves nobody writing.
"""

import contextlib
import logging
import multiprocessing
import os
import queue
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from provenance.workers import ONE_THREAD, end_with_parent

_LOG = logging.getLogger(__name__)
_POLL_S = 0.25

Progress = Callable[[str, float, str], None]
"""Called with the job's name, a fraction (0..1) and a few words."""


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work.

    Attributes:
        name: Shown with its progress.
        function: A module-level function (it travels by pickle). It is called with ``arguments``
            and with ``progress``, a callable of a fraction and a message.
        arguments: Keyword arguments, all picklable.
    """

    name: str
    function: Callable[..., Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)


def run_jobs(jobs: Sequence[Job], *, workers: int, progress: Progress) -> list[Any]:
    """Run all jobs and return their results in order.

    Args:
        jobs: With one worker or one job they run in this process.
        workers: At most so many processes.
        progress: Receives the progress of every job.

    Raises:
        Exception: The first error of any job; the others are ended before it is raised.
    """
    if workers <= 1 or len(jobs) <= 1:
        return [_run_here(job, progress) for job in jobs]
    context = multiprocessing.get_context("spawn")  # forked torch and c2pa threads can deadlock
    messages = context.Queue()
    with (
        _one_thread_each(),
        ProcessPoolExecutor(
            max_workers=min(workers, len(jobs)),
            mp_context=context,
            initializer=_start_worker,
            initargs=(messages, os.getpid()),
        ) as pool,
    ):
        futures = [pool.submit(_run_there, job) for job in jobs]
        try:
            _relay(futures, messages, progress)
        except BaseException:
            children = list((pool._processes or {}).values())  # shutdown forgets them
            pool.shutdown(wait=False, cancel_futures=True)
            for child in children:
                child.terminate()
            for child in children:
                child.join()
            raise
    return [future.result() for future in futures]


def _run_here(job: Job, progress: Progress) -> Any:
    return job.function(**job.arguments, progress=lambda f, text: progress(job.name, f, text))


def _relay(futures: "list[Future[Any]]", messages: Any, progress: Progress) -> None:
    """Pass progress on until all jobs have ended, or one has failed."""
    while True:
        done, running = wait(futures, timeout=_POLL_S)
        # a result may overtake the last messages of its job: at the end, wait for those
        _pass_on(messages, progress, wait_s=0.0 if running else _POLL_S)
        for future in done:
            future.result()  # raises what the job raised
        if not running:
            return


def _pass_on(messages: Any, progress: Progress, *, wait_s: float) -> None:
    """Pass on the messages that have come, and those that come within ``wait_s`` of another."""
    with contextlib.suppress(queue.Empty):
        while True:
            progress(*messages.get(timeout=wait_s) if wait_s else messages.get_nowait())


class _one_thread_each:  # noqa: N801 - reads as a statement where it is used
    """Environment in which children are started: numerical libraries read it at import."""

    def __enter__(self) -> None:
        self._before = {name: os.environ.get(name) for name in ONE_THREAD}
        os.environ.update(ONE_THREAD)

    def __exit__(self, *_: object) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


# --- inside a worker ------------------------------------------------------------------------------

_messages: Any = None


def _start_worker(messages: Any, parent: int) -> None:
    global _messages
    _messages = messages
    sys.stdout = sys.stderr
    end_with_parent(parent)


def _run_there(job: Job) -> Any:
    return _run_here(job, lambda name, f, text: _messages.put((name, f, text)))
