"""Puts the folds of one detector together: thresholds, tables, card, logs."""

import datetime
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import provenance
from provenance.detection.artefact import WEIGHTS_FILE
from provenance.detection.card import CorpusFacts, DetectorCard, TrainingFacts
from provenance.detection.evaluate import (
    Levels,
    ScoredItem,
    TableRow,
    fit_levels,
    held_out_row,
    table_rows,
)
from provenance.detection.folds import Fold, FoldResult, read_fold
from provenance.detection.golden import GOLDEN_FILE
from provenance.detection.metrics import METRICS
from provenance.errors import PluginError
from provenance.files import sha256_file, write_atomic, write_json
from provenance.plugins import registry
from provenance.training import RunLog

if TYPE_CHECKING:
    from provenance.corpora import Corpus

REPORT_FILE = "report.json"
_SCORES_FILE = "scores.json"
_LOG_SUFFIX = ".jsonl"
_EVENTS = "events.out.tfevents"


def assemble(ready: Path, folds: Sequence[Fold], corpus: CorpusFacts, *, request: str) -> None:
    """Write a complete artefact to ``ready``; ``report.json`` last, so that it marks completion.

    Args:
        ready: Emptied first: a killed run may have left a part.
        folds: All finished; the one on everything first.
        corpus: For the card.
        request: Fingerprint of what was asked for.
    """
    shutil.rmtree(ready, ignore_errors=True)
    results = [read_fold(fold) for fold in folds]
    levels = [fit_levels(result.scores) for result in results]
    rows = _rows(folds, results, levels)
    for name in (WEIGHTS_FILE, GOLDEN_FILE):
        write_atomic(ready / name, (folds[0].model / name).read_bytes())
    card = _card(ready, folds[0], results[0], levels[0], rows, corpus)
    card.write(ready)
    write_json(ready / _SCORES_FILE, _scores(folds, results))
    for fold in folds:
        _keep_logs(fold.folder / "work", ready / "log" / fold.name)
    _log_rows(ready / "log" / "test", rows)
    write_json(ready / REPORT_FILE, _report(card, folds, results, levels, rows, request))


def corpus_facts(corpus: "Corpus") -> CorpusFacts:
    """Return what a card says of a corpus."""
    return CorpusFacts(
        name=corpus.folder.resolve().name,
        sha256=corpus.sha256,
        items=dict(Counter(str(row.split) for row in corpus.rows)),
        generators=sorted({row.generator for row in corpus.rows if row.generator}),
    )


def _rows(
    folds: Sequence[Fold], results: Sequence[FoldResult], levels: Sequence[Levels]
) -> list[TableRow]:
    rows = table_rows(results[0].scores, levels[0], seed=folds[0].seed)
    for fold, result, level in zip(folds[1:], results[1:], levels[1:], strict=True):
        rows.append(held_out_row(fold.held_out or "", result.scores, level, seed=fold.seed))
    return rows


def _card(
    ready: Path,
    fold: Fold,
    result: FoldResult,
    levels: Levels,
    rows: Sequence[TableRow],
    corpus: CorpusFacts,
) -> DetectorCard:
    offer = registry().detector(fold.detector)
    spec = offer.spec
    if result.golden is None:
        raise PluginError(f"{fold.detector} left no golden vector. Train it anew.")
    return DetectorCard(
        name=spec.name,
        version=spec.version,
        api_version=spec.api_version,
        distribution=f"{offer.owner.distribution} {offer.owner.version}",
        suite_version=provenance.__version__,
        kinds=sorted(spec.kinds),
        summary=spec.summary,
        licence=spec.licence,
        input=fold.input,
        weights_sha256=sha256_file(ready / WEIGHTS_FILE),
        calibration=levels.calibration,
        threshold_1pct=levels.strict,
        threshold_5pct=levels.lax,
        golden=result.golden,
        corpus=corpus,
        training=_training(fold, result),
        metrics=dict(rows[0].metrics),
        auroc_per_generator={row.name: row.metrics["auroc"] for row in _of(rows, "generator")},
        auroc_held_out={row.name: row.metrics["auroc"] for row in _of(rows, "held-out")},
    )


def _training(fold: Fold, result: FoldResult) -> TrainingFacts:
    now = datetime.datetime.now(datetime.UTC)
    return TrainingFacts(
        created=now.isoformat(timespec="seconds"),
        command_seed=fold.seed,
        device=fold.device,
        budget_s=fold.budget_s,
        max_steps=fold.max_steps,
        took_s=result.took_s,
        options=dict(fold.options),
    )


def _of(rows: Sequence[TableRow], group: str) -> list[TableRow]:
    return [row for row in rows if row.group == group]


def _scores(folds: Sequence[Fold], results: Sequence[FoldResult]) -> dict[str, Any]:
    """Return the logit of each calibration and test item, by fold, for analyses of one's own."""
    return {
        fold.name: [_score(item) for item in result.scores]
        for fold, result in zip(folds, results, strict=True)
    }


def _score(item: ScoredItem) -> dict[str, Any]:
    return {"id": item.id, "split": str(item.split), "logit": item.logit}


def _report(
    card: DetectorCard,
    folds: Sequence[Fold],
    results: Sequence[FoldResult],
    levels: Sequence[Levels],
    rows: Sequence[TableRow],
    request: str,
) -> dict[str, Any]:
    return {
        "detector": card.name,
        "version": card.version,
        "weights_sha256": card.weights_sha256,
        "corpus_sha256": card.corpus.sha256,
        "request": request,
        "definitions": dict(METRICS),
        "rows": [row.to_json() for row in rows],
        "folds": {
            fold.name: {"took_s": result.took_s, **asdict(level)}
            for fold, result, level in zip(folds, results, levels, strict=True)
        },
    }


def _keep_logs(work: Path, kept: Path) -> None:
    """Copy JSON lines and TensorBoard events, and leave checkpoints and caches behind."""
    for path in sorted(work.rglob("*")):
        if path.is_file() and (path.suffix == _LOG_SUFFIX or _EVENTS in path.name):
            write_atomic(kept / path.relative_to(work), path.read_bytes())


def _log_rows(folder: Path, rows: Sequence[TableRow]) -> None:
    """Log the tests, too, so that runs can be compared in TensorBoard."""
    log = RunLog(folder)
    for index, row in enumerate(rows):
        values = {
            f"{row.group}/{row.name or 'items'}/{name}": estimate.value
            for name, estimate in row.metrics.items()
            if estimate.value is not None
        }
        log.write(index, **values)
    log.close()
