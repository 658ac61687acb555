"""Asks the C2PA library whether it still means by trust what this program means by it.

The library accepts any setting: a misspelt key, a renamed kind of anchor or an ignored option does
not fail, it trusts nobody, or everybody. So before a list is relied on, a picture is signed with a
throwaway authority made in memory, and read under lists that must and must not vouch for it.
"""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import c2pa
import numpy as np
from cryptography import x509

from provenance.credentials.engine import context, library_versions
from provenance.credentials.keys import certificates
from provenance.credentials.keys.certificates import KeyPair, certificates_pem
from provenance.credentials.keys.requests import USAGES
from provenance.credentials.reading.reader import read_credential_bytes
from provenance.credentials.signing.manifests import created_manifest
from provenance.credentials.trust.anchors import TrustAnchors, make_list
from provenance.credentials.trust.roots import Purpose, RootFile
from provenance.media import encode_png

_NAME = "selftest"
_SIDE_PX = 32
_TYPE = "image/png"


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What the library did.

    Attributes:
        problems: What it did otherwise than it must; none when lists can be relied on.
        versions: Of the library.
    """

    problems: tuple[str, ...]
    versions: Mapping[str, str]

    @property
    def is_ok(self) -> bool:
        """Whether lists can be relied on."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Return the test as JSON."""
        versions = dict(self.versions)
        return {"ok": self.is_ok, "problems": list(self.problems), "versions": versions}


def run_selftest() -> SelfTest:
    """Sign and read in memory, and return what was not as it must be.

    Touches no file and no network; takes about 20 ms after imports.
    """
    return SelfTest(tuple(_problems()), library_versions())


def _problems() -> Iterator[str]:
    root, other = certificates.make_root(), certificates.make_root()
    usual, official = (_sign(root, (USAGES[usage],)) for usage in ("email", "c2pa"))
    nobody = TrustAnchors()
    for what, data, trust, expected in (
        ("a signer under a root on a manifest list", usual, _trust(root), "trusted"),
        ("a signer with C2PA's own key usage", official, _trust(root), "trusted"),
        ("a signer where nobody is trusted", usual, nobody, "untrusted"),
        ("a signer under a root on a time list", usual, _trust(root, "time"), "untrusted"),
        ("a signer under another root", usual, _trust(other), "untrusted"),
    ):
        found = read_credential_bytes(data, _TYPE, trust)
        if (found.integrity, found.signer) != ("ok", expected):
            yield (
                f"{what} is {found.signer} (integrity {found.integrity}), not {expected}:"
                f" {found.conclusion}"
            )
    changed = read_credential_bytes(_changed(usual), _TYPE, _trust(root))
    if changed.integrity != "failed":
        yield f"a changed picture has integrity {changed.integrity}: {changed.conclusion}"


def _sign(root: KeyPair, usages: tuple[x509.ObjectIdentifier, ...]) -> bytes:
    leaf = certificates.make_leaf(root, usages=usages)
    chain = certificates_pem(leaf.certificate, root.certificate)
    info = c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, chain, leaf.key_pem(), None)
    manifest = created_manifest(
        title=_NAME, source_type="trainedAlgorithmicMedia", generator=_NAME, model=None
    )
    picture = encode_png(np.zeros((_SIDE_PX, _SIDE_PX, 3), dtype=np.uint8))
    out = io.BytesIO()
    with c2pa.Builder(json.dumps(manifest), context()) as builder:
        builder.sign(c2pa.Signer.from_info(info), _TYPE, io.BytesIO(picture), out)
    return out.getvalue()


def _changed(data: bytes) -> bytes:
    """Flip a bit of the picture itself, behind the manifest."""
    place = data.rindex(b"IDAT") + 4
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def _trust(root: KeyPair, purpose: Purpose = "manifest") -> TrustAnchors:
    found = RootFile((root.certificate,))
    return TrustAnchors((make_list(_NAME, purpose, found, source="memory"),))
