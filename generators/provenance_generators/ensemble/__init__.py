"""Trained generators that work together. See README.md."""

from collections.abc import Callable

from provenance import Generator, GeneratorSpec, MediaKind, hookimpl

SPEC = GeneratorSpec(
    name="ensemble",
    family="ensemble",
    version="1.0",
    kind=MediaKind.IMAGE,
    capabilities=frozenset({"members", "class-conditional"}),
    summary="Trained generators together: by weight, by class, or the best of several by a critic",
    licence="Apache-2.0",
    sizes_px=(32, 64, 128, 256),
    options={
        "members": [],
        "rule": "mixture",
        "weights": [],
        "candidates": 4,
        "critic_width": 24,
        "critic_share": 0.25,
    },
    is_default=False,  # it needs others that have been trained before
)


@hookimpl
def register_generators(register: Callable[[GeneratorSpec, Callable[[], Generator]], None]) -> None:
    """Offer the generator ``ensemble``."""
    register(SPEC, _build)


def _build() -> Generator:
    from provenance_generators.ensemble.generator import EnsembleGenerator

    return EnsembleGenerator()
