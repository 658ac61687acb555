"""What a report shows of one file."""

from dataclasses import dataclass

from provenance.types import ScanRow


@dataclass(frozen=True, slots=True)
class Item:
    """A row of the scan, and the small JPEG beside it (None without pixels)."""

    row: ScanRow
    thumbnail: bytes | None = None
