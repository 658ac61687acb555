"""Finds what a plan needs: the real items, and the generators to train or to draw from."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from provenance.contracts import GeneratorSpec, InputSpec
from provenance.corpora.artefacts import read_card
from provenance.corpora.outcome import plugin_at_work
from provenance.corpora.plan import TRAINING_ITEMS, PlannedGenerator, Request
from provenance.errors import PluginError, UnreadableError, UserError, did_you_mean
from provenance.plugins import registry
from provenance.types import Media, MediaKind, Step


def read_pool(request: Request) -> list[Media]:
    """Read the real items: those of the corpus first, then more to train on.

    Raises:
        UserError: No such source, or it has nothing for us.
        UnreadableError: It lies where it cannot be read.
        PluginError: The source's plugin failed, or gave something other than items.
    """
    name, _, argument = request.real.partition(":")
    source = registry().dataset(name)
    window = InputSpec(geometry="crop", size_px=request.size_px)
    # about half of the photographs train; where there are many, those beyond the corpus do too
    wanted = max(request.count + TRAINING_ITEMS, 2 * TRAINING_ITEMS)
    try:
        with plugin_at_work(name, "reading", passing=(UserError, UnreadableError, OSError)):
            dataset = source.factory(argument)
            pool = list(dataset.items(window, count=wanted, seed=request.seed))
    except OSError as error:
        raise UnreadableError(
            f"{request.real} cannot be read: {error.strerror or error}. Mend that, or name another "
            f"source."
        ) from error
    if not all(isinstance(media, Media) for media in pool):
        raise PluginError(f"{name}: reading gave something other than items of type Media")
    if not pool:
        raise UserError(f"{request.real} has no items of {request.size_px} px.")
    return pool


def choose_generators(request: Request) -> list[PlannedGenerator]:
    """Return the generators that the user named, or all that make images of this size.

    Raises:
        UserError: Unknown name, unusable checkpoint, or none left.
    """
    chosen = [_from_checkpoint(Path(folder), request) for folder in request.checkpoints]
    if request.families or not chosen:
        chosen += [_planned(spec, None) for spec in _specs(request)]
    if not chosen:
        raise UserError(
            f"No generator makes images of {request.size_px} px. See 'provenance plugins'."
        )
    return _with_unique_names(chosen)


def _specs(request: Request) -> list[GeneratorSpec]:
    known = [offer.spec for offer in registry().generators.values()]
    if not request.families:
        return [spec for spec in known if _fits(spec, request.size_px)]
    found: list[GeneratorSpec] = []
    for name in request.families:
        named = [spec for spec in known if name in (spec.name, spec.family)]
        if not named:
            names = sorted({spec.name for spec in known} | {spec.family for spec in known})
            raise UserError(f"No generator is called {name!r}.{did_you_mean(name, names)}")
        found += [_must_fit(spec, request.size_px) for spec in named if spec not in found]
    return found


def _fits(spec: GeneratorSpec, size_px: int) -> bool:
    return spec.kind is MediaKind.IMAGE and size_px in spec.sizes_px


def _must_fit(spec: GeneratorSpec, size_px: int) -> GeneratorSpec:
    if not _fits(spec, size_px):
        sizes = ", ".join(map(str, spec.sizes_px)) or "no images"
        raise UserError(f"{spec.name} does not make images of {size_px} px. It makes: {sizes}.")
    return spec


def _planned(spec: GeneratorSpec, checkpoint: Path | None) -> PlannedGenerator:
    steps = [Step.SAMPLE]
    if "resample" in spec.capabilities:
        steps.insert(0, Step.RESAMPLE)
    if "reconstruct" in spec.capabilities:
        steps.insert(0, Step.RECONSTRUCTION)
    folder = None if checkpoint is None else str(checkpoint)
    return PlannedGenerator(
        spec.name, spec.name, spec.family, spec.version, spec.licence, tuple(steps), folder
    )


def _from_checkpoint(folder: Path, request: Request) -> PlannedGenerator:
    card = read_card(folder)
    spec = registry().generator(str(card.get("generator", ""))).spec
    if card.get("size_px") != request.size_px:
        raise UserError(
            f"{folder} makes images of {card.get('size_px')} px. Add --size {card.get('size_px')}."
        )
    planned = _planned(_must_fit(spec, request.size_px), folder)
    return dataclasses.replace(planned, trained_on=tuple(card.get("data", {}).get("groups", ())))


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
