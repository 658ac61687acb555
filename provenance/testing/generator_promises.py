"""The checks of the generator kit, each a small function that raises where a promise is broken."""

import functools
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from provenance.contracts import Capability
from provenance.errors import ProvenanceError
from provenance.testing.generator_subject import (
    Subject,
    assert_batch,
    assert_close,
    equal,
    side_px,
)
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
from provenance.training import WEIGHTS_FILE
from provenance.types import MediaKind

_SMALL_PX = 64  # larger images cost a CPU many times as much
_METHODS = ("reconstruct", "resample", "interpolate", "directions")  # named as capabilities are


# --- what is declared -----------------------------------------------------------------------------


def _spec_is_complete(subject: Subject) -> None:
    spec = subject.spec
    assert_identity(spec)
    assert spec.family, "the family is empty"
    unknown = set(spec.capabilities) - set(get_args(Capability))
    assert not unknown, f"there is no capability {sorted(unknown)[0]!r}"
    assert spec.sizes_px or spec.kind is not MediaKind.IMAGE, "it names no size that it can learn"


def _capabilities_are_honest(subject: Subject) -> None:
    """What is declared is there, what is there is declared, and no label is silently ignored."""
    generator = subject.fresh()
    for method in _METHODS:
        there, declared = callable(getattr(generator, method, None)), subject.offers(method)
        assert there or not declared, f"declares {method!r}, but has no such method"
        assert declared or not there, f"has the method {method!r}, but does not declare it"
    if not subject.offers("class-conditional"):
        refused = raises(lambda: generator.sample(1, seed=0, label="cat"), ProvenanceError)
        assert refused, "takes a label, though it does not declare 'class-conditional'"


# --- samples --------------------------------------------------------------------------------------


def _samples_have_the_learned_shape(subject: Subject) -> None:
    generator = subject.fresh()
    for n in (0, 1, 3):
        assert_batch(subject, generator.sample(n, seed=0), n, side_px(subject))


def _every_size_can_be_learned(subject: Subject) -> None:
    _assert_learns(subject, [side for side in subject.spec.sizes_px if side <= _SMALL_PX])


def _every_large_size_can_be_learned(subject: Subject) -> None:
    _assert_learns(subject, [side for side in subject.spec.sizes_px if side > _SMALL_PX])


def _assert_learns(subject: Subject, sides: Sequence[int]) -> None:
    if subject.make_source is None:
        return
    for size_px in set(sides) - {side_px(subject)}:
        generator = subject.run(subject.make_source(size_px), f"size-{size_px}")
        assert_batch(subject, generator.sample(2, seed=0), 2, size_px)


def _samples_repeat(subject: Subject) -> None:
    generator = subject.fresh()
    first = generator.sample(3, seed=11)
    assert equal(first, generator.sample(3, seed=11)), "a second call with the same seed differs"
    assert equal(first, subject.fresh().sample(3, seed=11)), "a second load samples otherwise"


def _samples_depend_on_their_own_seed(subject: Subject) -> None:
    generator = subject.fresh()
    assert_close(
        generator.sample(3, seed=11)[1], generator.sample(1, seed=12)[0], "in a batch and alone"
    )


def _seeds_matter(subject: Subject) -> None:
    generator = subject.fresh()
    assert not equal(generator.sample(3, seed=1), generator.sample(3, seed=1001)), (
        "two seeds give the same samples"
    )


# --- real items through the generator -------------------------------------------------------------


def _reconstructions_keep_their_shape(subject: Subject) -> None:
    if not subject.offers("reconstruct"):
        return
    generator = subject.fresh()
    made = generator.reconstruct(subject.items())
    assert_batch(subject, made, 3, side_px(subject))
    assert equal(made, generator.reconstruct(subject.items())), "a second call differs"
    assert len(generator.reconstruct(subject.items()[:0])) == 0, "an empty batch gives items"


def _resampling_follows_its_fraction(subject: Subject) -> None:
    if not subject.offers("resample"):
        return
    generator, items = subject.fresh(), subject.items()
    nothing = generator.resample(items, 0.0, seed=1)
    assert_batch(subject, nothing, 3, side_px(subject))
    plain = generator.reconstruct(items) if subject.offers("reconstruct") else nothing
    if np.shape(plain) == np.shape(nothing):  # that it keeps its shape is checked elsewhere
        assert_close(nothing, plain, "with fraction 0 and reconstructed")
    everything = generator.resample(items, 1.0, seed=1)
    assert_batch(subject, everything, 3, side_px(subject))
    assert equal(everything, generator.resample(items, 1.0, seed=1)), "a second call differs"
    other = generator.resample(items, 1.0, seed=1001)
    assert not equal(everything, other), "two seeds resample alike"


def _interpolations_end_in_samples(subject: Subject) -> None:
    if not subject.offers("interpolate"):
        return
    generator = subject.fresh()
    way = generator.interpolate(1, 1001, 3)
    assert_batch(subject, way, 3, side_px(subject))
    for place, seed in ((0, 1), (-1, 1001)):
        assert_close(way[place], generator.sample(1, seed=seed)[0], "at an end and sampled")


# --- manners --------------------------------------------------------------------------------------


def _input_is_not_modified(subject: Subject) -> None:
    assert subject.source_kept, "fit writes into its source"
    generator, items = subject.fresh(), subject.items()
    if subject.offers("reconstruct"):
        generator.reconstruct(items)
    if subject.offers("resample"):
        generator.resample(items, 0.5, seed=0)
    assert equal(items, subject.items()), "reconstruct or resample writes into its input"


def _stdout_is_quiet(subject: Subject) -> None:
    assert_quiet(lambda: subject.uses(subject.fresh()), before=subject.printed)


def _global_random_state_is_untouched(subject: Subject) -> None:
    assert_random_state_kept(lambda: subject.uses(subject.fresh()), "load or use")


def _torch_settings_are_untouched(subject: Subject) -> None:
    assert subject.settings_kept, "fit, save or sample changes torch's threads, gradients or type"
    assert_torch_settings_kept(lambda: subject.uses(subject.fresh()))


def _unfit_sources_are_refused(subject: Subject) -> None:
    assert raises(lambda: subject.run([], "empty"), ProvenanceError), "learns from no items"
    if subject.make_source is not None:
        odd = subject.make_source(min(subject.spec.sizes_px) // 2 + 1)
        mixed = [*subject.source[:4], *odd[:4]]
        for what, source in {"a size not declared": odd, "mixed sizes": mixed}.items():
            refused = raises(functools.partial(subject.run, source, "odd"), ProvenanceError)
            assert refused, f"learns from images of {what}, or fails with another error"


# --- the artefact ---------------------------------------------------------------------------------


def _saved_is_what_was_trained(subject: Subject) -> None:
    loaded = subject.fresh()
    n = len(subject.trained)
    assert equal(subject.trained, loaded.sample(n, seed=3)), "a loaded generator samples otherwise"
    with tempfile.TemporaryDirectory() as folder:
        loaded.save(Path(folder))
        again = subject.factory()
        again.load(Path(folder), "cpu")
        assert equal(subject.trained, again.sample(n, seed=3)), "a second save loses something"


def _artefact_is_safetensors_only(subject: Subject) -> None:
    names = {path.name for path in subject.folder.rglob("*") if path.is_file()}
    assert WEIGHTS_FILE in names, f"save wrote {sorted(names)}, not {WEIGHTS_FILE}"
    others = sorted(name for name in names if not name.endswith(".safetensors"))
    assert not others, f"save wrote {others[0]} beside the weights"


def _damaged_weights_are_refused(subject: Subject) -> None:
    assert_damage_is_refused(subject, ProvenanceError)


def _untrained_does_not_sample(subject: Subject) -> None:
    assert raises(lambda: subject.factory().sample(1, seed=0)), "it samples without training"
    assert_nothing_is_loaded(subject.factory, ProvenanceError)


# --- training -------------------------------------------------------------------------------------


def _training_repeats(subject: Subject) -> None:
    again = subject.run(subject.source, "again")
    again.save(subject.scratch / "again-saved")
    first, second = (
        (folder / WEIGHTS_FILE).read_bytes()
        for folder in (subject.folder, subject.scratch / "again-saved")
    )
    assert first == second, "two runs with one seed and number of steps end with other weights"


def _interrupted_training_resumes(subject: Subject) -> None:
    """An error from ``progress`` stands in for Ctrl-C: it must come out, and cost nothing more."""

    def interrupt(fraction: float, message: str) -> None:
        raise _InterruptedError(message)

    name = "interrupted"
    stopped = raises(
        lambda: subject.run(subject.source, name, progress=interrupt), _InterruptedError
    )
    assert stopped, "fit never calls progress, or swallows its errors"
    resumed = subject.run(subject.source, name, resume=True)
    assert len(resumed.sample(2, seed=0)) == 2, "a resumed run cannot sample"


def _training_goes_on_where_it_stood(subject: Subject) -> None:
    """A run of half the steps, resumed, must not take all of them again, nor a finished one any."""
    half = max(1, (subject.context.max_steps or 2) // 2)
    subject.run(subject.source, "half", max_steps=half)
    with optimiser_steps() as rest:
        resumed = subject.run(subject.source, "half", resume=True)
    assert subject.steps == 0 or rest.count < subject.steps, "a resumed run starts from nothing"
    with optimiser_steps() as more:
        again = subject.run(subject.source, "half", resume=True)
    assert more.count == 0, f"a finished run, resumed, takes {more.count} more steps"
    assert equal(resumed.sample(2, seed=0), again.sample(2, seed=0)), "and ends otherwise"


class _InterruptedError(Exception):
    """Stands in for the end of a run."""


PROMISES = (
    _spec_is_complete,
    spec_travels,
    construction_is_cheap,
    import_is_light,
    _capabilities_are_honest,
    _samples_have_the_learned_shape,
    _every_size_can_be_learned,
    _every_large_size_can_be_learned,
    _samples_repeat,
    _samples_depend_on_their_own_seed,
    _seeds_matter,
    _reconstructions_keep_their_shape,
    _resampling_follows_its_fraction,
    _interpolations_end_in_samples,
    _input_is_not_modified,
    _stdout_is_quiet,
    _global_random_state_is_untouched,
    _torch_settings_are_untouched,
    _unfit_sources_are_refused,
    _saved_is_what_was_trained,
    _artefact_is_safetensors_only,
    _damaged_weights_are_refused,
    _untrained_does_not_sample,
    _training_repeats,
    _interrupted_training_resumes,
    _training_goes_on_where_it_stood,
)
"""What every generator promises; further promises are those of :mod:`.generator_controls`."""
