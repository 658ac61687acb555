"""What a file was made from: opened, examined, and taken along with its credential.

A credential that is inside a file is read by the library itself. One that lies beside it is handed
over, together with what the library said of it: it takes our word there, so that the word is the
library's own, given a moment before (see :meth:`Source.report`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance.credentials.signing.embedding import Attachment
from provenance.credentials.signing.sources import Source, source_of_path
from provenance.credentials.source_types import MADE_BY_A_MODEL, PARTLY_MADE_BY_A_MODEL
from provenance.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from provenance.credentials.reading.credential import Credential
    from provenance.credentials.signing.recipe import Recipe

PARENT, COMPONENT, INPUT = "parentOf", "componentOf", "inputTo"
_RELATIONSHIPS = {"parent": PARENT, "component": COMPONENT, "input": INPUT}
_NEVER_REDACTED = ("c2pa.actions", "c2pa.hash.")


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A file that goes into another, examined.

    Attributes:
        source: The file.
        relationship: ``parentOf``, ``componentOf`` or ``inputTo``.
        label: By which actions name it.
        title: Shown by viewers.
        credential: That it carries, or None.
    """

    source: Source
    relationship: str
    label: str
    title: str
    credential: "Credential | None"

    @property
    def is_by_a_model(self) -> bool:
        """Whether its signer says that a model made it, wholly or in part."""
        if self.credential is None:
            return False
        said = {
            self.credential.origin,
            self.credential.source_type,
            *self.credential.statements.edit_types,
        }
        return bool(said & (MADE_BY_A_MODEL | PARTLY_MADE_BY_A_MODEL))

    def attachment(self) -> Attachment:
        """Return it in the library's terms.

        Raises:
            UnreadableError: The file, or the sidecar beside it, cannot be read any more.
            CredentialError: Its credential cannot be read.
        """
        definition: dict[str, Any] = {
            "title": self.title,
            "relationship": self.relationship,
            "label": self.label,
        }
        store = None
        if self.credential is not None and self.credential.place == "sidecar":
            store = self.source.sidecar()
            said = self.source.report(store).store
            definition["active_manifest"] = said.get("active_manifest")
            definition["validation_results"] = said.get("validation_results")
        return Attachment(definition, self.source.media_type, self.source.open, store)

    def redactable(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the URIs of assertions of its credential, given by label or by URI.

        Raises:
            UserError: There is no such assertion, or it holds the credential together.
            CredentialError: Its credential cannot be read.
        """
        store = self.source.sidecar() if self._is_beside else None
        labels = self.source.report(store).labels()
        return tuple(_uri(name, labels) for name in names)

    @property
    def _is_beside(self) -> bool:
        return self.credential is not None and self.credential.place == "sidecar"


def load_ingredients(recipe: "Recipe") -> tuple[Ingredient, ...]:
    """Open and examine the ingredients that a recipe names.

    Raises:
        UserError: One is of a type that cannot be taken along, or has a credential that cannot.
        UnreadableError: One cannot be read.
    """
    found = []
    for one, label in zip(recipe.ingredients, recipe.labels, strict=True):
        source = source_of_path(Path(one.path))
        credential = source.credential()
        own = credential.statements.title if credential is not None else None
        title = one.title or own or source.name or label
        found.append(Ingredient(source, _RELATIONSHIPS[one.relationship], label, title, credential))
    return tuple(found)


def _uri(name: str, labels: dict[str, list[str]]) -> str:
    """Return the URI of an assertion, looked for in the file's own manifest first."""
    manifest, label = _place(name, labels)
    if label.startswith(_NEVER_REDACTED):
        raise UserError(
            f"redact: {label} cannot be taken out; it holds the credential together. What an action"
            f" says stays as it was signed."
        )
    return f"self#jumbf=/c2pa/{manifest}/c2pa.assertions/{label}"


def _place(name: str, labels: dict[str, list[str]]) -> tuple[str, str]:
    own = next(iter(labels), "")
    if name.startswith("self#jumbf="):
        parts = name.removeprefix("self#jumbf=").strip("/").split("/")
        manifest = parts[1] if len(parts) == 4 else own if len(parts) == 2 else ""
        label = parts[-1]
    else:
        manifest, label = own, name
    known = labels.get(manifest, [])
    if label not in known:
        hint = did_you_mean(label[:80], known or labels.get(own, []))
        raise UserError(f"redact: The credential has no assertion {name[:120]!r}.{hint}")
    return manifest, label
