"""Checks of the generator kit: settings, presets and variants of trace."""

from collections.abc import Iterator
from typing import Any

from provenance.errors import UserError
from provenance.testing.generator_subject import Subject, assert_batch, side_px
from provenance.testing.probes import raises
from provenance.training import resolve_options

_SMALL = {"batch": 2}  # of a training that only has to work


def _presets_and_variants_resolve(subject: Subject) -> None:
    spec = subject.spec
    if spec.presets:
        default = spec.options.get("preset")
        assert default in spec.presets, f"the preset {default!r} is the default, and is none"
    for name, settings in spec.presets.items():
        unknown = sorted(set(settings) - set(spec.options))
        assert not unknown, f"the preset {name!r} sets {unknown[0]!r}, which is no option"
        resolve_options(spec, {"preset": name})
    for name, values in spec.variants.items():
        assert name in spec.options, f"the variant {name!r} is no option"
        assert len(set(values)) == len(values) > 0, f"the variant {name!r} repeats a value"
        for value in values:
            resolved = resolve_options(spec, {name: value})[name]
            assert resolved == value, f"{name} {value!r} is taken for {resolved!r}"


def _unknown_settings_are_refused(subject: Subject) -> None:
    options = {**subject.context.options, "no-such-setting": 1}
    refused = raises(lambda: subject.run(subject.source, "unknown", options=options), UserError)
    assert refused, "trains with a setting that it does not have, or fails with another error"


def _every_preset_and_variant_learns(subject: Subject) -> None:
    """Each can be trained for a step, saved, loaded and sampled from, at the smallest size."""
    spec = subject.spec
    base = {key: value for key, value in _SMALL.items() if key in spec.options}
    for number, given in enumerate(_settings(subject)):
        name = f"setting-{number}"
        try:
            options = {**_own(subject, given), **base, **given}
            subject.run(subject.source, name, options=options, max_steps=1).save(
                subject.scratch / f"{name}-model"
            )
            generator = subject.factory()
            generator.load(subject.scratch / f"{name}-model", "cpu")
            assert_batch(subject, generator.sample(1, seed=0), 1, side_px(subject))
        except Exception as error:
            raise AssertionError(f"with {given}: {type(error).__name__}: {error}") from error


def _settings(subject: Subject) -> Iterator[dict[str, Any]]:
    spec = subject.spec
    for preset in spec.presets:
        yield {"preset": preset}
    for name, values in spec.variants.items():
        for value in values:
            if value != spec.options[name]:
                yield {name: value}


def _own(subject: Subject, given: dict[str, Any]) -> dict[str, Any]:
    """Return what the author trains the subject with; a preset is tried as it is."""
    spec = subject.spec
    changed = {
        key: value
        for key, value in subject.context.options.items()
        if key not in spec.options or value != spec.options[key]
    }
    return {} if "preset" in given else changed


SETTINGS = (
    _presets_and_variants_resolve,
    _unknown_settings_are_refused,
    _every_preset_and_variant_learns,
)
"""Checks of what a generator is trained with."""
