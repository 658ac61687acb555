"""``provenance generate``: from real media to trained generators and a labelled, signed corpus."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provenance.cli import output
from provenance.cli.options import (
    device_option,
    dry_run_option,
    jobs_option,
    json_option,
    resume_option,
    seed_option,
)
from provenance.errors import ExitCode
from provenance.workers import default_jobs

if TYPE_CHECKING:
    from provenance.corpora.generation import Summary
    from provenance.corpora.plan import Plan


@click.command("generate")
@click.option(
    "--family",
    "families",
    multiple=True,
    metavar="NAME",
    help="Train this generator or family; may be repeated. [default: all that fit the size]",
)
@click.option(
    "--real",
    default="photos",
    show_default=True,
    metavar="SOURCE",
    help="Source of real media: photos, folder:PATH, or another of 'provenance datasets'.",
)
@click.option(
    "--count", type=click.IntRange(8), default=1000, show_default=True, help="Real items."
)
@click.option(
    "--size",
    type=click.IntRange(8, 1024),
    default=32,
    show_default=True,
    metavar="PX",
    help="Side of the images; the built-in generators make 32 and 64.",
)
@click.option(
    "--budget",
    type=click.FloatRange(0, min_open=True),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="Training time of each generator.",
)
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    metavar="FOLDER",
    help="Draw from this trained generator instead of training; may be repeated.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("corpus"),
    show_default=True,
    metavar="FOLDER",
    help="Where the corpus goes.",
)
@click.option("--sign/--no-sign", default=True, help="Give synthetic files a C2PA manifest.")
@seed_option
@device_option
@jobs_option
@resume_option
@dry_run_option
@json_option
def command(
    families: tuple[str, ...],
    real: str,
    count: int,
    size: int,
    budget: float,
    checkpoints: tuple[str, ...],
    out: Path,
    sign: bool,
    seed: int,
    device: str,
    jobs: int | None,
    resume: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Train generators on real media, and write a labelled corpus of real and synthetic files.

    Writes real files, reconstructions, resamples and samples through one encoder, in splits made by
    photograph before any training, with corpus.json, metadata.jsonl (Hugging Face imagefolder),
    croissant.json and a contact sheet per generator. Synthetic files are signed with this machine's
    development CA.

    A generator that fails costs only itself: the corpus of the others is written, and the exit code
    is 4. A run that was killed goes on with the same options and --resume.

    On several GPUs: torchrun --nproc-per-node N -m provenance generate ...
    """
    from provenance.corpora.generation import assist, generate, prepare
    from provenance.corpora.plan import Request
    from provenance.training import resolve_device
    from provenance.training.distributed import process_rank

    request = Request(real, count, size, families, checkpoints, budget, seed, sign)
    if dry_run:
        _show_plan(prepare(request)[0], out, as_json=as_json)
        return ExitCode.OK
    resolved = resolve_device(device)
    if process_rank() > 0:
        assist(request, out, device=resolved)
        return ExitCode.OK
    workers = jobs or (1 if resolved.startswith("cuda") else default_jobs())
    with output.Progress() as progress:
        summary = generate(
            request, out, device=resolved, jobs=workers, resume=resume, progress=progress
        )
    _show_summary(summary, as_json=as_json)
    return ExitCode.PLUGIN if summary.failed else ExitCode.OK


def _show_plan(plan: "Plan", out: Path, *, as_json: bool) -> None:
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
        "signed": plan.request.sign,
    }


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_text(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value[:12])) + (" ..." if len(value) > 12 else "")
    return str(value)


def _show_summary(summary: "Summary", *, as_json: bool) -> None:
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
