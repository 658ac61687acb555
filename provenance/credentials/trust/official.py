"""The C2PA's own trust lists, fetched when somebody asks for it, and never otherwise.

They are published by the conformance programme in the repository ``c2pa-org/conformance-public``,
as JSON with the dates of the list, which the PEM files beside them lack.
"""

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from provenance.credentials import fetching
from provenance.credentials.fetching import FetchError
from provenance.credentials.trust import roots
from provenance.credentials.trust.anchors import TrustList
from provenance.credentials.trust.lists import (
    OFFICIAL_NAMES,
    list_names,
    read_list_files,
    refuse_flaws,
    store_list,
)
from provenance.credentials.trust.roots import Purpose, RootFile
from provenance.errors import UserError, did_you_mean

BASE_URL = "https://raw.githubusercontent.com/c2pa-org/conformance-public/main/trust-list/"
URLS = {
    "c2pa": BASE_URL + "C2PA-TRUST-LIST.json",
    "c2pa-time": BASE_URL + "C2PA-TSA-TRUST-LIST.json",
}
_MAX_BYTES = 4 << 20  # the lists have 70 kB
_TIMEOUT_S = 30.0

Fetch = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Change:
    """What an update changed, or would change.

    Attributes:
        name: Of the list.
        purpose: What it is trusted for.
        url: Where it came from.
        is_new: Whether there was none before.
        is_damaged: Whether the one before could not be read, so that all counts as added.
        added: Subjects of roots that are new, RFC 4514.
        removed: Subjects of roots that are gone.
        kept: How many stayed.
        withdrawn: Names that the list calls untrusted.
        expired: What is to be said of roots that have expired.
        date: When the list was issued, ISO 8601.
        former_date: The same of the one before; None where there was none.
        next_update: When a newer one will be due.
    """

    name: str
    purpose: Purpose
    url: str
    is_new: bool
    is_damaged: bool
    added: tuple[str, ...]
    removed: tuple[str, ...]
    kept: int
    withdrawn: tuple[str, ...]
    expired: tuple[str, ...]
    date: str
    former_date: str | None
    next_update: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the change as JSON."""
        return dataclasses.asdict(self)


def fetch_list(url: str) -> bytes:
    """Return the list at an ``https`` address.

    Raises:
        UserError: It cannot be fetched; the message says how to do without.
    """
    if urlsplit(url).scheme != "https":
        raise FetchError(f"{url}: a trust list is fetched over https only. Give such an address.")
    try:
        return fetching.fetch(
            url,
            allowed_hosts=[urlsplit(url).hostname or ""],
            max_bytes=_MAX_BYTES,
            timeout_s=_TIMEOUT_S,
        )
    except (FetchError, ValueError) as error:
        raise FetchError(
            f"{error} Or download the list by other means and import it with: provenance trust"
            " add NAME FILE --kind manifest|time --replace"
        ) from error


def update_list(
    config: Path,
    name: str,
    *,
    url: str | None = None,
    dry_run: bool = False,
    fetch: Fetch = fetch_list,
) -> Change:
    """Fetch one of the C2PA's lists, check it, and put it in the place of the one that is here.

    A list that fails a check leaves the present one as it is. Roots that have expired are taken,
    since they vouch for old files with time-stamps; nothing else that is wrong with a root is.

    Args:
        config: The user's config folder.
        name: ``c2pa`` or ``c2pa-time``.
        url: Of a mirror; None asks the programme's repository.
        dry_run: Only return what would change.
        fetch: For tests.

    Raises:
        UserError: The name is not one of the two, or the list cannot be fetched, is not wholly
            understood, or is older than the present one.
        CredentialError: The list cannot be written.
    """
    if name not in OFFICIAL_NAMES:
        known = did_you_mean(name, list(OFFICIAL_NAMES))
        raise UserError(f"{name!a} is not one of the C2PA's lists.{known}")
    purpose, address = OFFICIAL_NAMES[name], url or URLS[name]
    found = roots.parse_roots(fetch(address), address)
    refuse_flaws(found, purpose, address, allow_expired=True)
    if found.date is None or found.purpose is None:
        raise UserError(
            f"{address} is no list of the C2PA with its date and name. Use the JSON form, or import"
            " the file under a name of your own with: provenance trust add"
        )
    change = _change(config, name, address, found)
    if not dry_run:
        store_list(config, name, purpose, found, source=address, allow_expired=True, replace=True)
    return change


def _change(config: Path, name: str, url: str, found: RootFile) -> Change:
    is_new = name not in list_names(config)
    former, before = _present(config, name)
    date = found.date or ""
    if former is not None and former.next_update is not None and former.date > date:
        raise UserError(
            f"The list at {url} is of {date}, older than the one here, of {former.date}. If that is"
            f" right, first run: provenance trust remove {name}"
        )
    problems = roots.judge(found.certificates, OFFICIAL_NAMES[name])
    return Change(
        name=name,
        purpose=OFFICIAL_NAMES[name],
        url=url,
        is_new=is_new,
        is_damaged=former is None and not is_new,
        added=_subjects(one for one in found.certificates if one not in before),
        removed=_subjects(one for one in before if one not in found.certificates),
        kept=len(before & set(found.certificates)),
        withdrawn=found.withdrawn,
        expired=tuple(map(str, problems)),
        date=date,
        former_date=former.date if former else None,
        next_update=found.next_update,
    )


def _present(config: Path, name: str) -> tuple[TrustList | None, set[x509.Certificate]]:
    """Return the present list and its certificates; neither where none can be read."""
    try:
        one, _, found = read_list_files(config, name)
    except UserError:
        return None, set()
    return one, set(found.certificates)


def _subjects(certificates: Iterable[x509.Certificate]) -> tuple[str, ...]:
    return tuple(sorted(one.subject.rfc4514_string() for one in certificates))
