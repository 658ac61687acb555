"""Turns a file's credential into one statement, no stronger than what stands behind it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from provenance import Channel, Evidence, EvidenceSpec, UnreadableError, Verdict
from provenance.credentials import (
    CAPTURED,
    COMPOSED,
    MADE_BY_A_MODEL,
    PARTLY_MADE_BY_A_MODEL,
    Credential,
    load_trust_anchors,
    read_credential,
)

_MOST_SHOWN = 20
_BY_ALGORITHM = "algorithmicMedia"


class CredentialReader:
    """Reads credentials with one list of trust anchors.

    Args:
        spec: Name and version for the statements.
        settings: ``trust_anchors``: paths of PEM files; an empty list trusts nobody; None or
            missing trusts this machine's development CA.
    """

    def __init__(self, spec: EvidenceSpec, settings: Mapping[str, Any]) -> None:
        paths = settings.get("trust_anchors")
        self._trust = load_trust_anchors(None if paths is None else [Path(p) for p in paths])
        self._source = f"{spec.name}@{spec.version}"

    def read(self, path: Path, media_type: str) -> list[Evidence]:
        """Return one statement, or none where the file carries and names no credential.

        A sidecar beside the file counts as its own credential; read by itself it is no medium, and
        nothing is said of it.

        Args:
            path: The file.
            media_type: MIME type recognised from the content.

        Raises:
            UnreadableError: The file could not be examined, so it may carry one or not.
        """
        credential = read_credential(path, media_type, self._trust)
        if credential.error:
            raise UnreadableError(f"its credential could not be examined ({credential.error})")
        if not credential.is_present or credential.is_sidecar:
            return []
        channel, says, reason = judge(credential)
        detail = {**_trimmed(credential), "trust_sha256": self._trust.sha256}
        return [Evidence(channel, self._source, says, reason=reason, detail=detail)]


def judge(credential: Credential) -> tuple[Channel, Verdict, str]:
    """Return the channel, the verdict and the sentence for a credential that is present.

    A claim by a signer whom no anchor vouches for is worth what the file declares of itself: it
    moves to the metadata channel when it says "a model made this", since few lie about that, and
    counts for nothing when it says "a camera took this", since that is what a forger would write.
    """
    if "failed" in (credential.integrity, credential.ancestors):
        return Channel.CREDENTIAL, Verdict.TAMPERED, credential.conclusion
    says, claim = _claim(credential)
    if credential.integrity == "none" or credential.signer == "revoked" or not claim:
        return Channel.CREDENTIAL, Verdict.INCONCLUSIVE, credential.conclusion
    reason = f"It says that {claim}. {credential.conclusion}"
    if credential.signer == "trusted":
        return Channel.CREDENTIAL, says, reason
    if _names_a_model(credential):
        return Channel.METADATA, says, reason
    return Channel.CREDENTIAL, Verdict.INCONCLUSIVE, reason


def _claim(credential: Credential) -> tuple[Verdict, str]:
    """Return what the manifest amounts to, and in words; no words where it says nothing."""
    origin, edits = credential.origin, set(credential.statements.edit_types)
    if origin in MADE_BY_A_MODEL:
        return Verdict.SYNTHETIC, "a model made it"
    if origin == _BY_ALGORITHM:
        return Verdict.SYNTHETIC, "an algorithm made it"
    if origin in PARTLY_MADE_BY_A_MODEL or edits & (MADE_BY_A_MODEL | PARTLY_MADE_BY_A_MODEL):
        return Verdict.EDITED, "a model made part of it"
    if origin in COMPOSED or (origin in CAPTURED and credential.statements.editorial):
        return Verdict.EDITED, "it was captured or composed, and edited"
    if origin in CAPTURED:
        return Verdict.CAPTURED, "it was captured from life"
    return Verdict.INCONCLUSIVE, ""


def _names_a_model(credential: Credential) -> bool:
    said = {credential.origin, *credential.statements.edit_types}
    return bool(said & (MADE_BY_A_MODEL | PARTLY_MADE_BY_A_MODEL | {_BY_ALGORITHM}))


def _trimmed(credential: Credential) -> dict[str, Any]:
    """Return the report without what would swell a scan of many files."""
    detail = credential.to_json()
    library = detail["library"]
    failures = [code for code, _ in library.pop("active_failures")]
    for key in ("actions", "edit_types", "claimed_identities"):
        detail[key] = detail[key][:_MOST_SHOWN]
    detail["library"] = {**library, "active_failures": failures[:_MOST_SHOWN]}
    return detail
