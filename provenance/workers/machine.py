"""What a process may take of the machine: cores, threads, memory, and a life after its parent."""

import contextlib
import os
import threading
import time
from pathlib import Path

_POLL_S = 0.25
_ENDED_WITH_PARENT = 1

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1"
)
"""Environment of a process that computes with one thread. Numerical libraries read it at import;
processes that each use all cores slow one another down."""

_TOP_PAD_BYTES = 16 << 20
ROOMY_HEAP = {"MALLOC_TOP_PAD_": str(_TOP_PAD_BYTES)}
"""Environment of a process that handles file after file: glibc then keeps freed memory for the next
one, up to 16 MiB, instead of giving it back and having every page cleared anew. Measured on JPEG of
220 kB: verifying takes a tenth less time, signing a quarter."""


def default_jobs() -> int:
    """Return how many processes this one may keep busy: the cores that it is allowed to run on."""
    return len(os.sched_getaffinity(0))


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
