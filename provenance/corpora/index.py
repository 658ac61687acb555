"""Describes a finished corpus: its rows, its header, its Croissant description, its data card.

Written last, so that ``corpus.json`` means a whole corpus.
"""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from provenance import __version__
from provenance.corpora.artefacts import read_card
from provenance.corpora.croissant import describe
from provenance.corpora.datacard import data_card
from provenance.corpora.fitting import artefact_folder
from provenance.corpora.labels import SampleClasses
from provenance.corpora.members import recorded_members
from provenance.corpora.plan import Plan, PlannedGenerator
from provenance.corpora.schema import (
    CARD_FILE,
    CROISSANT_FILE,
    HEADER_FILE,
    ROWS_FILE,
    SCHEMA_VERSION,
    Row,
)
from provenance.corpora.shards import ShardWriter, prepare_shards
from provenance.corpora.storage import storage_of
from provenance.files import sha256_bytes, write_atomic, write_json
from provenance.types import Label, Step


def write_index(plan: Plan, generators: Sequence[PlannedGenerator], out: Path) -> dict[str, Any]:
    """Write ``metadata.jsonl``, ``croissant.json``, ``README.md`` and, last, ``corpus.json``.

    Args:
        plan: Of the run.
        generators: Those that succeeded.
        out: The corpus; all files of the plan are there.

    Returns:
        The header, as it stands in ``corpus.json``.
    """
    cards = {g.name: read_card(artefact_folder(out, g)) for g in generators}
    files = _files(plan, generators, cards, out)
    if plan.request.shards:
        shards, rows = _packed(plan, generators, files, out)
    else:
        shards, rows = [], [row for row, _ in files]
    lines = "".join(json.dumps(row.to_json(), ensure_ascii=True) + "\n" for row in rows)
    header = _header(plan, generators, cards, rows)
    if shards:
        header["shards"] = shards
    write_atomic(out / ROWS_FILE, lines.encode())
    write_json(out / CROISSANT_FILE, describe(header, rows_sha256=sha256_bytes(lines.encode())))
    write_atomic(out / CARD_FILE, data_card(header, rows).encode(errors="replace"))
    write_json(out / HEADER_FILE, header)
    return header


def made_already(plan: Plan, out: Path) -> dict[str, Any] | None:
    """Return the header of a corpus whose shards are whole, or None where there is work to do.

    What shards were packed from is gone. Loose files are looked at one by one instead.
    """
    if not plan.request.shards or not (out / HEADER_FILE).is_file():
        return None
    header: dict[str, Any] = json.loads((out / HEADER_FILE).read_text(encoding="utf-8"))
    names = {generator["name"] for generator in header["generators"]}
    is_whole = names == {generator.name for generator in plan.generators} and all(
        (path := out / shard["name"]).is_file() and path.stat().st_size == shard["bytes"]
        for shard in header["shards"]
    )
    return header if is_whole else None


def _packed(
    plan: Plan,
    generators: Sequence[PlannedGenerator],
    files: Iterator[tuple[Row, bytes]],
    out: Path,
) -> tuple[list[dict[str, Any]], list[Row]]:
    """Write the shards; return what is said of them, and the rows in their order."""
    prepare_shards(out, [generator.name for generator in generators])
    writer = ShardWriter(out, plan.request.shards)
    for row, data in files:
        writer.add(row, data)
    return writer.close()


def _files(
    plan: Plan,
    generators: Sequence[PlannedGenerator],
    cards: Mapping[str, Mapping[str, Any]],
    out: Path,
) -> Iterator[tuple[Row, bytes]]:
    """Yield every file with its row; for shards, an item and what was made of it together."""
    storage = storage_of(plan, out)
    kept = {generator.name: generator for generator in generators}
    classes = {name: SampleClasses(plan, name, cards[name].get("classes", ())) for name in kept}
    members = {name: recorded_members(out, name) for name in kept}
    order = list(plan.files())
    if plan.request.shards:
        order.sort(key=lambda file: file[1])  # by number, and else as they were
    for step, number, generator in order:
        if generator is not None and generator.name not in kept:
            continue
        name = None if generator is None else generator.name
        data = storage.read(plan.file_name(step, number, name))
        row = _row(plan, step, number, generator, cards, sha256_bytes(data))
        if name is not None and step is Step.SAMPLE:
            member = members[name].get(number)
            row = dataclasses.replace(row, category=classes[name].of(number), member=member)
        yield row, data


def _row(
    plan: Plan,
    step: Step,
    number: int,
    generator: PlannedGenerator | None,
    cards: Mapping[str, Mapping[str, Any]],
    sha256: str,
) -> Row:
    item = plan.items[number]
    free = step is Step.SAMPLE  # has no parent, and takes the split of the item of its number
    name = None if generator is None else generator.name
    file_name = plan.file_name(step, number, name)
    return Row(
        file_name=file_name,
        sha256=sha256,
        kind=plan.kind,
        label=Label.REAL if generator is None else Label.SYNTHETIC,
        generator=name,
        generator_version=None if generator is None else generator.version,
        checkpoint=None if name is None else cards[name]["weights_sha256"],
        seed=None if name is None else plan.seed_of(name, step, number),
        category=None if free else item.category,
        parent=None if free else item.id,
        step=step,
        split=item.split,
        manifest="embedded" if generator is not None and plan.request.sign else None,
        group=None if free else item.group,
    )


def _header(
    plan: Plan,
    generators: Sequence[PlannedGenerator],
    cards: Mapping[str, Mapping[str, Any]],
    rows: Sequence[Row],
) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "created": plan.created,
        "code_version": __version__,
        "command": plan.request.command(),
        "seed": plan.request.seed,
        "kind": str(plan.kind),
        "size_px": plan.request.size_px,
        "sources": [{"name": plan.request.real, "data_sha256": plan.data_sha256}],
        "generators": [
            {
                "name": generator.name,
                "plugin": generator.plugin,
                "family": generator.family,
                "version": generator.version,
                "checkpoint_sha256": cards[generator.name]["weights_sha256"],
                "licence": generator.licence,
                "preset": generator.options.get("preset"),
                "variant": dict(generator.variant),
                "members": list(cards[generator.name].get("members", ())),
            }
            for generator in generators
        ],
        "counts": {
            "files": len(rows),
            "label": _count(str(row.label) for row in rows),
            "split": _count(str(row.split) for row in rows),
            "step": _count(str(row.step) for row in rows),
            "generator": _count(row.generator for row in rows if row.generator),
        },
        "groups": {item.group: str(item.split) for item in plan.items},
        "licences": {item.group: item.licence for item in plan.items if item.licence is not None},
    }


def _count(values: Any) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
