"""One HTML page about one file's credential: verdict, ingredient tree with pictures, all codes.

Like all pages of ours it loads nothing and runs nothing, and everything from the file is hostile:
escaped, quoted, made visible. Pictures were decoded and encoded anew before they come here.
"""

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from provenance.escaping import printable
from provenance.reports.credential_item import CredentialItem
from provenance.reports.credential_words import (
    RELATIONSHIPS,
    declared,
    detail_facts,
    manifest_facts,
    node_words,
    quoted,
    summary,
    trust_lines,
    validation_entries,
    version_line,
)
from provenance.reports.page import data_uri, environment, style_of

if TYPE_CHECKING:
    from provenance.credentials.reading.tree import TreeNode

AXES = ("integrity", "signer", "time", "ancestors")
_QUESTIONS = {
    "integrity": "Is it what was signed?",
    "signer": "Does a trust list vouch for who signed?",
    "time": "Does a trusted clock vouch for when?",
    "ancestors": "The worst of what it was made from",
}
_TONES = {
    "ok": "good",
    "trusted": "good",
    "untrusted": "doubt",
    "expired": "doubt",
    "unknown": "doubt",
    "failed": "bad",
    "revoked": "bad",
}
_WORDS = {
    "good": "trusted",
    "doubt": "in doubt",
    "bad": "broken",
    "none": "with nothing to check",
    "error": "not examined",
}
_MOST_ENTRIES = 500
_MOST_CODES = 20
_MOST_TITLE = 200


def render_credential_page(
    item: CredentialItem, trust: Mapping[str, Any], versions: Mapping[str, str]
) -> str:
    """Return the page about one file.

    Args:
        item: Read with details, for the tree; the page of a file without them is short.
        trust: JSON object of the trust anchors that the verdict rests on.
        versions: Software that the verdict rests on.
    """
    credential, details = item.credential, item.credential.details
    entries = validation_entries(details.store) if details else iter(())
    shown = list(islice(entries, _MOST_ENTRIES))
    page = environment().get_template("credential_page.html.j2")
    return page.render(
        name=item.shown,
        picture=data_uri(item.picture) if item.picture else None,
        axes=[(axis, getattr(credential, axis), _QUESTIONS[axis]) for axis in AXES],
        tone=tone,
        summary=summary(credential),
        facts=detail_facts(credential),
        tree=[_node(details.tree, details.thumbnails)] if details else [],
        manifests=list(manifest_facts(details)) if details else [],
        entries=shown,
        entries_left_out=next(entries, None) is not None,
        footer=[*trust_lines(trust), version_line(versions)],
        **style_of("credential.css"),
    )


def index_row(item: CredentialItem, page: str) -> dict[str, Any]:
    """Return what the index keeps of a file, so that the file itself can be forgotten.

    Args:
        item: The file.
        page: Name of the file's page.
    """
    credential = item.credential
    return {
        "name": item.shown,
        "page": page,
        "axes": [(axis, getattr(credential, axis)) for axis in AXES],
        "tone": _overall(item),
        "conclusion": credential.conclusion,
        "declared": declared(credential),
    }


def render_credential_index(
    rows: list[dict[str, Any]], trust: Mapping[str, Any], versions: Mapping[str, str]
) -> str:
    """Return the page that leads to the pages of all files.

    Args:
        rows: Of :func:`index_row`, in the order in which they are shown.
        trust: As for :func:`render_credential_page`.
        versions: Likewise.
    """
    counts = {name: sum(row["tone"] == name for row in rows) for name in _WORDS}
    page = environment().get_template("credential_index.html.j2")
    return page.render(
        rows=rows,
        counts=[(name, word, counts[name]) for name, word in _WORDS.items() if counts[name]],
        tone=tone,
        footer=[*trust_lines(trust), version_line(versions)],
        **style_of("credential.css"),
    )


def tone(value: str) -> str:
    """Return the colour of an axis's value: ``good``, ``doubt``, ``bad`` or ``none``."""
    return _TONES.get(value, "none")


def _overall(item: CredentialItem) -> str:
    credential = item.credential
    if credential.error is not None:
        return "error"
    if credential.is_broken:
        return "bad"
    if credential.integrity == "none":
        return "none"
    doubts = {credential.signer, credential.ancestors} & {"untrusted", "expired"}
    return "doubt" if doubts else "good"


def _node(
    node: "TreeNode", pictures: Mapping[str, bytes], *, is_root: bool = True
) -> dict[str, Any]:
    picture = pictures.get(node.thumbnail_uri or "")
    codes = ", ".join(node.codes[:_MOST_CODES])
    more = len(node.codes) - _MOST_CODES
    return {
        "title": quoted(node.title, most=_MOST_TITLE) if node.title else "untitled",
        "relationship": "this file" if is_root else RELATIONSHIPS[node.relationship],
        "condition": node.condition,
        "words": printable(node_words(node)),
        "codes": printable(f"{codes} and {more} more" if more > 0 else codes),
        "picture": data_uri(picture) if picture else None,
        "children": [_node(child, pictures, is_root=False) for child in node.children],
    }
