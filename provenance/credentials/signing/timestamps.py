"""Time-stamps of an authority (RFC 3161): who is asked, and what happens when nobody answers."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from provenance.errors import UserError


@dataclass(frozen=True, slots=True)
class TimestampPolicy:
    """Which time-stamping authority is asked when signing.

    Attributes:
        url: Of the authority, ``http`` or ``https``.
        required: Whether signing fails where the authority does not give a time-stamp. Otherwise
            the file is signed without, and a warning says so.

    Raises:
        UserError: The URL is none.
    """

    url: str
    required: bool = True

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            is_url = parts.scheme in ("http", "https") and bool(parts.hostname)
            _ = parts.port  # refuses what is no number
        except ValueError:
            is_url = False
        if not is_url or not self.url.isascii() or not self.url.isprintable() or " " in self.url:
            raise UserError(
                f"{self.url[:80]!a} is no address of a time-stamping authority. Give one such"
                " as http://timestamp.example.org/"
            )

    @property
    def host(self) -> str:
        """Name or address of the authority, without the port."""
        return urlsplit(self.url).hostname or ""
