"""Lists the samples in tar shards, and reads one image at a time out of them.

The ``webdataset`` package is not used: its decoders include pickle, and it streams whole shards. A
tar of plain files is an index of places, so that any image can be read by itself.
"""

import glob
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from provenance import InputSpec, Media, UserError
from provenance.media import decode_image
from provenance_datasets.records import Record, cut_records
from provenance_datasets.webdataset.shards import Sample, read_member, read_samples

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MOST_SHARDS = 10_000
_CLASS_KEYS = ("class", "label", "cls", "category")
_MOST_CLASS_CHARACTERS = 200
_SYNTHETIC = "synthetic"


class WebDatasetSource:
    """The source ``webdataset:SHARDS``.

    Args:
        argument: A tar file, a pattern (``shards/*.tar``), or a range
            (``shards/train-{0000..0099}.tar``).

    Raises:
        UserError: No such shards.
    """

    def __init__(self, argument: str) -> None:
        if not argument:
            raise UserError("webdataset needs shards: --real 'webdataset:train-{0000..0009}.tar'")
        self._argument = argument
        self._shards = find_shards(argument)

    def items(self, window: InputSpec, *, count: int | None, seed: int) -> Sequence[Media]:
        """Return up to ``count`` patches, one of each image in turn, images in a seeded order.

        Samples that a corpus of this suite calls synthetic are left out.

        Args:
            window: A square crop of ``size_px``.
            count: None for all.
            seed: Of the order.

        Raises:
            UserError: The window is no square crop, or the shards hold no image of that size.
            UnreadableError: A shard is damaged or no tar file.
        """
        samples = itertools.chain.from_iterable(map(read_samples, self._shards))
        records = [
            Record(f"{sample.shard.stem}/{sample.key}", partial(_read, sample))
            for sample in samples
            if not _is_synthetic(sample)
        ]
        where = f"webdataset:{self._argument}"
        items = cut_records(
            records, window, source="webdataset", where=where, count=count, seed=seed
        )
        if not items:
            raise UserError(
                f"{where} has no real image of {window.size_px} px or more among {len(records)}"
                f" samples."
            )
        return items


def find_shards(argument: str) -> list[Path]:
    """Return the shards of a pattern, in order.

    Raises:
        UserError: There are none, one of a range is missing, or there are more than 10,000.
    """
    names = list(itertools.islice(_expanded(argument), _MOST_SHARDS + 1))
    if len(names) > _MOST_SHARDS:  # ranges multiply
        raise UserError(f"{argument} names more than {_MOST_SHARDS} shards. Name fewer.")
    named = [Path(name).expanduser() for name in names]
    found: list[Path] = []
    for path in named:
        # a name may hold brackets that glob would take for a pattern
        matches = [str(path)] if path.is_file() else sorted(glob.glob(str(path)))  # noqa: PTH207
        if not matches:
            raise UserError(f"There is no shard {path}. Check the path after 'webdataset:'.")
        found += map(Path, matches)
    return sorted(set(found))


def _expanded(argument: str) -> Iterator[str]:
    match = _RANGE.search(argument)
    if match is None:
        yield argument
        return
    first, last, digits = int(match[1]), int(match[2]), len(match[1])
    if not 0 <= last - first < _MOST_SHARDS:
        raise UserError(f"{match[0]} is no range of at most {_MOST_SHARDS} shards.")
    for number in range(first, last + 1):
        yield from _expanded(
            f"{argument[: match.start()]}{number:0{digits}d}{argument[match.end() :]}"
        )


def _is_synthetic(sample: Sample) -> bool:
    return _facts(sample).get("label") == _SYNTHETIC


def _facts(sample: Sample) -> dict[str, object]:
    """Return the JSON object beside an image; empty where there is none, or another value."""
    if sample.facts is None:
        return {}
    try:
        found = json.loads(read_member(sample.shard, sample.facts))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _read(sample: Sample) -> "tuple[NDArray[np.uint8], str | None]":
    return decode_image(read_member(sample.shard, sample.image)), _category(sample)


def _category(sample: Sample) -> str | None:
    """Return the class of an image: the text of ``.cls``, or a value of its JSON object."""
    if sample.category is not None:
        text = read_member(sample.shard, sample.category).decode("utf-8", errors="replace").strip()
        return text[:_MOST_CLASS_CHARACTERS] or None
    facts = _facts(sample)
    value = next((facts[key] for key in _CLASS_KEYS if isinstance(facts.get(key), str | int)), None)
    return None if value is None or value == "real" else str(value)[:_MOST_CLASS_CHARACTERS]
