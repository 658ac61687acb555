"""One worker as the main process sees it: the process, its pipe, and the items that it holds."""

import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from typing import Any, NamedTuple

from provenance.errors import ProvenanceError
from provenance.workers.machine import ONE_THREAD
from provenance.workers.messages import Done
from provenance.workers.pipes import MainEnd

_LOG = logging.getLogger(__name__)
_BOOTSTRAP = (
    "import sys; sys.path[:] = {path!r}\n"
    "from provenance.workers.process import main; main({descriptor}, {parent}, {level})"
)
_FEWEST = 2  # one item being worked on, one waiting in the pipe, so that no worker is idle
_HELD_S = 0.05  # of work, where items are quick: enough to hide the way there and back
_WEIGHT = 0.2  # of an item that took longer than the mean of those before it


class Numbered(NamedTuple):
    """An item and its place in the run."""

    number: int
    item: Any


class Worker:
    """A started process. The first of its items is the one that it works on.

    A new interpreter, not a fork (forked native libraries can deadlock), and not
    ``multiprocessing``'s, which would run the user's script again.

    Attributes:
        items: What it holds, in order.
        is_ready: Its function is made.
        since: When it began with the first of its items, or was last heard of.
        mean_s: What an item takes, as recent ones tell, rather too little than too much; None
            before the first.
    """

    def __init__(self, pickled_work: bytes, most_held: int) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = _start(theirs.fileno())
        self.pipe = MainEnd(ours)
        self.pipe.put(pickled_work)
        self.items: deque[Numbered] = deque()
        self._ungiven: list[Any] = []
        self._most_held = most_held
        self.is_ready = False
        self.since = time.monotonic()
        self.mean_s: float | None = None

    @property
    def has_room(self) -> bool:
        """Whether to hand it more: it is filled up when half of what it may hold is done."""
        few = bool(self._ungiven) or len(self.items) <= self._may_hold // 2
        return few and len(self.items) < self._may_hold

    @property
    def busy_s(self) -> float:
        """For how long it needs nothing, where items are quick; zero where they are not.

        Looking for each result apart would take a twentieth of the time of an item of 2 ms.
        """
        if self.mean_s is None or self.mean_s * _FEWEST > _HELD_S or self.pipe.has_unsent:
            return 0.0
        return max(0, len(self.items) - self._may_hold // 2) * self.mean_s

    def hold(self, item: Numbered) -> None:
        """Take an item, to be sent by :meth:`give`."""
        if not self.items and self.is_ready:
            self.since = time.monotonic()
        self.items.append(item)
        self._ungiven.append(item.item)

    def give(self) -> None:
        """Send the items taken since the last call, as one message."""
        if self._ungiven:
            self.pipe.put(pickle.dumps(self._ungiven, pickle.HIGHEST_PROTOCOL))
            self._ungiven = []

    def note(self, done: Done) -> Numbered:
        """Return the item that is done, and learn how long items take."""
        known_s = done.took_s if self.mean_s is None else self.mean_s
        # down at once, for the first item pays for what is imported late; up by and by
        weight = 1.0 if done.took_s < known_s else _WEIGHT
        self.mean_s = known_s + weight * (done.took_s - known_s)
        return self.items.popleft()

    def end(self) -> int:
        """Kill the process, wait for it, and return its exit code."""
        self._process.kill()
        self.pipe.close()
        return self._process.wait()

    def ended(self) -> int:
        """Return the exit code of a process that has closed its pipe; kill it if it lingers."""
        try:
            return self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return self.end()

    @property
    def _may_hold(self) -> int:
        if self.mean_s is None:
            return min(_FEWEST, self._most_held)
        wanted = _HELD_S / max(self.mean_s, 1e-6)
        return int(min(max(_FEWEST, wanted), self._most_held))


def _start(descriptor: int) -> "subprocess.Popen[bytes]":
    level = logging.getLogger("provenance").getEffectiveLevel()
    code = _BOOTSTRAP.format(path=sys.path, descriptor=descriptor, parent=os.getpid(), level=level)
    is_loud = _LOG.isEnabledFor(logging.DEBUG)
    # Ctrl-C reaches the whole group: the child keeps it blocked until it ignores it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return subprocess.Popen(  # noqa: S603 - this interpreter, with code of ours
            [sys.executable, "-c", code],
            stdin=subprocess.DEVNULL,
            # native noise must not get between rows on stdout
            stdout=2 if is_loud else subprocess.DEVNULL,
            stderr=None if is_loud else subprocess.DEVNULL,
            env=os.environ | ONE_THREAD,
            pass_fds=(descriptor,),
        )
    except OSError as error:
        raise ProvenanceError(
            f"Worker processes cannot be started ({error.strerror}). Fewer --jobs may fit."
        ) from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
