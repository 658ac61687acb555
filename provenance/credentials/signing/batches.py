"""Signs files that a generator made together, at a fraction of the price of one after the other."""

import logging
import secrets
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields, replace
from operator import attrgetter
from typing import Any

from provenance.credentials.signing.embedding import sign_bytes
from provenance.credentials.signing.manifests import GenerationClaim, generation_manifest
from provenance.credentials.signing.signer import Signer
from provenance.credentials.signing.stamps import Stamp, StampError

_LOG = logging.getLogger(__name__)
_STAMPED = "image/png"
_FEWEST = 4  # a stamp costs about as much as three signatures
_checked: set[tuple[str, str]] = set()


def sign_generated(
    files: Sequence[tuple[bytes, GenerationClaim]], media_type: str, signer: Signer
) -> list[bytes]:
    """Return files with the manifest that :func:`generation_manifest` makes of each one's claim.

    Files whose claims differ in texts alone (title, parent ...) get a stamp: the library makes one
    manifest for all of them. Where that cannot be done (another type than PNG, a key that is not in
    memory, an authority for time-stamps, a manifest of unusual form) the library signs each. The
    first stamped file of a process is read back, and must hold.

    Args:
        files: Whole media files, without a manifest, and what is known of each.
        media_type: Of all of them.
        signer: Whose key.

    Raises:
        UserError: Files of this type cannot carry a manifest.
        CredentialError: The key cannot be used, or the library refuses the manifest.
    """
    signed: list[bytes] = [b""] * len(files)
    groups: defaultdict[tuple[Any, ...], list[int]] = defaultdict(list)
    for number, (_, claim) in enumerate(files):
        groups[_shape(claim)].append(number)
    for numbers in groups.values():
        group = _signed([files[number] for number in numbers], media_type, signer)
        for number, data in zip(numbers, group, strict=True):
            signed[number] = data
    return signed


def _shape(claim: GenerationClaim) -> tuple[Any, ...]:
    """Return what claims of one stamp have in common: all that is no text."""
    return tuple([None if type(value) is str else (value,) for value in _VALUES(claim)])


_NAMES = tuple(field.name for field in fields(GenerationClaim))
_VALUES = attrgetter(*_NAMES)


def _signed(
    files: Sequence[tuple[bytes, GenerationClaim]], media_type: str, signer: Signer
) -> list[bytes]:
    """Sign files of one shape."""
    try:
        return _stamped(files, media_type, signer)
    except StampError as error:
        _LOG.debug("Signing one by one: %s", error)
    return [
        sign_bytes(data, media_type, generation_manifest(claim), signer) for data, claim in files
    ]


def _stamped(
    files: Sequence[tuple[bytes, GenerationClaim]], media_type: str, signer: Signer
) -> list[bytes]:
    key = signer.key_in_memory()
    if media_type != _STAMPED or key is None or len(files) < _FEWEST:
        raise StampError("these are no files for a stamp")
    names = _differing([claim for _, claim in files])
    words = {name: secrets.token_hex(16) for name in names}
    model, claim = files[0]
    manifest = generation_manifest(replace(claim, **words))  # type: ignore[arg-type] # of the same types
    stamp = Stamp(sign_bytes(model, media_type, manifest, signer), words, key)
    signed = [stamp.sign(data, {name: getattr(one, name) for name in names}) for data, one in files]
    _check(signed[0], media_type, signer)
    return signed


def _differing(claims: Sequence[GenerationClaim]) -> list[str]:
    """Return the names of the fields that are not the same in all claims of one shape."""
    columns = zip(_NAMES, *map(_VALUES, claims), strict=True)
    return [name for name, *values in columns if type(values[0]) is str and len(set(values)) > 1]


def _check(data: bytes, media_type: str, signer: Signer) -> None:
    """Read the first file that this process stamped for a signer with the library.

    Raises:
        StampError: Its manifest does not hold.
    """
    from provenance.credentials.reading.reader import read_credential_bytes
    from provenance.credentials.trust.anchors import TrustAnchors

    key = (repr(signer), media_type)
    if key in _checked:
        return
    found = read_credential_bytes(data, media_type, TrustAnchors())
    if found.integrity != "ok":
        raise StampError(f"a stamped file reads as: {found.conclusion}")
    _checked.add(key)
