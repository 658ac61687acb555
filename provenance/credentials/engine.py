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
ANCHORS_URI = "urn:provenance:manifest-anchors"


def settings(anchors_pem: str = "") -> dict[str, Any]:
    """Return the library's settings: no network, no thumbnails, and trust in ``anchors_pem`` only.

    Args:
        anchors_pem: Roots of manifest signers; empty trusts nobody. Roots of time-stamps and
            identities are not passed: the library would accept them for manifests too.
    """
    anchor = {
        "trust_anchors": anchors_pem,
        "trust_kind": "manifest",
        "trust_uri": ANCHORS_URI,
    }
    return {
        "trust": {
            "trust_config": EXTENDED_KEY_USAGES,
            "anchors": [anchor] if anchors_pem else [],
        },
        "verify": {
            "verify_after_sign": False,
            "verify_trust": True,
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
        },
        "core": {"allowed_network_hosts": []},
        "builder": {"thumbnail": {"enabled": False}},
    }


def context(anchors_pem: str = "") -> c2pa.Context:
    """Return this process's context for ``anchors_pem``; threads may share it."""
    return _context(os.getpid(), anchors_pem)


def library_versions() -> Mapping[str, str]:
    """Return the versions of the Python binding and of the native library."""
    return _versions()


@functools.lru_cache(maxsize=16)
def _context(process_id: int, anchors_pem: str) -> c2pa.Context:
    # the process id is part of the key: after a fork the parent's native objects are invalid
    return c2pa.Context.from_dict(settings(anchors_pem))


@functools.lru_cache(maxsize=1)
def _versions() -> Mapping[str, str]:
    import importlib.metadata

    return {
        "c2pa-python": importlib.metadata.version("c2pa-python"),
        "c2pa-rs": c2pa.sdk_version(),
    }
