"""Walks folders, gathers the evidence of each file in worker processes, and draws conclusions.

No file can stop a scan: each is read in a process of its own memory and time, and a process that
dies or hangs costs the one file that it was reading.
"""

from typing import TYPE_CHECKING

from provenance._lazy import lazy_exports

if TYPE_CHECKING:
    from provenance.scanning.engine import Scanned, ScanOptions, scan
    from provenance.scanning.messages import ScanLimits
    from provenance.scanning.verdict import Conclusion, conclude
    from provenance.scanning.walking import Found, walk

__all__ = [
    "Conclusion",
    "Found",
    "ScanLimits",
    "ScanOptions",
    "Scanned",
    "conclude",
    "scan",
    "walk",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Conclusion": "provenance.scanning.verdict",
        "Found": "provenance.scanning.walking",
        "ScanLimits": "provenance.scanning.messages",
        "ScanOptions": "provenance.scanning.engine",
        "Scanned": "provenance.scanning.engine",
        "conclude": "provenance.scanning.verdict",
        "scan": "provenance.scanning.engine",
        "walk": "provenance.scanning.walking",
    },
)
