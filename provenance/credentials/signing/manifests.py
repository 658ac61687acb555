"""Manifests as data: what we say about a file before it is signed.

Follows C2PA specification 2.4 and the rubric of its conformance programme 0.2, which asks for more:
created (not gathered) assertions, ``allActionsIncluded``, ``specVersion``, dotted parameter names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from provenance import __version__
from provenance.credentials.source_types import (
    COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA,
    MADE_BY_A_MODEL,
    PARTLY_MADE_BY_A_MODEL,
    TRAINED_ALGORITHMIC_MEDIA,
    source_type_uri,
)

SPEC_VERSION = "2.4"
NAMESPACE = "com.provenance"
PARENT_LABEL = "parent"
# "modelType" is the format of the model in specification 18.28, not its family
_MODEL_TYPE = "c2pa.types.model.pytorch"
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

    def facts(self) -> dict[str, Any]:
        """Return what identifies the making, without what is unknown."""
        facts = {
            "family": self.family,
            "model": self.model,
            "checkpoint_sha256": self.checkpoint_sha256,
            "seed": self.seed,
            "step": self.step,
            "parent": self.parent,
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
        _actions(action),
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
    return _manifest(title, [_actions(action), *_about_model(source_type, generator, model)])


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
    opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": [PARENT_LABEL]}}
    edited = {
        "action": "c2pa.edited",
        "digitalSourceType": uri,
        "softwareAgent": {"name": generator},
    }
    assertions = [_actions(opened, edited), *_about_model(source_type, generator, model)]
    return _manifest(title, assertions)


def parent_ingredient(title: str) -> dict[str, Any]:
    """Return the ingredient that :func:`edited_manifest` refers to."""
    return {"title": title, "relationship": "parentOf", "label": PARENT_LABEL}


def _manifest(title: str, assertions: list[dict[str, Any]]) -> dict[str, Any]:
    generator = {"name": "provenance", "version": __version__, "specVersion": SPEC_VERSION}
    return {"title": title, "claim_generator_info": [generator], "assertions": assertions}


def _actions(*actions: Mapping[str, Any]) -> dict[str, Any]:
    data = {"allActionsIncluded": True, "actions": list(actions)}
    return {"label": "c2pa.actions.v2", "created": True, "data": data}


def _about_model(source_type: str, generator: str, model: str | None) -> list[dict[str, Any]]:
    name = source_type_uri(source_type).rpartition("/")[2]
    if name not in MADE_BY_A_MODEL | PARTLY_MADE_BY_A_MODEL:
        return []
    return [_ai_disclosure(model or generator), _training_mining()]


def _ai_disclosure(model: str) -> dict[str, Any]:
    data = {"modelType": _MODEL_TYPE, "modelName": model}
    return {"label": "c2pa.ai-disclosure", "created": True, "data": data}


def _training_mining() -> dict[str, Any]:
    uses = ("cawg.ai_generative_training", "cawg.data_mining")
    return {
        "label": "cawg.training-mining",
        "data": {"entries": dict.fromkeys(uses, _NOT_ALLOWED)},
    }
