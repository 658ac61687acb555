"""The ingredient tree: a file, what it was made from, what that was made from ..., in one look.

Both forms of ingredients are read (``validation_status`` of old claims, ``validation_results`` of
specification 2), and both moments: what a signer recorded when it took an ingredient in, and what
validates otherwise today (the deltas).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from provenance.credentials.reading import axes
from provenance.credentials.reading.credential import Credential
from provenance.credentials.reading.statements import (
    actions_of,
    generator_of,
    short_text,
    source_type_of,
)
from provenance.credentials.reading.validation_codes import Concern, concern

MAX_DEPTH = 32
MAX_NODES = 1000

Relationship = Literal["parentOf", "componentOf", "inputTo"]
Condition = Literal["ok", "untrusted", "failed", "unknown", "no-credential"]
_RELATIONSHIPS: Mapping[Any, Relationship] = {
    "parentOf": "parentOf",
    "componentOf": "componentOf",
    "inputTo": "inputTo",
}
_DISTRUST = frozenset({Concern.UNTRUSTED, Concern.EXPIRED, Concern.REVOKED})


@dataclass(frozen=True, slots=True)
class TreeNode:
    """One file in the tree. Its texts are claims of whoever signed, and hostile.

    Attributes:
        label: Of its manifest, or None without one.
        title: Name of the file at signing.
        media_type: As its signer says.
        relationship: To the node above; None for the root, and for a manifest in the store that
            nothing refers to.
        generator: Software that wrote its claim.
        claimed_issuer: Organisation in its signer's certificate; a fact only if ``is_trusted``.
        is_trusted: Whether one of our anchors for manifests vouches for its signer.
        condition: ``ok``: as it was signed, by a trusted signer. ``untrusted``: as it was signed.
            ``failed``: it does not match its credential, or did not when it was taken in.
            ``unknown``: its credential is named, but not there. ``no-credential``: it had none.
        codes: Failures, recorded or found, that led to the condition.
        source_types: Names of the digital source types in its actions, each once.
        actions: Its actions, in order.
        thumbnail_uri: Names its small picture in the store, or None.
        children: What it was made from.
        repeated: Its manifest stands earlier in the tree, and is not expanded again.
        is_cut: What it was made from is not shown, because the tree is too deep or too large.
    """

    label: str | None
    title: str | None
    media_type: str | None
    relationship: Relationship | None
    generator: str | None
    claimed_issuer: str | None
    is_trusted: bool
    condition: Condition
    codes: tuple[str, ...] = ()
    source_types: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    thumbnail_uri: str | None = None
    children: tuple["TreeNode", ...] = ()
    repeated: bool = False
    is_cut: bool = False

    def walk(self) -> Iterator["TreeNode"]:
        """Yield this node and all below it, in the order in which they are shown."""
        yield self
        for child in self.children:
            yield from child.walk()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of the report."""
        return {
            "label": self.label,
            "title": self.title,
            "media_type": self.media_type,
            "relationship": self.relationship,
            "generator": self.generator,
            "claimed_issuer": self.claimed_issuer,
            "is_trusted": self.is_trusted,
            "condition": self.condition,
            "codes": list(self.codes),
            "source_types": list(self.source_types),
            "actions": list(self.actions),
            "repeated": self.repeated,
            "is_cut": self.is_cut,
            "children": [child.to_json() for child in self.children],
        }


def build_tree(store: Mapping[str, Any], credential: Credential) -> TreeNode:
    """Return the tree of a file, at most ``MAX_DEPTH`` deep and of ``MAX_NODES`` nodes.

    Args:
        store: The library's report, made with manifest anchors only.
        credential: The verdict on the file itself.
    """
    return _Tree(store).root(credential)


class _Tree:
    """Builds one tree; remembers what stands in it already."""

    def __init__(self, store: Mapping[str, Any]) -> None:
        self._store = store
        self._manifests: Mapping[str, Any] = store.get("manifests") or {}
        self._deltas = _failures_by_ingredient(store)
        self._vouched = axes.newly_vouched(store.get("validation_results") or {})
        self._seen: set[str] = set()
        self._left = MAX_NODES

    def root(self, credential: Credential) -> TreeNode:
        label = short_text(self._store.get("active_manifest"))
        results = self._store.get("validation_results") or {}
        own = axes.codes(axes.active(results), "failure")
        added = [axes.UNREFERENCED] if axes.unreferenced(self._store) else []
        children, is_cut = self._below(label, 0)
        return _node(
            label=label,
            manifest=self._manifests.get(label or "") or {},
            relationship=None,
            is_trusted=credential.signer == "trusted",
            condition=_condition_of(credential),
            codes=_each_once([*own, *axes.integrity_faults(results), *added]),
            children=(*children, *self._orphans()),
            is_cut=is_cut,
        )

    def _below(self, label: str | None, depth: int) -> tuple[tuple[TreeNode, ...], bool]:
        """Return what a manifest was made from, and whether anything of it is left out."""
        if label is None or label not in self._manifests:
            return (), False
        self._seen.add(label)
        ingredients = self._manifests[label].get("ingredients") or ()
        if depth >= MAX_DEPTH:
            return (), bool(ingredients)
        children: list[TreeNode] = []
        for ingredient in ingredients:
            if self._left <= 1:
                return tuple(children), True
            self._left -= 1
            children.append(self._ingredient(label, ingredient, depth + 1))
        return tuple(children), False

    def _ingredient(self, parent: str, ingredient: Mapping[str, Any], depth: int) -> TreeNode:
        label = short_text(ingredient.get("active_manifest"))
        codes = self._codes(parent, ingredient)
        is_trusted = self._is_trusted(parent, ingredient)
        manifest = self._manifests.get(label or "") or {}
        repeated = label in self._seen
        children, is_cut = ((), False) if repeated else self._below(label, depth)
        return _node(
            label=label,
            manifest=manifest,
            ingredient=ingredient,
            relationship=_RELATIONSHIPS.get(short_text(ingredient.get("relationship"))),
            is_trusted=is_trusted,
            condition=_condition(codes, label, has_manifest=bool(manifest), is_trusted=is_trusted),
            codes=codes,
            children=children,
            repeated=repeated,
            is_cut=is_cut,
        )

    def _codes(self, parent: str, ingredient: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the failures of an ingredient that count, recorded then and found now.

        Whom its recorder did not trust may be somebody for whom our anchors vouch.
        """
        found = [*_recorded(ingredient), *self._found(parent, ingredient)]
        if ingredient.get("active_manifest") in self._vouched:
            found = [code for code in found if concern(code) is not Concern.UNTRUSTED]
        return _each_once(code for code in found if concern(code) is not Concern.NOTHING)

    def _found(self, parent: str, ingredient: Mapping[str, Any]) -> list[str]:
        return self._deltas[parent, str(ingredient.get("label"))]

    def _is_trusted(self, parent: str, ingredient: Mapping[str, Any]) -> bool:
        """Whether our anchors vouch for the signer of an ingredient.

        The library reports only what changed since it was recorded. So a recorded trust that
        nothing contradicts, neither then nor now, is still one by the anchors of this pass.
        """
        if ingredient.get("active_manifest") in self._vouched:
            return True
        codes = [*_recorded(ingredient), *self._found(parent, ingredient)]
        new = ingredient.get("validation_results") or {}
        was_trusted = axes.TRUSTED in axes.codes(axes.active(new), "success")
        return was_trusted and not _DISTRUST & set(map(concern, codes))

    def _orphans(self) -> Iterator[TreeNode]:
        """Yield the manifests of the store that nothing in it refers to."""
        referred = {
            ingredient.get("active_manifest")
            for manifest in self._manifests.values()
            for ingredient in manifest.get("ingredients") or ()
        }
        for label, manifest in self._manifests.items():
            if label not in self._seen and label not in referred and self._left > 1:
                self._left -= 1
                children, is_cut = self._below(label, 1)
                yield _node(
                    label=label,
                    manifest=manifest,
                    relationship=None,
                    is_trusted=False,
                    condition="unknown",
                    children=children,
                    is_cut=is_cut,
                )


def _node(
    *,
    manifest: Mapping[str, Any],
    ingredient: Mapping[str, Any] | None = None,
    **more: Any,
) -> TreeNode:
    """Return a node whose claims are read from its manifest, or else from its ingredient."""
    said = ingredient or {}
    actions = actions_of(manifest)
    picture = said.get("thumbnail") or manifest.get("thumbnail") or {}
    return TreeNode(
        title=short_text(said.get("title")) or short_text(manifest.get("title")),
        media_type=short_text(said.get("format")) or short_text(manifest.get("format")),
        generator=generator_of(manifest),
        claimed_issuer=short_text((manifest.get("signature_info") or {}).get("issuer")),
        source_types=_each_once(name for name in map(source_type_of, actions) if name),
        actions=tuple(short_text(action.get("action")) or "" for action in actions),
        thumbnail_uri=short_text(picture.get("identifier")),
        **more,
    )


def _condition_of(credential: Credential) -> Condition:
    if credential.integrity == "none":
        return "no-credential"
    if credential.integrity == "failed" or credential.signer == "revoked":
        return "failed"
    return "ok" if credential.signer == "trusted" else "untrusted"


def _condition(
    codes: Iterable[str], label: str | None, *, has_manifest: bool, is_trusted: bool
) -> Condition:
    concerns = set(map(concern, codes))
    if Concern.INTEGRITY in concerns:
        return "failed"
    if concerns & _DISTRUST:
        return "untrusted"
    if label is None:
        return "no-credential"
    if not has_manifest:
        return "unknown"
    return "ok" if is_trusted else "untrusted"


def _recorded(ingredient: Mapping[str, Any]) -> list[str]:
    """Return the codes that an ingredient's signer recorded of the ingredient itself, old or new.

    The old form mixes failures with what went well; concerns tell them apart.
    """
    old = [str(entry.get("code")) for entry in ingredient.get("validation_status") or ()]
    new = ingredient.get("validation_results") or {}
    return [*old, *axes.codes(axes.active(new), "failure")]


def _failures_by_ingredient(store: Mapping[str, Any]) -> defaultdict[tuple[str, str], list[str]]:
    """Return (manifest, ingredient assertion) to the failures that deltas report there.

    Today's deltas, and those that signers recorded of what lay below an ingredient of theirs.
    """
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    recorded = (
        ingredient.get("validation_results") or {}
        for manifest in (store.get("manifests") or {}).values()
        for ingredient in manifest.get("ingredients") or ()
    )
    for results in (store.get("validation_results") or {}, *recorded):
        for delta in results.get("ingredientDeltas") or ():
            manifest, _, assertion = _address(delta.get("ingredientAssertionURI"))
            found[manifest, assertion] += axes.codes(delta.get("validationDeltas") or {}, "failure")
    return found


def _address(uri: Any) -> tuple[str, str, str]:
    """Split ``self#jumbf=/c2pa/MANIFEST/STORE/ASSERTION``; empty texts for what is not there."""
    parts = [*str(uri).partition("/c2pa/")[2].split("/"), "", ""]
    return parts[0], parts[1], parts[2]


def _each_once(codes: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(codes))
