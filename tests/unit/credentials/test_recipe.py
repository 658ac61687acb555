"""Recipes: everything wrong is refused before signing, by field and with a remedy."""

import json
import pickle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.credentials import SOURCE_TYPES, Recipe
from provenance.errors import UserError

EDIT = {"source_type": "humanEdits"}
FAULTS = [
    ({"titel": "x"}, "A recipe has no field 'titel'. Did you mean 'title'?"),
    ({"title": ""}, "title: It is empty"),
    ({"title": "x" * 1001}, "title: It has a length of at most 1000"),
    ({"title": 7}, "title: It is a text"),
    ({"source_type": "digitalcapture"}, "source_type: .* Did you mean 'digitalCapture'?"),
    ({"source_type": "http://x/digitalCaptur"}, "Did you mean 'digitalCapture'?"),
    ({"generator": {"nme": "x"}}, "generator has no field 'nme'. Did you mean 'name'?"),
    ({"generator": []}, "generator: It is a table"),
    ({"actions": {}}, "actions: It is a list"),
    ({"actions": [{"name": "crop"}]}, r"actions\[0\].name: .* Did you mean 'c2pa.cropped'?"),
    ({"actions": [{"name": "c2pa.saved"}]}, "has retired 'c2pa.saved'"),
    ({"actions": [{"name": "c2pa.watermarked"}]}, "Use c2pa.watermarked.bound or"),
    ({"actions": [{"name": "com.exa mple"}]}, "called like com.example.stylised"),
    ({"actions": [{"name": "opened", **EDIT}]}, "c2pa.opened has no source type"),
    ({"actions": [{"name": "edited", **EDIT}, {"name": "created"}]}, "can only be the first"),
    ({"actions": [{"name": "redacted"}]}, "name the assertion in 'redact'"),
    ({"actions": [{"name": "placed"}]}, "names its ingredients by their labels"),
    ({"actions": [{"name": "translated", **EDIT}]}, "sourceLanguage and targetLanguage"),
    ({"actions": [{"name": "watermarked.bound"}]}, "needs the assertion c2pa.soft-binding"),
    ({"actions": [{"name": "published", "when": "noon"}]}, r"actions\[0\].when: A date is written"),
    ({"actions": [{"name": "published", "when": "2026-05-04T12:00:00"}]}, "a time and a zone"),
    ({"actions": [{"name": "published", "when": "0001-01-01T00:00:00+14:00"}]}, "years 1 and 9999"),
    ({"actions": [{"name": "published", "parameters": {"seed": 1}}]}, "needs a dot in its name"),
    ({"actions": [{"name": "published", "parameters": {"description": "x"}}]}, "is set by"),
    ({"actions": [{"name": "published", "ingredients": ["logo"]}]}, "No ingredient is labelled"),
    (
        {"source_type": "composite", "actions": [{"name": "created", **EDIT}]},
        "differ in source_type",
    ),
    ({"ingredients": [{"path": "a"}]}, r"ingredients\[0\].relationship: It is missing"),
    ({"ingredients": [{"path": "a", "relationship": "parnt"}]}, "Did you mean 'parent'?"),
    ({"ingredients": [{"path": "a", "relationship": "parent"}] * 2}, "at most one parent"),
    (
        {"ingredients": [{"path": "a", "relationship": "component", "label": "x"}] * 2},
        "Two have the same label",
    ),
    (
        {
            "ingredients": [{"path": "a", "relationship": "parent"}],
            "actions": [{"name": "created"}],
        },
        "contradicts the parent",
    ),
    ({"claims": {"Desk": "x"}}, "The claim 'Desk' is malformed. Write key=value"),
    ({"claims": {"k" * 65: "x"}}, "at most 64"),
    ({"claims": {"desk": ""}}, "needs a value of 1 to 1000 characters"),
    ({"claims": {"desk": None}}, "is a text, a number, true or false"),
    ({"claims": {"desk": 2**63}}, "at most 63 bits"),
    ({"claims": {"desk": float("nan")}}, "Numbers are finite"),
    ({"claims": {f"k{n}": n for n in range(65)}}, "64 are the most"),
    ({"claims": "desk=north"}, "claims: It is a table"),
    ({"training_mining": "allow"}, "training_mining: .* Did you mean 'allowed'?"),
    ({"training_mining": {"data_minig": "allowed"}}, "Did you mean 'cawg.data_mining'?"),
    ({"training_mining": {"data_mining": {"use": "allowed", "constraint": "x"}}}, "'constrained'"),
    ({"training_mining": []}, "Say one of"),
    ({"assertions": [{"label": "c2pa.hash.data", "data": {}}]}, "'c2pa.hash.data' is reserved"),
    ({"assertions": [{"label": "c2pa.actions.v2", "data": {}}]}, "use the field 'actions'"),
    ({"assertions": [{"label": "cawg.training-mining", "data": {}}]}, "field 'training_mining'"),
    ({"assertions": [{"label": "stds.exif", "data": {}}]}, "cannot be used"),
    ({"assertions": [{"label": "facts", "data": {}}]}, "has a dot: com.example.facts"),
    ({"assertions": [{"label": "com.example.x", "data": []}]}, "data: It is a table"),
    ({"update": True, **EDIT}, "source_type: An update leaves the content as it is"),
    ({"update": True, "ingredients": [{"path": "a", "relationship": "input"}]}, "ingredients: An"),
    ({"redact": ["x.y"], "actions": [{"name": "edited", **EDIT}]}, "c2pa.edited changes the"),
    ({"redact": "x.y"}, "redact: It is a list"),
    ({"redact_reason": "c2pa.PII.presnt"}, "Did you mean 'c2pa.PII.present'?"),
    ({"signer": {"name": "pem", "settings": {"key": 1}}}, "signer.settings.key: It is a text"),
    ({"timestamp": "ftp://host"}, "timestamp.url: .* no address of a time-stamping authority"),
    ({"timestamp": "http://name:word@host/"}, "without a name or a password"),
    ({"timestamp": {"url": "http://host", "policy": "maybe"}}, "No policy is called 'maybe'"),
    (
        {"assertions": [{"label": f"a.b{n}", "data": {"x": "y" * 20_000}} for n in range(60)]},
        "1 MB",
    ),
]


@pytest.mark.parametrize(("fields", "words"), FAULTS, ids=[str(n) for n in range(len(FAULTS))])
def test_what_is_wrong_is_refused_with_its_field_and_a_remedy(fields, words):
    with pytest.raises(UserError, match=words):
        Recipe.of(fields)


def test_several_faults_are_told_at_once_but_not_all_of_many():
    with pytest.raises(UserError) as caught:
        Recipe.of({f"x{n}": n for n in range(9)})
    assert len(str(caught.value).split("\n")) == 6
    assert str(caught.value).endswith("(and 4 more)")


def test_deep_data_is_refused():
    data = {}
    for _ in range(100):
        data = {"x": data}
    with pytest.raises(UserError, match="nested"):
        Recipe.of({"assertions": [{"label": "com.example.x", "data": data}]})


def test_short_forms_stand_for_long_ones():
    recipe = Recipe.of(
        generator="server",
        signer="pem",
        timestamp="http://host/tsa",
        training_mining="constrained",
        actions=[{"action": "published", "digitalSourceType": "humanEdits", "softwareAgent": "x"}],
    )
    assert recipe.generator.name == "server"
    assert recipe.signer.settings == {}
    assert recipe.timestamp.policy == "require"
    assert {use.use for use in recipe.training_mining.values()} == {"constrained"}
    assert len(recipe.training_mining) == 4
    assert recipe.actions[0].name == "c2pa.published"
    assert recipe.actions[0].software.name == "x"


def test_a_recipe_is_frozen_picklable_and_equal_to_itself():
    recipe = Recipe.of(title="a", claims={"desk": "north"}, training_mining="allowed")
    assert pickle.loads(pickle.dumps(recipe)) == recipe
    with pytest.raises(ValueError, match="frozen"):
        recipe.title = "b"


def test_words_win_and_claims_are_merged():
    first = Recipe.of(title="a", claims={"desk": "north", "shift": "day"}, model="m")
    second = Recipe.of(first, title="b", claims={"shift": "night"}, model=None)
    assert (second.title, second.model) == ("b", "m")
    assert second.claims == {"desk": "north", "shift": "night"}


TOML = """
title = "A picture"
source_type = "digitalCapture"
training_mining = {data_mining = "notAllowed"}

[generator]
name = "camera"
version = "2"

[[actions]]
name = "c2pa.cropped"
source_type = "humanEdits"
when = 2026-05-04T12:30:00+02:00

[[ingredients]]
path = "logo.png"
relationship = "component"

[claims]
desk = "north"
shots = 3
"""


def test_toml_and_json_say_the_same(tmp_path):
    import tomllib

    (tmp_path / "a.toml").write_text(TOML)
    fields = tomllib.loads(TOML)
    fields["actions"][0]["when"] = "2026-05-04T10:30:00Z"
    (tmp_path / "a.json").write_text(json.dumps(fields))
    first, second = (Recipe.read(tmp_path / name) for name in ("a.toml", "a.json"))
    assert first == second
    assert first.actions[0].when == "2026-05-04T10:30:00Z"
    assert first.ingredients[0].path == tmp_path / "logo.png"  # beside the recipe
    assert first.claims == {"desk": "north", "shots": 3}
    assert Recipe.read(tmp_path / "a.toml", title="other").title == "other"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.toml", "title = ", "is not valid TOML"),
        ("a.json", "{", "is not valid JSON"),
        ("a.json", '{"title": "a", "title": "b"}', "stands twice"),
        ("a.json", '{"claims": {"x": NaN}}', "no number of JSON"),
        ("a.json", "[1]", "holds no table"),
        ("a.json", "[" * 100_000, "is not valid JSON"),
        ("a.yaml", "title: a", r"neither \*.toml nor \*.json"),
        ("a.toml", 'titel = "x"', "a.toml: A recipe has no field 'titel'"),
        ("a.toml", "x = 1\n" * 200_000, "exceeds 1 MiB"),
    ],
)
def test_files_that_are_no_recipes(tmp_path, name, content, words):
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=words):
        Recipe.read(tmp_path / name)


def test_a_recipe_that_cannot_be_read(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(UserError, match="Cannot read the recipe"):
            Recipe.read(path)
    (tmp_path / "a.toml").write_bytes(b"title = '\xff'")
    with pytest.raises(UserError, match="not valid TOML"):
        Recipe.read(tmp_path / "a.toml")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=4,
)
FIELDS = [*sorted(Recipe.model_fields), "Title", "path"]
PLAUSIBLE = st.sampled_from(["created", "cropped", "parent", "allowed", "pem", *SOURCE_TYPES])
PARTS = st.dictionaries(
    st.sampled_from(
        ["name", "source_type", "when", "path", "relationship", "label", "data", "use"]
    ),
    JSON | PLAUSIBLE,
    max_size=4,
)


QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(st.dictionaries(st.sampled_from(FIELDS), JSON | PLAUSIBLE | PARTS | st.lists(PARTS)))
def test_any_fields_are_a_recipe_or_an_error_of_ours(fields):
    try:
        recipe = Recipe.of(fields)
    except UserError:
        return
    assert Recipe.of(recipe) == recipe


@QUICK
@given(text=st.text(max_size=200), suffix=st.sampled_from([".toml", ".json"]))
def test_any_text_is_a_recipe_or_an_error_of_ours(tmp_path_factory, text, suffix):
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        recipe = Recipe.read(path)
    except UserError:
        return
    assert Recipe.of(recipe) == recipe
