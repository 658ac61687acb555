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

from provenance.credentials.keys.usages import SIGNING_MEDIA

_TRUST_CONFIG = "".join(f"{usage}\n" for usage in SIGNING_MEDIA)
# above this the library works on disk; by default it holds what it signs in memory three times
_MEMORY_THRESHOLD_MB = 16
MANIFEST, TIME = "manifest", "tsa"  # the library's words for what a list is trusted for

Anchors = tuple[tuple[str, str], ...]
"""Pairs of (URI that names a list, its certificates as one PEM text)."""


def settings(
    manifest: Anchors = (), time: Anchors = (), hosts: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the library's settings: no thumbnails, and trust in the given lists only.

    Args:
        manifest: Roots of manifest signers; none trusts nobody.
        time: Roots of time-stamping authorities. The library accepts these for manifests too, so
            a verdict on a signer must come from a context without them.
        hosts: Names of servers that may be asked: the time-stamping authority when signing. None
            keeps the network off.
    """
    lists = [(MANIFEST, *one) for one in manifest] + [(TIME, *one) for one in time]
    anchors = [
        {"trust_anchors": pem, "trust_kind": kind, "trust_uri": uri} for kind, uri, pem in lists
    ]
    return {
        "trust": {"trust_config": _TRUST_CONFIG, "anchors": anchors},
        "verify": {
            "verify_after_sign": False,
            "verify_trust": True,
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
        },
        "core": {
            "allowed_network_hosts": list(hosts),
            "backing_store_memory_threshold_in_mb": _MEMORY_THRESHOLD_MB,
        },
        "builder": {"thumbnail": {"enabled": False}},
    }


def context(
    manifest: Anchors = (), time: Anchors = (), hosts: tuple[str, ...] = ()
) -> c2pa.Context:
    """Return this process's context for these lists; threads may share it."""
    return _context(os.getpid(), manifest, time, hosts)


def library_versions() -> Mapping[str, str]:
    """Return the versions of the Python binding and of the native library."""
    return _versions()


@functools.lru_cache(maxsize=16)
def _context(
    process_id: int, manifest: Anchors, time: Anchors, hosts: tuple[str, ...]
) -> c2pa.Context:
    # the process id is part of the key: after a fork the parent's native objects are invalid
    return c2pa.Context.from_dict(settings(manifest, time, hosts))


@functools.lru_cache(maxsize=1)
def _versions() -> Mapping[str, str]:
    import importlib.metadata

    return {
        "c2pa-python": importlib.metadata.version("c2pa-python"),
        "c2pa-rs": c2pa.sdk_version(),
    }
