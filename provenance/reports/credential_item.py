"""What a report shows of one file's credential."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provenance.credentials import Credential


@dataclass(frozen=True, slots=True)
class CredentialItem:
    """A file whose credential was read.

    Attributes:
        shown: How reports call it: its path, or ``-`` for stdin. Hostile text.
        credential: What is known of it, with details where they are to be shown.
        picture: The file itself, small, as JPEG; None without pixels or where nobody asked.
    """

    shown: str
    credential: "Credential"
    picture: bytes | None = None
