"""Reads what a manifest says of its file: origin, edits, names. Claims, not facts."""

from collections.abc import Iterator, Mapping
from typing import Any

from provenance.credentials.reading.credential import Statements
from provenance.credentials.source_types import KINDS_OF_EDIT, MADE_BY_A_MODEL, source_type_name

_MAX_ACTIONS = 1000  # per manifest, of a hostile file
_MAX_TEXT = 1000
_MAX_LINEAGE = 200
_IDENTITY = "cawg.identity"
_UNNAMED = "unnamed"
_INCEPTION = ("c2pa.created", "c2pa.opened")
# actions that leave what is seen or heard as it was (list of the conformance rubric, spec 2.4)
NOT_EDITORIAL = frozenset(
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
    line = list(lineage(store)) or [{}]
    manifest, followed = line[0], line if follow_parents else line[:1]
    signature = manifest.get("signature_info") or {}
    done = [actions_of(one) for one in followed]
    later = [action for actions in done for action in actions if _name(action) != _INCEPTION[0]]
    return Statements(
        title=short_text(manifest.get("title")),
        generator=generator_of(manifest),
        claimed_issuer=short_text(signature.get("issuer")),
        claimed_signer=short_text(signature.get("common_name")),
        claimed_identities=tuple(_identities(manifest)),
        signed_at=short_text(signature.get("time")),
        source_type=_present_type(done),
        origin=_origin(done),
        edit_types=tuple([t for t in map(source_type_of, later) if t]),
        editorial=any(_name(action) not in NOT_EDITORIAL for action in later),
        actions=tuple(map(_name, done[0])),
    )


def lineage(store: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the file's own manifest, its parent's, the parent's parent's ..., each once.

    Args:
        store: The library's report. At most 200 manifests of a hostile one are followed.
    """
    manifests: Mapping[str, Any] = store.get("manifests") or {}
    label = store.get("active_manifest")
    seen: set[str] = set()
    while isinstance(label, str) and label not in seen and len(seen) < _MAX_LINEAGE:
        manifest = manifests.get(label)
        if not manifest:
            return
        yield manifest
        seen.add(label)
        label = next(_parents(manifest), None)


def _parents(manifest: Mapping[str, Any]) -> Iterator[str]:
    for ingredient in manifest.get("ingredients") or ():
        label = ingredient.get("active_manifest")
        if ingredient.get("relationship") == "parentOf" and isinstance(label, str):
            yield label


def _identities(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names in identity assertions (CAWG 1.1): who says that they published the file."""
    for assertion in manifest.get("assertions") or ():
        if str(assertion.get("label")).startswith(_IDENTITY):
            data = assertion.get("data")
            signature = data.get("signature_info") if isinstance(data, dict) else None
            named = signature if isinstance(signature, dict) else {}
            yield (
                short_text(named.get("common_name")) or short_text(named.get("issuer")) or _UNNAMED
            )


def _origin(done: list[list[Mapping[str, Any]]]) -> str | None:
    """Return the source type of the oldest creation, or of an edit that says "made by a model".

    Args:
        done: The actions of each manifest, the newest manifest first.
    """
    for actions in reversed(done):
        for action in actions:
            name = source_type_of(action)
            if name and (_name(action) == _INCEPTION[0] or name in MADE_BY_A_MODEL):
                return name
    return None


def _present_type(done: list[list[Mapping[str, Any]]]) -> str | None:
    """Return the newest source type that says what the whole is; an edit's says what was done.

    So a generated picture that was edited is the composite that its editor declares, while
    "edited by hand" leaves it what it was.
    """
    for actions in done:
        for action in reversed(actions):
            name = source_type_of(action)
            if name and (_name(action) == _INCEPTION[0] or name not in KINDS_OF_EDIT):
                return name
    return None


def actions_of(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the actions of one manifest in order, of both versions of the assertion."""
    found: list[Mapping[str, Any]] = []
    for assertion in manifest.get("assertions") or ():
        if str(assertion.get("label")).partition("__")[0] in ("c2pa.actions", "c2pa.actions.v2"):
            data = assertion.get("data")
            actions = data.get("actions") if isinstance(data, dict) else None
            if isinstance(actions, list):
                found += [action for action in actions if isinstance(action, dict)]
    return found[:_MAX_ACTIONS]


def _name(action: Mapping[str, Any]) -> str:
    return short_text(action.get("action")) or ""


def source_type_of(action: Mapping[str, Any]) -> str | None:
    """Return the name of an action's digital source type; None where it is no known term."""
    uri = action.get("digitalSourceType")
    return source_type_name(uri.strip()) if isinstance(uri, str) else None


def generator_of(manifest: Mapping[str, Any]) -> str | None:
    """Return name and version of the software that wrote a claim, as it calls itself."""
    info = manifest.get("claim_generator_info")
    if isinstance(info, list) and info and isinstance(info[0], dict):
        words = (short_text(info[0].get("name")), short_text(info[0].get("version")))
        return " ".join(word for word in words if word) or None
    return short_text(manifest.get("claim_generator"))


def short_text(value: Any) -> str | None:
    """Return the beginning of a text of a manifest; None where there is something else."""
    return value[:_MAX_TEXT] if isinstance(value, str) else None
