"""Patches of many pictures, shared by the sources here: decode as few as are needed, in any order.

A record is a picture that has not been read yet. Sources list records, which costs little, and this
module decodes them in a seeded order until there are enough.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from provenance import InputSpec, Media, UnreadableError
from provenance.training import derive_seed
from provenance_datasets.patches import patches, round_robin, window_side_px

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LOG = logging.getLogger(__name__)
MOST_PER_PICTURE = 600
_HEADROOM = 4
"""A picture may give this many times its fair share, for pictures that have less than theirs."""


@dataclass(frozen=True, slots=True)
class Record:
    """A picture, not read yet.

    Attributes:
        name: Stable in its source; begins the ids of its patches, and is their group.
        read: Returns pixels uint8 (H, W, 3), RGB, and the name of their class or None; raises
            :class:`UnreadableError` where that fails.
        shown: In log lines.
    """

    name: str
    read: "Callable[[], tuple[NDArray[np.uint8], str | None]]" = field(repr=False)
    shown: str = ""


def cut_records(
    records: Sequence[Record],
    window: InputSpec,
    *,
    source: str,
    where: str,
    count: int | None,
    seed: int,
    licence: str | None = None,
) -> list[Media]:
    """Return up to ``count`` patches, one of each picture in turn, pictures in a seeded order.

    Args:
        records: All pictures; only as many are read as are needed.
        window: A square crop of ``size_px``.
        source: Name of the plugin, for messages and seeds.
        where: What holds the pictures, for log lines.
        count: None for all, at most 600 of a picture.
        seed: Of the order of pictures and patches.
        licence: Of all of them, where known.

    Raises:
        UserError: The window is no square crop.
    """
    side_px = window_side_px(window, source)
    order = np.random.default_rng(derive_seed(seed, source)).permutation(len(records))
    most = MOST_PER_PICTURE
    if count is not None and records:
        most = min(most, _HEADROOM * math.ceil(count / len(records)))
    groups: list[list[Media]] = []
    skipped = own_scale = 0
    for number in order:
        if count is not None and len(groups) >= count:  # one patch of each picture is enough
            break
        record = records[number]
        try:
            pixels, category = _read(record, side_px)
        except UnreadableError as error:
            skipped += 1
            _LOG.warning("Skipped %s: %s", record.shown or record.name, error)
            continue
        own_scale += min(pixels.shape[:2]) < 2 * side_px
        cut = patches(
            pixels,
            name=record.name,
            group=record.name,
            side_px=side_px,
            most=most,
            seed=seed,
            category=category,
            licence=licence,
        )
        if cut:
            groups.append(cut)
    if skipped:
        _LOG.warning("Skipped %d pictures of %s", skipped, where)
    if own_scale:
        _LOG.info("%d pictures are below %d px: used at own scale", own_scale, 2 * side_px)
    return round_robin(groups, count)


def _read(record: Record, side_px: int) -> "tuple[NDArray[np.uint8], str | None]":
    pixels, category = record.read()
    if min(pixels.shape[:2]) < side_px:
        raise UnreadableError(f"{pixels.shape[1]} x {pixels.shape[0]} px is below {side_px} px")
    return pixels, category
