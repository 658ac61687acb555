"""What is said of a credential in words, the same in the table, the details and the HTML report.

Names that a file holds are quoted and short, and called claims: a name such as ``Adobe Inc. It is
trusted`` must not read like a sentence of ours.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from provenance.escaping import printable

if TYPE_CHECKING:
    from provenance.credentials import Credential, CredentialDetails
    from provenance.credentials.reading.tree import TreeNode

_MOST_NAME = 60
_MOST_SUBJECT = 240
_MOST_EDITS = 3
_MOST_LISTED = 40
_MOST_MANIFESTS = 100
RELATIONSHIPS: Mapping[str | None, str] = {
    "parentOf": "parent",
    "componentOf": "component",
    "inputTo": "input",
    None: "not referred to",
}


def quoted(name: str, *, most: int = _MOST_NAME) -> str:
    """Return a name of a file in quotation marks that it cannot close, and cut to a length."""
    shown = printable(name[: most + 1]).replace('"', "'")
    return f'"{shown[:most]}..."' if len(name) > most else f'"{shown}"'


def declared(credential: "Credential") -> str:
    """Return what the media is said to be, in plain words and IPTC's; no text where nothing is."""
    said = credential.statements
    parts = [_source_type(said.source_type)] if said.source_type else []
    if said.origin and said.origin != said.source_type:
        parts.append(f"at first {_source_type(said.origin)}")
    edits = [t for t in dict.fromkeys(said.edit_types) if t not in (said.source_type, said.origin)]
    if edits:
        parts.append("edits: " + ", ".join(map(_source_type, edits[:_MOST_EDITS])))
    return "; ".join(parts)


def summary(credential: "Credential") -> str:
    """Return the conclusion, who vouches or is merely named, and what is declared of the origin."""
    return " ".join(_sentences(credential))


def _sentences(credential: "Credential") -> Iterator[str]:
    yield credential.conclusion
    if credential.trusted_by:
        yield f"The trust list {credential.trusted_by} vouches for the signer."
    elif credential.statements.claimed_issuer and credential.integrity != "none":
        issuer = quoted(credential.statements.claimed_issuer)
        yield f"The signer calls itself {issuer}, which nobody confirms."
    said = declared(credential)
    if said:
        yield f"Declared: {said}."


def node_words(node: "TreeNode") -> str:
    """Return what a node of the ingredient tree says of itself, in one line."""
    parts = [_source_type(name) for name in node.source_types[:_MOST_EDITS]]
    if node.generator:
        parts.append(f"made with {quoted(node.generator)}")
    if node.claimed_issuer:
        verb = "signed by" if node.is_trusted else "signer calls itself"
        parts.append(f"{verb} {quoted(node.claimed_issuer)}")
    if node.repeated:
        parts.append("shown above")
    if node.is_cut:
        parts.append("what it was made from is not shown: too deep or too much")
    return "; ".join(parts)


Facts = list[tuple[str, str]]
"""Pairs of a name of ours and a value, in which hostile names are quoted."""


def detail_facts(credential: "Credential") -> Facts:
    """Return what stands at the top of a close look at one credential."""
    from provenance.credentials.reading.signals import SIGNALS

    said = credential.statements
    facts = [
        ("found", _place(credential)),
        ("title", _maybe(said.title)),
        ("generator", _maybe(said.generator)),
        ("signer", _signer(credential)),
        ("publisher", ", ".join(map(quoted, said.claimed_identities)) + " (a claim)"),
        ("signed at", _signed_at(credential)),
        ("declared", declared(credential)),
        *(("signal", f"{name}: {SIGNALS[name]}") for name in credential.signals),
        ("library", f"{credential.library.state} (too coarse to be a verdict)"),
        ("library error", credential.library.error or ""),
    ]
    if not said.claimed_identities:
        facts = [fact for fact in facts if fact[0] != "publisher"]
    return [fact for fact in facts if fact[1]]


def manifest_facts(details: "CredentialDetails") -> Iterator[tuple[str, Facts]]:
    """Yield, for each manifest of a store, a heading and what is known of it."""
    manifests: Mapping[str, Any] = details.store.get("manifests") or {}
    own = details.store.get("active_manifest")
    order = sorted(manifests, key=lambda label: label != own)
    for label in order[:_MOST_MANIFESTS]:
        manifest, certificate = manifests[label], details.certificates.get(label)
        name = "Manifest of this file" if label == own else "Manifest of something it was made from"
        facts = [
            ("label", quoted(label)),
            ("title", _maybe(manifest.get("title"))),
            ("actions", _listed(_actions(manifest))),
            ("assertions", _listed(str(one.get("label")) for one in _assertions(manifest))),
            ("ingredients", _listed(_titles(manifest))),
        ]
        if certificate is not None:
            period = f"{certificate.not_before or '?'} to {certificate.not_after or '?'}"
            facts += [
                ("certificate", _subject(certificate.subject)),
                ("issued by", _subject(certificate.issuer)),
                ("valid", printable(period)),
                ("algorithm", printable(certificate.algorithm or "")),
            ]
        yield name, [fact for fact in facts if fact[1]]


def validation_entries(store: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Yield (kind, code, explanation, where) of all that the library validated, failures first.

    ``kind`` is ``failure``, ``informational`` or ``success``. Hostile text.
    """
    from provenance.credentials.reading import axes

    results = store.get("validation_results") or {}
    deltas = [
        (delta.get("validationDeltas") or {}, "made from")
        for delta in results.get("ingredientDeltas") or ()
    ]
    for kind in ("failure", "informational", "success"):
        for found, where in ((axes.active(results), "this file"), *deltas):
            for entry in axes.entries(found, kind):
                last = str(entry.get("url")).rpartition("/")[2]
                explanation = str(entry.get("explanation") or "")
                yield kind, str(entry.get("code")), explanation, f"{where}, {last}"


def trust_lines(trust: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a report says about whom it trusts: every list with its date and hash.

    Args:
        trust: JSON object of :class:`provenance.credentials.TrustAnchors`.
    """
    if not trust["lists"]:
        yield "Trusting nobody: no trust list was given."
    for one in trust["lists"]:
        vouches = "signers" if one["purpose"] == "manifest" else "time-stamps"
        roots = f"{one['anchors']} root{'' if one['anchors'] == 1 else 's'}"
        yield f"Trust list {one['name']} ({vouches}): {roots}, dated {one['date']}"
        yield f"  from {one['source']}"
        yield f"  sha256 {one['sha256']}"


def version_line(versions: Mapping[str, str]) -> str:
    """Return the software that a verdict rests on."""
    return "Verified with " + ", ".join(f"{name} {version}" for name, version in versions.items())


def _source_type(name: str) -> str:
    from provenance.credentials.reading.signals import SOURCE_TYPE_WORDS

    return f"{SOURCE_TYPE_WORDS.get(name, name)} ({name})"


def _maybe(name: Any) -> str:
    return quoted(name) if isinstance(name, str) and name else ""


def _listed(names: Any) -> str:
    found = list(names)
    more = f" and {len(found) - _MOST_LISTED} more" if len(found) > _MOST_LISTED else ""
    return printable(", ".join(found[:_MOST_LISTED]) + more)


def _assertions(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in manifest.get("assertions") or () if isinstance(one, dict)]


def _actions(manifest: Mapping[str, Any]) -> Iterator[str]:
    from provenance.credentials.reading.statements import actions_of

    return (str(action.get("action")) for action in actions_of(manifest))


def _titles(manifest: Mapping[str, Any]) -> Iterator[str]:
    for one in manifest.get("ingredients") or ():
        relation = RELATIONSHIPS.get(str(one.get("relationship")), "?")
        yield f"{relation} {_maybe(one.get('title')) or 'untitled'}"


def _subject(name: str) -> str:
    return quoted(name, most=_MOST_SUBJECT) if name else ""


def _place(credential: "Credential") -> str:
    places = {"embedded": "in the file", "sidecar": "in a sidecar", "remote": "on a server"}
    found = places.get(credential.place, "")
    if credential.paired_with:
        found = f"{found}, together with {quoted(credential.paired_with)}".removeprefix(", ")
    if credential.remote_url:
        found = f"{found or 'on a server'}, which the file names: {quoted(credential.remote_url)}"
    return found


def _signer(credential: "Credential") -> str:
    said = credential.statements
    names = [quoted(name) for name in (said.claimed_issuer, said.claimed_signer) if name]
    if not names:
        return ""
    if credential.trusted_by:
        return f"{', '.join(names)}, vouched for by the trust list {credential.trusted_by}"
    return f"calls itself {', '.join(names)}: a claim"


def _signed_at(credential: "Credential") -> str:
    moment = credential.statements.signed_at
    if not moment:
        return ""
    is_fact = credential.time == "trusted"
    return printable(moment) + ("" if is_fact else " (a claim: no trusted time-stamp)")
