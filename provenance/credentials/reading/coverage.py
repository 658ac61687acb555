"""What the hash of a file leaves out on purpose, beyond what every hash has to leave out.

A signer may exclude any part of a file from its hash (C2PA specification 2.4, 15.12), and what is
excluded may be changed by anybody without a trace. Early signers of MP4 excluded the tables that
say where the samples lie, so that other ones can be played and the file still be intact; the
library mentions both these and harmless ones with the same code.
"""

import json
from collections.abc import Mapping
from typing import Any

import c2pa

from provenance.credentials.reading import axes

_MORE_LEFT_OUT = ".additionalExclusionsPresent"
_DATA, _BOXES, _BMFF = "c2pa.hash.data", "c2pa.hash.boxes", "c2pa.hash.bmff"
# boxes that hold the store, the brand, an index for seeking, or nothing (specification 2.4, A.5.6)
_HARMLESS = frozenset({"uuid", "ftyp", "mfra", "free", "skip"})
_MAX_CHARACTERS = 8 << 20


def has_open_parts(reader: c2pa.Reader, store: Mapping[str, Any]) -> bool:
    """Whether parts of a file that matter lie outside of what its own manifest signs.

    Args:
        reader: Open. Its detailed report is read only where the library mentions exclusions.
        store: Its JSON report.
    """
    own = axes.active(store.get("validation_results") or {})
    if not any(code.endswith(_MORE_LEFT_OUT) for code in axes.codes(own, "informational")):
        return False
    text = reader.detailed_json()
    if len(text) > _MAX_CHARACTERS:
        return True
    manifests = json.loads(text).get("manifests") or {}
    manifest = manifests.get(store.get("active_manifest"))
    if manifest is None:  # of some damaged stores the library gives an empty report: it may be so
        return True
    hashes = (manifest.get("assertion_store") or {}).items()
    return any(is_open(label, assertion) for label, assertion in hashes)


def is_open(label: str, assertion: Any) -> bool:
    """Whether an assertion is a hash that leaves out more than harmless parts.

    Args:
        label: Of the assertion.
        assertion: Its content.
    """
    if not isinstance(assertion, dict):
        return False
    if label.startswith(_BMFF):
        paths = (str(one.get("xpath")) for one in assertion.get("exclusions") or ())
        return any(path.strip("/").partition("/")[0] not in _HARMLESS for path in paths)
    if label.startswith(_DATA):
        return len(assertion.get("exclusions") or ()) > 1  # the store itself is one
    if label.startswith(_BOXES):
        return any(box.get("excluded") for box in assertion.get("boxes") or ())
    return False
