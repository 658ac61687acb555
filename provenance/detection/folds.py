"""One fit of one detector: on everything, or without one generator. Runs in a worker process.

A fold that has finished leaves ``fold.json``, written last, so that whatever a killed run had
finished is not done again.
"""

import functools
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance.contracts import FitContext, InputSpec
from provenance.corpora import open_corpus
from provenance.detection.card import GoldenVector
from provenance.detection.evaluate import ScoredItem
from provenance.detection.golden import write_golden
from provenance.detection.scoring import score_files
from provenance.detection.windows import cut_items, windows_of
from provenance.errors import UserError
from provenance.files import write_json
from provenance.plugins import registry
from provenance.training import derive_seed
from provenance.types import Label, LabelledMedia, Split

if TYPE_CHECKING:
    from provenance.contracts import Detector
    from provenance.corpora import Corpus

_LOG = logging.getLogger(__name__)
_DONE = "fold.json"
_GOLDEN_OF_EACH = 4
EVERYTHING = "all"


@dataclass(frozen=True, slots=True)
class Fold:
    """What a worker needs to know of one fit; travels by pickle.

    Attributes:
        detector: Name in the registry.
        held_out: Generator that the detector must not see; None to train on everything.
        corpus: Folder.
        corpus_sha256: Of its rows, when the run was planned.
        folder: Where the fold works and keeps its results.
        input: Fitted to the corpus.
        budget_s: Seconds of training.
        max_steps: Steps instead of seconds.
        seed: The user's; each fold derives its own.
        device: Resolved.
        options: The plugin's settings.
        resume: Go on from checkpoints in ``folder``.
    """

    detector: str
    held_out: str | None
    corpus: Path
    corpus_sha256: str
    folder: Path
    input: InputSpec
    budget_s: float
    max_steps: int | None
    seed: int
    device: str
    options: Mapping[str, Any]
    resume: bool

    @property
    def name(self) -> str:
        """Name of the fold's folder, and of its line of progress."""
        return EVERYTHING if self.held_out is None else f"without-{self.held_out}"

    @property
    def model(self) -> Path:
        """Folder of the weights and the golden inputs."""
        return self.folder / "model"


@dataclass(frozen=True, slots=True)
class FoldResult:
    """What a finished fold leaves.

    Attributes:
        scores: Of the calibration and test splits.
        golden: Scores of the golden inputs; None where a generator was held out.
        took_s: From the start of the fit to the last score.
    """

    scores: list[ScoredItem]
    golden: GoldenVector | None
    took_s: float


def run_fold(fold: Fold, progress: Callable[[float, str], None]) -> str | None:
    """Fit, save and score; return None, or why it could not be done.

    An error is a result here, since one detector's fault must not end the folds of the others.
    """
    if fold.resume and (fold.folder / _DONE).is_file():
        progress(1.0, "finished before")
        return None
    try:
        _run(fold, progress)
    except UserError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        _LOG.debug("%s %s failed", fold.detector, fold.name, exc_info=error)
        return f"{type(error).__name__}: {error}"
    progress(1.0, "done")
    return None


def read_fold(fold: Fold) -> FoldResult:
    """Read what a finished fold wrote."""
    value = json.loads((fold.folder / _DONE).read_text(encoding="utf-8"))
    golden = value["golden"]
    return FoldResult(
        scores=[ScoredItem.from_json(item) for item in value["scores"]],
        golden=None if golden is None else GoldenVector(**golden),
        took_s=value["took_s"],
    )


def _run(fold: Fold, progress: Callable[[float, str], None]) -> None:
    started = time.monotonic()
    corpus = _open(fold.corpus, fold.corpus_sha256)
    detector = registry().detector(fold.detector).factory()
    train = cut_items(_items(corpus, fold, Split.TRAIN), fold.input)
    validation = cut_items(_items(corpus, fold, Split.VALIDATION), fold.input)
    detector.fit(train, validation, _context(fold, progress))
    detector.save(fold.model)
    progress(0.97, "scoring the calibration and test splits")
    calibration = _score(detector, _items(corpus, fold, Split.CALIBRATION), fold.input)
    tested = _tested(corpus, fold)
    golden = None
    if fold.held_out is None:
        golden = write_golden(fold.model, detector, _golden_inputs(tested, fold.input))
    result = FoldResult(
        scores=calibration + _score(detector, tested, fold.input),
        golden=golden,
        took_s=round(time.monotonic() - started, 2),
    )
    write_json(fold.folder / _DONE, _to_json(result))


def _context(fold: Fold, progress: Callable[[float, str], None]) -> FitContext:
    return FitContext(
        workdir=fold.folder / "work",
        seed=derive_seed(fold.seed, fold.detector, fold.name),
        device=fold.device,
        budget_s=fold.budget_s,
        max_steps=fold.max_steps,
        resume=fold.resume,
        progress=lambda fraction, message: progress(0.95 * fraction, message),
        input=fold.input,
        options=fold.options,
    )


@functools.lru_cache(maxsize=1)
def _open(folder: Path, sha256: str) -> "Corpus":
    """Open a corpus once per process: its folds share the decoded items.

    Raises:
        UserError: The corpus is no longer the one that the run was planned on.
    """
    corpus = open_corpus(folder)
    if corpus.sha256 != sha256:
        raise UserError(f"{folder} has changed since this run began. Start it anew.")
    return corpus


def _items(corpus: "Corpus", fold: Fold, split: Split) -> list[LabelledMedia]:
    items = corpus.select(split=split, without_generator=fold.held_out)
    return of_kinds(items, fold.detector)


def of_kinds(items: Sequence[LabelledMedia], detector: str) -> list[LabelledMedia]:
    """Return the items of the media kinds that a detector scores."""
    kinds = registry().detector(detector).spec.kinds
    return [item for item in items if item.media.kind in kinds]


def _tested(corpus: "Corpus", fold: Fold) -> list[LabelledMedia]:
    """Return the test split; of its fakes only the held-out generator's, where there is one."""
    items = of_kinds(corpus.select(split=Split.TEST), fold.detector)
    if fold.held_out is None:
        return items
    return [item for item in items if item.generator in (None, fold.held_out)]


def _score(
    detector: "Detector", items: Sequence[LabelledMedia], window: InputSpec
) -> list[ScoredItem]:
    scores = score_files(detector, [windows_of(item.media, window) for item in items])
    return [
        ScoredItem(
            id=item.media.id,
            split=item.split,
            synthetic=item.label is Label.SYNTHETIC,
            generator=item.generator,
            step=item.step,
            cluster=item.parent or item.media.id,
            logit=float(logit) if applies else None,
        )
        for item, logit, applies in zip(items, scores.logit, scores.applicable, strict=True)
    ]


def _golden_inputs(items: Sequence[LabelledMedia], window: InputSpec) -> list[Any]:
    """Return the first window of a few real and a few synthetic items."""
    chosen: list[Any] = []
    for label in Label:
        having = (windows_of(item.media, window) for item in items if item.label is label)
        first = [windows[0] for windows in having if windows]
        chosen += first[:: max(1, len(first) // _GOLDEN_OF_EACH)][:_GOLDEN_OF_EACH]
    return chosen


def _to_json(result: FoldResult) -> dict[str, Any]:
    golden = result.golden
    return {
        "took_s": result.took_s,
        "golden": None if golden is None else golden.model_dump(),
        "scores": [asdict(item) for item in result.scores],
    }
