"""``train-detector`` without the command line: plan the folds, run them, assemble artefacts.

Nothing is visible under its final name before it is complete. A run works in ``OUT/.training/NAME``
and puts the finished folder in the place of an older one at the very end.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance.corpora import open_corpus
from provenance.detection.assemble import REPORT_FILE, assemble, corpus_facts
from provenance.detection.folds import EVERYTHING, Fold, of_kinds, run_fold
from provenance.detection.windows import fit_input
from provenance.errors import PluginError, ProvenanceError, UserError, did_you_mean
from provenance.files import TEMPORARY_PREFIX, folder_lock, sha256_bytes, write_json
from provenance.plugins import registry
from provenance.training import Job, run_jobs
from provenance.types import Split

if TYPE_CHECKING:
    from provenance.corpora import Corpus

STAGING = ".training"
_REQUEST = "request.json"
_READY = "artefact"
_OLD = "replaced"

Progress = Callable[[str, float, str], None]


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What the user asked for.

    Attributes:
        corpus: Folder of a labelled corpus.
        out: Folder that gets one folder for each detector.
        detectors: Names; empty for all registered ones that score a kind in the corpus.
        budget_s: Seconds for each fit.
        seed: Of everything random.
        device: Resolved.
        options: Plugin settings by detector and name.
        max_steps: Steps for each fit instead of seconds; makes a run repeatable.
        resume: Keep what an interrupted run with the same request has finished.
        workers: Processes.
    """

    corpus: Path
    out: Path
    detectors: tuple[str, ...] = ()
    budget_s: float = 25.0
    seed: int = 0
    device: str = "cpu"
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    max_steps: int | None = None
    resume: bool = False
    workers: int = 1


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What became of one detector.

    Attributes:
        name: Of the detector.
        folder: Of the artefact.
        report: The content of ``report.json``; None where it failed.
        error: Why it failed; None otherwise.
    """

    name: str
    folder: Path
    report: Mapping[str, Any] | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class _Plan:
    """The folds of one detector, and where they come together."""

    name: str
    out: Path
    staging: Path
    folds: tuple[Fold, ...]


def plan_folds(request: TrainingRequest) -> dict[str, list[Fold]]:
    """Return the folds of each detector, the one on everything first; writes nothing.

    Raises:
        UserError: The corpus cannot be used, or a detector or option does not exist.
    """
    corpus = open_corpus(request.corpus)
    _check_corpus(corpus)
    return {plan.name: list(plan.folds) for plan in _plans(request, corpus)}


def train_detectors(request: TrainingRequest, progress: Progress) -> list[TrainingResult]:
    """Train, calibrate and test each detector, on everything and without each generator in turn.

    Args:
        request: What to do.
        progress: Called with the name of a fold, a fraction (0..1) and a few words.

    Returns:
        One result for each detector, in order; a detector's failure is a result, too.

    Raises:
        UserError: The request cannot be met, or another run writes to ``out``.
    """
    corpus = open_corpus(request.corpus)
    _check_corpus(corpus)
    plans = _plans(request, corpus)
    with folder_lock(request.out / STAGING):
        open_plans = [plan for plan in plans if _prepare(plan, request, corpus)]
        errors = _run(open_plans, request, progress)
        return [_finish(plan, request, corpus, errors.get(plan.name)) for plan in plans]


# --- planning -------------------------------------------------------------------------------------


def _check_corpus(corpus: "Corpus") -> None:
    """Refuse a corpus that cannot teach, calibrate or test anything."""
    for split in Split:
        labels = {row.label for row in corpus.rows if row.split == split}
        if len(labels) < 2:
            raise UserError(
                f"The {split} split of {corpus.folder} needs real and synthetic items, it has "
                f"{', '.join(sorted(map(str, labels))) or 'none'}. Make a larger corpus."
            )


def _plans(request: TrainingRequest, corpus: "Corpus") -> list[_Plan]:
    names = request.detectors or _fitting(corpus)
    if unknown := set(request.options) - set(names):
        raise UserError(f"--option for {sorted(unknown)[0]!r}, which is not to be trained.")
    return [_plan(name, request, corpus) for name in dict.fromkeys(names)]


def _fitting(corpus: "Corpus") -> tuple[str, ...]:
    kinds = {row.kind for row in corpus.rows}
    names = tuple(name for name, offer in registry().detectors.items() if offer.spec.kinds & kinds)
    if not names:
        raise UserError("No plugin offers a detector for this corpus. See `provenance plugins`.")
    return names


def _plan(name: str, request: TrainingRequest, corpus: "Corpus") -> _Plan:
    spec = registry().detector(name).spec
    options = dict(request.options.get(name, {}))
    if unknown := [key for key in options if key not in spec.options]:
        hint = did_you_mean(unknown[0], list(spec.options))
        raise UserError(f"{name} has no option {unknown[0]!r}.{hint}")
    for key, value in options.items():
        if isinstance(spec.options[key], bool) and not isinstance(value, bool):
            raise UserError(f"{name}.{key} is true or false, not {value!r}.")
    items = [item for split in Split for item in of_kinds(corpus.select(split=split), name)]
    if not items:
        raise UserError(f"{name} scores none of the media kinds in {corpus.folder}.")
    window = fit_input(spec.input, (item.media for item in items))
    generators = sorted({item.generator for item in items if item.generator})
    others = generators if len(generators) > 1 else []  # without its only generator, none is left
    staging = request.out / STAGING / name
    folds = tuple(
        Fold(
            detector=name,
            held_out=generator,
            corpus=request.corpus,
            corpus_sha256=corpus.sha256,
            folder=staging / (EVERYTHING if generator is None else f"without-{generator}"),
            input=window,
            budget_s=request.budget_s,
            max_steps=request.max_steps,
            seed=request.seed,
            device=request.device,
            options={**spec.options, **options},
            resume=request.resume,
        )
        for generator in (None, *others)
    )
    return _Plan(name, request.out / name, staging, folds)


# --- running --------------------------------------------------------------------------------------


def _run(plans: Sequence[_Plan], request: TrainingRequest, progress: Progress) -> dict[str, str]:
    """Run all folds; return the first error of each detector that had one."""
    folds = [fold for plan in plans for fold in plan.folds]
    jobs = [Job(f"{fold.detector} {fold.name}", run_fold, {"fold": fold}) for fold in folds]
    try:
        outcomes = run_jobs(jobs, workers=request.workers, progress=progress)
    except BrokenProcessPool as error:
        raise PluginError(
            "A worker process died, perhaps for want of memory. Go on with --resume --jobs 1."
        ) from error
    errors: dict[str, str] = {}
    for fold, failure in zip(folds, outcomes, strict=True):
        if failure is not None:
            errors.setdefault(fold.detector, f"{fold.name}: {failure}")
    return errors


def _prepare(plan: _Plan, request: TrainingRequest, corpus: "Corpus") -> bool:
    """Make the staging folder ready; return False where there is nothing left to train."""
    wanted = _fingerprint(plan, corpus)
    _finish_swap(plan)
    if not request.resume or not (plan.staging / _REQUEST).is_file():
        _discard(plan.staging)  # without its request, nobody knows what the folds were trained for
    if plan.staging.exists():
        _refuse_other(plan.staging / _REQUEST, wanted, plan)
        return not (plan.staging / _READY / REPORT_FILE).is_file()
    if request.resume and (plan.out / REPORT_FILE).is_file():
        report = json.loads((plan.out / REPORT_FILE).read_text(encoding="utf-8"))
        if report.get("request") == wanted:
            return False
    write_json(plan.staging / _REQUEST, wanted)
    return True


def _refuse_other(path: Path, wanted: str, plan: _Plan) -> None:
    if json.loads(path.read_text(encoding="utf-8")) != wanted:
        raise UserError(
            f"The interrupted run of {plan.name} had other options or another corpus. Repeat its "
            "options, or leave out --resume to start anew."
        )


def _fingerprint(plan: _Plan, corpus: "Corpus") -> str:
    """Return a hash of all that decides what is trained; resuming needs it to be equal."""
    spec = registry().detector(plan.name).spec
    facts = [
        (fold.name, fold.input, fold.budget_s, fold.max_steps, fold.seed, fold.device)
        for fold in plan.folds
    ]
    options = sorted(plan.folds[0].options.items())
    return sha256_bytes(repr((corpus.sha256, spec.name, spec.version, facts, options)).encode())


# --- finishing ------------------------------------------------------------------------------------


def _finish(
    plan: _Plan, request: TrainingRequest, corpus: "Corpus", error: str | None
) -> TrainingResult:
    """Assemble the artefact, unless that was done, and put it in its place."""
    if error is not None:
        return TrainingResult(plan.name, plan.out, None, error)
    if plan.staging.exists():
        ready = plan.staging / _READY
        if not (ready / REPORT_FILE).is_file():
            facts = corpus_facts(corpus)
            try:
                assemble(ready, plan.folds, facts, request=_fingerprint(plan, corpus))
            except (ProvenanceError, OSError) as failure:
                return TrainingResult(plan.name, plan.out, None, str(failure))
        _put_in_place(plan, ready)
    report = json.loads((plan.out / REPORT_FILE).read_text(encoding="utf-8"))
    return TrainingResult(plan.name, plan.out, report)


def _put_in_place(plan: _Plan, ready: Path) -> None:
    """Swap two complete folders by renaming.

    Killed in between, the old folder lies in the staging folder and the new one is complete beside
    it, so that ``--resume`` needs to do no more than the second renaming.
    """
    if plan.out.exists():
        shutil.rmtree(plan.staging / _OLD, ignore_errors=True)
        plan.out.rename(plan.staging / _OLD)
    ready.rename(plan.out)
    _discard(plan.staging)


def _finish_swap(plan: _Plan) -> None:
    """Do the second renaming of a run that was killed between the two."""
    ready = plan.staging / _READY
    if (plan.staging / _OLD).exists() and (ready / REPORT_FILE).is_file() and not plan.out.exists():
        ready.rename(plan.out)
        _discard(plan.staging)


def _discard(folder: Path) -> None:
    """Take a folder away whole: killed meanwhile, nothing half-deleted keeps its name."""
    gone = folder.with_name(f"{TEMPORARY_PREFIX}{folder.name}")
    shutil.rmtree(gone, ignore_errors=True)
    if folder.exists():
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
