"""What workers do in the tests: everything on purpose that a native library may do to a process."""

import functools
import logging
import os
import signal
import sys
import time

from provenance.errors import UserError
from provenance.workers import Last


class Unreadable:
    """A result that pickles, and then refuses to be read."""

    def __reduce__(self):
        return (_refuse, ())


def _refuse():
    raise ValueError("not again")


def make():
    return act


def make_noting(folder):
    """The function leaves a file per call, so that calls can be counted."""
    return functools.partial(_note, folder)


def make_warning():
    logging.getLogger("provenance.tests").warning("made")
    return act


def make_nothing(error):
    raise error


def make_late(delay_s):
    time.sleep(delay_s)
    return act


def _note(folder, item):
    number, word = item
    with (folder / f"{number}").open("a") as stream:
        stream.write("x")
    return act(word)


def act(item):
    if isinstance(item, int):
        return 2 * item
    if isinstance(item, float):
        time.sleep(item)
        return item
    if isinstance(item, bytes):
        return item[::-1]
    return _ACTS[item]()


def _spin():
    while True:
        pass


def _eat():
    hoard = []
    while True:
        hoard.append(bytearray(16 << 20))


def _raise():
    raise LookupError("on purpose")


def _raise_ours():
    raise UserError("A fact. A remedy.")


def _print():
    sys.stdout.write("noise\n")
    sys.stderr.write("noise\n")
    os.write(1, b"native noise\n")
    return "printed"


def _warn():
    logging.getLogger("provenance.tests").warning("of an item: %s", "\x1b[2J")
    logging.getLogger("provenance.tests").debug("not asked for")
    return "warned"


_ACTS = {
    "segv": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "real-time": lambda: os.kill(os.getpid(), 40),
    "leave": lambda: os._exit(0),
    "hang": lambda: time.sleep(1e6),
    "spin": _spin,
    "eat": _eat,
    "raise": _raise,
    "ours": _raise_ours,
    "exit": lambda: sys.exit(3),
    "lambda": lambda: lambda: None,
    "unreadable": Unreadable,
    "print": _print,
    "warn": _warn,
    "pid": os.getpid,
    "last": lambda: Last(os.getpid()),
    "none": lambda: None,
    "threads": lambda: os.environ["OMP_NUM_THREADS"],
    "stdin": lambda: os.read(0, 1),
    "args": lambda: sys.argv,
}
