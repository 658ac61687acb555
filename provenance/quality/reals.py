"""Real images to compare a trained generator with: those that it has not learned from.

Notation: N images of side S.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from provenance.contracts import InputSpec
from provenance.corpora.artefacts import TrainedGenerator
from provenance.corpora.outcome import plugin_at_work
from provenance.errors import PluginError, UnreadableError, UserError
from provenance.plugins import registry
from provenance.training.classes import find_classes, number_classes
from provenance.training.seeds import derive_seed
from provenance.types import Media, MediaKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FEWEST = 80
_MOST_TO_LEARN_FROM = 10_000
_FEWEST_OF_GROUP, _FEWEST_GROUPS = 16, 8


@dataclass(frozen=True, slots=True)
class RealImages:
    """Real images of one source, told apart by whether a generator has learned from them.

    Attributes:
        unseen: uint8 (N, S, S, 3), in a random order. Where the generator has seen everything, and
            ``is_unseen`` says so, images that it has learned from.
        training: uint8 (L, S, S, 3), which it has learned from; may be empty.
        to_learn: Images for learned features; none of ``unseen`` where there are others.
        labels: Number of the class or group of each of ``to_learn``; None where there are neither.
        is_unseen: Whether ``unseen`` is what it says.
        classes: Names that ``labels`` number; empty where those are groups, or there are none.
    """

    unseen: "NDArray[np.uint8]"
    training: "NDArray[np.uint8]"
    to_learn: "NDArray[np.uint8]"
    labels: "NDArray[np.int64] | None"
    is_unseen: bool
    classes: tuple[str, ...] = ()


def read_reals(
    trained: TrainedGenerator, source: str | None, *, count: int, seed: int
) -> RealImages:
    """Read the source of a generator, or another one, and sort its images by their groups.

    Args:
        trained: Its card says from which source and groups it learned, and the side S.
        source: As ``generate --real`` takes it; None for the card's.
        count: Unseen images wanted; fewer are returned where there are no more.
        seed: Of their order.

    Raises:
        UserError: The generator makes no images, its card names no source, or that has too few.
        UnreadableError: The source lies where it cannot be read.
        PluginError: The source's plugin failed.
    """
    if trained.spec.kind is not MediaKind.IMAGE:
        raise UserError(f"{trained.spec.name} makes {trained.spec.kind}; only images are compared.")
    found = trained.card.get("data")
    data: Any = found if isinstance(found, dict) else {}
    name = source or data.get("source")
    if not name:
        raise UserError(f"{trained.folder}: its card names no source. Add --real SOURCE.")
    size_px = int(trained.card.get("size_px", 0))
    seen_groups = set(data.get("groups", ()))
    items = _read(str(name), size_px, count + 2 * int(data.get("items", 0)) + 1000, seed)
    seen = [item for item in items if item.group in seen_groups]
    unseen = [item for item in items if item.group not in seen_groups]
    is_unseen = bool(seen_groups) and len(unseen) >= _FEWEST
    if not is_unseen:
        unseen = seen = items
    if len(unseen) < _FEWEST:
        raise UserError(f"{name} has {len(unseen)} images; {_FEWEST} are the least. Name a larger.")
    order = np.random.default_rng(derive_seed(seed, "reals")).permutation(len(unseen))[:count]
    learn = (seen if is_unseen and len(seen) >= _FEWEST else items)[:_MOST_TO_LEARN_FROM]
    return RealImages(
        _stack([unseen[i] for i in order]),
        _stack(seen) if seen else np.empty((0, size_px, size_px, 3), np.uint8),
        _stack(learn),
        _labels(learn),
        is_unseen,
        find_classes(learn),
    )


def _read(source: str, size_px: int, count: int, seed: int) -> list[Media]:
    name, _, argument = source.partition(":")
    offer = registry().dataset(name)
    window = InputSpec(geometry="crop", size_px=size_px)
    try:
        with plugin_at_work(name, "reading", passing=(UserError, UnreadableError, OSError)):
            items = list(offer.factory(argument).items(window, count=count, seed=seed))
    except OSError as error:
        raise UnreadableError(
            f"{source} cannot be read: {error.strerror or error}. Mend that, or name another "
            f"source with --real."
        ) from error
    if not all(isinstance(item, Media) for item in items):
        raise PluginError(f"{name}: reading gave something other than items of type Media")
    return [item for item in items if np.shape(item.data) == (size_px, size_px, 3)]


def _stack(items: Sequence[Media]) -> "NDArray[np.uint8]":
    return np.stack([item.data for item in items])


def _labels(items: Sequence[Media]) -> "NDArray[np.int64] | None":
    """Return classes, else groups where they are few and large; else there is nothing to tell."""
    if classes := find_classes(items):
        return number_classes(items, classes)
    groups, index, sizes = np.unique(
        [item.group for item in items], return_inverse=True, return_counts=True
    )
    if len(groups) < _FEWEST_GROUPS or sizes.min() < _FEWEST_OF_GROUP:
        return None
    return np.asarray(index, np.int64)
