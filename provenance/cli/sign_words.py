"""Turns the options of ``provenance sign`` into the fields of a recipe."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provenance.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from provenance.credentials import Recipe

ROLES = ("parent", "component", "input")
# a comma that begins the next field of an action; others belong to the text before them
_NEXT_FIELD = re.compile(r",(?=[A-Za-z_][\w.-]*=)")
_ACTION_FIELDS = {
    "source_type": "source_type",
    "digitalSourceType": "source_type",
    "when": "when",
    "description": "description",
    "software": "software",
    "softwareAgent": "software",
    "ingredients": "ingredients",
}


def recipe_of(path: str | None, options: Mapping[str, Any]) -> "Recipe":
    """Return the recipe of a file, where one is given, with what the options say of it.

    Args:
        path: Of the recipe, or None.
        options: Values of the options by name, as click hands them over.

    Raises:
        UserError: The recipe, or an option, is wrong.
        click.UsageError: An option is written in a way that means nothing.
    """
    from provenance.credentials import Recipe

    recipe = Recipe.read(Path(path)) if path else Recipe()
    words = {
        **{name: options[name] for name in ("title", "source_type", "model", "redact_reason")},
        **{name: True for name in ("update", "sidecar") if options[name]},
        "generator": _generator(options),
        "actions": [action(text) for text in options["action"]] or None,
        "ingredients": [ingredient(text) for text in options["ingredient"]] or None,
        "claims": pairs("claim", options["claim"]) or None,
        "training_mining": training_mining(options["training_mining"]),
        "redact": list(options["redact"]) or None,
        "signer": _signer(recipe, options["signer"], options["signer_option"]),
        "timestamp": _timestamp(recipe, options["timestamp"], options["timestamp_policy"]),
    }
    return Recipe.of(recipe, **words)


def action(text: str) -> dict[str, Any]:
    """Return the action behind ``NAME[,KEY=VALUE...]``.

    Example:
        >>> action("cropped,source_type=humanEdits,description=sky, mostly,com.example.px=20")
        ... # doctest: +NORMALIZE_WHITESPACE
        {'name': 'cropped', 'source_type': 'humanEdits', 'description': 'sky, mostly',
         'parameters': {'com.example.px': '20'}}
    """
    name, *fields = _NEXT_FIELD.split(text)
    found: dict[str, Any] = {"name": name.strip()}
    parameters: dict[str, str] = {}
    for field in fields:
        key, _, value = field.partition("=")
        if "." in key or key in ("sourceLanguage", "targetLanguage"):
            parameters[key] = value
        elif key in _ACTION_FIELDS:
            found[_ACTION_FIELDS[key]] = value.split("+") if key == "ingredients" else value
        else:
            hint = did_you_mean(key, sorted(_ACTION_FIELDS))
            raise UserError(
                f"--action {name}: There is no {key!r}.{hint} A parameter of your own has a dot."
            )
    return {**found, "parameters": parameters} if parameters else found


def ingredient(text: str) -> dict[str, str]:
    """Return the ingredient behind ``ROLE=FILE``.

    Raises:
        click.UsageError: The role is missing: parent and component say different things.
    """
    role, is_given, path = text.partition("=")
    if not is_given or not path or role not in ROLES:
        file = path or text
        raise click.UsageError(
            f"--ingredient needs to know what {file[:200]!r} is:\n"
            f"  --ingredient parent={file[:200]}     what is signed is an edit of it\n"
            f"  --ingredient component={file[:200]}  it was placed into what is signed\n"
            f"(or input=..., where it was fed to the model that made what is signed)"
        )
    return {"relationship": role, "path": path}


def pairs(option: str, texts: Iterable[str]) -> dict[str, str]:
    """Return the names and values behind ``KEY=VALUE`` texts.

    Raises:
        UserError: One has no ``=``, or a key stands twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        key, is_pair, value = text.partition("=")
        if not is_pair:
            raise UserError(f"--{option} {text[:80]!r} is malformed. Write --{option} key=value.")
        if key in found:
            raise UserError(f"--{option}: {key[:80]!r} is given twice. Leave one of them out.")
        found[key] = value
    return found


def training_mining(texts: Iterable[str]) -> Any:
    """Return the uses behind ``USE`` for all, or ``ENTRY=USE`` for one; the later text wins."""
    from provenance.credentials.signing.recipe_parts import MINING_ENTRIES

    texts = tuple(texts)
    if len(texts) == 1 and "=" not in texts[0]:
        return texts[0]  # one word for all, and one message where it is wrong
    found: dict[str, str] = {}
    for text in texts:
        entry, is_one, use = text.partition("=")
        if is_one:
            found[entry if entry.startswith("cawg.") else f"cawg.{entry}"] = use
        else:
            found.update(dict.fromkeys(MINING_ENTRIES, text))
    return found or None


def _generator(options: Mapping[str, Any]) -> dict[str, str] | None:
    name, version = options["generator"], options["generator_version"]
    if name is None and version is not None:
        raise click.UsageError("--generator-version needs --generator.")
    if name is None:
        return None
    return {"name": name} if version is None else {"name": name, "version": version}


def _signer(recipe: "Recipe", name: str | None, texts: Iterable[str]) -> dict[str, Any] | None:
    settings = pairs("signer-option", texts)
    if name is not None:
        return {"name": name, "settings": settings}
    if not settings:
        return None
    if recipe.signer is None:
        raise click.UsageError("--signer-option needs --signer.")
    return {"name": recipe.signer.name, "settings": {**recipe.signer.settings, **settings}}


def _timestamp(recipe: "Recipe", url: str | None, policy: str | None) -> dict[str, str] | None:
    given = {name: value for name, value in (("url", url), ("policy", policy)) if value}
    if given and url is None:
        if recipe.timestamp is None:
            raise click.UsageError("--timestamp-policy needs --timestamp.")
        given["url"] = recipe.timestamp.url
    return given or None
