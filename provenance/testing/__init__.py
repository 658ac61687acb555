"""For plugin authors and for trying things out: conformance kits, folders that break scanners."""

from typing import TYPE_CHECKING

from provenance._lazy import lazy_exports

if TYPE_CHECKING:
    from provenance.testing.corpus import tiny_items, write_tiny_corpus
    from provenance.testing.detectors import check_detector
    from provenance.testing.oddities import odd_media

__all__ = [
    "check_detector",
    "odd_media",
    "tiny_items",
    "write_tiny_corpus",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "check_detector": "provenance.testing.detectors",
        "odd_media": "provenance.testing.oddities",
        "tiny_items": "provenance.testing.corpus",
        "write_tiny_corpus": "provenance.testing.corpus",
    },
)
