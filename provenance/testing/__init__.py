"""For plugin authors and for trying things out: conformance kits, folders that break scanners."""

from typing import TYPE_CHECKING

from provenance._lazy import lazy_exports

if TYPE_CHECKING:
    from provenance.testing.oddities import odd_media

__all__ = [
    "odd_media",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "odd_media": "provenance.testing.oddities",
    },
)
