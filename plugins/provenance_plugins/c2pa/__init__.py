"""Evidence from C2PA content credentials."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from provenance import EvidenceSpec, hookimpl

if TYPE_CHECKING:
    from provenance import EvidenceReader
    from provenance.hookspecs import RegisterEvidence


@hookimpl
def register_evidence(register: "RegisterEvidence") -> None:
    """Offer the reader of content credentials."""
    register(_spec(), _reader)


def _spec() -> EvidenceSpec:
    import importlib.metadata

    return EvidenceSpec(
        name="c2pa",
        # behaviour changes inside minor versions of the library, so its version is ours
        version=importlib.metadata.version("c2pa-python"),
        kinds=None,
        summary="C2PA content credentials, on four axes",
        licence="Apache-2.0",
    )


def _reader(settings: Mapping[str, Any]) -> "EvidenceReader":
    from provenance_plugins.c2pa.reader import CredentialReader

    return CredentialReader(_spec(), settings)
