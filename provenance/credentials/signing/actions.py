"""Actions: what was done to a file, in the words of C2PA specification 2.4, 18.15.

The conformance programme 0.2 asks for more than the specification, and the library signs nearly
anything, so every rule is checked here: ``c2pa.created`` and perceptible transformations carry a
digital source type, ``c2pa.opened`` carries none, parameters of one's own have a dot. A perceptible
action of an edit that has no type takes the edit's. In a new file it has to say its own, since the
file's type says how the media came to be, and not what was done to it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from provenance.errors import did_you_mean

CREATED, OPENED, EDITED = "c2pa.created", "c2pa.opened", "c2pa.edited"
PLACED, REMOVED, REDACTED = "c2pa.placed", "c2pa.removed", "c2pa.redacted"
TRANSLATED, BOUND_WATERMARK = "c2pa.translated", "c2pa.watermarked.bound"

PERCEPTIBLE = frozenset(
    {
        "c2pa.addedText",
        "c2pa.adjustedColor",
        "c2pa.changedSpeed",
        "c2pa.cropped",
        "c2pa.deleted",
        "c2pa.drawing",
        "c2pa.dubbed",
        EDITED,
        "c2pa.filtered",
        "c2pa.mastered",
        "c2pa.mixed",
        "c2pa.orientation",
        "c2pa.remixed",
        REMOVED,
        "c2pa.resized",
        TRANSLATED,
        "c2pa.trimmed",
        "c2pa.unknown",
    }
)
"""Actions that change what is seen or heard; each needs a digital source type."""

IMPERCEPTIBLE = frozenset(
    {
        "c2pa.converted",
        "c2pa.edited.metadata",
        "c2pa.enhanced",
        PLACED,
        "c2pa.published",
        REDACTED,
        "c2pa.repackaged",
        "c2pa.resized.proportional",
        "c2pa.transcoded",
        BOUND_WATERMARK,
        "c2pa.watermarked.unbound",
    }
)
"""Actions that need none; ``c2pa.placed`` is perceptible, but its ingredient speaks for it."""

ACTIONS = PERCEPTIBLE | IMPERCEPTIBLE | {CREATED, OPENED}

UPDATE_ACTIONS = frozenset({"c2pa.edited.metadata", OPENED, "c2pa.published", REDACTED})
"""The only actions of an update manifest, which leaves the content as it is (11.2.3)."""

_RETIRED = {
    "c2pa.color_adjustments": "Use c2pa.adjustedColor.",
    "c2pa.watermarked": "Use c2pa.watermarked.bound or c2pa.watermarked.unbound.",
    **dict.fromkeys(
        (
            "c2pa.copied",
            "c2pa.formatted",
            "c2pa.managed",
            "c2pa.printed",
            "c2pa.produced",
            "c2pa.saved",
            "c2pa.version_updated",
        ),
        "Leave it out, or use c2pa.edited.",
    ),
}
_NEEDS_INGREDIENT = frozenset({PLACED, REMOVED})
_STANDARD_PARAMETERS = frozenset({"sourceLanguage", "targetLanguage", "multipleInstances"})
_OURS = {
    "redacted": "redact",
    "ingredients": "ingredients",
    "ingredientIds": "ingredients",
    "ingredient": "ingredients",
    "description": "description",
}
OWN_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+")
"""Names of one's own, of actions and parameters as of assertions: they have a dot."""


def check_name(name: str) -> str:
    """Return the name of an action, in full.

    Args:
        name: ``c2pa.cropped``, or ``cropped`` for short, or one's own with a dot.

    Raises:
        ValueError: The specification has no such action, or has retired it.
    """
    if name in ACTIONS or f"c2pa.{name}" in ACTIONS:
        return name if name in ACTIONS else f"c2pa.{name}"
    if name in _RETIRED:
        raise ValueError(f"The specification has retired {name!r}. {_RETIRED[name]}")
    if name.startswith("c2pa.") or "." not in name:
        full = name if name.startswith("c2pa.") else f"c2pa.{name}"
        raise ValueError(f"No action {name[:80]!r}.{did_you_mean(full, sorted(ACTIONS))}")
    if not OWN_NAME.fullmatch(name) or len(name) > 100:
        raise ValueError("An action of your own is called like com.example.stylised.")
    return name


def check_parameters(name: str, parameters: Mapping[str, Any]) -> None:
    """Check the names of an action's parameters.

    Raises:
        ValueError: One is set elsewhere, or is neither standard nor has a dot; or one is missing.
    """
    for key in parameters:
        if key in _OURS:
            raise ValueError(f"{key!r} is set by {_OURS[key]!r}, not among the parameters.")
        if key not in _STANDARD_PARAMETERS and not OWN_NAME.fullmatch(key):
            raise ValueError(
                f"A parameter of your own needs a dot in its name: com.example.{key[:40]}, say."
            )
    missing = {"sourceLanguage", "targetLanguage"} - set(parameters)
    if name == TRANSLATED and missing:
        raise ValueError(f"{TRANSLATED} needs the parameters sourceLanguage and targetLanguage.")


def check_source_type(name: str, source_type: str | None) -> None:
    """Check that an action has no digital source type where it must not have one.

    Args:
        name: Of the action, in full.
        source_type: Of the action itself.

    Raises:
        ValueError: It is ``c2pa.opened`` and has one.
    """
    if name == OPENED and source_type is not None:
        raise ValueError(
            f"{OPENED} has no source type: the file that was opened has one. Leave it out, or"
            f" give it to the action that changed the file."
        )


def check_has_source_type(name: str, source_type: str | None) -> None:
    """Check that an action of a new file says how it was done, where it has to.

    Args:
        name: Of the action, in full.
        source_type: Of the action itself.

    Raises:
        ValueError: It is a perceptible transformation, and has none.
    """
    if name in PERCEPTIBLE and source_type is None:
        raise ValueError(
            f"{name} changes what is seen or heard, so it needs a source_type that says how:"
            f" humanEdits, algorithmicallyEnhanced or compositeWithTrainedAlgorithmicMedia, say."
        )


def check_ingredients(name: str, ingredients: Sequence[str], known: Iterable[str]) -> None:
    """Check that an action names ingredients that exist, and at least one where it must.

    Raises:
        ValueError: It does not.
    """
    labels = list(known)
    for label in ingredients:
        if label not in labels:
            raise ValueError(f"No ingredient is labelled {label!r}.{did_you_mean(label, labels)}")
    if name in _NEEDS_INGREDIENT and not ingredients:
        raise ValueError(
            f"{name} names its ingredients by their labels: ingredients = ['component-1']."
        )


def actions_assertion(actions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the assertion of a manifest's actions: created, and said to be complete."""
    data = {"allActionsIncluded": True, "actions": list(actions)}
    return {"label": "c2pa.actions.v2", "created": True, "data": data}


def opened(parent: str) -> dict[str, Any]:
    """Return the action that a manifest with a parent begins with.

    Args:
        parent: Label of the parent ingredient.
    """
    return {"action": OPENED, "parameters": {"ingredientIds": [parent]}}


def placed(component: str) -> dict[str, Any]:
    """Return the action that puts a component into the file."""
    return {"action": PLACED, "parameters": {"ingredientIds": [component]}}


def redacted(uri: str, reason: str) -> dict[str, Any]:
    """Return the action that says which assertion of an ancestor was taken out, and why.

    Args:
        uri: JUMBF URI of the assertion.
        reason: ``c2pa.PII.present`` or another of specification 2.4, 18.15.4.8.
    """
    return {"action": REDACTED, "reason": reason, "parameters": {"redacted": uri}}
