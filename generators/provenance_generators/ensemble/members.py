"""The members of an ensemble: loaded from their folders, kept inside its weights, asked to draw."""

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from provenance import ClassConditional, UserError, load_generator
from provenance.training import WEIGHTS_FILE, load_weights, save_weights

_CARD_FILE = "card.json"


@dataclass(frozen=True, slots=True)
class Member:
    """One trained generator.

    Attributes:
        name: Unique in the ensemble: its card's.
        model: What samples.
        card: Of its training.
        arrays: Its weights, as they are on disk.
        config: The header of its weights.
    """

    name: str
    model: Any = field(repr=False)
    card: Mapping[str, Any] = field(repr=False)
    arrays: Mapping[str, NDArray[np.generic]] = field(repr=False)
    config: Mapping[str, Any] = field(repr=False)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names that it can be told; none for a member without classes."""
        return self.model.classes if isinstance(self.model, ClassConditional) else ()

    def sample(
        self, n: int, *, seed: int, labels: Sequence[str] | None, **how: float
    ) -> NDArray[np.uint8]:
        """Return images uint8 (n, S, S, 3); labels reach members that have classes only."""
        label = list(labels) if labels is not None and self.classes else None
        return cast("NDArray[np.uint8]", self.model.sample(n, seed=seed, label=label, **how))


def load_members(folders: Sequence[str], size_px: int, device: str) -> list[Member]:
    """Load trained generators.

    Args:
        folders: With weights and card each.
        size_px: Side of the images that all must make.
        device: Resolved name.

    Raises:
        UserError: One is missing, or of another size.
    """
    found: list[Member] = []
    for folder in folders:
        member = _load(Path(folder), device, found)
        if member.card.get("size_px") != size_px:
            raise UserError(
                f"{folder} makes images of {member.card.get('size_px')} px, not of {size_px}."
            )
        found.append(member)
    return found


def pack(members: Sequence[Member]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the members' arrays under names with their number before, and what else they are."""
    arrays = {
        f"member{number}.{name}": array
        for number, member in enumerate(members)
        for name, array in member.arrays.items()
    }
    facts = [{"name": m.name, "card": dict(m.card), "config": dict(m.config)} for m in members]
    return arrays, facts


def unpack(
    arrays: Mapping[str, Any], facts: Sequence[Mapping[str, Any]], device: str
) -> list[Member]:
    """Return the members of :func:`pack`; each is loaded by its own plugin, as from a folder.

    Raises:
        UserError: No plugin makes one of them.
        PluginError: Its plugin cannot load it.
    """
    members: list[Member] = []
    with tempfile.TemporaryDirectory(prefix="provenance-members-") as name:
        for number, fact in enumerate(facts):
            folder, prefix = Path(name) / str(number), f"member{number}."
            own = {k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)}
            save_weights(folder, own, fact["config"])
            digest = hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()
            card = {**fact["card"], "name": fact["name"], "weights_sha256": digest}
            (folder / _CARD_FILE).write_text(json.dumps(card), encoding="utf-8")
            members.append(_load(folder, device, members))
    return members


def _load(folder: Path, device: str, others: Sequence[Member]) -> Member:
    loaded = load_generator(folder, device=device)
    arrays, config = load_weights(folder)
    taken, name = {member.name for member in others}, str(loaded.card["name"])
    name = next(n for n in (name, *(f"{name}-{i}" for i in range(2, 99))) if n not in taken)
    return Member(name, loaded.model, loaded.card, arrays, config)
