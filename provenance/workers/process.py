"""What runs in a worker process: make the function once, then call it with item after item.

The process ignores Ctrl-C (the main process decides), has its output closed by whoever started it,
computes with one thread, and ends with its parent.
"""

import logging
import math
import pickle
import signal
import time
from typing import Any

from provenance.errors import ProvenanceError
from provenance.workers.machine import end_with_parent, keep_freed_memory, limit_memory
from provenance.workers.messages import Done, Last, Logged, Ready, Unfit, Work
from provenance.workers.pipes import WorkerEnd

_OURS = "provenance"
# what is wrong with plugins the main process says itself, once
_SAID_BY_MAIN = "provenance.plugins"
_LONGEST_ALARM_S = 1 << 30


def main(descriptor: int, parent: int, log_level: int) -> None:
    """Answer items until the pipe closes; what the started interpreter calls.

    Args:
        descriptor: Of the pipe. It brings the :class:`Work`, then lists of items.
        parent: Process id of the main process.
        log_level: Records of our loggers from this level on are sent to it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # blocked until it was ignored
    end_with_parent(parent)
    keep_freed_memory()
    pipe = WorkerEnd(descriptor)
    _forward_logs(pipe, log_level)
    try:
        work: Work[Any, Any] = pipe.receive()
        function = work.make()
    except EOFError:
        return
    except (Exception, SystemExit) as error:  # noqa: BLE001 - told, and raised by the main process
        pipe.send(Unfit(_as_ours(error)))
        return
    if work.worker_bytes is not None:
        limit_memory(work.worker_bytes)
    pipe.send(Ready())
    _serve(pipe, work, function)


def _serve(pipe: WorkerEnd, work: Work[Any, Any], function: Any) -> None:
    left = work.most_items
    while True:
        try:
            items: list[Any] = pipe.receive()
        except EOFError:
            return
        except Exception as error:  # noqa: BLE001 - told, and raised by the main process
            pipe.send(Unfit(_as_ours(error)))
            return
        for item in items:
            left -= 1
            done = _work_on(work, function, item, is_last=left <= 0)
            try:
                pipe.send(done)
            except MemoryError:  # there is a result, but no room to send it
                done = Done(b"", _out_of_memory(work), done.took_s, is_last=True)
                pipe.send(done)
            if done.is_last:
                return


def _work_on(work: Work[Any, Any], function: Any, item: Any, *, is_last: bool) -> Done:
    """Return what becomes of one item."""
    pickled, lost = b"", None
    started = time.perf_counter()
    # the main process ends a slow worker; this is for the case that it is itself gone or stuck
    signal.alarm(_alarm_s(work.item_s))
    try:
        value = function(item)
        if isinstance(value, Last):
            value, is_last = value.value, True
        pickled = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except MemoryError:
        lost, is_last = _out_of_memory(work), True
    except (Exception, SystemExit) as error:  # noqa: BLE001 - one item never ends the run
        lost = describe(error)
    finally:
        signal.alarm(0)
    return Done(pickled, lost, time.perf_counter() - started, is_last)


def describe(error: BaseException) -> str:
    """Return what is said of an item whose function raised: our own errors speak for themselves."""
    if isinstance(error, ProvenanceError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _as_ours(error: BaseException) -> ProvenanceError:
    if isinstance(error, ProvenanceError):
        return error
    return ProvenanceError(
        f"Worker processes cannot do their work ({describe(error)}). What they do, and the items,"
        f" must come from modules that can be imported, not from a script."
    )


def _alarm_s(item_s: float) -> int:
    return int(min(2 * item_s + 10, _LONGEST_ALARM_S)) if math.isfinite(item_s) else 0


def _out_of_memory(work: Work[Any, Any]) -> str:
    if work.worker_bytes is None:
        return "needs more memory than there is"
    return f"needs more memory than the limit of {work.worker_bytes >> 20:,} MiB"


class _Forwarder(logging.Handler):
    """Sends records to the main process as text; arguments and tracebacks need not be picklable."""

    def __init__(self, pipe: WorkerEnd) -> None:
        super().__init__()
        self._pipe = pipe

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == _SAID_BY_MAIN:
            return
        try:
            self._pipe.send(Logged(record.name, record.levelno, self.format(record)))
        except OSError:  # the main process is gone, and this one goes soon
            self.handleError(record)


def _forward_logs(pipe: WorkerEnd, level: int) -> None:
    logger = logging.getLogger(_OURS)
    logger.handlers[:] = [_Forwarder(pipe)]
    logger.setLevel(level)
    logger.propagate = False
