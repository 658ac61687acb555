"""Recipes: all that a manifest is to say, checked as a whole before anything is signed.

A recipe comes from a TOML or JSON file, from words in Python or from options of the command line.
The library signs nearly any text, so whatever a recipe lets through is signed: unknown fields,
unknown terms and malformed claims are refused here, each with its field and a remedy.
"""

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from provenance.credentials.signing import actions
from provenance.credentials.signing.manifests import PARENT_LABEL
from provenance.credentials.signing.recipe_errors import explain
from provenance.credentials.signing.recipe_parts import (
    MAX_ITEMS,
    Action,
    Assertion,
    Ingredient,
    Mining,
    Part,
    SignerChoice,
    Software,
    SoftwareName,
    SourceType,
    Text,
    TimestampChoice,
    check_claims,
    completed,
)
from provenance.credentials.source_types import source_type_uri
from provenance.errors import UserError, did_you_mean

MAX_RECIPE_BYTES = 1 << 20
MAX_MANIFEST_BYTES = 1_000_000  # the library refuses to sign more than 1 MB
REASONS = (
    "c2pa.PII.present",
    "c2pa.invalid.data",
    "c2pa.trade-secret.present",
    "c2pa.government.confidential",
)
_OWN_SOFTWARE = Software(name="provenance")


def _reason(value: str) -> str:
    if value not in REASONS and not (value.count(".") > 1 and not value.startswith("c2pa.")):
        raise ValueError(f"No reason is called {value!r}.{did_you_mean(value, list(REASONS))}")
    return value


class Recipe(Part):
    """What a manifest says, who signs it and where it goes. Frozen and picklable.

    Attributes:
        title: Shown by viewers; the name of the signed file where it is not given.
        source_type: How the media came to be: a term of :data:`provenance.credentials.SOURCE_TYPES`
            or its URI. Where it is not given, a new file is ``trainedAlgorithmicMedia``, and an
            edit is a ``composite``, ``compositeWithTrainedAlgorithmicMedia`` where something that
            went into it was made by a model.
        generator: Software that made or edited the file.
        model: Name of the model, where one made it.
        actions: What was done, in order. The first, ``c2pa.created`` or ``c2pa.opened``, and
            ``c2pa.placed`` for each component are added where they are not given.
        ingredients: Files that went into it.
        claims: Facts of one's own, in the assertion ``com.provenance.claims``.
        training_mining: Whether models may learn from it. What a model made is ``notAllowed``
            where it is not given.
        assertions: Further statements.
        update: Add to the credential that the file carries, without a change of its content.
        redact: Labels or URIs of assertions to take out of that credential; makes it an update.
        redact_reason: Why: one of the specification's reasons.
        sidecar: Lay the manifest beside the file as ``NAME.c2pa``; the file stays as it is.
        signer: Whose key; the development CA of this machine where it is not given.
        timestamp: Who vouches for the time; nobody where it is not given.

    Example:
        >>> Recipe.of({"source_type": "digitalCapture", "claims": {"desk": "north"}}).claims
        {'desk': 'north'}
        >>> Recipe.of({"source_type": "digitalcapture"})
        Traceback (most recent call last):
        ...
        provenance.errors.UserError: source_type: No digital source type 'digitalcapture'. \
Did you mean 'digitalCapture'?
    """

    title: Text | None = None
    source_type: SourceType | None = None
    generator: SoftwareName = _OWN_SOFTWARE
    model: Text | None = None
    actions: tuple[Action, ...] = Field(default=(), max_length=MAX_ITEMS)
    ingredients: tuple[Ingredient, ...] = Field(default=(), max_length=MAX_ITEMS)
    claims: Annotated[dict[str, Any], AfterValidator(check_claims)] = Field(default_factory=dict)
    training_mining: Mining | None = None
    assertions: tuple[Assertion, ...] = Field(default=(), max_length=MAX_ITEMS)
    update: bool = False
    redact: tuple[Text, ...] = Field(default=(), max_length=MAX_ITEMS)
    redact_reason: Annotated[Text, AfterValidator(_reason)] = REASONS[0]
    sidecar: bool = False
    signer: Annotated[SignerChoice | None, BeforeValidator(completed("name"))] = None
    timestamp: Annotated[TimestampChoice | None, BeforeValidator(completed("url"))] = None

    @classmethod
    def of(cls, recipe: "Recipe | Mapping[str, Any] | None" = None, **words: Any) -> "Recipe":
        """Return a recipe from its fields, in a mapping or as words; words win.

        Claims are merged by their keys; every other word replaces the field.

        Raises:
            UserError: A field is unknown, malformed, or contradicts another.
        """
        if not isinstance(recipe, Recipe | Mapping | None):
            raise UserError(
                "A recipe is a Recipe or a mapping of its fields. Recipe.read(PATH) reads a file."
            )
        fields = recipe.model_dump(exclude_unset=True) if isinstance(recipe, Recipe) else recipe
        return cls._checked(_merged(dict(fields or {}), words), "")

    @classmethod
    def read(cls, path: Path, **words: Any) -> "Recipe":
        """Read a recipe from a TOML or JSON file; its ingredients lie relative to its folder.

        Args:
            path: ``*.toml`` or ``*.json`` of at most 1 MiB.
            words: Fields that win over those of the file.

        Raises:
            UserError: It cannot be read, or is no recipe.
        """
        fields = _parsed(path)
        for entry in fields.get("ingredients") or ():
            if isinstance(entry, dict) and isinstance(entry.get("path"), str):
                entry["path"] = str(path.parent / entry["path"])
        return cls._checked(_merged(fields, words), f"{path}: ")

    @classmethod
    def _checked(cls, fields: dict[str, Any], origin: str) -> "Recipe":
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise UserError(origin + explain(error, cls)) from error
        except RecursionError as error:
            raise UserError(f"{origin}The recipe is nested too deeply.") from error

    @property
    def is_update(self) -> bool:
        """Whether an update manifest is written."""
        return self.update or bool(self.redact)

    @property
    def labels(self) -> tuple[str, ...]:
        """Label of each ingredient, in order."""
        counts: dict[str, int] = {}
        labels = []
        for one in self.ingredients:
            counts[one.relationship] = counts.get(one.relationship, 0) + 1
            number = f"{one.relationship}-{counts[one.relationship]}"
            own = PARENT_LABEL if one.relationship == "parent" else one.label or number
            labels.append(own)
        return tuple(labels)

    @model_validator(mode="after")
    def _consistent(self) -> "Recipe":
        self._check_ingredients()
        for place, action in enumerate(self.actions):
            try:
                self._check_action(place, action)
            except ValueError as error:
                raise ValueError(f"actions[{place}]: {error}") from error
        if self.is_update:
            self._check_update()
        # paths are not signed, and need not be Unicode
        unsigned = {"ingredients": {"__all__": {"path"}}}
        text = self.model_dump_json(exclude_unset=True, exclude=unsigned)
        if len(text.encode()) > MAX_MANIFEST_BYTES:
            raise ValueError("The recipe exceeds 1 MB, the most that can be signed. Shorten it.")
        return self

    def _check_ingredients(self) -> None:
        if [one.relationship for one in self.ingredients].count("parent") > 1:
            raise ValueError(
                "ingredients: A file has at most one parent. Make the others components."
            )
        if len(set(self.labels)) < len(self.labels):
            raise ValueError("ingredients: Two have the same label. Give each its own.")

    def _check_action(self, place: int, action: Action) -> None:
        name = action.name
        if name in (actions.CREATED, actions.OPENED) and place:
            raise ValueError(f"{name} can only be the first. Move it there, or leave it out.")
        if name == actions.CREATED and PARENT_LABEL in self.labels:
            raise ValueError(f"{name} contradicts the parent: an edit is opened. Leave it out.")
        twice = name == actions.CREATED and action.source_type and self.source_type
        if twice and source_type_uri(str(twice)) != source_type_uri(str(action.source_type)):
            raise ValueError(f"{name} and the recipe differ in source_type. Leave one of them out.")
        actions.check_source_type(name, action.source_type)
        actions.check_ingredients(name, action.ingredients, (*self.labels, PARENT_LABEL))
        bound = any(one.label == "c2pa.soft-binding" for one in self.assertions)
        if name == actions.BOUND_WATERMARK and not bound:
            raise ValueError(f"{name} needs the assertion c2pa.soft-binding. Add it.")

    def _check_update(self) -> None:
        given = [name for name in ("source_type", "model", "ingredients") if getattr(self, name)]
        if given:
            raise ValueError(
                f"{given[0]}: An update leaves the content as it is, and has none."
                f" Leave it out, or sign without update and redact."
            )
        for place, action in enumerate(self.actions):
            if action.name not in actions.UPDATE_ACTIONS:
                known = ", ".join(sorted(actions.UPDATE_ACTIONS - {actions.REDACTED}))
                raise ValueError(
                    f"actions[{place}]: {action.name} changes the content, and an update does"
                    f" not. Use {known}, or sign without update and redact."
                )


def _merged(fields: dict[str, Any], words: Mapping[str, Any]) -> dict[str, Any]:
    claims = {**(fields.get("claims") or {}), **words["claims"]} if _is_map(fields, words) else None
    merged = {**fields, **{name: value for name, value in words.items() if value is not None}}
    return merged if claims is None else {**merged, "claims": claims}


def _is_map(fields: Mapping[str, Any], words: Mapping[str, Any]) -> bool:
    both = (fields.get("claims") or {}, words.get("claims"))
    return all(isinstance(one, Mapping) for one in both)


def _parsed(path: Path) -> dict[str, Any]:
    """Return the table in a file.

    Raises:
        UserError: It cannot be read, is too large, or is neither TOML nor JSON.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_RECIPE_BYTES + 1)
    except OSError as error:
        raise UserError(f"Cannot read the recipe {path}: {error.strerror or error}.") from error
    if len(data) > MAX_RECIPE_BYTES:
        raise UserError(f"The recipe {path} exceeds 1 MiB. Shorten it.")
    parsers: dict[str, Callable[[str], Any]] = {".toml": tomllib.loads, ".json": _json}
    parse = parsers.get(path.suffix.lower())
    if parse is None:
        raise UserError(f"The recipe {path} is neither *.toml nor *.json. Rename it.")
    try:
        fields = parse(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid {path.suffix[1:].upper()}: {error}") from error
    if not isinstance(fields, dict):
        raise UserError(f"{path} holds no table of fields: {{...}} in JSON.")
    return fields


def _json(text: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a name stands twice in one object")
        return dict(pairs)

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no number of JSON")

    return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
