"""A convolutional variational autoencoder. See README.md."""

from collections.abc import Callable

from provenance import Generator, GeneratorSpec, MediaKind, hookimpl

SPEC = GeneratorSpec(
    name="vae",
    family="vae",
    version="1.0",
    kind=MediaKind.IMAGE,
    capabilities=frozenset({"reconstruct", "interpolate"}),
    summary="Convolutional VAE, optimal-variance decoder, small adversarial term",
    licence="Apache-2.0",
    sizes_px=(32, 64),
    options={
        "width": 24,
        "latents": 16,
        "components": 4,
        "adversarial": 0.015,
        "batch": 16,
        "learning_rate": 2e-3,
    },
)


@hookimpl
def register_generators(register: Callable[[GeneratorSpec, Callable[[], Generator]], None]) -> None:
    """Offer the generator ``vae``."""
    register(SPEC, _build)


def _build() -> Generator:
    from provenance_generators.vae.generator import VAEGenerator

    return VAEGenerator()
