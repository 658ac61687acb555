"""What ``provenance generate`` prints: the plan of a dry run, and what was made."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance.cli import output

if TYPE_CHECKING:
    from provenance.corpora.drawing import Drawing
    from provenance.corpora.generation import Summary
    from provenance.corpora.plan import Plan


def show_plan(plan: "Plan", out: Path, *, as_json: bool) -> None:
    """Print what a run would do."""
    facts = _plan_facts(plan, out)
    if as_json:
        output.echo_json(facts, indent=2)
        return
    rows = [[name, _text(value)] for name, value in facts.items()]
    output.console().print(output.table(("plan", ""), rows))


def _plan_facts(plan: "Plan", out: Path) -> dict[str, Any]:
    from collections import Counter

    splits: dict[str, list[str]] = {}
    for group, split in sorted({(item.group, str(item.split)) for item in plan.items}):
        splits.setdefault(split, []).append(group)
    return {
        "corpus": str(out),
        "source": plan.request.real,
        "real_files": len(plan.items),
        "synthetic_files": {g.name: len(g.steps) * len(plan.items) for g in plan.generators},
        "steps": {g.name: [str(step) for step in g.steps] for g in plan.generators},
        "trained_s": {
            g.name: 0 if g.checkpoint else plan.request.budget_s for g in plan.generators
        },
        "real_files_per_split": dict(Counter(str(item.split) for item in plan.items)),
        "groups_per_split": {split: len(names) for split, names in splits.items()},
        "groups": splits,
        "settings": {g.name: dict(g.given) for g in plan.generators if g.given},
        "variants": {g.name: dict(g.variant) for g in plan.generators if g.variant},
        "members": {g.name: list(g.members) for g in plan.generators if g.members},
        "sampling": {"class": list(plan.request.classes), **plan.request.controls()},
        "signed": plan.request.sign,
    }


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_text(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value[:12])) + (" ..." if len(value) > 12 else "")
    return str(value)


def show_summary(summary: "Summary", *, as_json: bool) -> None:
    """Print what a run has made, and say who was left out and why."""
    for name, error in summary.failed.items():
        output.say(f"Left out {name}: {output.printable(error)}")
    if as_json:
        output.echo_json(summary.to_json(), indent=2)
        return
    counts = summary.counts
    rows = [["real", str(counts["label"].get("real", 0))]]
    rows += [[name, str(number)] for name, number in counts["generator"].items()]
    rows += [[f"split {name}", str(number)] for name, number in counts["split"].items()]
    output.console().print(output.table(("files", "number"), rows))
    output.say(f"Corpus: {summary.corpus} ({summary.seconds:.0f} s)")
    for path in summary.sheets:
        output.say(f"Contact sheet: {path}")


def show_drawing(drawing: "Drawing", *, as_json: bool) -> None:
    """Print what was drawn."""
    if as_json:
        output.echo_json(drawing.to_json(), indent=2)
        return
    rows = [[str(row["file_name"]), _facts(row["about"])] for row in drawing.rows]
    output.console().print(output.table(("file", "about"), rows))
    for note in drawing.notes:
        output.say(output.printable(note))
    output.say(f"Contact sheet: {drawing.sheet}")


def _facts(about: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in about.items() if value is not None)
