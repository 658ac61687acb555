"""Generative adversarial networks: several objectives, networks and sizes. See README.md."""

from collections.abc import Callable

from provenance import Generator, GeneratorSpec, MediaKind, hookimpl

_CHOSEN_BY_OBJECTIVE = {"critic": "auto", "critic_norm": "auto", "critic_steps": 0}

SPEC = GeneratorSpec(
    name="gan",
    family="gan",
    version="2.0",
    kind=MediaKind.IMAGE,
    capabilities=frozenset({"interpolate", "directions", "class-conditional"}),
    summary="GAN: skip-excitation generator, plain critic, R3GAN's regularised loss; others",
    licence="Apache-2.0",
    sizes_px=(32, 64, 128, 256),
    options={
        "preset": "small",
        "objective": "relativistic",
        "network": "fastgan",
        "upsampling": "nearest",
        "norm": "batch",
        "width": 8,
        **_CHOSEN_BY_OBJECTIVE,
        "critic_width": 24,
        "full_resolution": False,
        "reconstruction": 0.0,
        "batch": 16,
        "learning_rate": 0.0,  # 0 and, for the penalty, -1: what goes with the objective
        "penalty": -1.0,
        "average": 0.99,
        "augment": "none",
        "conditional": True,
    },
    presets={
        "small": {},
        "large": {
            "network": "residual",
            "critic": "residual",
            "norm": "none",
            "upsampling": "bilinear",
            "width": 48,
            "critic_width": 48,
            "batch": 64,
            "learning_rate": 2e-4,
            "average": 0.999,
        },
        "high-resolution": {
            "width": 64,
            "critic_width": 128,
            "reconstruction": 1.0,
            "augment": "diffaugment",
            "batch": 16,
            "learning_rate": 2e-4,
            "average": 0.999,
        },
        "dcgan": {"network": "dcgan", "width": 24, "learning_rate": 1e-3},
        "wgan-gp": {"objective": "wgan-gp"},
        "began": {"objective": "began"},
        "hinge": {"objective": "hinge"},
        "non-saturating": {"objective": "non-saturating"},
    },
    variants={
        "upsampling": ("nearest", "bilinear", "transposed", "pixel-shuffle"),
        "norm": ("batch", "group", "instance", "pixel", "none"),
        "objective": ("relativistic", "non-saturating", "wgan-gp", "began", "hinge"),
    },
)


@hookimpl
def register_generators(register: Callable[[GeneratorSpec, Callable[[], Generator]], None]) -> None:
    """Offer the generator ``gan``."""
    register(SPEC, _build)


def _build() -> Generator:
    from provenance_generators.gan.generator import GANGenerator

    return GANGenerator()
