"""Actions: the specification's list, what each needs, and what stands in a manifest."""

import pytest
import yaml

import provenance
from provenance.credentials import Recipe, source_type_uri
from provenance.credentials.signing import actions
from provenance.credentials.signing.manifests import Lineage, recipe_manifest

EDIT = Lineage(parent="parent", is_by_a_model=True)
MODEL = "compositeWithTrainedAlgorithmicMedia"


def done(recipe, lineage=None):
    """Return (name, source type) of each action that a recipe comes to."""
    manifest = recipe_manifest(recipe, title="a", lineage=lineage)
    found = manifest["assertions"][0]["data"]["actions"]
    return [(one["action"].removeprefix("c2pa."), source_type(one)) for one in found]


def source_type(action):
    uri = action.get("digitalSourceType")
    return uri and uri.rpartition("/")[2]


def labels(recipe, lineage=None):
    return [
        one["label"] for one in recipe_manifest(recipe, title="a", lineage=lineage)["assertions"]
    ]


def test_the_list_is_that_of_the_conformance_programme(c2pa_data):
    path = c2pa_data / "rubrics" / "asset-rubric-conformance0.2-spec2.4.yml"
    variables = next(yaml.safe_load_all(path.read_text(encoding="utf-8")))["variables"]
    retired = set(variables["$deprecated_action_labels"])
    assert set(variables["$allowed_actions"]) - retired == actions.ACTIONS
    free = set(variables["$non_editorial_actions"] + variables["$dst_exempt_perceptible_actions"])
    assert free - retired == actions.IMPERCEPTIBLE
    for name in retired:
        with pytest.raises(ValueError, match="has retired"):
            actions.check_name(name)


@pytest.mark.parametrize("is_edit", [False, True])
@pytest.mark.parametrize("name", sorted(actions.ACTIONS - {actions.REDACTED}))
def test_every_action_is_signed_in_a_form_that_the_library_accepts(tmp_path, png, name, is_edit):
    (tmp_path / "logo.png").write_bytes(png)
    action = {"name": name}
    if name in actions.PERCEPTIBLE:
        action["source_type"] = "humanEdits"
    words = {"ingredients": [{"path": str(tmp_path / "logo.png"), "relationship": "component"}]}
    if name in (actions.PLACED, actions.REMOVED):
        action["ingredients"] = ["component-1"]
    if name == actions.TRANSLATED:
        action["parameters"] = {"sourceLanguage": "fr", "targetLanguage": "en"}
    if name == actions.BOUND_WATERMARK:
        binding = {"alg": "com.example.mark", "blocks": [{"scope": {}, "value": "AA=="}]}
        words["assertions"] = [{"label": "c2pa.soft-binding", "data": binding}]
    source = provenance.sign(png) if is_edit else png
    if name == (actions.CREATED if is_edit else actions.OPENED):
        with pytest.raises(provenance.UserError, match="opened"):
            provenance.sign(source, actions=[action], **words)
        return
    credential = provenance.verify(provenance.sign(source, actions=[action], **words))
    assert (credential.integrity, credential.signer) == ("ok", "trusted")
    assert credential.library.state == "Trusted"
    assert name in credential.statements.actions


def test_a_new_file_is_made_by_a_model_unless_it_is_said_otherwise():
    assert done(Recipe()) == [("created", "trainedAlgorithmicMedia")]
    assert done(Recipe.of(source_type="screenCapture")) == [("created", "screenCapture")]
    own = {"name": "created", "source_type": "digitalCapture", "description": "at noon"}
    recipe = Recipe.of(actions=[own, {"name": "published"}])
    assert done(recipe) == [("created", "digitalCapture"), ("published", None)]
    assert labels(recipe) == ["c2pa.actions.v2"]  # no model, so none is disclosed


def test_an_edit_is_a_composite_by_what_went_into_it():
    assert done(Recipe(), EDIT) == [("opened", None), ("edited", MODEL)]
    assert done(Recipe(), Lineage(parent="p")) == [("opened", None), ("edited", "composite")]
    assert done(Recipe.of(model="m"), Lineage(parent="p"))[1] == ("edited", MODEL)
    wholly = Recipe.of(source_type="trainedAlgorithmicMedia")
    assert done(wholly, EDIT)[1] == ("edited", MODEL)  # an edit is never wholly a model's
    parts = Lineage(components=("component-1",))
    assert done(Recipe(), parts) == [("created", "composite"), ("placed", None)]


def test_own_actions_stand_in_for_the_edit_unless_a_source_type_is_given():
    own = Recipe.of(actions=[{"name": "cropped", "source_type": "humanEdits"}])
    assert done(own, EDIT) == [("opened", None), ("cropped", "humanEdits")]
    both = Recipe.of(own, source_type="algorithmicallyEnhanced")
    assert done(both, EDIT)[2] == ("edited", "algorithmicallyEnhanced")


def test_an_action_of_an_edit_takes_the_source_type_of_the_edit():
    bare = Recipe.of(actions=[{"name": "filtered"}, {"name": "published"}])
    assert done(bare, EDIT) == [("opened", None), ("filtered", MODEL), ("published", None)]
    assert done(bare, Lineage(parent="p"))[1] == ("filtered", "composite")
    said = Recipe.of(bare, source_type="humanEdits")  # said once, and not once more as an edit
    assert done(said, EDIT) == [("opened", None), ("filtered", "humanEdits"), ("published", None)]
    mixed = [{"name": "cropped", "source_type": "humanEdits"}, {"name": "resized"}]
    said = Recipe.of(actions=mixed, source_type="algorithmicallyEnhanced")
    found = done(said, EDIT)[1:]
    assert found == [("cropped", "humanEdits"), ("resized", "algorithmicallyEnhanced")]


@pytest.mark.parametrize("words", [{}, {"source_type": "digitalCapture"}])
def test_of_a_new_file_the_source_type_says_nothing_of_what_was_done_later(png, words):
    with pytest.raises(provenance.UserError, match=r"actions\[1\]: .*filtered .* source_type"):
        provenance.sign(png, actions=[{"name": "published"}, {"name": "filtered"}], **words)


def test_inputs_are_named_by_the_action_that_used_them():
    lineage = Lineage(inputs=("input-1",))
    manifest = recipe_manifest(Recipe(), title="a", lineage=lineage)
    (created,) = manifest["assertions"][0]["data"]["actions"]
    assert created["parameters"] == {"ingredientIds": ["input-1"]}
    lineage = Lineage(parent="parent", inputs=("input-1",))
    manifest = recipe_manifest(Recipe(), title="a", lineage=lineage)
    opened, edited = manifest["assertions"][0]["data"]["actions"]
    assert opened["parameters"] == {"ingredientIds": ["parent"]}
    assert edited["parameters"] == {"ingredientIds": ["input-1"]}


def test_models_are_disclosed_where_there_was_one():
    everything = ["c2pa.actions.v2", "c2pa.ai-disclosure", "cawg.training-mining"]
    assert labels(Recipe()) == everything
    assert labels(Recipe.of(source_type="digitalCapture")) == ["c2pa.actions.v2"]
    # the parent's model is the parent's to disclose; that nobody may learn from it is repeated
    assert labels(Recipe(), EDIT) == ["c2pa.actions.v2", "cawg.training-mining"]
    assert labels(Recipe.of(update=True), EDIT) == ["c2pa.actions.v2"]


def test_a_recipe_says_what_it_was_told():
    recipe = Recipe.of(
        title="Sky",
        generator={"name": "server", "version": "3"},
        model="gan-32",
        claims={"desk": "north", "shots": 3},
        training_mining={"data_mining": {"use": "constrained", "constraint": "ask us"}},
        assertions=[{"label": "com.example.facts", "data": {"seed": 7}}],
        actions=[{"name": "com.example.stylised", "when": "2026-05-04T12:30:00Z"}],
    )
    manifest = recipe_manifest(recipe, title="other")
    said = {one["label"]: one["data"] for one in manifest["assertions"]}
    created, own = said["c2pa.actions.v2"]["actions"]
    assert manifest["title"] == "Sky"
    assert manifest["claim_generator_info"][0]["specVersion"] == "2.4"
    assert created["digitalSourceType"] == source_type_uri("trainedAlgorithmicMedia")
    assert created["softwareAgent"] == {"name": "server", "version": "3"}
    assert own["when"] == "2026-05-04T12:30:00Z"
    assert said["c2pa.ai-disclosure"]["modelName"] == "gan-32"
    assert said["com.provenance.claims"] == {"desk": "north", "shots": 3}
    assert said["com.example.facts"] == {"seed": 7}
    assert said["cawg.training-mining"]["entries"] == {
        "cawg.data_mining": {"use": "constrained", "constraint_info": "ask us"}
    }
    assert all(one.get("created") for one in manifest["assertions"] if "cawg" not in one["label"])
