"""Which generator of an ensemble made each sample: kept as the samples are written.

Asking the ensemble again when the rows are written could cost as much as sampling did.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from provenance.corpora.plan import WORK_FOLDER, Batch
from provenance.errors import PluginError
from provenance.files import write_json


def record_members(out: Path, generator: str, batch: Batch, names: Sequence[str]) -> None:
    """Keep the members that made a batch; written before its files are, so that none lacks it.

    Args:
        out: The corpus.
        generator: Name of the ensemble in it.
        batch: Of samples.
        names: One a number of the batch; more are left out.
    """
    pairs = dict(zip(map(str, batch.numbers), names, strict=False))
    write_json(_folder(out, generator) / f"{batch.numbers[0]:05d}.json", pairs)


def recorded_members(out: Path, generator: str) -> dict[int, str]:
    """Return the member of each sample by its number; empty where it is no ensemble."""
    found: dict[int, str] = {}
    for path in sorted(_folder(out, generator).glob("*.json")):
        pairs = json.loads(path.read_text(encoding="utf-8"))
        found |= {int(number): name for number, name in pairs.items()}
    return found


def check_members(plugin: str, names: Any, count: int) -> list[str]:
    """Return what an ensemble says of a batch, if it is what the contract says.

    Raises:
        PluginError: Another number of names, or something other than names.
    """
    found = list(names)
    if len(found) != count or not all(isinstance(name, str) and name for name in found):
        raise PluginError(f"{plugin}: members gave {len(found)} entries, not {count} names")
    return found


def _folder(out: Path, generator: str) -> Path:
    return out / WORK_FOLDER / "members" / generator
