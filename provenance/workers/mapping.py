"""A map over items in worker processes, for whoever needs no more than that."""

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import TypeVar

from provenance.workers.messages import Last, Work
from provenance.workers.pool import WorkerPool
from provenance.workers.process import describe

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 8  # times what all workers may hold: so far the results may run ahead of a slow item
_POLL_S = 0.5


class _End:
    """Stands for the end of the items, among which there may be None."""


_END = _End()


def map_in_workers(
    make: "Callable[[], Callable[[T], R | Last[R]]]",
    items: Iterable[T],
    *,
    jobs: int,
    lost: Callable[[T, str], R],
    item_s: float,
    worker_bytes: int | None,
    chunk: int = 16,
    few: int = 0,
) -> Generator[R, None, None]:
    """Yield the result of every item, in the order of the items, worked out in processes.

    An item that crashes its process, hangs or takes too much memory costs itself alone, and so
    does one whose function raises, whatever it raises: ``lost`` gives its result. Nothing is tried
    twice, so that work that writes is never done twice.

    ``items`` is read as results are taken: never more than ``8 * jobs * chunk`` items ahead of
    them, so that memory stays flat over any number. Workers are processes with one thread each,
    without stdin, stdout and stderr; records of loggers below ``provenance`` are written by this
    process. They ignore Ctrl-C, which raises ``KeyboardInterrupt`` here and ends them; close the
    iterator (``contextlib.closing``) when you stop early.

    Args:
        make: Called once in each worker, and returns the function that is called with each item.
            It, items and results travel by pickle, so what they are made of must come from modules
            that can be imported; a script that calls this needs no ``if __name__`` guard.
        items: What to work on; may be endless.
        jobs: Number of processes, :func:`default_jobs` for one a core.
        lost: Called here with an item and the reason why it has no result: a sentence without its
            subject ("took longer than the limit of 5 s"), ``str`` of an error of ours, or
            ``TypeError: text`` of any other. May raise, which ends the run.
        item_s: Seconds of wall time that an item may take.
        worker_bytes: Address space of a worker beyond what it holds when ``make`` has returned;
            None for no limit. Linux only.
        chunk: Items that a worker may hold where they are quick; where they take long, it is two.
        few: Up to so many items are worked on in this process, with no limits and no protection
            from crashes: starting a process takes a few tenths of a second.

    Raises:
        ProvenanceError: Workers cannot be started, or ``make`` fails: then what it raised, where
            that was an error of ours.
        ValueError: ``jobs`` or ``chunk`` is below 1.

    Example:
        >>> list(map_in_workers(make, [1, 2], jobs=2, lost=report, item_s=5, worker_bytes=None))
        ... # doctest: +SKIP
    """
    source = iter(items)
    first = list(itertools.islice(source, few + 1)) if few else []
    if few and len(first) <= few:
        if first:
            yield from _map_here(make, first, lost)
        return
    work = Work(make, item_s, worker_bytes)
    with closing(WorkerPool(work, jobs, lost, most_held=chunk)) as pool:
        yield from _in_order(pool, itertools.chain(first, source), _AHEAD * jobs * chunk)


def _in_order(pool: WorkerPool[T, R], items: Iterator[T], most_ahead: int) -> Iterator[R]:
    done: dict[int, R] = {}
    given = told = 0
    is_more = True
    while is_more or told < given:
        while is_more and pool.has_room and given - told < most_ahead:
            item = next(items, _END)
            if isinstance(item, _End):
                is_more = False
            else:
                pool.submit(given, item)
                given += 1
        done.update(pool.collect(_POLL_S) if pool.busy else ())
        while told in done:
            yield done.pop(told)
            told += 1


def _map_here(
    make: "Callable[[], Callable[[T], R | Last[R]]]", items: list[T], lost: Callable[[T, str], R]
) -> Iterator[R]:
    function = make()
    for item in items:
        try:
            result = function(item)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - one item never ends the run
            yield lost(item, describe(error))
        else:
            yield result.value if isinstance(result, Last) else result
