"""A convolutional model of pixels with exact likelihoods. See README.md."""

from collections.abc import Callable

from provenance import Generator, GeneratorSpec, MediaKind, hookimpl

SPEC = GeneratorSpec(
    name="pixelcnn",
    family="autoregressive",
    version="1.0",
    kind=MediaKind.IMAGE,
    capabilities=frozenset({"resample", "inpaint", "class-conditional", "likelihood"}),
    summary="Masked convolutions over pixels, mixtures of logistics; exact bits per dimension",
    licence="Apache-2.0",
    sizes_px=(32, 64),
    options={
        "preset": "small",
        "width": 40,
        "layers": 5,
        "components": 5,
        "batch": 16,
        "learning_rate": 3e-3,
    },
    presets={
        "small": {},
        "large": {"width": 128, "layers": 12, "components": 10, "batch": 64, "learning_rate": 1e-3},
    },
    is_default=False,  # a pass a pixel: samples cost many times those of the other families
)


@hookimpl
def register_generators(register: Callable[[GeneratorSpec, Callable[[], Generator]], None]) -> None:
    """Offer the generator ``pixelcnn``."""
    register(SPEC, _build)


def _build() -> Generator:
    from provenance_generators.pixelcnn.generator import PixelCNNGenerator

    return PixelCNNGenerator()
