"""Manifests as data: what we say about a file before it is signed.

Follows C2PA specification 2.4 and the rubric of its conformance programme 0.2, which asks for more:
created (not gathered) assertions, ``allActionsIncluded``, ``specVersion``, dotted parameter names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from provenance import __version__
from provenance.credentials.signing import actions
from provenance.credentials.source_types import (
    COMPOSITE,
    COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA,
    MADE_BY_A_MODEL,
    PARTLY_MADE_BY_A_MODEL,
    TRAINED_ALGORITHMIC_MEDIA,
    source_type_uri,
)

if TYPE_CHECKING:
    from provenance.credentials.signing.recipe import Recipe
    from provenance.credentials.signing.recipe_parts import Action

SPEC_VERSION = "2.4"
NAMESPACE = "com.provenance"
PARENT_LABEL = "parent"
# "modelType" is the format of the model in specification 18.28, not its family
_MODEL_TYPE = "c2pa.types.model.pytorch"
_ANY_MODEL_TYPE = "c2pa.types.model"
_NOT_ALLOWED = {"use": "notAllowed"}


@dataclass(frozen=True, slots=True)
class GenerationClaim:
    """What is known of one file that a generator made.

    Attributes:
        title: File name, shown by viewers.
        generator: Name of the generator plugin.
        generator_version: Its version.
        family: ``gan``, ``vae``, ``autoregressive`` ...
        model: Name of the trained model, for example ``gan-32``.
        checkpoint_sha256: Of the weights, in hex.
        seed: Of the sample; None where nothing was drawn.
        step: ``reconstruction``, ``resample`` or ``sample``.
        parent: Id of the real item that it was made from, or None.
        category: Class that the generator was asked for, or None; ``class`` in the manifest.
        member: Of an ensemble, the generator that made it, or None.
    """

    title: str
    generator: str
    generator_version: str
    family: str
    model: str
    checkpoint_sha256: str | None
    seed: int | None
    step: str
    parent: str | None = None
    category: str | None = None
    member: str | None = None

    def facts(self) -> dict[str, Any]:
        """Return what identifies the making, without what is unknown."""
        facts = {
            "family": self.family,
            "model": self.model,
            "checkpoint_sha256": self.checkpoint_sha256,
            "seed": self.seed,
            "step": self.step,
            "parent": self.parent,
            "class": self.category,
            "member": self.member,
        }
        return {name: value for name, value in facts.items() if value is not None}


def generation_manifest(claim: GenerationClaim) -> dict[str, Any]:
    """Return the manifest of a file that a generator made.

    Example:
        >>> claim = GenerationClaim("a.png", "gan", "1.0", "gan", "gan-32", "ab", 7, "sample")
        >>> generation_manifest(claim)["assertions"][0]["data"]["actions"][0]["action"]
        'c2pa.created'
    """
    facts = claim.facts()
    action = {
        "action": "c2pa.created",
        "digitalSourceType": source_type_uri(TRAINED_ALGORITHMIC_MEDIA),
        "softwareAgent": {"name": claim.generator, "version": claim.generator_version},
        "parameters": {f"{NAMESPACE}.{name}": value for name, value in facts.items()},
    }
    assertions = [
        actions.actions_assertion([action]),
        _ai_disclosure(claim.model),
        _training_mining(),
        {"label": f"{NAMESPACE}.generator", "created": True, "data": facts},
    ]
    return _manifest(claim.title, assertions)


def created_manifest(
    *, title: str, source_type: str, generator: str, model: str | None = None
) -> dict[str, Any]:
    """Return the manifest of a file that carries no credential yet.

    Args:
        title: Shown by viewers.
        source_type: Name or URI of a digital source type.
        generator: Name of the software that made the file.
        model: Name of the model, where one was used.

    Raises:
        UserError: No such digital source type.
    """
    action = {
        "action": "c2pa.created",
        "digitalSourceType": source_type_uri(source_type),
        "softwareAgent": {"name": generator},
    }
    return _manifest(
        title, [actions.actions_assertion([action]), *_about_model(source_type, generator, model)]
    )


def edited_manifest(
    *, title: str, source_type: str, generator: str, model: str | None = None
) -> dict[str, Any]:
    """Return the manifest of a file whose present credential becomes its parent.

    Arguments as :func:`created_manifest`. "Made by a model" cannot be said of an edit of something
    older; it becomes "a composite with media made by a model".
    """
    uri = source_type_uri(source_type)
    if uri == source_type_uri(TRAINED_ALGORITHMIC_MEDIA):
        uri = source_type_uri(COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA)
    opened = actions.opened(PARENT_LABEL)
    edited = {
        "action": "c2pa.edited",
        "digitalSourceType": uri,
        "softwareAgent": {"name": generator},
    }
    assertions = [
        actions.actions_assertion([opened, edited]),
        *_about_model(source_type, generator, model),
    ]
    return _manifest(title, assertions)


def parent_ingredient(title: str) -> dict[str, Any]:
    """Return the ingredient that :func:`edited_manifest` refers to."""
    return {"title": title, "relationship": "parentOf", "label": PARENT_LABEL}


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a file was made from, by the labels of its ingredients.

    Attributes:
        parent: Label of the file that it is an edit of, or None.
        components: Labels of the files placed into it.
        inputs: Labels of the files fed to what made it.
        is_by_a_model: Whether the parent or a component was made by a model, wholly or in part.
        redacted: URIs of assertions of the parent to take out.
    """

    parent: str | None = None
    components: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    is_by_a_model: bool = False
    redacted: tuple[str, ...] = ()


def recipe_manifest(
    recipe: "Recipe", *, title: str | None, lineage: Lineage | None = None
) -> dict[str, Any]:
    """Return the manifest that a recipe describes.

    Args:
        recipe: Checked.
        title: Stands in where the recipe has none.
        lineage: What the file was made from.

    Example:
        >>> from provenance.credentials import Recipe
        >>> manifest = recipe_manifest(Recipe.of(model="gan-32"), title="a.png")
        >>> [assertion["label"] for assertion in manifest["assertions"]]
        ['c2pa.actions.v2', 'c2pa.ai-disclosure', 'cawg.training-mining']
    """
    lineage = lineage or Lineage()
    source_type = None if recipe.is_update else _source_type(recipe, lineage)
    assertions = [actions.actions_assertion(_done(recipe, source_type, lineage))]
    assertions += _disclosed(recipe, source_type)
    if recipe.claims:
        data = dict(recipe.claims)
        assertions.append({"label": f"{NAMESPACE}.claims", "created": True, "data": data})
    assertions += [{**one.model_dump(), "created": True} for one in recipe.assertions]
    manifest = _manifest(recipe.title or title, assertions)
    return {**manifest, "redactions": list(lineage.redacted)} if lineage.redacted else manifest


def _source_type(recipe: "Recipe", lineage: Lineage) -> str:
    """Return how the file came to be; of an edit, how the edit was made.

    An edit of something older was not wholly made by a model, whatever the recipe says.
    """
    is_new = lineage.parent is None
    first = recipe.actions[0] if recipe.actions else None
    if first is not None and first.name == actions.CREATED and first.source_type is not None:
        return first.source_type
    if recipe.source_type is None and is_new and not lineage.components:
        return TRAINED_ALGORITHMIC_MEDIA
    if recipe.source_type is None:
        is_by_a_model = lineage.is_by_a_model or recipe.model
        return COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA if is_by_a_model else COMPOSITE
    uri = source_type_uri(recipe.source_type)
    if not is_new and uri == source_type_uri(TRAINED_ALGORITHMIC_MEDIA):
        return COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA
    return recipe.source_type


def _done(recipe: "Recipe", source_type: str | None, lineage: Lineage) -> list[dict[str, Any]]:
    """Return the actions in order: the inception, what was placed, what was done, redactions."""
    own = list(recipe.actions)
    first = own.pop(0) if own and own[0].name in (actions.CREATED, actions.OPENED) else None
    done = [_inception(recipe, first, source_type, lineage)]
    named = {label for action in own for label in action.ingredients}
    done += [actions.placed(label) for label in lineage.components if label not in named]
    done += _transformed(recipe, own, source_type, lineage)
    reason = recipe.redact_reason
    return done + [actions.redacted(uri, reason) for uri in lineage.redacted]


def _transformed(
    recipe: "Recipe", own: Sequence["Action"], source_type: str | None, lineage: Lineage
) -> list[dict[str, Any]]:
    """Return what was done to the content: the recipe's own actions, or ``c2pa.edited`` for them.

    That one is added to them where the recipe has a source type which none of them takes.
    """
    is_edit = lineage.parent is not None and not recipe.is_update
    done = [action.to_json(source_type if is_edit else None, recipe.generator) for action in own]
    if not is_edit:
        return done
    place = next((n for n, action in enumerate(own) if action.lacks_source_type), None)
    if place is not None:
        named = {label for action in own for label in action.ingredients}
        done[place] = _using(done[place], [one for one in lineage.inputs if one not in named])
    elif recipe.source_type or not own:
        done.append(_edited(recipe, source_type, lineage))
    return done


def _inception(
    recipe: "Recipe", first: "Action | None", source_type: str | None, lineage: Lineage
) -> dict[str, Any]:
    if lineage.parent is not None:
        own = first.to_json(None, recipe.generator) if first else {}
        return {**own, **actions.opened(lineage.parent)}
    created = first.to_json(source_type, recipe.generator) if first else None
    made = created or _made(recipe, actions.CREATED, source_type)
    return _using(made, lineage.inputs)


def _edited(recipe: "Recipe", source_type: str | None, lineage: Lineage) -> dict[str, Any]:
    return _using(_made(recipe, actions.EDITED, source_type), lineage.inputs)


def _made(recipe: "Recipe", name: str, source_type: str | None) -> dict[str, Any]:
    assert source_type is not None
    return {
        "action": name,
        "digitalSourceType": source_type_uri(source_type),
        "softwareAgent": recipe.generator.to_json(),
    }


def _using(action: dict[str, Any], inputs: Sequence[str]) -> dict[str, Any]:
    if not inputs:
        return action
    parameters = action.get("parameters") or {}
    ids = list(dict.fromkeys([*parameters.get("ingredientIds", ()), *inputs]))
    return {**action, "parameters": {**parameters, "ingredientIds": ids}}


def _disclosed(recipe: "Recipe", source_type: str | None) -> list[dict[str, Any]]:
    """Return what is said of models: of the one that made it, and of those that may learn from it.

    An edit that is a composite only through its parent names no model: there was none.
    """
    found = []
    is_by_a_model = source_type is not None and _is_by_a_model(source_type)
    is_said = recipe.source_type is not None or source_type in MADE_BY_A_MODEL
    has_own = any(one.label == "c2pa.ai-disclosure" for one in recipe.assertions)
    if not has_own and (recipe.model or (is_by_a_model and is_said)):
        found.append(_ai_disclosure(recipe.model or recipe.generator.name, _ANY_MODEL_TYPE))
    if recipe.training_mining is not None:
        entries = {name: use.to_json() for name, use in recipe.training_mining.items()}
        found.append({"label": "cawg.training-mining", "data": {"entries": entries}})
    elif is_by_a_model:
        found.append(_training_mining())
    return found


def _is_by_a_model(source_type: str) -> bool:
    name = source_type_uri(source_type).rpartition("/")[2]
    return name in MADE_BY_A_MODEL | PARTLY_MADE_BY_A_MODEL


def _manifest(title: str | None, assertions: list[dict[str, Any]]) -> dict[str, Any]:
    generator = {"name": "provenance", "version": __version__, "specVersion": SPEC_VERSION}
    titled = {} if title is None else {"title": title}
    return {**titled, "claim_generator_info": [generator], "assertions": assertions}


def _about_model(source_type: str, generator: str, model: str | None) -> list[dict[str, Any]]:
    if not _is_by_a_model(source_type):
        return []
    return [_ai_disclosure(model or generator), _training_mining()]


def _ai_disclosure(model: str, model_type: str = _MODEL_TYPE) -> dict[str, Any]:
    data = {"modelType": model_type, "modelName": model}
    return {"label": "c2pa.ai-disclosure", "created": True, "data": data}


def _training_mining() -> dict[str, Any]:
    uses = ("cawg.ai_generative_training", "cawg.data_mining")
    return {
        "label": "cawg.training-mining",
        "data": {"entries": dict.fromkeys(uses, _NOT_ALLOWED)},
    }
