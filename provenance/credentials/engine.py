"""The C2PA library with the settings that we insist on, one set of native objects per process.

Why each setting stands here is measured, not taste (see README): without ``trust_config`` every
official certificate is refused; the default reader fetches addresses found in files; thumbnails
cost fifty times the signature.
"""

import functools
import os
from collections.abc import Mapping
from typing import Any

import c2pa

# emailProtection, documentSigning, Microsoft's and C2PA's own: the extended key usages of signers
EXTENDED_KEY_USAGES = "\n".join(
    (
        "1.3.6.1.5.5.7.3.4",
        "1.3.6.1.5.5.7.3.36",
        "1.3.6.1.4.1.311.76.59.1.9",
        "1.3.6.1.4.1.62558.2.1",
        "",
    )
)
# above this the library works on disk; by default it holds what it signs in memory three times
_MEMORY_THRESHOLD_MB = 16
ANCHORS_URI = "urn:provenance:manifest-anchors"
TIME_URI = "urn:provenance:time-anchors"


def settings(anchors_pem: str = "", time_pem: str = "") -> dict[str, Any]:
    """Return the library's settings: no network, no thumbnails, and trust in the given lists only.

    Args:
        anchors_pem: Roots of manifest signers; empty trusts nobody.
        time_pem: Roots of time-stamping authorities. The library accepts these for manifests
            too, so a verdict on a signer must come from a context without them.
    """
    lists = (("manifest", ANCHORS_URI, anchors_pem), ("tsa", TIME_URI, time_pem))
    anchors = [
        {"trust_anchors": pem, "trust_kind": kind, "trust_uri": uri}
        for kind, uri, pem in lists
        if pem
    ]
    return {
        "trust": {"trust_config": EXTENDED_KEY_USAGES, "anchors": anchors},
        "verify": {
            "verify_after_sign": False,
            "verify_trust": True,
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
        },
        "core": {
            "allowed_network_hosts": [],
            "backing_store_memory_threshold_in_mb": _MEMORY_THRESHOLD_MB,
        },
        "builder": {"thumbnail": {"enabled": False}},
    }


def context(anchors_pem: str = "", time_pem: str = "") -> c2pa.Context:
    """Return this process's context for these lists; threads may share it."""
    return _context(os.getpid(), anchors_pem, time_pem)


def library_versions() -> Mapping[str, str]:
    """Return the versions of the Python binding and of the native library."""
    return _versions()


@functools.lru_cache(maxsize=16)
def _context(process_id: int, anchors_pem: str, time_pem: str) -> c2pa.Context:
    # the process id is part of the key: after a fork the parent's native objects are invalid
    return c2pa.Context.from_dict(settings(anchors_pem, time_pem))


@functools.lru_cache(maxsize=1)
def _versions() -> Mapping[str, str]:
    import importlib.metadata

    return {
        "c2pa-python": importlib.metadata.version("c2pa-python"),
        "c2pa-rs": c2pa.sdk_version(),
    }
