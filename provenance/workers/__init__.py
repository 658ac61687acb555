"""Work on many items in processes of which any may crash, hang or run out of memory."""

from typing import TYPE_CHECKING

from provenance._lazy import lazy_exports

if TYPE_CHECKING:
    from provenance.workers.machine import (
        ONE_THREAD,
        default_jobs,
        end_with_parent,
        keep_freed_memory,
        limit_memory,
    )
    from provenance.workers.mapping import map_in_workers
    from provenance.workers.messages import Last, Work
    from provenance.workers.pool import WorkerPool

__all__ = [
    "ONE_THREAD",
    "Last",
    "Work",
    "WorkerPool",
    "default_jobs",
    "end_with_parent",
    "keep_freed_memory",
    "limit_memory",
    "map_in_workers",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Last": "provenance.workers.messages",
        "ONE_THREAD": "provenance.workers.machine",
        "Work": "provenance.workers.messages",
        "WorkerPool": "provenance.workers.pool",
        "default_jobs": "provenance.workers.machine",
        "end_with_parent": "provenance.workers.machine",
        "keep_freed_memory": "provenance.workers.machine",
        "limit_memory": "provenance.workers.machine",
        "map_in_workers": "provenance.workers.mapping",
    },
)
