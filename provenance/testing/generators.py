"""A conformance kit for generators: one small check a promise, all run on a trained generator.

Plugin authors call :func:`check_generator` in a test of their own or, for one pytest case a check,
:func:`trained_generator` in a fixture and :func:`generator_checks` as the parameters. Training
takes two steps only: the kit looks at promises, not at pictures.
"""

import contextlib
import copy
import io
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from provenance.contracts import FitContext, Generator, GeneratorSpec
from provenance.testing.corpus import tiny_items
from provenance.testing.generator_controls import CONTROLS
from provenance.testing.generator_edits import EDITS
from provenance.testing.generator_promises import PROMISES
from provenance.testing.generator_settings import SETTINGS
from provenance.testing.generator_subject import Subject
from provenance.testing.probes import optimiser_steps, torch_settings
from provenance.testing.results import CheckResult, by_name, known_failures, run_checks
from provenance.types import Label, Media, MediaKind

CHECKS: Mapping[str, Callable[[Subject], None]] = by_name(*PROMISES, *CONTROLS, *EDITS, *SETTINGS)
"""Every check by its name, as in :class:`CheckResult` and ``expected_failed_checks``."""
SLOW_CHECKS = frozenset({"every_large_size_can_be_learned", "every_preset_and_variant_learns"})
"""Those that train once more for each of many settings, or for each large size."""
_ITEMS = 24  # real images; enough for any batch, few enough to be made at once


def check_generator(
    factory: Callable[[], Generator],
    spec: GeneratorSpec,
    *,
    items: Sequence[Media] | None = None,
    module: str | None = None,
    options: Mapping[str, Any] | None = None,
    max_steps: int = 2,
    expected_failed_checks: Mapping[str, str] | None = None,
    on_fail: Literal["raise", "collect"] = "raise",
) -> list[CheckResult]:
    """Train a generator for a moment and check that it keeps its promises.

    Args:
        factory: As registered.
        spec: As registered.
        items: Real items to learn. Images of the smallest declared size, drawn from noise with the
            spectrum of photographs, by default; other media kinds must bring their own.
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
        ValueError: A check that is expected to fail does not exist, or items are missing.
    """
    expected = known_failures(expected_failed_checks, CHECKS)
    with tempfile.TemporaryDirectory(prefix="provenance-kit-") as folder:
        subject = trained_generator(
            factory,
            spec,
            Path(folder),
            items=items,
            module=module,
            options=options,
            max_steps=max_steps,
        )
        return run_checks(CHECKS, subject, expected, on_fail)


def generator_checks() -> Mapping[str, Callable[[Subject], None]]:
    """Return every check by name; each raises where the generator breaks its promise.

    Example:
        >>> "seeds_matter" in generator_checks()
        True
    """
    return dict(CHECKS)


def trained_generator(
    factory: Callable[[], Generator],
    spec: GeneratorSpec,
    folder: Path,
    *,
    items: Sequence[Media] | None = None,
    module: str | None = None,
    options: Mapping[str, Any] | None = None,
    max_steps: int = 2,
) -> Subject:
    """Train and save a generator in ``folder``, and return what the checks take.

    Args are those of :func:`check_generator`.

    Raises:
        ValueError: Items are missing.
    """
    own = items is None and spec.kind is MediaKind.IMAGE and bool(spec.sizes_px)
    source = noise_images(min(spec.sizes_px)) if own else items
    if source is None:
        raise ValueError("The kit has images only. Pass items of the generator's media kind.")
    context = FitContext(
        workdir=folder / "work",
        seed=7,
        max_steps=max_steps,
        options={**spec.options, **(options or {})},
    )
    before = copy.deepcopy(source)
    generator, printed = factory(), io.StringIO()
    with contextlib.redirect_stdout(printed), optimiser_steps() as steps:
        settings = torch_settings()
        generator.fit(source, context)
        generator.save(folder / "model")
        trained = generator.sample(3, seed=3)
        settings_kept = torch_settings() == settings
    kept = all(np.array_equal(a.data, b.data) for a, b in zip(before, source, strict=True))
    return Subject(
        factory=factory,
        spec=spec,
        source=source,
        make_source=noise_images if own else None,
        context=context,
        folder=folder / "model",
        module=module,
        scratch=folder / "scratch",
        trained=trained,
        printed=printed.getvalue(),
        source_kept=kept,
        settings_kept=settings_kept,
        steps=steps.count,
    )


def noise_images(size_px: int) -> list[Media]:
    """Return images of noise whose amplitude falls with frequency, as that of photographs does."""
    items = tiny_items(_ITEMS, size_px=size_px)
    return [item.media for item in items if item.label is Label.REAL]
