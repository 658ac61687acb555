"""What a process may take of the machine: cores, threads, memory, and a life after its parent."""

import contextlib
import ctypes
import os
import threading
import time
from pathlib import Path

_POLL_S = 0.25
_ENDED_WITH_PARENT = 1
# parameters of glibc's mallopt, from its malloc.h
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 16 << 20

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1"
)
"""Environment of a process that computes with one thread. Numerical libraries read it at import;
processes that each use all cores slow one another down."""


def default_jobs() -> int:
    """Return how many processes this one may keep busy: the cores that it is allowed to run on."""
    return len(os.sched_getaffinity(0))


def keep_freed_memory() -> None:
    """Keep up to 16 MiB of freed memory for the next file, in a process that handles many.

    glibc gives larger blocks back at once, and every page of the next one is cleared anew: 135 page
    faults for a JPEG of 140 kB, a quarter of the time of signing it. Elsewhere nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _KEPT_BYTES)
        mallopt(_TRIM_THRESHOLD, 2 * _KEPT_BYTES)


def end_with_parent(parent: int) -> None:
    """Watch the parent process from a thread, and end this one when it is gone.

    Args:
        parent: Its process id, told by the parent itself: it may be gone before this runs.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_S)
        os._exit(_ENDED_WITH_PARENT)

    threading.Thread(target=watch, daemon=True, name="end-with-parent").start()


def limit_memory(budget_bytes: int) -> None:
    """Bound this process's address space to what is mapped now and ``budget_bytes`` more, or less.

    Less where whoever started us set a hard limit: that one can only be lowered. Linux only;
    elsewhere nothing happens, since no other system both counts and enforces address space.
    """
    import resource

    statm = Path("/proc/self/statm")
    if not statm.exists():
        return
    mapped = int(statm.read_text().split()[0]) * resource.getpagesize()
    limit, hard = mapped + budget_bytes, resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # hostile content is not left lying around
    # should the machine run out of memory, the system takes a worker and not the main process
    with contextlib.suppress(OSError):  # a sandbox may forbid it; the work goes on without
        Path("/proc/self/oom_score_adj").write_text("900")
