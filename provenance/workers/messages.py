"""What travels between the main process and its workers, by pickle."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from provenance.errors import ProvenanceError

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Work(Generic[T, R]):
    """What every worker does with every item, and what an item may cost.

    Attributes:
        make: Called once in each worker; returns the function that is called with each item. A
            module-level function, or a ``functools.partial`` of one: it travels by pickle. The
            function returns the result, or :class:`Last` of it.
        item_s: Seconds of wall time that an item may take.
        worker_bytes: Address space of a worker beyond what it holds once ``make`` has returned;
            None for no limit. Linux only.
        most_items: A worker is replaced after so many, which gives back what libraries leaked.
    """

    make: Callable[[], Callable[[T], "R | Last[R]"]]
    item_s: float
    worker_bytes: int | None = None
    most_items: int = 5_000


@dataclass(frozen=True, slots=True)
class Last(Generic[R]):
    """The result of an item after which its process should be replaced: it is short of memory."""

    value: R


# --- from a worker, beside Work and lists of items to it ------------------------------------------


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has made its function and waits for items."""


@dataclass(frozen=True, slots=True)
class Unfit:
    """The worker cannot make its function, or cannot read what it is sent; it ends."""

    error: ProvenanceError


class Done(NamedTuple):  # there and back in half the time of a frozen class with slots
    """The first of the items that the worker holds has a result.

    Attributes:
        value: The result, pickled on its own: one that refuses to be read then costs nothing else.
            Empty where ``lost`` says something.
        lost: Why there is no result, or None.
        took_s: Seconds of wall time.
        is_last: The worker ends after this message.
    """

    value: bytes
    lost: str | None
    took_s: float
    is_last: bool


@dataclass(frozen=True, slots=True)
class Logged:
    """A record of a logger of ours, to be written by the main process."""

    name: str
    level: int
    text: str
