"""Reads what a manifest says of its file: origin, edits, names. Claims, not facts."""

from collections.abc import Iterator, Mapping
from typing import Any

from provenance.credentials.reading.credential import Statements
from provenance.credentials.source_types import MADE_BY_A_MODEL, source_type_name

_MAX_ACTIONS = 1000  # per manifest, of a hostile file
_MAX_TEXT = 1000
_INCEPTION = ("c2pa.created", "c2pa.opened")
# actions that leave what is seen or heard as it was (list of the conformance rubric, spec 2.4)
_NOT_EDITORIAL = frozenset(
    {
        *_INCEPTION,
        "c2pa.converted",
        "c2pa.published",
        "c2pa.repackaged",
        "c2pa.transcoded",
        "c2pa.resized.proportional",
        "c2pa.enhanced",
        "c2pa.edited.metadata",
        "c2pa.watermarked",
        "c2pa.watermarked.bound",
        "c2pa.watermarked.unbound",
        "c2pa.redacted",
    }
)


def read_statements(store: Mapping[str, Any], *, follow_parents: bool) -> Statements:
    """Return the claims of the file's own manifest.

    Args:
        store: The library's report.
        follow_parents: Whether the parents verify, so that their word on the origin counts.
    """
    manifests: Mapping[str, Any] = store.get("manifests") or {}
    label = store.get("active_manifest")
    manifest = manifests.get(label, {}) if isinstance(label, str) else {}
    signature = manifest.get("signature_info") or {}
    lineage = list(_lineage(manifests, manifest)) if follow_parents else [manifest]
    own = _actions(manifest)
    later = [
        action for one in lineage for action in _actions(one) if _name(action) != _INCEPTION[0]
    ]
    return Statements(
        title=_text(manifest.get("title")),
        generator=_generator(manifest),
        claimed_issuer=_text(signature.get("issuer")),
        claimed_signer=_text(signature.get("common_name")),
        signed_at=_text(signature.get("time")),
        source_type=_origin(lineage),
        edit_types=tuple(t for t in map(_source_type, later) if t),
        editorial=any(_name(action) not in _NOT_EDITORIAL for action in later),
        actions=tuple(_name(action) for action in own),
    )


def _lineage(
    manifests: Mapping[str, Any], manifest: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    """Yield a manifest, its parent, the parent's parent ..., each once."""
    seen: set[str] = set()
    while manifest:
        yield manifest
        parents = (
            ingredient.get("active_manifest")
            for ingredient in manifest.get("ingredients") or ()
            if ingredient.get("relationship") == "parentOf"
        )
        label = next((label for label in parents if isinstance(label, str)), None)
        if label is None or label in seen:
            return
        seen.add(label)
        manifest = manifests.get(label) or {}


def _origin(lineage: list[Mapping[str, Any]]) -> str | None:
    """Return the source type of the oldest creation, or of an edit that says "made by a model"."""
    for manifest in reversed(lineage):
        for action in _actions(manifest):
            name = _source_type(action)
            if name and (_name(action) == _INCEPTION[0] or name in MADE_BY_A_MODEL):
                return name
    return None


def _actions(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for assertion in manifest.get("assertions") or ():
        if str(assertion.get("label")).partition("__")[0] in ("c2pa.actions", "c2pa.actions.v2"):
            data = assertion.get("data")
            actions = data.get("actions") if isinstance(data, dict) else None
            if isinstance(actions, list):
                found += [action for action in actions if isinstance(action, dict)]
    return found[:_MAX_ACTIONS]


def _name(action: Mapping[str, Any]) -> str:
    return _text(action.get("action")) or ""


def _source_type(action: Mapping[str, Any]) -> str | None:
    uri = action.get("digitalSourceType")
    return source_type_name(uri.strip()) if isinstance(uri, str) else None


def _generator(manifest: Mapping[str, Any]) -> str | None:
    info = manifest.get("claim_generator_info")
    if isinstance(info, list) and info and isinstance(info[0], dict):
        words = (_text(info[0].get("name")), _text(info[0].get("version")))
        return " ".join(word for word in words if word) or None
    return _text(manifest.get("claim_generator"))


def _text(value: Any) -> str | None:
    return value[:_MAX_TEXT] if isinstance(value, str) else None
