"""Worker processes of which any may die or hang at any time: it costs the item worked on.

``concurrent.futures`` gives up the whole pool when one process dies; here each worker has a pipe
and a short queue of its own, so that the item at fault is known and the rest go on elsewhere.
"""

import logging
import pickle
import selectors
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from provenance.errors import ProvenanceError
from provenance.workers.messages import Done, Logged, Ready, Unfit, Work
from provenance.workers.worker import Numbered, Worker

T = TypeVar("T")
R = TypeVar("R")

_START_S = 120.0
_MOST_FAILED_STARTS = 3
_LATE_S = 1.0


class WorkerPool(Generic[T, R]):
    """Up to ``jobs`` workers; started as items come, replaced as they end.

    Not for several threads at once. Close it, or its processes go on until this one ends.

    Args:
        work: What each worker does.
        jobs: Number of processes.
        lost: Gives the result of an item that has none, from the item and the reason.
        most_held: Items that a worker may hold, the one being worked on included; two where they
            take long, so that no worker waits for items that another one sits on.

    Raises:
        ValueError: ``jobs`` or ``most_held`` is below 1.
        Exception: Whatever pickling raises, where ``work`` cannot be pickled.
    """

    def __init__(
        self, work: Work[T, R], jobs: int, lost: Callable[[T, str], R], *, most_held: int = 2
    ) -> None:
        if min(jobs, most_held) < 1:
            raise ValueError(f"{jobs} workers that hold {most_held} items each do no work")
        self._work = work
        self._pickled_work = pickle.dumps(work, pickle.HIGHEST_PROTOCOL)
        self._jobs = jobs
        self._lost = lost
        self._most_held = most_held
        self._workers: list[Worker] = []
        self._selector = selectors.DefaultSelector()
        self._orphans: deque[Numbered] = deque()
        self._failed_starts = 0
        self._looked = time.monotonic()
        self._told: set[Logged] = set()

    @property
    def busy(self) -> bool:
        """Whether any item is still out."""
        return bool(self._orphans) or any(worker.items for worker in self._workers)

    @property
    def has_room(self) -> bool:
        """Whether :meth:`submit` would find a place; false while orphans wait."""
        return not self._orphans and self._can_take_one

    def submit(self, number: int, item: T) -> None:
        """Hand an item to a worker, at the next :meth:`collect`; call only when there is room."""
        self._submit(Numbered(number, item))

    def collect(self, timeout_s: float) -> list[tuple[int, R]]:
        """Wait for results up to ``timeout_s``; include those of items whose worker was lost.

        Returns:
            (number, result) of each, as they come.

        Raises:
            ProvenanceError: Workers cannot be started at all, or cannot make their function: then
                what it raised, where that was an error of ours.
            Exception: Whatever pickling raises, where an item cannot be pickled.
        """
        self._rehome()
        for worker in self._workers:
            worker.give()
            self._watch(worker)
        time.sleep(min((worker.busy_s for worker in self._workers), default=0.0))
        found: list[tuple[int, R]] = []
        for worker in self._with_news(min(timeout_s, self._next_deadline_s())):
            found += self._receive(worker)
        for worker in [worker for worker in self._workers if self._left_s(worker) <= 0]:
            found += self._overtime(worker)
        return found

    def close(self) -> None:
        """Kill every worker; what they were working on is dropped."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()
        self._selector.close()

    # -- to and from workers -----------------------------------------------------------------------

    def _submit(self, numbered: Numbered) -> None:
        worker = min(
            (worker for worker in self._workers if worker.has_room),
            key=lambda worker: len(worker.items),
            default=None,
        )
        if worker is None or (worker.items and len(self._workers) < self._jobs):
            worker = self._start()
        worker.hold(numbered)

    def _start(self) -> Worker:
        worker = Worker(self._pickled_work, self._most_held)
        self._workers.append(worker)
        self._selector.register(worker.pipe, selectors.EVENT_READ, worker)
        return worker

    def _watch(self, worker: Worker) -> None:
        wanted = selectors.EVENT_READ
        if worker.pipe.has_unsent:
            wanted |= selectors.EVENT_WRITE
        if self._selector.get_key(worker.pipe).events != wanted:
            self._selector.modify(worker.pipe, wanted, worker)

    def _with_news(self, timeout_s: float) -> list[Worker]:
        events = self._selector.select(timeout_s)
        looked_before, self._looked = self._looked, time.monotonic()
        passed_s = self._looked - looked_before
        # all of us were stopped, as by Ctrl-Z, or the caller took its time: no item's fault
        if passed_s > timeout_s + _LATE_S:
            for worker in self._workers:
                worker.since = min(worker.since + passed_s, self._looked)
        for key, mask in events:
            if mask & selectors.EVENT_WRITE:
                key.data.pipe.flush()
        return [key.data for key, mask in events if mask & selectors.EVENT_READ]

    def _receive(self, worker: Worker) -> Iterator[tuple[int, R]]:
        for pickled in worker.pipe.receive():
            try:
                message: Any = pickle.loads(pickled)  # noqa: S301 - from a process of ours
            except Exception:  # noqa: BLE001 - its memory is no longer what it was
                yield from self._blame(worker, "made the process that worked on it send nonsense")
                return
            worker.since = time.monotonic()
            if isinstance(message, Done):
                yield self._result(worker, message)
            else:
                self._heed(worker, message)
            if worker not in self._workers:
                return
        if worker.pipe.is_over:
            yield from self._died(worker)

    def _result(self, worker: Worker, done: Done) -> tuple[int, R]:
        number, item = worker.note(done)
        if done.is_last:
            self._retire(worker)
        if done.lost is not None:
            return number, self._lost(item, done.lost)
        try:
            result: R = pickle.loads(done.value)  # noqa: S301 - from a process of ours
        except Exception as error:  # noqa: BLE001 - whatever a class of the caller's raises
            return number, self._lost(item, f"has a result that cannot be read ({error!r})")
        return number, result

    def _heed(self, worker: Worker, message: Any) -> None:
        if isinstance(message, Unfit):
            raise message.error
        if isinstance(message, Ready):
            worker.is_ready, self._failed_starts = True, 0
        elif isinstance(message, Logged):
            self._log(message, only_once=not worker.is_ready)

    def _log(self, message: Logged, *, only_once: bool) -> None:
        """Write a record; what every worker says when it starts is written once."""
        if only_once and message in self._told:
            return
        if only_once:
            self._told.add(message)
        logging.getLogger(message.name).log(message.level, "%s", message.text)

    # -- what becomes of a worker ------------------------------------------------------------------

    def _died(self, worker: Worker) -> list[tuple[int, R]]:
        code = worker.ended()
        if not worker.is_ready:
            self._failed_to_start(worker, f"exit code {code}")
            return []
        return self._blame(worker, f"ended the process that worked on it ({_ending(code)})")

    def _overtime(self, worker: Worker) -> list[tuple[int, R]]:
        if not worker.is_ready:
            self._failed_to_start(worker, f"not ready after {_START_S:.0f} s")
            return []
        return self._blame(worker, f"took longer than the limit of {self._work.item_s:g} s")

    def _blame(self, worker: Worker, reason: str) -> list[tuple[int, R]]:
        """Drop the worker; the item that it worked on carries the reason, the others go on."""
        lost = worker.items.popleft() if worker.items else None
        self._retire(worker)
        return [(lost.number, self._lost(lost.item, reason))] if lost else []

    def _retire(self, worker: Worker) -> None:
        self._selector.unregister(worker.pipe)
        worker.end()
        self._workers.remove(worker)
        self._orphans += worker.items

    def _failed_to_start(self, worker: Worker, how: str) -> None:
        self._retire(worker)
        self._failed_starts += 1
        if self._failed_starts >= _MOST_FAILED_STARTS:
            raise ProvenanceError(
                f"Worker processes cannot be started ({how}). Run with -vv to see what they print;"
                f" a plugin may end the process: PROVENANCE_DISABLE_PLUGINS leaves it out."
            )

    def _rehome(self) -> None:
        while self._orphans and self._can_take_one:
            self._submit(self._orphans.popleft())

    # -- room and time -----------------------------------------------------------------------------

    @property
    def _can_take_one(self) -> bool:
        return len(self._workers) < self._jobs or any(w.has_room for w in self._workers)

    def _left_s(self, worker: Worker) -> float:
        if worker.is_ready and not worker.items:
            return float("inf")
        limit_s = self._work.item_s if worker.is_ready else _START_S
        return worker.since + limit_s - time.monotonic()

    def _next_deadline_s(self) -> float:
        left = [self._left_s(worker) for worker in self._workers]
        return max(0.0, min(left, default=float("inf")))


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    known = {int(one): one.name for one in signal.Signals}
    name = known.get(-code, f"signal {-code}")  # those for real time have no names
    hint = ", as the system does when memory runs out" if name == "SIGKILL" else ""
    return f"{name}{hint}"
