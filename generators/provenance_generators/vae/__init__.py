"""Variational autoencoders, sampled from a density fitted to their latents. See README.md."""

from collections.abc import Callable

from provenance import Generator, GeneratorSpec, MediaKind, hookimpl

SPEC = GeneratorSpec(
    name="vae",
    family="vae",
    version="2.0",
    kind=MediaKind.IMAGE,
    capabilities=frozenset(
        {"reconstruct", "resample", "inpaint", "interpolate", "directions", "class-conditional"}
    ),
    summary="Convolutional VAE with a density fitted to its latents, by class; FSQ and VQ, too",
    licence="Apache-2.0",
    sizes_px=(32, 64, 128, 256),
    options={
        "preset": "small",
        "bottleneck": "gaussian",
        "width": 24,
        "blocks": 1,
        "latents": 16,
        "levels": (8, 8, 8),
        "codes": 512,
        "upsampling": "nearest",
        "norm": "none",
        "beta": 3.0,
        "free_bits": 0.0,
        "adversarial": 0.02,
        "perceptual": 0.0,
        "density": "mixture",
        "components": 10,
        "rank": 256,
        "colours": "auto",
        "batch": 16,
        "learning_rate": 2e-3,
    },
    presets={
        "small": {},
        "large": {
            "width": 96,
            "blocks": 2,
            "batch": 64,
            "components": 100,
            "rank": 512,
            "learning_rate": 1e-3,
        },
        "plain": {"beta": 1.0, "adversarial": 0.0, "density": "none"},
        "fsq": {"bottleneck": "fsq", "norm": "group", "learning_rate": 3e-3},
        "vq": {"bottleneck": "vq", "norm": "group", "learning_rate": 3e-3},
    },
    variants={
        "upsampling": ("nearest", "bilinear", "transposed", "pixel-shuffle"),
        "norm": ("none", "group", "instance", "pixel"),
    },
)


@hookimpl
def register_generators(register: Callable[[GeneratorSpec, Callable[[], Generator]], None]) -> None:
    """Offer the generator ``vae``."""
    register(SPEC, _build)


def _build() -> Generator:
    from provenance_generators.vae.generator import VAEGenerator

    return VAEGenerator()
