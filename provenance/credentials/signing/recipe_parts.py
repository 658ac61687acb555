"""The parts of a recipe: each checks itself, and says which field is wrong and how to mend it."""

import datetime
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from provenance.credentials.signing import actions
from provenance.credentials.signing.timestamps import TimestampPolicy
from provenance.credentials.source_types import source_type_uri
from provenance.errors import UserError, did_you_mean

MAX_TEXT = 1000
MAX_CLAIMS = 64
MAX_ITEMS = 100
_MAX_DEPTH = 16
_MAX_INTEGER = 2**63 - 1
_CLAIM_KEY = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
# of the labels that begin with "c2pa.", those that nobody but the signer can know
_OPEN_C2PA_LABELS = frozenset(
    {
        "c2pa.ai-disclosure",
        "c2pa.asset-ref",
        "c2pa.asset-type.v2",
        "c2pa.environmental-sustainability",
        "c2pa.soft-binding",
    }
)
_OURS = {
    "c2pa.actions": "actions",
    "c2pa.ingredient": "ingredients",
    "cawg.training-mining": "training_mining",
    "com.provenance.claims": "claims",
}
USES = ("allowed", "notAllowed", "constrained")
MINING_ENTRIES = (
    "cawg.ai_generative_training",
    "cawg.ai_inference",
    "cawg.ai_training",
    "cawg.data_mining",
)


class Part(BaseModel):
    """A frozen model that knows all its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, populate_by_name=True)


def _checked(check: Callable[[str], Any]) -> Callable[[str], str]:
    """Make a check of ours, which raises :class:`UserError`, one of pydantic's."""

    def checked(value: str) -> str:
        try:
            check(value)
        except UserError as error:
            raise ValueError(str(error)) from error
        return value

    return checked


def one_of(what: str, known: tuple[str, ...]) -> BeforeValidator:
    """Return a validator that answers an unknown word with the closest known one."""

    def check(value: Any) -> Any:
        if value not in known:
            hint = did_you_mean(str(value)[:80], list(known))
            raise ValueError(f"No {what} is called {str(value)[:80]!r}.{hint}")
        return value

    return BeforeValidator(check)


def completed(field: str) -> Callable[[Any], Any]:
    """Return a function that takes a bare text for a table with that one field."""
    return lambda value: {field: value} if isinstance(value, str) else value


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TEXT)]
SourceType = Annotated[Text, AfterValidator(_checked(source_type_uri))]
Use = Literal["allowed", "notAllowed", "constrained"]


class Software(Part):
    """A piece of software; a bare text is its name.

    Attributes:
        name: As people know it.
        version: Of it, where known.
    """

    name: Text
    version: Text | None = None

    def to_json(self) -> dict[str, str]:
        """Return the ``softwareAgent`` of an action."""
        return self.model_dump(exclude_none=True)


SoftwareName = Annotated[Software, BeforeValidator(completed("name"))]


def _instant(value: Any) -> Any:
    """Return a date with its zone, as RFC 3339; TOML's dates and text are both taken."""
    try:
        found = datetime.datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError("A date is written like 2026-05-04T12:30:00Z.") from error
    if not isinstance(found, datetime.datetime) or found.tzinfo is None:
        raise ValueError("A date has a time and a zone: 2026-05-04T12:30:00Z.")
    try:
        found = found.astimezone(datetime.UTC)
    except OverflowError as error:
        raise ValueError("A date lies between the years 1 and 9999.") from error
    return found.isoformat(timespec="seconds").replace("+00:00", "Z")


class Action(Part):
    """Something that was done; the specification's own spelling of a field is understood too.

    Attributes:
        name: ``c2pa.cropped``, ``cropped`` for short, or ``com.example.stylised``.
        source_type: How it was done: name or URI of a digital source type. An action of an edit
            that needs one and has none takes the edit's.
        when: RFC 3339, with a zone.
        description: For people.
        software: What did it; the recipe's generator where it is not said.
        parameters: Standard ones, and one's own with a dot in the name.
        ingredients: Labels of the recipe's ingredients that it used.
    """

    name: Annotated[Text, AfterValidator(actions.check_name)] = Field(
        validation_alias=AliasChoices("name", "action")
    )
    source_type: SourceType | None = Field(
        default=None, validation_alias=AliasChoices("source_type", "digitalSourceType")
    )
    when: Annotated[str | None, BeforeValidator(_instant)] = None
    description: Text | None = None
    software: SoftwareName | None = Field(
        default=None, validation_alias=AliasChoices("software", "softwareAgent")
    )
    parameters: dict[str, Any] = Field(default_factory=dict, max_length=MAX_ITEMS)
    ingredients: tuple[Text, ...] = Field(default=(), max_length=MAX_ITEMS)

    @model_validator(mode="after")
    def _consistent(self) -> "Action":
        check_json(self.parameters)
        actions.check_parameters(self.name, self.parameters)
        if self.name == actions.REDACTED:
            raise ValueError("c2pa.redacted is written for you: name the assertion in 'redact'.")
        return self

    @property
    def lacks_source_type(self) -> bool:
        """Whether it needs a source type and has none of its own."""
        needs = self.name == actions.CREATED or self.name in actions.PERCEPTIBLE
        return needs and self.source_type is None

    def to_json(self, source_type: str | None, software: Software) -> dict[str, Any]:
        """Return the action of the manifest.

        Args:
            source_type: Of the file or the edit, for an action that needs one and has none.
            software: Stands in where the action names none.
        """
        own = self.source_type or (source_type if self.lacks_source_type else None)
        ids = {"ingredientIds": list(self.ingredients)} if self.ingredients else {}
        fields = {
            "action": self.name,
            "digitalSourceType": source_type_uri(own) if own else None,
            "when": self.when,
            "description": self.description,
            "softwareAgent": (self.software or software).to_json(),
            "parameters": {**self.parameters, **ids} or None,
        }
        return {name: value for name, value in fields.items() if value is not None}


class Ingredient(Part):
    """A file that went into the one to be signed.

    Attributes:
        path: The file; relative to the recipe's folder where it stands in one.
        relationship: ``parent``: the file is an edit of it. ``component``: it was placed into the
            file. ``input``: it was fed to what made the file, as the prompt's picture.
        title: Shown by viewers; its own title, or its name, where it is not given.
        label: By which actions name it; ``component-1`` ... where it is not given.
    """

    path: Path
    relationship: Annotated[
        Literal["parent", "component", "input"],
        one_of("relationship", ("parent", "component", "input")),
    ]
    title: Text | None = None
    label: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None


class MiningUse(Part):
    """What may be done with the file in one respect; a bare word is the use.

    Attributes:
        use: ``allowed``, ``notAllowed`` or ``constrained``.
        constraint: In words or as an address; of ``constrained`` only.
    """

    use: Annotated[Use, one_of("use", USES)]
    constraint: Text | None = Field(
        default=None, validation_alias=AliasChoices("constraint", "constraint_info")
    )

    @model_validator(mode="after")
    def _consistent(self) -> "MiningUse":
        if self.constraint and self.use != "constrained":
            raise ValueError("Only the use 'constrained' has a constraint.")
        return self

    def to_json(self) -> dict[str, str]:
        """Return the entry of the ``cawg.training-mining`` assertion."""
        constraint = {"constraint_info": self.constraint} if self.constraint else {}
        return {"use": self.use, **constraint}


def _mining(value: Any) -> Any:
    """Spread one use over all entries, and complete the names and values of given entries."""
    if isinstance(value, str) and value not in USES:
        raise ValueError(f"No use is called {value[:80]!r}.{did_you_mean(value, list(USES))}")
    if isinstance(value, str) or (isinstance(value, Mapping) and "use" in value):
        value = dict.fromkeys(MINING_ENTRIES, value)
    if not isinstance(value, Mapping):
        raise ValueError(f"Say one of {', '.join(USES)}, or one of them per entry.")
    full = {}
    for name, use in value.items():
        long = name if str(name).startswith("cawg.") else f"cawg.{name}"
        if long not in MINING_ENTRIES:
            hint = did_you_mean(long, list(MINING_ENTRIES))
            raise ValueError(f"No entry is called {str(name)[:80]!r}.{hint}")
        full[long] = completed("use")(use)
    return full


Mining = Annotated[dict[str, MiningUse], BeforeValidator(_mining), Field(min_length=1)]


def _label(value: str) -> str:
    base = value.partition("__")[0].removesuffix(".v2").removesuffix(".v3")
    if base in _OURS:
        raise ValueError(f"{value} is written for you: use the field {_OURS[base]!r}.")
    if value.startswith("c2pa.") and value not in _OPEN_C2PA_LABELS:
        known = ", ".join(sorted(_OPEN_C2PA_LABELS))
        raise ValueError(
            f"{value[:80]!r} is reserved. Of the specification's own these can be given: {known}."
        )
    if value.startswith(("cawg.identity", "stds.")) or not actions.OWN_NAME.fullmatch(value):
        raise ValueError(
            f"{value[:80]!r} cannot be used. A label of your own has a dot: com.example.facts."
        )
    return value


class Assertion(Part):
    """A further statement under a label of one's own.

    Attributes:
        label: ``com.example.facts``; the specification's reserved labels are refused.
        data: A JSON object.
    """

    label: Annotated[Text, AfterValidator(_label)]
    data: dict[str, Any]

    @model_validator(mode="after")
    def _consistent(self) -> "Assertion":
        check_json(self.data)
        return self


class SignerChoice(Part):
    """Whose key signs; a bare text is the name.

    Attributes:
        name: Of a signer that a plugin offers; ``provenance plugins`` lists them.
        settings: Of the signer. Secrets do not belong here; name the environment variable that
            holds them. Paths are relative to the folder in which the program runs, not to the
            recipe's: a recipe travels with its media, and keys stay where they are.
    """

    name: Text
    settings: dict[str, str] = Field(default_factory=dict, max_length=MAX_ITEMS)


class TimestampChoice(Part):
    """Who vouches for the time of signing; a bare text is the address.

    Attributes:
        url: Of an RFC 3161 time-stamping authority.
        policy: ``require``: without an answer nothing is signed. ``prefer``: without one the file
            is signed without a time-stamp, and a warning says so.
    """

    url: Annotated[Text, AfterValidator(_checked(TimestampPolicy))]
    policy: Annotated[Literal["require", "prefer"], one_of("policy", ("require", "prefer"))] = (
        "require"
    )


def check_claims(claims: dict[str, Any]) -> dict[str, Any]:
    """Check the names and values of claims.

    Raises:
        ValueError: A name or a value is malformed or too long, or there are too many.
    """
    if len(claims) > MAX_CLAIMS:
        raise ValueError(f"There are {len(claims)} claims; {MAX_CLAIMS} are the most.")
    for key, value in claims.items():
        if not _CLAIM_KEY.fullmatch(key):
            raise ValueError(
                f"The claim {key[:80]!r} is malformed. Write key=value, the key of at most 64"
                f" characters of a-z, 0-9, '_', '.' and '-'."
            )
        if not isinstance(value, str | bool | int | float):
            raise ValueError(f"The claim {key!r} is a text, a number, true or false.")
        if isinstance(value, str) and not 0 < len(value) <= MAX_TEXT:
            raise ValueError(f"The claim {key!r} needs a value of 1 to {MAX_TEXT} characters.")
    check_json(claims)
    return claims


def check_json(value: Any, *, depth: int = 0) -> None:
    """Check that a value can stand in a manifest, and comes back from it as it was.

    Raises:
        ValueError: It is no JSON, nested too deeply, or a number out of range.
    """
    if depth > _MAX_DEPTH:
        raise ValueError(f"The data is nested more than {_MAX_DEPTH} levels deep.")
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ValueError("The names of data are texts.")
        for item in value.values():
            check_json(item, depth=depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            check_json(item, depth=depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("Numbers are finite.")
    elif isinstance(value, int) and abs(value) > _MAX_INTEGER:
        raise ValueError("Whole numbers have at most 63 bits; write larger ones as text.")
    elif value is not None and not isinstance(value, str | int | float | bool):
        raise ValueError(f"A {type(value).__name__} is no JSON; write it as text.")
