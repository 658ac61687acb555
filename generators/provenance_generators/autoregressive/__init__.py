"""Discrete image tokens and a causal transformer over them. See README.md."""

from collections.abc import Callable

from provenance import Generator, GeneratorSpec, MediaKind, hookimpl

SPEC = GeneratorSpec(
    name="autoregressive",
    family="autoregressive",
    version="1.0",
    kind=MediaKind.IMAGE,
    capabilities=frozenset({"reconstruct", "resample"}),
    summary="Finite scalar quantisation, then a causal transformer over the tokens",
    licence="Apache-2.0",
    sizes_px=(32, 64),
    options={
        "levels": (8, 8, 8),
        "width": 24,
        "embedding": 96,
        "layers": 3,
        "heads": 4,
        "dropout": 0.1,
        "adversarial": 0.02,
        "batch": 16,
        "tokenizer_rate": 3e-3,
        "prior_rate": 3e-3,
    },
)


@hookimpl
def register_generators(register: Callable[[GeneratorSpec, Callable[[], Generator]], None]) -> None:
    """Offer the generator ``autoregressive``."""
    register(SPEC, _build)


def _build() -> Generator:
    from provenance_generators.autoregressive.generator import AutoregressiveGenerator

    return AutoregressiveGenerator()
