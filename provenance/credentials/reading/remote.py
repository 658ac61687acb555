"""Manifests that lie on a server: fetched only from hosts that the user named, by our own fetcher.

The C2PA library never fetches: it would follow whatever address a file holds, without a limit of
size (see README). What is fetched is handed to it as bytes.
"""

from dataclasses import replace
from urllib.parse import urlsplit

from provenance.credentials.reading.credential import Credential, ReadingOptions
from provenance.credentials.reading.examination import examine
from provenance.credentials.reading.opening import Asset, is_store
from provenance.credentials.trust.anchors import TrustAnchors
from provenance.errors import UserError

MAX_REMOTE_BYTES = 32 << 20
TIMEOUT_S = 10.0


def read_remote(
    named: Credential, asset: Asset, trust: TrustAnchors, options: ReadingOptions
) -> Credential:
    """Return what the manifest on a server says of a file, if its host may be asked.

    Args:
        named: What is known of the file alone; its ``remote_url`` says where the manifest lies.
        asset: The file.
        trust: Whom to trust.
        options: Which hosts may be asked.
    """
    url = named.remote_url or ""
    if not is_allowed(url, options.remote_hosts):
        return named
    try:
        data = _fetch(url, options)
    except (UserError, OSError) as error:
        # the file chose the path, which may read like a verdict; the host is one of the user's
        said = str(error).replace(url, urlsplit(url).hostname or "it")
        return replace(
            named,
            error=f"its manifest was not fetched: {error}",
            conclusion=f"Its credential lies on a server and could not be fetched: {said}",
        )
    found = examine(asset, trust, options, manifest_data=data, place="remote")
    return replace(found, remote_url=url)


def is_allowed(url: str, hosts: frozenset[str]) -> bool:
    """Whether the host of a URL is among the given ones: by its whole name, in lower case."""
    try:
        return (urlsplit(url).hostname or "") in hosts
    except ValueError:
        return False


def _fetch(url: str, options: ReadingOptions) -> bytes:
    from provenance.credentials.fetching import FetchError, fetch

    data = (options.fetch or fetch)(
        url, allowed_hosts=options.remote_hosts, max_bytes=MAX_REMOTE_BYTES, timeout_s=TIMEOUT_S
    )
    if not is_store(data):  # a page that says "not found", perhaps: no word against the file
        raise FetchError(f"{url} is no manifest store. Check the server.")
    return data
