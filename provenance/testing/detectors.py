"""A conformance kit for detectors: one small check a promise, all run on a trained detector.

Plugin authors call :func:`check_detector` in a test of their own. The detector is trained once, on
data that anything can tell apart, and each check gets a freshly loaded copy.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from provenance.contracts import Detector, DetectorSpec, FitContext
from provenance.detection import fit_input
from provenance.testing.corpus import tiny_items
from provenance.testing.detector_promises import CHECKS, Subject
from provenance.testing.results import CheckResult, known_failures, run_checks
from provenance.types import LabelledMedia, MediaKind, Split


def check_detector(
    factory: Callable[[], Detector],
    spec: DetectorSpec,
    *,
    items: Sequence[LabelledMedia] | None = None,
    module: str | None = None,
    options: Mapping[str, Any] | None = None,
    max_steps: int = 30,
    expected_failed_checks: Mapping[str, str] | None = None,
    on_fail: Literal["raise", "collect"] = "raise",
) -> list[CheckResult]:
    """Train a detector on easy data and check that it keeps its promises.

    Args:
        factory: As registered.
        spec: As registered.
        items: Data in the splits train, validation and test. Images of 32 px by default; other
            media kinds must bring their own.
        module: Name of the plugin's module, to check that its import is light.
        options: For ``fit``; the spec's defaults stand for the rest.
        max_steps: Of training.
        expected_failed_checks: Name of a check to the reason why it may fail; a reason is owed. A
            check that passes though it should have failed is a failure, too.
        on_fail: Raise when all checks have run, or only return the results.

    Returns:
        One result for each check, in order.

    Raises:
        AssertionError: A check failed, and ``on_fail`` is ``raise``.
        ValueError: A check that is expected to fail does not exist.
    """
    expected = known_failures(expected_failed_checks, CHECKS)
    with tempfile.TemporaryDirectory(prefix="provenance-kit-") as folder:
        subject = _train(factory, spec, items, module, options or {}, max_steps, Path(folder))
        return run_checks(CHECKS, subject, expected, on_fail)


def _train(
    factory: Callable[[], Detector],
    spec: DetectorSpec,
    items: Sequence[LabelledMedia] | None,
    module: str | None,
    options: Mapping[str, Any],
    max_steps: int,
    folder: Path,
) -> Subject:
    if items is None:
        if MediaKind.IMAGE not in spec.kinds:
            raise ValueError("The kit has images only. Pass items of the detector's media kind.")
        items = tiny_items(60)
    context = FitContext(
        workdir=folder / "work",
        seed=7,
        max_steps=max_steps,
        input=fit_input(spec.input, (item.media for item in items)),
        options={**spec.options, **options},
    )
    parts = {split: [item for item in items if item.split is split] for split in Split}
    detector = factory()
    detector.fit(parts[Split.TRAIN], parts[Split.VALIDATION], context)
    detector.save(folder / "model")
    return Subject(
        factory=factory,
        spec=spec,
        folder=folder / "model",
        context=context,
        train=parts[Split.TRAIN],
        validation=parts[Split.VALIDATION],
        test=parts[Split.TEST],
        module=module,
    )
