"""Time-stamps of an authority (RFC 3161): who is asked, and what happens when nobody answers.

The library asks once for each signature, checks that the answer is about it, and gives up after
30 s in all, however the authority delays (measured: silent, and a byte now and then). It keeps the
whole answer in memory, so that an authority that is asked over ``http`` should be a near one. It
asks through the proxy that the environment names (``HTTPS_PROXY``, ``NO_PROXY``), and whatever
``core.allowed_network_hosts`` says: the address in the policy is the permission.
"""

import re
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from provenance.errors import CredentialError, UserError

LIBRARY_TIMEOUT_S = 30.0
"""After so long the library gives up on an authority; it cannot be told otherwise."""
PAUSE_S = 60.0
"""For so long an authority that kept us waiting is not asked where its time-stamp is optional."""
_LONG_S = 5.0  # what counts as waiting; a refusal comes at once, and the next file may do better
_MOST_CHARACTERS = 80
_WRAPPED = re.compile(r"^Signature: (?:internal error \((.*)\)|(.*))$", re.DOTALL)
_MEANINGS = {  # what the library says, and what it means
    "unable to find signed data": "it refuses",
    "too big for JUMBF box": "its answer is longer than the 10 kB that the library has room for",
}


class TimestampError(CredentialError):
    """A file could not be signed because the time-stamping authority gave no time-stamp."""


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
        if not _is_address(self.url):
            shown = self.url.rpartition("@")[2][:_MOST_CHARACTERS]  # a password may stand before
            raise UserError(
                f"{shown!a} is no address of a time-stamping authority. Give one such as"
                " http://timestamp.example.org/, without a name or a password: it is passed on."
            )

    @property
    def host(self) -> str:
        """Name or address of the authority, without the port."""
        return urlsplit(self.url).hostname or ""

    def error(self, said: str, waited_s: float) -> TimestampError:
        """Return the error to raise where the authority gave no time-stamp.

        Args:
            said: What the library says of it.
            waited_s: For how long the library waited.
        """
        reason = _WRAPPED.sub(lambda match: match[1] or match[2], said)
        meanings = [meaning for words, meaning in _MEANINGS.items() if words in reason]
        reason = f"{meanings[0]} ({reason})" if meanings else reason
        if waited_s >= LIBRARY_TIMEOUT_S - 1:
            reason = f"it did not answer within {waited_s:.0f} s"
        remedy = (
            " Try again later, name another authority, or let files be signed without one"
            " (time-stamp policy: prefer)."
        )
        message = f"No time-stamp from {self.url}: {reason}."
        return TimestampError(message + (remedy if self.required else ""))


class _Pauses:
    """The authorities that kept this process waiting, and until when they are left alone."""

    def __init__(self) -> None:
        self._ends: dict[str, float] = {}

    def note(self, url: str, waited_s: float) -> None:
        """Remember that an authority gave nothing after so long; a short time is forgotten."""
        if waited_s >= _LONG_S:
            self._ends[url] = time.monotonic() + PAUSE_S

    def left_s(self, url: str) -> float:
        """Return for how many seconds an authority is left alone; 0 where it may be asked."""
        return max(0.0, self._ends.get(url, 0.0) - time.monotonic())


pauses = _Pauses()


def _is_address(url: str) -> bool:
    if not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
