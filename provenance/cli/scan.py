"""``provenance scan``: one row per file, whatever the file; a table, JSON lines, or a report."""

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provenance.cli import output
from provenance.cli.options import device_option, jobs_option, json_option, trust_anchors_option
from provenance.errors import ExitCode, UserError, did_you_mean
from provenance.types import Verdict
from provenance.workers import default_jobs

if TYPE_CHECKING:
    from rich.console import Console

    from provenance.detection import TrainedDetector
    from provenance.reports import Item
    from provenance.scanning import Scanned
    from provenance.types import ScanRow

DEFAULT_MODELS = "models"
_NO_DETECTORS = (
    "No detectors are loaded: verdicts rest on what the files carry. Train some with `provenance "
    "train-detector CORPUS --out models`, or name a folder of trained ones with --models."
)
_STYLES = {
    Verdict.SYNTHETIC: "bold red",
    Verdict.TAMPERED: "bold red",
    Verdict.EDITED: "magenta",
    Verdict.CAPTURED: "green",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.NO_EVIDENCE: "",
    Verdict.ERROR: "bold yellow",
}


@dataclass(slots=True)
class Tally:
    """What was found so far; all that is kept of rows when there is no report."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    errors: int = 0
    interrupted: bool = False

    @property
    def files(self) -> int:
        """Number of rows."""
        return self.verdicts.total()

    def add(self, row: "ScanRow") -> None:
        """Count a row."""
        self.verdicts[row.verdict] += 1
        self.errors += row.error is not None

    def exit_code(self, fail_on: Sequence[str]) -> int:
        """Interrupted comes before a verdict that was asked for, and that before incomplete."""
        if self.interrupted:
            return int(ExitCode.INTERRUPTED)
        if any(self.verdicts[Verdict(verdict)] for verdict in fail_on):
            return int(ExitCode.SYNTHETIC_FOUND)
        return int(ExitCode.INCOMPLETE if self.errors else ExitCode.OK)

    def __str__(self) -> str:
        counts = [
            f"{self.verdicts[verdict]} {verdict}" for verdict in Verdict if self.verdicts[verdict]
        ]
        end = f"; {self.errors} with an error" if self.errors else ""
        stop = " before the interruption" if self.interrupted else ""
        return f"{self.files} files{stop}: {', '.join(counts) or 'nothing found'}{end}"


@click.command("scan")
@click.argument(
    "paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path)
)
@click.option(
    "--models",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Trained detectors. [default: ./models where it exists]",
)
@click.option(
    "--detector", "names", multiple=True, metavar="NAME", help="Only this detector; repeatable."
)
@trust_anchors_option
@json_option
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a report too: .html, .csv or .jsonl.",
)
@click.option(
    "--fail-on",
    multiple=True,
    type=click.Choice([str(verdict) for verdict in Verdict]),
    help="Exit with 10 when a file has this verdict; repeatable.",
)
@jobs_option
@device_option
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=32,
    show_default=True,
    help="Files per call of a detector.",
)
def command(
    paths: tuple[Path, ...],
    models: Path | None,
    names: tuple[str, ...],
    trust_anchors: tuple[str, ...],
    as_json: bool,
    report: Path | None,
    fail_on: tuple[str, ...],
    jobs: int | None,
    device: str,
    batch_size: int,
) -> int:
    """Say of each file what the evidence is: credentials, what it declares, detectors.

    Folders are walked in full, hidden files too; symbolic links are never followed. Exit codes: 0,
    10 when --fail-on finds its verdict, 6 when a file could not be read to the end, 130 when
    interrupted. 10 comes before 6: what was looked for was found.
    """
    from provenance.scanning import ScanOptions, scan

    _check(paths, report)
    trust = _trust(trust_anchors)
    detectors = _load_detectors(models, names, device)
    options = ScanOptions(
        jobs=jobs or default_jobs(),
        batch_size=batch_size,
        settings={"trust_anchors": list(trust_anchors) or None},
        thumbnails=report is not None and report.suffix.lower() in (".html", ".htm"),
    )
    show = _JsonLines() if as_json else _Table()
    tally, kept = Tally(), _Kept(report is not None)
    with closing(scan(paths, detectors=detectors, options=options)) as scanned:
        try:
            for item in _with_progress(scanned, paths):
                tally.add(item.row)
                kept.add(item)
                show.row(item.row)
        except KeyboardInterrupt:
            tally.interrupted = True
    show.end(tally)
    if report is not None:
        _write_report(report, kept.items, {**_about(paths, detectors), **trust}, tally)
    return tally.exit_code(fail_on)


# --- before ---------------------------------------------------------------------------------------


def _check(paths: Sequence[Path], report: Path | None) -> None:
    missing = [path for path in paths if not os.path.lexists(path)]
    if missing:
        names = ", ".join(output.printable(str(path)) for path in missing)
        raise UserError(f"No such file or folder: {names}.")
    if report is not None:
        from provenance.reports import check_destination

        check_destination(report)


def _trust(paths: Sequence[str]) -> dict[str, str]:
    """Read the anchors once here, so that a bad file is an error before the scan, not in it."""
    if not paths:
        return {"Trust anchors": "this machine's development CA, where there is one"}
    from provenance.credentials import load_trust_anchors

    anchors = load_trust_anchors([Path(path) for path in paths])
    return {"Trust anchors": f"{', '.join(paths)} (SHA-256 {anchors.sha256})"}


def _load_detectors(
    models: Path | None, names: Sequence[str], device: str
) -> "list[TrainedDetector]":
    """Load the detectors asked for, all by default; torch is imported only when there are any."""
    from provenance.detection import find_artefacts

    if models is not None and not models.is_dir():
        raise UserError(f"No folder {models}. Train detectors with `provenance train-detector`.")
    folders = find_artefacts(models or Path(DEFAULT_MODELS))
    if names:
        known = {folder.name: folder for folder in folders}
        for name in names:
            if name not in known:
                raise UserError(f"No trained detector {name!r}.{did_you_mean(name, list(known))}")
        folders = [known[name] for name in dict.fromkeys(names)]
    if not folders:
        output.say(_NO_DETECTORS)
        return []
    return _load(folders, device)


def _load(folders: Sequence[Path], device: str) -> "list[TrainedDetector]":
    from provenance.detection import load_artefact
    from provenance.training import resolve_device

    place = resolve_device(device)
    return [load_artefact(folder, place) for folder in folders]


# --- meanwhile ------------------------------------------------------------------------------------


def _with_progress(scanned: "Iterator[Scanned]", paths: Sequence[Path]) -> "Iterator[Scanned]":
    """Pass rows through; where they are not themselves seen on a terminal, tell how far it is."""
    if output.is_quiet() or output.data_stream().isatty():
        yield from scanned
        return
    from provenance.scanning import walk

    # files may come after the count; even the first one may
    total, start = max(1, sum(1 for _ in walk(paths))), time.monotonic()
    with output.Progress() as progress:
        for count, item in enumerate(scanned, 1):
            rate = count / max(time.monotonic() - start, 1e-3)
            progress("scan", min(1.0, count / total), f"{count} of {total} files, {rate:.1f}/s")
            yield item


class _Kept:
    """Rows for the report; nothing is kept without one."""

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self.items: list[Item] = []

    def add(self, scanned: "Scanned") -> None:
        if self._wanted:
            from provenance.reports import Item

            self.items.append(Item(scanned.row, scanned.thumbnail))


class _JsonLines:
    """One JSON object a line, as in the design."""

    def row(self, row: "ScanRow") -> None:
        output.echo_json(row.to_json())

    def end(self, tally: Tally) -> None:
        output.say(str(tally))


class _Table:
    """A row at a time, as it comes: folded into columns on a terminal, one line a file elsewhere.

    Lines that are not folded can be searched and cut; columns of fixed width can be read.
    """

    def __init__(self) -> None:
        self._console: Console = output.console()
        self._print(("verdict", "P(syn)", "file", "why"), "bold")

    def row(self, row: "ScanRow") -> None:
        why = f"Error: {row.error}" if row.error else next(iter(row.reasons), "nothing found")
        chance = "" if row.probability is None else f"{row.probability:.2f}"
        self._print((str(row.verdict), chance, row.path, why), _STYLES[row.verdict])

    def end(self, tally: Tally) -> None:
        output.echo_data(f"\n{tally}")

    def _print(self, cells: tuple[str, str, str, str], style: str) -> None:
        verdict, chance, *rest = map(output.printable, cells)
        if self._console.is_terminal:
            self._fold((verdict, chance, *rest), style)
        else:
            output.echo_data(f"{verdict:<12}  {chance:>6}  {'  '.join(rest)}")

    def _fold(self, cells: tuple[str, ...], style: str) -> None:
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
        grid.add_column(width=12)
        grid.add_column(width=6, justify="right")
        grid.add_column(ratio=4, overflow="fold")
        grid.add_column(ratio=5, overflow="fold")
        grid.add_row(Text(cells[0], style), *map(Text, cells[1:]))
        self._console.print(grid)


# --- after ----------------------------------------------------------------------------------------


def _about(paths: Sequence[Path], detectors: "Sequence[TrainedDetector]") -> dict[str, str]:
    from datetime import UTC, datetime

    from provenance import __version__

    return {
        "Scanned": ", ".join(map(str, paths)),
        "When": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "By": f"provenance {__version__}",
        "Detectors": ", ".join(f"{d.name} {d.version}" for d in detectors) or "none",
    }


def _write_report(path: Path, items: "Sequence[Item]", about: dict[str, str], tally: Tally) -> None:
    from provenance.reports import write_report

    if tally.interrupted:
        about["Incomplete"] = "the scan was interrupted"
    write_report(path, items, about)
    output.say(f"Report: {path}")
