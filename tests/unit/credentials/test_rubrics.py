"""What we sign passes the conformance programme's own statements, all of them evaluated."""

import io
import json

import c2pa
import json_formula
import pytest
import yaml

import provenance
from provenance.credentials import (
    edited_manifest,
    parent_ingredient,
    sign_bytes,
    source_type_uri,
)
from provenance.credentials.engine import context
from provenance.media import recognise_file

RUBRIC = "asset-rubric-conformance0.2-spec2.4.yml"
N_STATEMENTS = 31
NAIVE_FAILURES = {
    "validation:mandatory_spec_version",
    "validation:mandatory_all_actions_included",
    "validation:inception_action_position",
}
FILES = ("sample1.png", "no_manifest.jpg", "sample1.wav", "video1_no_manifest.mp4")


@pytest.fixture
def rubric(c2pa_data):
    text = (c2pa_data / "rubrics" / RUBRIC).read_text(encoding="utf-8")
    head, statements = yaml.safe_load_all(text)
    return head, statements


def failures(data, media_type, rubric, anchors, store=None):
    """Return the ids of the statements that do not hold, and how many were evaluated."""
    head, statements = rubric
    stream = io.BytesIO(data)
    trusting = context(anchors.manifest)
    reader = c2pa.Reader(media_type, stream, manifest_data=store, context=trusting)
    variables = {**head["variables"], "$expected_spec_version": "2.4"}
    evaluate = json_formula.Evaluator(json.loads(reader.crjson()), variables, head["expressions"])
    failed = set()
    for statement in statements:
        found = evaluate(statement["expression"])
        by_match = statement.get("failIfMatched") or statement.get("warnIfMatched")
        if not (not found if by_match else found is True):
            failed.add(statement["id"])
    return failed, len(statements)


@pytest.mark.parametrize("name", FILES)
def test_what_we_sign_passes_every_statement(c2pa_data, rubric, manifest, signer, anchors, name):
    path = c2pa_data / "fixtures" / name
    media_type = recognise_file(path).media_type
    data = sign_bytes(path.read_bytes(), media_type, manifest, signer)
    assert failures(data, media_type, rubric, anchors) == (set(), N_STATEMENTS)


def test_an_edit_passes_every_statement(rubric, png, manifest, signer, anchors):
    first = sign_bytes(png, "image/png", manifest, signer)
    edit = edited_manifest(title="e", source_type="trainedAlgorithmicMedia", generator="g")
    data = sign_bytes(first, "image/png", edit, signer, parent=parent_ingredient("a.png"))
    assert failures(data, "image/png", rubric, anchors) == (set(), N_STATEMENTS)


LOGO = {"path": "logo.png", "relationship": "component"}
CROPPED = {"name": "cropped", "source_type": "humanEdits", "software": "editor"}
MARKED = {"label": "com.example.facts", "data": {"seed": 7}}
FIRST = {
    "nothing said": {},
    "all said": {
        "title": "A picture",
        "source_type": "digitalCreation",
        "generator": {"name": "server", "version": "3"},
        "model": "gan-32",
        "claims": {"desk": "north"},
        "training_mining": "constrained",
        "assertions": [MARKED],
        "actions": [CROPPED, {"name": "com.example.stylised", "parameters": {"com.x": 1}}],
        "ingredients": [LOGO, {"path": "logo.png", "relationship": "input"}],
    },
}
LATER = {
    "an edit": {},
    "an edit with actions": {"actions": [CROPPED, {"name": "published"}], "ingredients": [LOGO]},
    "an edit whose actions take its source type": {
        "source_type": "compositeWithTrainedAlgorithmicMedia",
        "actions": [{"name": "filtered"}, {"name": "resized"}],
    },
    "an edit whose actions take what is deduced": {"actions": [{"name": "filtered"}]},
    "an update": {"update": True, "claims": {"desk": "south"}},
    "a redaction": {"redact": ["com.provenance.claims"]},
}


@pytest.fixture
def beside_logo(tmp_path, monkeypatch, png):
    (tmp_path / "logo.png").write_bytes(png)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("recipe", FIRST.values(), ids=FIRST)
def test_what_a_recipe_makes_passes_every_statement(
    c2pa_data, rubric, anchors, beside_logo, recipe, name
):
    path = c2pa_data / "fixtures" / name
    data = provenance.sign(path.read_bytes(), **recipe)
    kind = recognise_file(path).media_type
    assert failures(data, kind, rubric, anchors) == (set(), N_STATEMENTS)


@pytest.mark.parametrize("name", ["sample1.png", "no_manifest.jpg", "video1_no_manifest.mp4"])
@pytest.mark.parametrize("recipe", LATER.values(), ids=LATER)
def test_what_comes_later_passes_every_statement(
    c2pa_data, rubric, anchors, beside_logo, recipe, name
):
    path = c2pa_data / "fixtures" / name
    first = provenance.sign(path.read_bytes(), claims={"desk": "north"})
    kind = recognise_file(path).media_type
    data = provenance.sign(first, **recipe)
    assert failures(data, kind, rubric, anchors) == (set(), N_STATEMENTS)


@pytest.mark.parametrize("name", FILES)
def test_a_sidecar_passes_every_statement(c2pa_data, rubric, anchors, name):
    path = c2pa_data / "fixtures" / name
    data = path.read_bytes()
    store = provenance.sign(data, sidecar=True)
    kind = recognise_file(path).media_type
    assert failures(data, kind, rubric, anchors, store) == (set(), N_STATEMENTS)


def test_a_naive_manifest_fails_three(rubric, png, signer, anchors):
    action = {
        "action": "c2pa.created",
        "digitalSourceType": source_type_uri("trainedAlgorithmicMedia"),
    }
    naive = {
        "claim_generator_info": [{"name": "naive", "version": "1"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }
    data = sign_bytes(png, "image/png", naive, signer)
    assert failures(data, "image/png", rubric, anchors)[0] == NAIVE_FAILURES


def test_an_undotted_parameter_and_a_changed_pixel_fail_theirs(
    rubric, png, manifest, signer, anchors
):
    parameters = manifest["assertions"][0]["data"]["actions"][0]["parameters"]
    parameters["undotted"] = 1
    data = bytearray(sign_bytes(png, "image/png", manifest, signer))
    data[-20] ^= 1  # in the check sum or the end of the pixel data
    failed, _ = failures(bytes(data), "image/png", rubric, anchors)
    assert "validation:no_unrecognized_custom_action_parameters" in failed
    assert "validation:valid_success" in failed


DOCUMENT = {
    "items": [{"n": 1, "tags": ["a", "b"]}, {"n": 2, "tags": ["c"]}, {"n": None}],
    "a.b": {"deep": [[1], [2, [3]]]},
    "empty": [],
}


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("items[0].n", 1),
        ("items[-1].n", None),
        ("items[9].n", None),
        ("items[?n != null].n", [1, 2]),
        ("items[?n == 2].tags[]", ["c"]),
        ("items[].tags[]", ["a", "b", "c"]),
        ("items[?n > 1] | [0].n", 2),
        ("'a.b'.deep[]", [1, 2, [3]]),
        ("missing.field", None),
        ("missing || `[]`", []),
        ("empty && items", []),
        ("!empty", True),
        ('!startsWith("ab", "b") && contains(`["x"]`, "x")', True),
        ("length(items[?tags != null]) == 2", True),
        ('split("2.4", ".")[1] * 1 >= 4.0', True),
        ('if(items[0].n == 1, "yes", "no")', "yes"),
        ("[items[0].n, `2`]", [1, 2]),
        ("{x: items[1].n}", {"x": 2}),
        ("$limit + 1", 4.0),
        ("_second(items).n", 2),
        ("items[?tags != null] | [].keys(@)[]", ["n", "tags", "n", "tags"]),
        ("items[].notNull(n, `0`)", [1, 2, 0]),
        ("`true` == `1`", False),
        ("1 < 2 && 2 <= 2 && 3 > 2", True),
        ('endsWith(type(items), "ray")', True),
        ("values('a.b')", [[[1], [2, [3]]]]),
    ],
)
def test_json_formula(formula, expected):
    evaluate = json_formula.Evaluator(DOCUMENT, {"$limit": 3}, {"_second": "$args[0][1]"})
    assert evaluate(formula) == expected


@pytest.mark.parametrize(
    "formula", ["", "items[", "items[?n", "unknown(1)", "$unknown", "a b", "items[*]", "#", "{a 1}"]
)
def test_what_json_formula_does_not_know_it_refuses(formula):
    with pytest.raises(json_formula.FormulaError):
        json_formula.Evaluator(DOCUMENT)(formula)
