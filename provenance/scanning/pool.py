"""Worker processes of which any may die or hang at any time: it costs the file being read.

``concurrent.futures`` gives up the whole pool when one process dies; here each worker has a pipe
and a short queue of its own, so that the file at fault is known and the rest go on elsewhere.
"""

import logging
import multiprocessing
import os
import signal
import time
from collections import deque
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from provenance.errors import ProvenanceError
from provenance.scanning.messages import Finding, Ready, Task, WorkerPlan
from provenance.scanning.worker import run_worker

if TYPE_CHECKING:
    from collections.abc import Iterable

_LOG = logging.getLogger(__name__)
_QUEUE = 2  # one file being read, one waiting in the pipe, so that a worker is never idle
_START_S = 120.0
_MOST_FAILED_STARTS = 3


class Worker:
    """One process, its pipe, and the tasks that it holds; the first is the one being read."""

    def __init__(self, plan: WorkerPlan) -> None:
        context = multiprocessing.get_context("spawn")  # forked native libraries can deadlock
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=run_worker, args=(theirs, os.getpid(), plan), daemon=True, name="scan-worker"
        )
        # Ctrl-C reaches the whole group: the child keeps it blocked until it ignores it
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self.tasks: deque[Task] = deque()
        self.ready = False
        self.since = time.monotonic()

    def give(self, task: Task) -> None:
        """Send a task. A worker that has died by now is noticed when its pipe is read."""
        if not self.tasks and self.ready:
            self.since = time.monotonic()
        self.tasks.append(task)
        try:
            self.connection.send(task)
        except OSError:
            _LOG.debug("a worker is gone before its task", exc_info=True)

    def end(self) -> int | None:
        """Kill the process, wait for it, and return its exit code."""
        self.process.kill()
        self.process.join()
        self.connection.close()
        return self.process.exitcode


class WorkerPool:
    """Up to ``jobs`` workers; started as files come, replaced as they end.

    Args:
        plan: What each worker does.
        jobs: Number of processes.
    """

    def __init__(self, plan: WorkerPlan, jobs: int) -> None:
        self._plan = plan
        self._jobs = jobs
        self._workers: list[Worker] = []
        self._orphans: deque[Task] = deque()
        self._failed_starts = 0
        self._told: set[str] = set()

    @property
    def busy(self) -> bool:
        """Whether any task is still out."""
        return bool(self._orphans) or any(worker.tasks for worker in self._workers)

    @property
    def has_room(self) -> bool:
        """Whether :meth:`submit` would start a file soon; false while orphans wait."""
        return not self._orphans and self._can_take_one

    def submit(self, task: Task) -> None:
        """Hand a task to a worker; call only when there is room."""
        worker = min(self._workers, key=lambda worker: len(worker.tasks), default=None)
        if worker is None or (worker.tasks and len(self._workers) < self._jobs):
            worker = Worker(self._plan)
            self._workers.append(worker)
        worker.give(task)

    def collect(self, timeout_s: float) -> list[tuple[Task, Finding]]:
        """Wait for findings up to ``timeout_s``; include those of files whose worker was lost.

        Raises:
            ProvenanceError: Workers cannot be started at all.
        """
        found: list[tuple[Task, Finding]] = []
        owners = {worker.connection: worker for worker in self._workers}
        for connection in wait(list(owners), min(timeout_s, self._next_deadline_s())):
            found += self._receive(owners[connection])  # type: ignore[index]
        for worker in [worker for worker in self._workers if self._left_s(worker) <= 0]:
            found += self._overtime(worker)
        self._rehome()
        return found

    def close(self) -> None:
        """Kill every worker; what they were reading is dropped."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()

    # -- what becomes of a worker ------------------------------------------------------------------

    def _receive(self, worker: Worker) -> "Iterable[tuple[Task, Finding]]":
        try:
            message: Any = worker.connection.recv()
        except Exception:  # noqa: BLE001 - the pipe broke, or carries half a pickle: it died
            return self._lost(worker)
        worker.since = time.monotonic()
        if isinstance(message, Ready):
            worker.ready, self._failed_starts = True, 0
            self._tell(message.faults)
            return []
        task = worker.tasks.popleft()
        if message.retire:
            self._retire(worker)
        return [(task, message)]

    def _lost(self, worker: Worker) -> list[tuple[Task, Finding]]:
        worker.process.join(1.0)
        code = worker.process.exitcode
        if not worker.ready:
            self._failed_to_start(worker, f"exit code {code}")
            return []
        return self._blame(worker, f"ended the process that read it ({_ending(code)})")

    def _overtime(self, worker: Worker) -> list[tuple[Task, Finding]]:
        if not worker.ready:
            self._failed_to_start(worker, f"not ready after {_START_S:.0f} s")
            return []
        limit_s = self._plan.limits.file_s
        return self._blame(worker, f"took longer than the limit of {limit_s:g} s")

    def _blame(self, worker: Worker, error: str) -> list[tuple[Task, Finding]]:
        """Drop the worker; the file that it was reading carries the error, the others go on."""
        lost = worker.tasks.popleft() if worker.tasks else None
        self._retire(worker)
        return [(lost, Finding(lost.path, error=error))] if lost else []

    def _retire(self, worker: Worker) -> None:
        worker.end()
        self._workers.remove(worker)
        self._orphans += worker.tasks

    def _failed_to_start(self, worker: Worker, how: str) -> None:
        self._retire(worker)
        self._failed_starts += 1
        if self._failed_starts >= _MOST_FAILED_STARTS:
            raise ProvenanceError(
                f"Scan workers cannot be started ({how}). Run with -vv to see what they print; a "
                f"plugin may end the process: PROVENANCE_DISABLE_PLUGINS leaves it out."
            )

    def _rehome(self) -> None:
        while self._orphans and self._can_take_one:
            self.submit(self._orphans.popleft())

    def _tell(self, faults: tuple[str, ...]) -> None:
        for fault in faults:
            if fault not in self._told:
                self._told.add(fault)
                _LOG.warning("%s", fault)

    # -- room and time -----------------------------------------------------------------------------

    @property
    def _can_take_one(self) -> bool:
        full = all(len(worker.tasks) >= _QUEUE for worker in self._workers)
        return not full or len(self._workers) < self._jobs

    def _left_s(self, worker: Worker) -> float:
        if worker.ready and not worker.tasks:
            return float("inf")
        limit_s = self._plan.limits.file_s if worker.ready else _START_S
        return worker.since + limit_s - time.monotonic()

    def _next_deadline_s(self) -> float:
        left = [self._left_s(worker) for worker in self._workers]
        return max(0.0, min(left, default=float("inf")))


def _ending(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    hint = ", as the system does when memory runs out" if name == "SIGKILL" else ""
    return f"{name}{hint}"
