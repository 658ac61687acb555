"""Describes a finished corpus: its rows, its header, its Croissant description, its data card.

Written last, so that ``corpus.json`` means a whole corpus.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from provenance import __version__
from provenance.corpora.artefacts import read_card
from provenance.corpora.croissant import describe
from provenance.corpora.fitting import artefact_folder
from provenance.corpora.plan import Plan, PlannedGenerator
from provenance.corpora.schema import (
    CARD_FILE,
    CROISSANT_FILE,
    HEADER_FILE,
    ROWS_FILE,
    SCHEMA_VERSION,
    Row,
)
from provenance.files import sha256_bytes, sha256_file, write_atomic, write_json
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
    rows = _rows(plan, generators, cards, out)
    lines = "".join(json.dumps(row.to_json(), ensure_ascii=True) + "\n" for row in rows)
    header = _header(plan, generators, cards, rows)
    write_atomic(out / ROWS_FILE, lines.encode())
    write_json(out / CROISSANT_FILE, describe(header, rows_sha256=sha256_bytes(lines.encode())))
    write_atomic(out / CARD_FILE, data_card(header).encode(errors="replace"))
    write_json(out / HEADER_FILE, header)
    return header


def _rows(
    plan: Plan,
    generators: Sequence[PlannedGenerator],
    cards: Mapping[str, Mapping[str, Any]],
    out: Path,
) -> list[Row]:
    kept = {generator.name for generator in generators}
    return [
        _row(plan, step, number, generator, cards, out)
        for step, number, generator in plan.files()
        if generator is None or generator.name in kept
    ]


def _row(
    plan: Plan,
    step: Step,
    number: int,
    generator: PlannedGenerator | None,
    cards: Mapping[str, Mapping[str, Any]],
    out: Path,
) -> Row:
    item = plan.items[number]
    free = step is Step.SAMPLE  # has no parent, and takes the split of the item of its number
    name = None if generator is None else generator.name
    file_name = plan.file_name(step, number, name)
    return Row(
        file_name=file_name,
        sha256=sha256_file(out / file_name),
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


def data_card(header: Mapping[str, Any]) -> str:
    """Return the corpus's README: for people, with a front matter for Hugging Face."""
    counts = header["counts"]
    made = "\n".join(f"| {name} | {number} |" for name, number in counts["generator"].items())
    splits = ", ".join(f"{name} {number}" for name, number in counts["split"].items())
    return f"""---
configs:
- config_name: default
  data_files:
  - split: train
    path: [{ROWS_FILE}, "real/**", "synthetic/**"]
---
# A labelled corpus of real and synthetic media

Written by `{header["command"]}` (provenance {header["code_version"]}, {header["created"]}).
One line of `{ROWS_FILE}` describes each file; the column `split` says what it may be used for
({splits}). Splits were made by photograph before any generator was trained.

| files | number |
|---|---|
| real | {counts["label"].get("real", 0)} |
{made}

All files left through one encoder. Synthetic files may carry a C2PA manifest, which gives the
label away by design: train detectors on decoded content only. Licences of the real items and hashes
of the generators' weights stand in `{HEADER_FILE}`.
"""
