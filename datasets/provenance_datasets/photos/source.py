"""Finds the photographs in the installed wheels and cuts them into patches."""

import importlib.util
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from provenance import InputSpec, Media, UnreadableError, UserError
from provenance.media import decode_image
from provenance.training import derive_seed
from provenance_datasets.patches import patches, round_robin, window_side_px

_LOG = logging.getLogger(__name__)
MOST_PER_PHOTOGRAPH = 600
"""So that the largest photograph does not outweigh the others."""


@dataclass(frozen=True, slots=True)
class Photograph:
    """One photograph: which installed package has it, and what may be done with it.

    Attributes:
        name: Start of its patches' ids.
        package: Import name of the package whose wheel carries it.
        path: Below the package's folder.
        licence: As the package's own documentation states it.
        group: Photographs of one scene share a group; empty means the name.
    """

    name: str
    package: str
    path: str
    licence: str
    group: str = ""


_CC0, _PUBLIC, _BY = "CC0-1.0", "public domain", "CC-BY-2.0"
_UNSTATED = "not stated by scikit-image; Middlebury stereo benchmark 2014"
PHOTOGRAPHS = (
    Photograph("astronaut", "skimage", "data/astronaut.png", f"{_PUBLIC} (NASA)"),
    Photograph("chelsea", "skimage", "data/chelsea.png", f"{_CC0} (Stefan van der Walt)"),
    Photograph("coffee", "skimage", "data/coffee.png", f"{_CC0} (Rachel Michetti)"),
    Photograph("rocket", "skimage", "data/rocket.jpg", f"{_PUBLIC} (SpaceX)"),
    Photograph(
        "motorcycle_left", "skimage", "data/motorcycle_left.png", _UNSTATED, group="motorcycle"
    ),
    Photograph(
        "motorcycle_right", "skimage", "data/motorcycle_right.png", _UNSTATED, group="motorcycle"
    ),
    Photograph("hubble", "skimage", "data/hubble_deep_field.jpg", f"{_PUBLIC} (NASA)"),
    Photograph("retina", "skimage", "data/retina.jpg", f"{_CC0} (Mikael Häggström)"),
    Photograph("ihc", "skimage", "data/ihc.png", "no known copyright restrictions"),
    Photograph("china", "sklearn", "datasets/images/china.jpg", f"{_BY} (danielbuechele)"),
    Photograph("flower", "sklearn", "datasets/images/flower.jpg", f"{_BY} (vultilion)"),
    Photograph(
        "hopper",
        "matplotlib",
        "mpl-data/sample_data/grace_hopper.jpg",
        "not stated by matplotlib; a work of the US Navy",
    ),
)


class Photos:
    """The source ``photos``.

    Args:
        argument: Empty.

    Raises:
        UserError: Something stands after the colon.
    """

    def __init__(self, argument: str = "") -> None:
        if argument:
            raise UserError(f"photos takes no argument. Did you mean 'folder:{argument}'?")

    def items(self, window: InputSpec, *, count: int | None, seed: int) -> Sequence[Media]:
        """Return up to ``count`` patches, one of each photograph in turn.

        Args:
            window: A square crop of ``size_px``.
            count: None for all, at most 600 of a photograph.
            seed: Of the order of photographs and of patches; which patches there are never changes.

        Raises:
            UserError: The window is no square crop, or no photograph is installed.
        """
        side_px = window_side_px(window, "photos")
        groups = _by_group(side_px, seed)
        if not groups:
            raise UserError("No photograph is installed. Reinstall scikit-image and scikit-learn.")
        names = sorted(groups)
        order = np.random.default_rng(derive_seed(seed, "photos")).permutation(len(names))
        return round_robin([groups[names[i]] for i in order], count)


def _by_group(side_px: int, seed: int) -> dict[str, list[Media]]:
    groups: dict[str, list[list[Media]]] = {}
    for photograph in PHOTOGRAPHS:
        if cut := _cut(photograph, side_px, seed):
            groups.setdefault(cut[0].group, []).append(cut)
    return {name: round_robin(members, MOST_PER_PHOTOGRAPH) for name, members in groups.items()}


def _cut(photograph: Photograph, side_px: int, seed: int) -> list[Media]:
    path = locate(photograph)
    if path is None:
        _LOG.info("Left out %s: %s does not carry it", photograph.name, photograph.package)
        return []
    try:
        pixels = decode_image(path.read_bytes())
    except (UnreadableError, OSError) as error:
        _LOG.warning("Left out %s: %s %s", photograph.name, path, error)
        return []
    return patches(
        pixels,
        name=photograph.name,
        group=photograph.group or photograph.name,
        side_px=side_px,
        most=MOST_PER_PHOTOGRAPH,
        seed=seed,
        licence=photograph.licence,
    )


def locate(photograph: Photograph) -> Path | None:
    """Return where the photograph lies, or None; the package itself is not imported."""
    found = importlib.util.find_spec(photograph.package)
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / photograph.path
    return path if path.is_file() else None
