"""Ctrl-C while the C2PA library works.

The library calls back for each read, seek and write. Python raises ``KeyboardInterrupt`` inside
such a call, where ctypes drops it and answers 0: "no bytes", or "the first byte". Of 104 calls for
one PNG an interruption was lost in all, ended the process in 11, and left a broken file in one. So
it is held back until the library has returned, which takes milliseconds for most files.
"""

import contextlib
import functools
import signal
import threading
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class _Holder:
    """A signal handler that remembers that it was called."""

    is_asked = False

    def __call__(self, *_: object) -> None:
        self.is_asked = True


class _Held:
    """What :func:`held` returns; no generator, for it is entered and left for every file."""

    __slots__ = ("_holder",)

    def __init__(self) -> None:
        self._holder: _Holder | None = None

    def __enter__(self) -> None:
        if _is_main() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._holder = _Holder()
            signal.signal(signal.SIGINT, self._holder)

    def __exit__(self, *_: object) -> None:
        holder, self._holder = self._holder, None
        if holder is None:
            return
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if holder.is_asked:
            raise KeyboardInterrupt

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            with _Held():  # one for each call: several threads may be inside
                return function(*args, **kwargs)

        return run


def held() -> _Held:
    """Hold Ctrl-C back until the end of the ``with`` block, or of the function that it decorates.

    Only where it would raise: in the main thread, and under no handler of somebody else's.

    Raises:
        KeyboardInterrupt: It was pressed meanwhile, whatever else happened.
    """
    return _Held()


@contextlib.contextmanager
def let_through() -> Iterator[None]:
    """Let Ctrl-C raise again in the ``with`` block, inside one of :func:`held`.

    For a call back in which exceptions are caught, and that may take long: a key in a service.

    Raises:
        KeyboardInterrupt: It is pressed, or was since :func:`held` began.
    """
    holder = signal.getsignal(signal.SIGINT)
    if not _is_main() or not isinstance(holder, _Holder):
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if holder.is_asked:
            raise KeyboardInterrupt
        yield
    finally:
        signal.signal(signal.SIGINT, holder)


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()
