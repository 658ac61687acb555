"""Signals equal those of the conformance programme's rubric, evaluated over the crJSON."""

import io
import json

import c2pa
import json_formula
import pytest
import yaml

from provenance.credentials import (
    SOURCE_TYPES,
    edited_manifest,
    load_trust_anchors,
    parent_ingredient,
    sign_bytes,
    source_type_uri,
)
from provenance.credentials.engine import context
from provenance.credentials.reading.signals import SIGNALS, SOURCE_TYPE_WORDS, read_signals
from provenance.media import recognise_file

RUBRIC = "asset-rubric-signals-local.yml"
PNG = "image/png"


class Rubric:
    """The programme's statements, each about one manifest, as its evaluator's loop asks them."""

    def __init__(self, path):
        self.head, self.statements = yaml.safe_load_all(path.read_text(encoding="utf-8"))

    def of(self, manifest):
        evaluate = json_formula.Evaluator(
            manifest, self.head["variables"], self.head["expressions"]
        )
        return {
            statement["id"].rpartition("signal_")[2]
            for statement in self.statements
            if evaluate(statement["expression"])
        }


@pytest.fixture(scope="module")
def rubric(shared_data):
    return Rubric(shared_data / "c2pa" / "rubrics" / RUBRIC)


@pytest.fixture
def sign(png, signer):
    """Signs a PNG with the given actions and whatever else the manifest is to hold."""

    def sign_(*actions, data=None, parent=None, created=True, complete=True, **more):
        actions = {"actions": list(actions), "allActionsIncluded": complete}
        manifest = {
            "title": "a.png",
            "claim_generator_info": [{"name": "test", "version": "1"}],
            "assertions": [{"label": "c2pa.actions.v2", "created": created, "data": actions}],
            **more,
        }
        return sign_bytes(data or png, PNG, manifest, signer, parent=parent)

    return sign_


def reports(data, media_type, trust=None):
    """Return the JSON report and the crJSON of the same file."""
    anchors = (trust or load_trust_anchors(None)).manifest
    with c2pa.Reader(media_type, io.BytesIO(data), context=context(anchors)) as reader:
        return json.loads(reader.json()), json.loads(reader.crjson())


def parents(store, label):
    """Yield the label and those of the parents, walked without the code under test."""
    while label in store["manifests"]:
        yield label
        ingredients = store["manifests"][label].get("ingredients", ())
        found = [i.get("active_manifest") for i in ingredients if i["relationship"] == "parentOf"]
        label = next(iter(filter(None, found)), None)


def expected(rubric, store, crjson):
    line = set(parents(store, store["active_manifest"]))
    return {
        signal
        for manifest in crjson["manifests"]
        if manifest["label"] in line
        for signal in rubric.of(manifest)
    }


def action(name, source_type=None, **more):
    uri = {"digitalSourceType": source_type_uri(source_type)} if source_type else {}
    return {"action": name, **uri, **more}


def test_the_words_are_the_rubrics(rubric):
    assert {s["id"].rpartition("signal_")[2] for s in rubric.statements} == set(SIGNALS)


def test_every_source_type_has_plain_words():
    assert set(SOURCE_TYPE_WORDS) == set(SOURCE_TYPES)
    assert len(set(SOURCE_TYPE_WORDS.values())) == len(SOURCE_TYPES)


@pytest.mark.parametrize("source_type", sorted(SOURCE_TYPES))
def test_each_source_type_created_or_edited_in_signals_what_the_rubric_says(
    rubric, sign, source_type
):
    created = sign(action("c2pa.created", source_type))
    edited = sign(
        action("c2pa.opened", ingredientIds=["parent"]),
        action("c2pa.edited", source_type),
        action("c2pa.transcoded"),
        data=created,
        parent=parent_ingredient("a.png"),
    )
    for data in (created, edited):
        store, crjson = reports(data, PNG)
        assert set(read_signals(store)) == expected(rubric, store, crjson)


AI = "trainedAlgorithmicMedia"


@pytest.mark.parametrize(
    ("manifest", "signals"),
    [
        ({}, ("fullyGenAIMedia",)),
        ({"created": False}, ("fullyGenAIMedia", "ambiguousActions")),
        ({"complete": False}, ("fullyGenAIMedia", "ambiguousActions")),
        (
            {"ingredients": [{"title": "i", "relationship": "componentOf", "format": PNG}]},
            ("fullyGenAIMedia", "mediaUnknownProvenance"),
        ),
    ],
)
def test_what_a_signer_leaves_open_is_signalled(rubric, sign, manifest, signals):
    store, crjson = reports(sign(action("c2pa.created", AI), **manifest), PNG)
    assert read_signals(store) == signals
    assert set(signals) == expected(rubric, store, crjson)


@pytest.mark.parametrize("name", ["com.example.blur", "c2pa.unknown", "c2pa.published"])
def test_actions_of_other_kinds(rubric, sign, name):
    store, crjson = reports(sign(action("c2pa.created", "digitalCapture"), action(name)), PNG)
    more = "nonEditorial" if name == "c2pa.published" else "ambiguousActions"
    assert read_signals(store) == ("capturedMedia", more)
    assert expected(rubric, store, crjson) == {"capturedMedia", more}


def test_what_is_signed_with_our_own_manifests(rubric, png, manifest, signer):
    first = sign_bytes(png, PNG, manifest, signer)
    edit = edited_manifest(title="e", source_type=AI, generator="g")
    second = sign_bytes(first, PNG, edit, signer, parent=parent_ingredient("a.png"))
    found = []
    for data in (first, second):
        store, crjson = reports(data, PNG)
        found.append(read_signals(store))
        assert set(found[-1]) == expected(rubric, store, crjson)
    assert found == [("fullyGenAIMedia",), ("fullyGenAIMedia", "perceptibleGenAI")]


def test_parents_that_do_not_verify_are_left_out(png, manifest, signer):
    first = sign_bytes(png, PNG, manifest, signer)
    edit = edited_manifest(title="e", source_type="humanEdits", generator="g")
    data = sign_bytes(first, PNG, edit, signer, parent=parent_ingredient("a.png"))
    store, _ = reports(data, PNG)
    assert read_signals(store, follow_parents=False) == ("perceptibleNonGenAI",)


def test_public_files_signal_what_the_rubric_says(rubric, c2pa_data, test_roots):
    """Every manifest of every public file and fixture that the library reads."""
    read, seen = 0, set()
    folders = (c2pa_data / "public-testfiles", c2pa_data / "fixtures")
    for path in sorted(path for folder in folders for path in folder.rglob("*.*")):
        recognised = recognise_file(path) if path.stat().st_size else None
        if recognised is None:
            continue
        try:
            store, crjson = reports(path.read_bytes(), recognised.media_type, test_roots)
        except c2pa.C2paError:
            continue
        assert set(read_signals(store)) == expected(rubric, store, crjson), path.name
        read += 1
        seen |= set(read_signals(store))
    assert read > 35
    assert seen == {"ambiguousActions"}  # all of them are from before specification 2


@pytest.mark.parametrize(
    "store",
    [
        {},
        {
            "active_manifest": "a",
            "manifests": {"a": {"assertions": "x", "ingredients": [{"label": 1}]}},
        },
        {
            "active_manifest": "a",
            "manifests": {"a": {"claim_version": 2, "assertions": [{"label": 1, "data": []}, 2]}},
            "validation_results": {"activeManifest": {"success": [None, {"url": []}]}},
        },
        {
            "active_manifest": "a",
            "manifests": {
                "a": {
                    "claim_version": 2,
                    "assertions": [
                        {"label": "c2pa.actions.v2", "data": {"actions": [1, {"action": []}]}}
                    ],
                }
            },
        },
    ],
)
def test_a_report_of_another_shape_signals_nothing_of_the_origin(store):
    assert set(read_signals(store)) <= {"ambiguousActions"}
