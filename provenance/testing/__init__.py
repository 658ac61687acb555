"""For plugin authors and for trying things out: conformance kits, folders that break scanners."""

from typing import TYPE_CHECKING

from provenance._lazy import lazy_exports

if TYPE_CHECKING:
    from provenance.testing.corpus import tiny_items, write_tiny_corpus
    from provenance.testing.detectors import check_detector
    from provenance.testing.generators import (
        check_generator,
        generator_checks,
        trained_generator,
    )
    from provenance.testing.oddities import odd_media
    from provenance.testing.results import CheckResult
    from provenance.testing.signers import check_signer

__all__ = [
    "CheckResult",
    "check_detector",
    "check_generator",
    "check_signer",
    "generator_checks",
    "odd_media",
    "tiny_items",
    "trained_generator",
    "write_tiny_corpus",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "CheckResult": "provenance.testing.results",
        "check_detector": "provenance.testing.detectors",
        "check_generator": "provenance.testing.generators",
        "check_signer": "provenance.testing.signers",
        "generator_checks": "provenance.testing.generators",
        "odd_media": "provenance.testing.oddities",
        "tiny_items": "provenance.testing.corpus",
        "trained_generator": "provenance.testing.generators",
        "write_tiny_corpus": "provenance.testing.corpus",
    },
)
