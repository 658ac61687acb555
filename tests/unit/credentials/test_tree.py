"""The ingredient tree: both forms of ingredients, what was recorded and what is found, bounds."""

import io
import json

import c2pa
import pytest

from provenance.credentials import (
    ReadingOptions,
    edited_manifest,
    load_trust_anchors,
    parent_ingredient,
    read_credential,
    sign_bytes,
)
from provenance.credentials.engine import context
from provenance.credentials.reading.credential import absent
from provenance.credentials.reading.tree import MAX_DEPTH, MAX_NODES, build_tree

PNG = "image/png"
JPEGS = "public-testfiles/image/jpeg"
SEVERITY = {"no-credential": 0, "ok": 1, "unknown": 1, "untrusted": 2, "failed": 3}
AXIS = {"none": 0, "ok": 1, "untrusted": 2, "failed": 3}


@pytest.fixture
def tree_of(tmp_path):
    """Reads a file, or bytes of a PNG, and returns its credential and its tree."""

    def tree_of_(source, trust):
        path = source
        if isinstance(source, bytes):
            path = tmp_path / "file.png"
            path.write_bytes(source)
        credential = read_credential(path, None, trust, options=ReadingOptions(detailed=True))
        return credential, build_tree(credential.details.store, credential)

    return tree_of_


def edit(data, signer, title):
    manifest = edited_manifest(title=title, source_type="humanEdits", generator="g")
    return sign_bytes(data, PNG, manifest, signer, parent=parent_ingredient(f"parent of {title}"))


def shape(node):
    return (node.title, node.condition, [shape(child) for child in node.children])


def test_a_chain_shows_every_step(tree_of, png, manifest, signer, anchors):
    data = sign_bytes(png, PNG, manifest, signer)
    for title in ("b.png", "c.png"):
        data = edit(data, signer, title)
    credential, tree = tree_of(data, anchors)
    below = [("parent of b.png", "ok", [])]
    assert shape(tree) == ("c.png", "ok", [("parent of c.png", "ok", below)])
    assert [node.relationship for node in tree.walk()] == [None, "parentOf", "parentOf"]
    assert [node.is_trusted for node in tree.walk()] == [True] * 3
    assert [node.source_types for node in tree.walk()] == [
        ("humanEdits",),
        ("humanEdits",),
        ("trainedAlgorithmicMedia",),
    ]
    assert credential.ancestors == "ok"


def test_nobody_is_trusted_where_no_anchor_is_given(tree_of, png, manifest, signer, nobody):
    data = edit(sign_bytes(png, PNG, manifest, signer), signer, "b.png")
    _, tree = tree_of(data, nobody)
    assert [(node.condition, node.is_trusted) for node in tree.walk()] == [("untrusted", False)] * 2


def sign_knowing(anchors, manifest, data, parent, signer):
    """Sign as somebody who trusts ``anchors``, so that trust is recorded in the ingredient."""
    with c2pa.Builder(json.dumps(manifest), context(anchors.manifest)) as builder:
        builder.add_ingredient(json.dumps(parent), PNG, io.BytesIO(data))
        out = io.BytesIO()
        builder.sign(signer.native(), PNG, io.BytesIO(data), out)
    return out.getvalue()


def test_another_signers_trust_is_not_ours(tree_of, png, manifest, signer, anchors, nobody):
    first = sign_bytes(png, PNG, manifest, signer)
    later = edited_manifest(title="b.png", source_type="humanEdits", generator="g")
    data = sign_knowing(anchors, later, first, parent_ingredient("a.png"), signer)
    for trust, condition in ((anchors, "ok"), (nobody, "untrusted")):
        _, tree = tree_of(data, trust)
        assert tree.children[0].condition == condition
        assert tree.children[0].is_trusted is (condition == "ok")


def test_a_parent_that_was_changed_before_it_was_signed_over(
    tree_of, png, manifest, signer, anchors
):
    first = bytearray(sign_bytes(png, PNG, manifest, signer))
    first[-20] ^= 1
    credential, tree = tree_of(edit(bytes(first), signer, "b.png"), anchors)
    assert (credential.integrity, credential.signer, tree.condition) == ("ok", "trusted", "ok")
    assert tree.children[0].condition == "failed"
    assert "assertion.dataHash.mismatch" in tree.children[0].codes


def test_a_manifest_that_is_used_twice_is_expanded_once(tree_of, png, manifest, signer, anchors):
    first = edit(sign_bytes(png, PNG, manifest, signer), signer, "b.png")
    later = edited_manifest(title="c.png", source_type="humanEdits", generator="g")
    with c2pa.Builder(json.dumps(later), context()) as builder:
        builder.add_ingredient(json.dumps(parent_ingredient("p.png")), PNG, io.BytesIO(first))
        component = {"title": "again.png", "relationship": "componentOf"}
        builder.add_ingredient(json.dumps(component), PNG, io.BytesIO(first))
        out = io.BytesIO()
        builder.sign(signer.native(), PNG, io.BytesIO(first), out)
    _, tree = tree_of(out.getvalue(), anchors)
    parent, again = tree.children
    assert (parent.repeated, again.repeated) == (False, True)
    assert (len(parent.children), len(again.children)) == (1, 0)
    assert again.relationship == "componentOf"


def test_the_tree_of_every_public_file_agrees_with_the_axis(tree_of, c2pa_data, test_roots, nobody):
    """The worst node is what the ancestors axis says, which is computed another way."""
    read = 0
    for folder in (c2pa_data / "public-testfiles", c2pa_data / "fixtures"):
        for path in sorted(folder.rglob("*.*")):
            for trust in (test_roots, nobody):
                credential = read_credential(
                    path, None, trust, options=ReadingOptions(detailed=True)
                )
                if credential.details is None:
                    continue
                tree = build_tree(credential.details.store, credential)
                worst = max(
                    (SEVERITY[n.condition] for n in tree.walk() if n is not tree), default=0
                )
                assert worst == AXIS[credential.ancestors], path.name
                read += 1
    assert read > 70


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("adobe-20220124-CIE-sig-CA.jpg", {"claimSignature.mismatch", "timeStamp.mismatch"}),
        ("adobe-20220124-E-uri-CIE-sig-CA.jpg", {"assertion.hashedURI.mismatch"}),
    ],
)
def test_public_files_name_the_bad_ancestor(tree_of, c2pa_data, test_roots, name, codes):
    _, tree = tree_of(c2pa_data / JPEGS / name, test_roots)
    bad = [node for node in tree.walk() if node.condition == "failed" and node is not tree]
    assert [node.title for node in bad] == ["E-sig-CA.jpg"]
    assert codes <= set(bad[0].codes)


def test_a_large_tree_of_a_public_file(tree_of, c2pa_data, test_roots):
    _, tree = tree_of(c2pa_data / JPEGS / "adobe-20220124-CAIAIIICAICIICAIICICA.jpg", test_roots)
    nodes = list(tree.walk())
    assert len(nodes) == 13
    assert {node.condition for node in nodes} == {"ok", "no-credential"}
    assert nodes[1].thumbnail_uri.startswith("self#jumbf=")


def chained(n, *, closed=False):
    """A report of ``n`` manifests, each the parent of the one before."""
    manifests = {
        str(i): {
            "label": str(i),
            "ingredients": [
                {"label": "i", "relationship": "parentOf", "active_manifest": str(i + 1)}
            ],
        }
        for i in range(n)
    }
    manifests[str(n - 1)]["ingredients"][0]["active_manifest"] = "0" if closed else "gone"
    return {"active_manifest": "0", "manifests": manifests}


def test_circles_end():
    nodes = list(build_tree(chained(3, closed=True), absent()).walk())
    assert [node.label for node in nodes] == ["0", "1", "2", "0"]
    assert [node.repeated for node in nodes] == [False, False, False, True]


def test_a_manifest_that_is_not_there_is_unknown():
    nodes = list(build_tree(chained(2), absent()).walk())
    assert [node.condition for node in nodes] == ["no-credential", "untrusted", "unknown"]


def test_depth_is_bounded_and_said():
    nodes = list(build_tree(chained(5000), absent()).walk())
    assert len(nodes) == MAX_DEPTH + 1
    assert [node.is_cut for node in nodes] == [False] * MAX_DEPTH + [True]


def test_breadth_is_bounded_and_said():
    many = [{"label": str(i), "title": str(i)} for i in range(5 * MAX_NODES)]
    store = {"active_manifest": "0", "manifests": {"0": {"ingredients": many}}}
    tree = build_tree(store, absent())
    assert len(list(tree.walk())) == MAX_NODES
    assert tree.is_cut


def test_manifests_that_nothing_refers_to_are_shown():
    store = {"active_manifest": "a", "manifests": {"a": {}, "b": {"title": "left over"}}}
    tree = build_tree(store, absent())
    assert [(n.title, n.relationship, n.condition) for n in tree.children] == [
        ("left over", None, "unknown")
    ]


def test_json_holds_the_whole_tree(tree_of, signed):
    _, tree = tree_of(signed, load_trust_anchors(None))
    found = json.loads(json.dumps(tree.to_json()))
    assert found["condition"] == "ok"
    assert found["source_types"] == ["trainedAlgorithmicMedia"]
    assert found["children"] == []
