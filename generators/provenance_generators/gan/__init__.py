"""A generative adversarial network with a regularised relativistic loss. See README.md."""

from collections.abc import Callable

from provenance import Generator, GeneratorSpec, MediaKind, hookimpl

SPEC = GeneratorSpec(
    name="gan",
    family="gan",
    version="1.0",
    kind=MediaKind.IMAGE,
    capabilities=frozenset({"interpolate"}),
    summary="GAN: skip-excitation generator, plain critic, R3GAN's regularised loss",
    licence="Apache-2.0",
    sizes_px=(32, 64),
    options={
        "width": 8,
        "critic_width": 24,
        "batch": 16,
        "learning_rate": 7e-4,
        "penalty": 0.02,
    },
)


@hookimpl
def register_generators(register: Callable[[GeneratorSpec, Callable[[], Generator]], None]) -> None:
    """Offer the generator ``gan``."""
    register(SPEC, _build)


def _build() -> Generator:
    from provenance_generators.gan.generator import GANGenerator

    return GANGenerator()
