"""Reads one file's credential. Whatever the file holds, the answer is a :class:`Credential`."""

import io
from pathlib import Path

from provenance.credentials.reading import fragments, opening, sidecars
from provenance.credentials.reading.credential import Credential, ReadingOptions
from provenance.credentials.reading.examination import examine, not_examined
from provenance.credentials.reading.opening import Asset
from provenance.credentials.reading.remote import read_remote
from provenance.credentials.trust.anchors import TrustAnchors
from provenance.errors import UnreadableError

_DEFAULTS = ReadingOptions()


def read_credential(
    path: Path,
    media_type: str | None,
    trust: TrustAnchors,
    *,
    options: ReadingOptions = _DEFAULTS,
) -> Credential:
    """Return what is known of a file's credential. Never raises for what a file holds.

    Looked for in the file, then in a sidecar beside it, then on a server if its host is allowed.
    Opens no network connection otherwise, and writes nothing. Runs in any process and thread.

    Args:
        path: The file. Hostile. Where it is a sidecar, the file that it belongs to is looked for.
        media_type: MIME type recognised from the content; recognised here when None.
        trust: Whom to trust.
        options: Where to look, and how much to keep.
    """
    try:
        with opening.open_regular(path, opening.MAX_FILE_BYTES) as file:
            stream = opening.in_memory_if_small(file)
            head = opening.head_of(stream)
            if opening.is_store(head):
                return sidecars.read_as_sidecar(path, stream, trust, options)
            asset = Asset(stream, opening.media_hint(head, media_type, path.name))
            found = fragments.alone(examine(asset, trust, options), stream, head)
            if options.sidecars and found.place != "none":
                return sidecars.mentioned(found, path)
            if options.sidecars:
                found = sidecars.read_beside(path, asset, found, trust, options)
            return _fetched(found, asset, trust, options)
    except UnreadableError as error:
        return not_examined(str(error))
    except OSError as error:
        return not_examined(f"cannot be read: {error.strerror or error}")


def read_credential_bytes(
    data: bytes,
    media_type: str | None,
    trust: TrustAnchors,
    *,
    manifest_data: bytes | None = None,
    options: ReadingOptions = _DEFAULTS,
) -> Credential:
    """Return what is known of the credential of a file in memory; as :func:`read_credential`.

    Args:
        data: The whole file. Hostile.
        media_type: MIME type recognised from the content; recognised here when None.
        trust: Whom to trust.
        manifest_data: The content of a sidecar, if there is one; a credential inside ``data`` wins.
        options: As for :func:`read_credential`; ``sidecars`` has no meaning here.
    """
    if not data:
        return not_examined("there are no bytes")
    if opening.is_store(data):
        return sidecars.alone("the file that it belongs to is not given")
    head = data[: opening.HEAD_BYTES]
    asset = Asset(io.BytesIO(data), opening.media_hint(head, media_type))
    found = fragments.alone(examine(asset, trust, options), asset.stream, head)
    if manifest_data is not None:
        found = sidecars.paired_with(manifest_data, found, asset, trust, options)
    return _fetched(found, asset, trust, options)


def _fetched(
    found: Credential, asset: Asset, trust: TrustAnchors, options: ReadingOptions
) -> Credential:
    if found.place == "none" and found.remote_url and options.remote_hosts:
        return read_remote(found, asset, trust, options)
    return found
