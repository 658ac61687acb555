"""The checks of the detector kit, each a small function that raises where a promise is broken."""

import copy
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from provenance.contracts import Detector, DetectorSpec, FitContext, Scores
from provenance.testing.plugin_promises import (
    assert_damage_is_refused,
    assert_identity,
    assert_nothing_is_loaded,
    assert_quiet,
    assert_random_state_kept,
    assert_torch_settings_kept,
    construction_is_cheap,
    import_is_light,
    spec_travels,
)
from provenance.testing.probes import optimiser_steps, raises
from provenance.testing.results import by_name
from provenance.training import WEIGHTS_FILE
from provenance.types import Label, LabelledMedia, MediaKind

_SAME = 1e-3  # of a logit: batches of other sizes round otherwise
_PICKLED = (".pkl", ".pickle", ".pt", ".pth", ".joblib", ".bin")


@dataclass(frozen=True, slots=True)
class Subject:
    """A detector that was trained and saved, and the data at hand.

    Attributes:
        factory: As registered.
        spec: As registered.
        folder: What ``save`` wrote.
        context: Of the training.
        train: Items of the train split.
        validation: Items of the validation split.
        test: Items of the test split.
        module: Name of the plugin's module, where known.
    """

    factory: Callable[[], Detector]
    spec: DetectorSpec
    folder: Path
    context: FitContext
    train: Sequence[LabelledMedia]
    validation: Sequence[LabelledMedia]
    test: Sequence[LabelledMedia]
    module: str | None

    @property
    def items(self) -> list[Any]:
        """Return the decoded items of the test split, copied: no check sees what another did."""
        return [copy.deepcopy(item.media.data) for item in self.test]

    def fresh(self) -> Detector:
        """Return a newly loaded detector, so that no check sees another's traces."""
        detector = self.factory()
        detector.load(self.folder, "cpu")
        return detector


def _spec_is_complete(subject: Subject) -> None:
    assert_identity(subject.spec)
    assert subject.spec.kinds, "no media kind"


def _one_score_per_item(subject: Subject) -> None:
    _assert_contract(subject.fresh().score(subject.items), len(subject.items))


def _an_empty_batch_is_no_error(subject: Subject) -> None:
    _assert_contract(subject.fresh().score([]), 0)


def _order_does_not_matter(subject: Subject) -> None:
    items, detector = subject.items, subject.fresh()
    forward, backward = detector.score(items), detector.score(items[::-1])
    _assert_same(forward.logit, backward.logit[::-1], "in reverse order")


def _batches_do_not_matter(subject: Subject) -> None:
    items, detector = subject.items, subject.fresh()
    alone = np.concatenate([detector.score([item]).logit for item in items])
    _assert_same(detector.score(items).logit, alone, "one by one")


def _scores_repeat(subject: Subject) -> None:
    detector = subject.fresh()
    first = detector.score(subject.items).logit
    assert np.array_equal(first, detector.score(subject.items).logit), "the second scores differ"


def _input_is_not_modified(subject: Subject) -> None:
    items = subject.items
    subject.fresh().score(items)
    for before, after in zip(subject.items, items, strict=True):
        assert np.array_equal(before, after), "score writes into its input"


def _odd_items_do_not_crash(subject: Subject) -> None:
    """Between two good items, so that one bad item is seen to cost only itself."""
    if MediaKind.IMAGE not in subject.spec.kinds:
        return
    good = subject.items[0]
    detector = subject.fresh()
    plain = detector.score([good]).logit
    for name, odd in odd_images().items():
        try:
            scores = detector.score([good, odd, good])
        except Exception as error:
            raise AssertionError(f"{name}: raises {type(error).__name__}: {error}") from error
        _assert_contract(scores, 3)
        _assert_same(scores.logit[[0, 2]], plain.repeat(2), f"beside {name}")


def odd_images() -> dict[str, Any]:
    """Return images that turn up in real folders; a detector scores them or abstains."""
    noise = np.random.default_rng(3)
    grey = noise.integers(0, 256, (64, 64, 1), np.uint8)
    return {
        "1 x 1 px": np.zeros((1, 1, 3), np.uint8),
        "one row": noise.integers(0, 256, (1, 500, 3), np.uint8),
        "31 x 33 px": noise.integers(0, 256, (31, 33, 3), np.uint8),
        "black": np.zeros((32, 32, 3), np.uint8),
        "white": np.full((64, 64, 3), 255, np.uint8),
        "grey as RGB": np.repeat(grey, 3, axis=2),
        "no channels": grey[..., 0],
        "alpha": noise.integers(0, 256, (32, 32, 4), np.uint8),
        "2000 x 2000 px": noise.integers(0, 256, (2000, 2000, 3), np.uint8),
        "16 bits": noise.integers(0, 65536, (32, 32, 3), np.uint16),
        "no array": "not an image",
    }


def _stdout_is_quiet(subject: Subject) -> None:
    assert_quiet(lambda: subject.fresh().score(subject.items))


def _global_random_state_is_untouched(subject: Subject) -> None:
    assert_random_state_kept(lambda: subject.fresh().score(subject.items), "load or score")


def _torch_settings_are_untouched(subject: Subject) -> None:
    assert_torch_settings_kept(lambda: subject.fresh().score(subject.items))


def _saved_is_what_was_trained(subject: Subject) -> None:
    """A second save of a loaded detector scores as the first."""
    detector = subject.fresh()
    with tempfile.TemporaryDirectory() as folder:
        detector.save(Path(folder))
        again = subject.factory()
        again.load(Path(folder), "cpu")
        _assert_same(detector.score(subject.items).logit, again.score(subject.items).logit, "saved")


def _artefact_holds_no_code(subject: Subject) -> None:
    names = [path.name for path in subject.folder.rglob("*") if path.is_file()]
    assert WEIGHTS_FILE in names, f"save wrote {names}, not {WEIGHTS_FILE}"
    bad = [name for name in names if name.endswith(_PICKLED)]
    assert not bad, f"save wrote {bad[0]}, which can hold code"


def _untrained_does_not_score(subject: Subject) -> None:
    assert raises(lambda: subject.factory().score(subject.items)), "it scores without training"
    assert_nothing_is_loaded(subject.factory)


def _damaged_weights_are_refused(subject: Subject) -> None:
    assert_damage_is_refused(subject)


def _higher_means_synthetic(subject: Subject) -> None:
    scores = subject.fresh().score(subject.items)
    synthetic = np.array([item.label is Label.SYNTHETIC for item in subject.test])
    real = np.median(scores.logit[~synthetic & scores.applicable])
    fake = np.median(scores.logit[synthetic & scores.applicable])
    assert fake > real, f"median logit {fake:.3g} of synthetic items, {real:.3g} of real ones"


def _training_resumes(subject: Subject) -> None:
    """A run that had finished goes on to the same scores, without training anew."""
    detector = subject.factory()
    resumed = replace(subject.context, resume=True)
    with optimiser_steps() as steps:
        detector.fit(subject.train, subject.validation, resumed)
    assert not steps.count, "a finished training goes on"
    scores = detector.score(subject.items)
    _assert_contract(scores, len(subject.items))
    _assert_same(subject.fresh().score(subject.items).logit, scores.logit, "after resuming")


CHECKS: Mapping[str, Callable[[Subject], None]] = by_name(
    _spec_is_complete,
    spec_travels,
    construction_is_cheap,
    import_is_light,
    _one_score_per_item,
    _an_empty_batch_is_no_error,
    _order_does_not_matter,
    _batches_do_not_matter,
    _scores_repeat,
    _input_is_not_modified,
    _odd_items_do_not_crash,
    _stdout_is_quiet,
    _global_random_state_is_untouched,
    _torch_settings_are_untouched,
    _saved_is_what_was_trained,
    _artefact_holds_no_code,
    _untrained_does_not_score,
    _damaged_weights_are_refused,
    _higher_means_synthetic,
    _training_resumes,
)
"""Every check by its name, as in :class:`CheckResult` and ``expected_failed_checks``."""


# --- helpers --------------------------------------------------------------------------------------


def _assert_contract(scores: Scores, count: int) -> None:
    assert np.shape(scores.logit) == (count,), f"logit has shape {np.shape(scores.logit)}"
    assert np.shape(scores.applicable) == (count,), "applicable has another length"
    assert len(scores.reason) == count, "reason has another length"
    assert np.asarray(scores.logit).dtype == np.float32, "logit is not float32"
    for logit, applies, reason in zip(scores.logit, scores.applicable, scores.reason, strict=True):
        assert not applies or np.isfinite(logit), f"a score is {logit}"
        assert applies or reason, "abstains without a reason"


def _assert_same(a: "np.ndarray[Any, Any]", b: "np.ndarray[Any, Any]", how: str) -> None:
    difference = float(np.max(np.abs(a - b), initial=0.0))
    assert difference <= _SAME * max(1.0, float(np.abs(a).max(initial=0.0))), (
        f"scores differ by {difference:.3g} {how}"
    )
