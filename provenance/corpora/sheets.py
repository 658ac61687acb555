"""Contact sheets: what each generator makes of photographs that it has never seen."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from provenance.corpora.encoding import stack
from provenance.corpora.plan import Plan, PlannedGenerator
from provenance.corpora.storage import Storage, storage_of
from provenance.files import write_atomic
from provenance.media import contact_sheet, decode_bytes
from provenance.types import MediaKind, Split, Step

_COLUMNS = 14
_MORE_ROWS = 2
_SIDE_PX = 96  # of a picture on the sheet, about


def write_sheet(plan: Plan, generator: PlannedGenerator, out: Path) -> Path | None:
    """Draw ``out/sheets/<name>.png``: test items, and under them what the generator made of each.

    Returns:
        The sheet, or None for kinds that cannot be drawn.
    """
    if plan.kind is not MediaKind.IMAGE:
        return None
    storage = storage_of(plan, out)
    numbers = [item.number for item in plan.items if item.split is Split.TEST]
    first, *more = [numbers[i : i + _COLUMNS] for i in range(0, len(numbers), _COLUMNS)]
    rows = [_row(plan, None, Step.REAL, first, storage)]
    rows += [_row(plan, generator.name, step, first, storage) for step in generator.steps]
    # samples have no original above them; several rows show whether they differ
    rows += [_row(plan, generator.name, Step.SAMPLE, row, storage) for row in more[:_MORE_ROWS]]
    captions = ["original", *map(str, generator.steps)]
    captions += [str(Step.SAMPLE)] * (len(rows) - len(captions))
    path = out / "sheets" / f"{generator.name}.png"
    scale = max(1, _SIDE_PX // plan.request.size_px)
    write_atomic(path, contact_sheet(rows, captions=captions, scale=scale))
    return path


def _row(plan: Plan, name: str | None, step: Step, numbers: Sequence[int], storage: Storage) -> Any:
    files = (storage.read(plan.file_name(step, number, name)) for number in numbers)
    return stack(plan.kind, [decode_bytes(data)[1] for data in files])
