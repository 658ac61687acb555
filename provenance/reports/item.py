"""What a report shows of one file, and how hostile text is made visible."""

from dataclasses import dataclass

from provenance.types import ScanRow


@dataclass(frozen=True, slots=True)
class Item:
    """A row of the scan, and the small JPEG beside it (None without pixels)."""

    row: ScanRow
    thumbnail: bytes | None = None


def visible(text: object) -> str:
    r"""Return text with control, direction and surrogate characters written out.

    A name may hold characters that turn the reading direction or erase a line; shown as they are,
    they would make a page or a terminal lie about the name. Line breaks are written out, too.

    Example:
        >>> visible("gnp\u202e.exe")
        'gnp\\u202e.exe'
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode()
        for c in str(text)
    )
