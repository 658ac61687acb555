"""Chooses the generators of a run, and settles before anything is trained how each is trained."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from provenance.contracts import GeneratorSpec
from provenance.corpora.artefacts import read_card
from provenance.corpora.plan import PlannedGenerator
from provenance.corpora.request import EVERY, Request
from provenance.errors import UserError, did_you_mean
from provenance.plugins import registry
from provenance.training.seeds import derive_seed
from provenance.training.settings import resolve_options
from provenance.types import MediaKind, Step

ENSEMBLE = "ensemble"
_MEMBERS = "members"  # the capability, and the setting that names folders of artefacts


def choose_generators(request: Request) -> list[PlannedGenerator]:
    """Return the generators that the user named, or all that make images of this size.

    What combines others comes last, with all the others as its members.

    Raises:
        UserError: Unknown name, preset or setting; unusable checkpoint; a control that nobody
            takes; or no generator is left.
    """
    chosen = [_from_checkpoint(Path(folder), request) for folder in request.checkpoints]
    specs = _specs(request) if request.families or not chosen else []
    chosen += [_planned(spec) for spec in specs if not _combines(spec)] * request.copies
    combining = [spec for spec in specs if _combines(spec)]
    if request.ensemble is not None and ENSEMBLE not in [spec.name for spec in combining]:
        combining.append(_must_fit(registry().generator(ENSEMBLE).spec, request.size_px))
    chosen = [*_grouped(chosen), *map(_planned, combining)]
    if not chosen:
        raise UserError(
            f"No generator makes images of {request.size_px} px. See 'provenance plugins'."
        )
    named = _with_unique_names(chosen)
    _check_targets(request, named)
    settled = [_settled(generator, request) for generator in named]
    _check_controls(request, settled)
    return [_with_members(generator, settled) for generator in settled]


# --- which ----------------------------------------------------------------------------------------


def _specs(request: Request) -> list[GeneratorSpec]:
    known = [offer.spec for offer in registry().generators.values()]
    if not request.families:
        return [spec for spec in known if spec.is_default and _fits(spec, request.size_px)]
    found: list[GeneratorSpec] = []
    for name in request.families:
        named = [spec for spec in known if name == spec.name] or _family(name, known)
        if not named:
            names = sorted({spec.name for spec in known} | {spec.family for spec in known})
            raise UserError(f"No generator is called {name!r}.{did_you_mean(name, names)}")
        found += [_must_fit(spec, request.size_px) for spec in named if spec not in found]
    return found


def _family(name: str, known: Sequence[GeneratorSpec]) -> list[GeneratorSpec]:
    """Return a family's generators; those that wait to be named only where no other is."""
    found = [spec for spec in known if name == spec.family]
    return [spec for spec in found if spec.is_default] or found


def _fits(spec: GeneratorSpec, size_px: int) -> bool:
    return spec.kind is MediaKind.IMAGE and size_px in spec.sizes_px


def _must_fit(spec: GeneratorSpec, size_px: int) -> GeneratorSpec:
    if not _fits(spec, size_px):
        sizes = ", ".join(map(str, spec.sizes_px)) or "no images"
        raise UserError(f"{spec.name} does not make images of {size_px} px. It makes: {sizes}.")
    return spec


def _combines(spec: GeneratorSpec) -> bool:
    return _MEMBERS in spec.capabilities and _MEMBERS in spec.options


def _planned(spec: GeneratorSpec) -> PlannedGenerator:
    steps = [Step.SAMPLE]
    if "resample" in spec.capabilities:
        steps.insert(0, Step.RESAMPLE)
    if "reconstruct" in spec.capabilities:
        steps.insert(0, Step.RECONSTRUCTION)
    return PlannedGenerator(
        spec.name, spec.name, spec.family, spec.version, spec.licence, tuple(steps)
    )


def _from_checkpoint(folder: Path, request: Request) -> PlannedGenerator:
    card = read_card(folder)
    spec = registry().generator(str(card.get("generator", ""))).spec
    if card.get("size_px") != request.size_px:
        raise UserError(
            f"{folder} makes images of {card.get('size_px')} px. Add --size {card.get('size_px')}."
        )
    return dataclasses.replace(
        _planned(_must_fit(spec, request.size_px)),
        checkpoint=str(folder),
        trained_on=tuple(card.get("data", {}).get("groups", ())),
        options=card.get("options", {}),
        classes=tuple(card.get("classes", ())),
    )


def _grouped(generators: Sequence[PlannedGenerator]) -> list[PlannedGenerator]:
    """Bring copies of one plugin together, checkpoints first; nothing else changes its place."""
    order = list(dict.fromkeys((g.checkpoint is None, g.plugin) for g in generators))
    return sorted(generators, key=lambda g: order.index((g.checkpoint is None, g.plugin)))


def _with_unique_names(generators: Sequence[PlannedGenerator]) -> list[PlannedGenerator]:
    """Number generators that come twice: ``gan``, ``gan-2``."""
    seen: dict[str, int] = {}
    named = []
    for generator in generators:
        seen[generator.plugin] = seen.get(generator.plugin, 0) + 1
        count = seen[generator.plugin]
        name = generator.plugin if count == 1 else f"{generator.plugin}-{count}"
        named.append(dataclasses.replace(generator, name=name))
    return named


def _with_members(
    generator: PlannedGenerator, settled: Sequence[PlannedGenerator]
) -> PlannedGenerator:
    """Make all generators that combine none the members of one that does, unless it has its own."""
    if not _is_trained_to_combine(generator) or generator.options[_MEMBERS]:
        return generator
    others = [one for one in settled if not _is_trained_to_combine(one)]
    if len(others) < 2:
        raise UserError(
            f"{generator.name} combines at least two generators, and {len(others)} is planned. "
            f"Name others with --family or --checkpoint, or add --copies."
        )
    seen = sorted({group for one in others for group in one.trained_on})
    members = tuple(one.name for one in others)
    return dataclasses.replace(generator, members=members, trained_on=tuple(seen))


def _is_trained_to_combine(generator: PlannedGenerator) -> bool:
    return generator.checkpoint is None and _combines(_spec(generator))


def _spec(generator: PlannedGenerator) -> GeneratorSpec:
    return registry().generator(generator.plugin).spec


# --- how ------------------------------------------------------------------------------------------


def _settled(generator: PlannedGenerator, request: Request) -> PlannedGenerator:
    """Settle what is trained with which settings; a checkpoint was trained long ago."""
    if generator.checkpoint is not None:
        return generator
    spec = _spec(generator)
    asked = _asked(generator, spec, request)
    variant = _variant(generator, spec, request) if request.diverse else {}
    variant = {key: value for key, value in variant.items() if key not in asked}
    given = {**variant, **asked}
    return dataclasses.replace(
        generator,
        given=_plain(given),
        options=_plain(resolve_options(spec, given)),
        variant=_plain(variant),
    )


def _asked(generator: PlannedGenerator, spec: GeneratorSpec, request: Request) -> dict[str, Any]:
    """Return what the user has set: of the plugin, then of this copy of it."""
    everybody = request.presets.get(EVERY)
    preset = everybody if everybody in spec.presets else None
    for name in (generator.plugin, generator.name):
        preset = request.presets.get(name, preset)
    asked = {} if preset is None else {"preset": preset}
    for name in dict.fromkeys((generator.plugin, generator.name)):
        asked |= request.options.get(name, {})
    if generator.plugin == ENSEMBLE and request.ensemble is not None:
        asked["rule"] = request.ensemble
    return asked


def _variant(generator: PlannedGenerator, spec: GeneratorSpec, request: Request) -> dict[str, Any]:
    """Draw one value of each setting that leaves other traces."""
    return {
        key: values[derive_seed(request.seed, generator.name, "variant", key) % len(values)]
        for key, values in spec.variants.items()
    }


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as they come back from the disk: lists, no tuples."""
    plain: dict[str, Any] = json.loads(json.dumps(settings))
    return plain


def _check_targets(request: Request, named: Sequence[PlannedGenerator]) -> None:
    """Refuse settings of a generator that is not trained: it is misspelt, or left out."""
    trained = [one for one in named if one.checkpoint is None]
    known = sorted({one.plugin for one in trained} | {one.name for one in trained})
    asked = {"--preset": request.presets, "--option": request.options}
    for option, targets in asked.items():
        for name in targets:
            if name != EVERY and name not in known:
                raise UserError(
                    f"{option} speaks of {name!r}, and no generator of that name is trained."
                    f"{did_you_mean(name, known)}"
                )
    preset = request.presets.get(EVERY)
    presets = sorted({word for one in trained for word in _spec(one).presets})
    if preset is not None and preset not in presets:
        raise UserError(
            f"No generator that is trained has a preset {preset!r}.{did_you_mean(preset, presets)}"
        )


def _check_controls(request: Request, settled: Sequence[PlannedGenerator]) -> None:
    """Refuse classes that somebody would not make, and controls that nobody takes."""
    specs = [_spec(generator) for generator in settled]
    deaf = sorted({spec.name for spec in specs if "class-conditional" not in spec.capabilities})
    if request.classes and deaf:
        raise UserError(
            f"--class: {', '.join(deaf)} cannot be told what to make. Name others with --family: "
            f"{_who(lambda spec: 'class-conditional' in spec.capabilities)}."
        )
    for control in sorted(set(request.controls()) & {"top_k", "top_p"}):
        if not any(control in spec.controls for spec in specs):
            takers = _who(lambda spec, name=control: name in spec.controls)
            option = f"--{control.replace('_', '-')}"
            raise UserError(f"No generator of this run takes {option}. These do: {takers}.")


def _who(does: Any) -> str:
    known = registry().generators.values()
    return ", ".join(sorted(offer.spec.name for offer in known if does(offer.spec))) or "none"
