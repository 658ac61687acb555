"""``provenance train-detector``: from a labelled corpus to detectors whose worth is measured."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provenance.cli import output
from provenance.cli.options import (
    device_option,
    dry_run_option,
    jobs_option,
    json_option,
    parse_settings,
    resume_option,
    seed_option,
    settings_option,
)
from provenance.errors import ExitCode, UserError
from provenance.workers import default_jobs

if TYPE_CHECKING:
    from provenance.detection import TrainingRequest, TrainingResult

_COLUMNS = {
    "auroc": "AUROC",
    "average_precision": "avg. prec.",
    "balanced_accuracy": "bal. acc.",
    "tpr_at_1pct_fpr": "TPR@1%",
    "tpr_at_5pct_fpr": "TPR@5%",
    "ece": "ECE",
}
_GROUPS = {"all": "all", "generator": "generator", "step": "step", "held-out": "not seen:"}


@click.command("train-detector")
@click.argument("corpus", default="corpus", type=click.Path(path_type=Path))
@click.option("--detector", "detectors", multiple=True, metavar="NAME", help="Only this; several.")
@click.option(
    "--out",
    default="models",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder that gets a folder for each detector.",
)
@click.option(
    "--budget",
    "budget_s",
    type=click.FloatRange(min=0, min_open=True),
    default=25.0,
    show_default=True,
    metavar="SECONDS",
    help="For each fit; there is one on everything and one without each generator.",
)
@click.option(
    "--max-steps", type=click.IntRange(1), metavar="N", help="Steps instead of seconds: repeatable."
)
@settings_option
@seed_option
@device_option
@jobs_option
@resume_option
@dry_run_option
@json_option
def command(
    corpus: Path,
    detectors: tuple[str, ...],
    out: Path,
    budget_s: float,
    max_steps: int | None,
    options: tuple[str, ...],
    seed: int,
    device: str,
    jobs: int | None,
    resume: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Train, calibrate and test detectors on CORPUS [default: corpus].

    Each detector learns on the train split, is calibrated on the calibration split and tested on
    the test split; then it learns again without each generator in turn, and is tested on that one.
    Prints each metric with its 95 % bootstrap interval. OUT/NAME is replaced when its successor is
    complete; an interrupted run goes on with --resume.
    """
    from provenance.detection import TrainingRequest
    from provenance.training import resolve_device
    from provenance.training.distributed import process_count

    if process_count() > 1:
        raise UserError(
            "train-detector runs its fits side by side by itself. Start it without torchrun."
        )
    resolved = resolve_device(device)
    request = TrainingRequest(
        corpus=corpus,
        out=out,
        detectors=detectors,
        budget_s=budget_s,
        seed=seed,
        device=resolved,
        options=parse_settings(options),
        max_steps=max_steps,
        resume=resume,
        workers=jobs or _default_jobs(resolved),
    )
    return _show_plan(request, as_json) if dry_run else _train(request, as_json)


def _train(request: "TrainingRequest", as_json: bool) -> int:
    from provenance.detection import train_detectors
    from provenance.training import use_threads

    if request.device == "cpu":
        use_threads(1)  # also where there is one job, which runs in this process
    with output.Progress() as progress:
        results = train_detectors(request, progress)
    for result in results:
        if result.error is not None:
            click.echo(f"{result.name} was not trained: {result.error}", err=True)
    if as_json:
        output.echo_json([_to_json(result) for result in results], indent=2)
    else:
        _print_tables(results)
    return _exit_code(results)


def _exit_code(results: Sequence["TrainingResult"]) -> int:
    failed = [result for result in results if result.error is not None]
    if not failed:
        return int(ExitCode.OK)
    return int(ExitCode.PLUGIN if len(failed) == len(results) else ExitCode.INCOMPLETE)


def _to_json(result: "TrainingResult") -> dict[str, Any]:
    return {
        "detector": result.name,
        "folder": str(result.folder),
        "error": result.error,
        "report": result.report,
    }


# --- options --------------------------------------------------------------------------------------


def _default_jobs(device: str) -> int:
    """Return one process per core; one where all would share a GPU."""
    if device != "cpu":
        return 1
    return default_jobs()


def _show_plan(request: "TrainingRequest", as_json: bool) -> int:
    from provenance.detection import plan_folds

    rows = [
        {
            "detector": name,
            "fold": fold.name,
            "window_px": fold.input.size_px,
            "budget_s": fold.budget_s,
            "max_steps": fold.max_steps,
            "options": dict(fold.options),
        }
        for name, folds in plan_folds(request).items()
        for fold in folds
    ]
    if as_json:
        output.echo_json(rows, indent=2)
    else:
        cells = ([str(value) for value in row.values()] for row in rows)
        output.console().print(output.table(rows[0], cells, title=f"To train into {request.out}"))
    return int(ExitCode.OK)


# --- tables ---------------------------------------------------------------------------------------


def _print_tables(results: Sequence["TrainingResult"]) -> None:
    console = output.console()
    for result in results:
        if result.report is None:
            continue
        title = f"{result.name} {result.report['version']} -> {result.folder}"
        columns = ("tested on", "real\nsynth.", *_COLUMNS.values())
        rows = [line for row in result.report["rows"] for line in _lines(row)]
        table = output.table(columns, rows, title=title)
        for column in table.columns[1:]:
            column.justify = "right"
            column.no_wrap = True
        console.print(table)
    if any(result.report for result in results):
        output.say(
            "Below each value: 95 % bootstrap interval. Not seen: a detector trained without this "
            "generator. Balanced accuracy: at the level calibrated for 5 % false positives."
        )


def _lines(row: Mapping[str, Any]) -> Iterator[list[str]]:
    """Yield two lines: group, real items and values; name, synthetic items and intervals."""
    found = [row["metrics"][key] for key in _COLUMNS]
    yield [_GROUPS[row["group"]], str(row["real"]), *map(_value, found)]
    yield [row["name"], str(row["synthetic"]), *map(_interval, found)]


def _value(estimate: Mapping[str, float | None]) -> str:
    return "-" if estimate["value"] is None else f"{estimate['value']:.3f}"


def _interval(estimate: Mapping[str, float | None]) -> str:
    return "" if estimate["low"] is None else f"{estimate['low']:.2f}-{estimate['high']:.2f}"
