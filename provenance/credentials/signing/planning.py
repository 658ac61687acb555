"""From a file and a recipe to one signing job: what is kept, what is said, what is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provenance.credentials.signing import actions
from provenance.credentials.signing.embedding import Job
from provenance.credentials.signing.ingredients import COMPONENT, INPUT, PARENT, Ingredient
from provenance.credentials.signing.manifests import PARENT_LABEL, Lineage, recipe_manifest
from provenance.errors import UserError

if TYPE_CHECKING:
    from provenance.credentials.reading.credential import Credential
    from provenance.credentials.signing.recipe import Recipe
    from provenance.credentials.signing.sources import Source


# Elsewhere bytes outside the manifest depend on its length, such as the size of RIFF, so that what
# the first manifest says of the content cannot outlive a longer store.
_UPDATABLE = frozenset(
    {
        "audio/mp4",
        "image/avif",
        "image/gif",
        "image/heic",
        "image/heif",
        "image/jpeg",
        "image/jxl",
        "image/png",
        "video/mp4",
        "video/quicktime",
    }
)


@dataclass(frozen=True, slots=True)
class Plan:
    """A job, and what it is good to know of it.

    Attributes:
        job: For the library.
        kept: The credential that the file carried, now its parent's; None where it carried none.
        foreseen: What the user should hear: that a credential which is kept does not hold, say.
    """

    job: Job
    kept: "Credential | None"
    foreseen: tuple[str, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should hear, of the signing too once it has been done."""
        return (*self.foreseen, *self.job.remarks)


def plan(
    source: "Source",
    recipe: "Recipe",
    *,
    title: str | None = None,
    ingredients: Sequence[Ingredient] = (),
) -> Plan:
    """Return what is to be signed of a file.

    Args:
        source: The file.
        recipe: Checked.
        title: Stands in where the recipe has none.
        ingredients: Those of the recipe, loaded.

    Raises:
        UserError: The recipe does not fit the file.
        UnreadableError: The file cannot be examined.
        CredentialError: Its credential cannot be read.
    """
    kept = source.credential()
    _check(source, recipe, kept, ingredients)
    parts = [*_itself(source, kept), *ingredients]
    parent = next((part for part in parts if part.relationship == PARENT), None)
    lineage = Lineage(
        parent=None if parent is None else parent.label,
        components=_labels(parts, COMPONENT),
        inputs=_labels(parts, INPUT),
        is_by_a_model=any(p.is_by_a_model for p in parts if p.relationship != INPUT),
        redacted=parent.redactable(recipe.redact) if parent and recipe.redact else (),
    )
    job = Job(
        source.media_type,
        recipe_manifest(recipe, title=title, lineage=lineage),
        tuple(part.attachment() for part in parts),
        is_update=recipe.is_update,
        embeds=not recipe.sidecar,
    )
    return Plan(job, kept, _notes(parts))


def _itself(source: "Source", kept: "Credential | None") -> tuple[Ingredient, ...]:
    if kept is None:
        return ()
    title = kept.statements.title or source.name or "parent"
    return (Ingredient(source, PARENT, PARENT_LABEL, title, kept),)


def _labels(parts: Sequence[Ingredient], relationship: str) -> tuple[str, ...]:
    return tuple(part.label for part in parts if part.relationship == relationship)


def _check(
    source: "Source",
    recipe: "Recipe",
    kept: "Credential | None",
    ingredients: Sequence[Ingredient],
) -> None:
    name = source.name or "The file"
    has_parent = any(one.relationship == PARENT for one in ingredients)
    if kept is not None and has_parent:
        raise UserError(
            f"{name} carries a credential, which becomes its parent; it cannot have another. Leave"
            f" the ingredient 'parent' out, or make it a component."
        )
    if any(one.source.path and source.lies_at(one.source.path) for one in ingredients):
        raise UserError(
            f"{name} is an ingredient of itself. Name another file: what it was made from. The"
            f" credential that a file carries is kept without being named."
        )
    if recipe.is_update and kept is None:
        raise UserError(f"{name} carries no credential to update. Sign it without update.")
    _check_place(source, recipe, kept)
    _check_actions(name, recipe, is_edit=kept is not None or has_parent)


def _check_place(source: "Source", recipe: "Recipe", kept: "Credential | None") -> None:
    name = source.name or "The file"
    if kept is None:
        return
    if recipe.is_update and kept.place == "embedded" and source.media_type not in _UPDATABLE:
        raise UserError(
            f"{name} cannot be updated: in files of type {source.media_type} a longer credential"
            f" moves other bytes, so that the first one would not match. Sign it without update."
        )
    if recipe.sidecar and kept.place == "embedded":
        raise UserError(
            f"{name} carries its credential inside; a sidecar would not match it. Leave 'sidecar'"
            f" out."
        )
    if recipe.is_update and kept.place == "sidecar" and not recipe.sidecar:
        raise UserError(
            f"The credential of {name} lies beside it, and an update must lie there too. Add"
            f" 'sidecar'."
        )


def _check_actions(name: str, recipe: "Recipe", *, is_edit: bool) -> None:
    first = recipe.actions[0].name if recipe.actions else None
    if is_edit and first == actions.CREATED:
        raise UserError(f"{name} has a parent, so it was opened, not created. Leave {first} out.")
    if is_edit:
        return
    if first == actions.OPENED:
        raise UserError(
            f"{name} carries no credential, so nothing was opened. Leave {first} out, or name the"
            f" file that it was made from as the ingredient 'parent'."
        )
    for place, action in enumerate(recipe.actions):
        try:
            actions.check_has_source_type(action.name, action.source_type)
        except ValueError as error:
            raise UserError(f"actions[{place}]: {error}") from error
    if any(PARENT_LABEL in action.ingredients for action in recipe.actions):
        raise UserError(f"actions: {name} has no parent to name among the ingredients.")


def _notes(parts: Sequence[Ingredient]) -> tuple[str, ...]:
    notes = []
    for part in parts:
        if part.credential is not None and part.credential.is_broken:
            name = part.source.name or "the file"
            notes.append(
                f"The credential of {name} does not hold; it is kept, and so is its fault."
            )
    return tuple(notes)
