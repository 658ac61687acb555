"""Trained generators on disk: a folder with weights and a card."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provenance.contracts import Generator, GeneratorSpec
from provenance.corpora.outcome import plugin_at_work
from provenance.errors import UserError
from provenance.files import sha256_file
from provenance.plugins import registry

WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "card.json"
_MOST_SIDE_PX = 1 << 14
_MOST_ITEMS = 1 << 40


@dataclass(frozen=True, slots=True)
class TrainedGenerator:
    """A generator that is ready to sample.

    Attributes:
        model: The plugin's object; what it can do beside sampling stands in the spec.
        spec: As its plugin registered it.
        card: Content of ``card.json``: how, when and on what it was trained.
        folder: Where it lies.
    """

    model: Generator
    spec: GeneratorSpec
    card: Mapping[str, Any]
    folder: Path


def load_generator(folder: Path | str, *, device: str = "cpu") -> TrainedGenerator:
    """Load what ``provenance generate`` has trained.

    Args:
        folder: With ``model.safetensors`` and ``card.json``, as ``corpus/generators/gan``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UserError: There is no artefact, its weights are not the card's, or no plugin makes it.
        PluginError: The plugin cannot load it.

    Example:
        >>> from provenance import load_generator
        >>> images = load_generator("corpus/generators/gan").model.sample(16, seed=1)
        ... # doctest: +SKIP
    """
    from provenance.training import resolve_device

    path = Path(folder)
    card = read_card(path)
    offer = registry().generator(str(card.get("generator", "")))
    with plugin_at_work(offer.spec.name, "load"):
        model = offer.factory()
        model.load(path, resolve_device(device))
    return TrainedGenerator(model, offer.spec, card, path)


def read_card(folder: Path) -> dict[str, Any]:
    """Return the card of a trained generator, after checking its weights' hash.

    Raises:
        UserError: No artefact, weights that are not the card's, or a card of another form.
    """
    try:
        card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
        digest = sha256_file(folder / WEIGHTS_FILE)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{folder} holds no trained generator ({error}). Name a folder with {WEIGHTS_FILE} and "
            f"{CARD_FILE}, such as corpus/generators/gan."
        ) from None
    if not isinstance(card, dict) or card.get("weights_sha256") != digest:
        raise UserError(f"{folder}: the weights are not those of the card. Train it anew.")
    card.setdefault("name", str(card.get("generator")))
    if not isinstance(card.get("data"), dict):
        card["data"] = {}
    _check_form(folder, card)
    return card


def _check_form(folder: Path, card: Mapping[str, Any]) -> None:
    """Refuse a card in which something that is used has another form: anybody may have written it.

    Raises:
        UserError: Names what is wrong.
    """
    groups, size_px = card["data"].get("groups", []), card.get("size_px")
    good = {
        "name": isinstance(card.get("name"), str),
        "size_px": type(size_px) is int and 0 < size_px <= _MOST_SIDE_PX,
        "data.groups": isinstance(groups, list) and all(isinstance(one, str) for one in groups),
        "data.items": _is_count(card["data"].get("items", 0)),
    }
    if wrong := [name for name, is_good in good.items() if not is_good]:
        raise UserError(f"{folder}: its card has no usable {', '.join(wrong)}. Train it anew.")


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= _MOST_ITEMS
