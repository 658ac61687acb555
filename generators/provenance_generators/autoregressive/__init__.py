"""Discrete image tokens and a causal transformer over them. See README.md."""

from collections.abc import Callable

from provenance import Generator, GeneratorSpec, MediaKind, hookimpl

SPEC = GeneratorSpec(
    name="autoregressive",
    family="autoregressive",
    version="2.0",
    kind=MediaKind.IMAGE,
    capabilities=frozenset({"reconstruct", "resample", "inpaint", "class-conditional"}),
    summary="Image tokens by FSQ or VQ, then a causal transformer over them",
    licence="Apache-2.0",
    sizes_px=(32, 64, 128, 256),
    options={
        "preset": "small",
        "quantiser": "fsq",
        "levels": (8, 8, 8),
        "codes": 512,
        "code_dim": 8,
        "width": 24,
        "blocks": 2,
        "most_tokens": 256,
        "upsampling": "nearest",
        "norm": "group",
        "adversarial": 0.05,
        "perceptual": 0.02,
        "tokenizer_batch": 16,
        "tokenizer_rate": 3e-3,
        "tokenizer_share": 0.45,
        "embedding": 64,
        "layers": 3,
        "heads": 4,
        "dropout": 0.05,
        "guidance": 1.0,
        "batch": 32,
        "prior_rate": 5e-3,
    },
    presets={
        "small": {},
        "large": {
            "levels": (8, 5, 5, 5),
            "width": 96,
            "blocks": 4,
            "most_tokens": 1024,
            "tokenizer_batch": 64,
            "tokenizer_rate": 1e-3,
            "embedding": 512,
            "layers": 8,
            "heads": 8,
            "dropout": 0.1,
            "batch": 128,
            "prior_rate": 1e-3,
        },
        "vq": {"quantiser": "vq"},
    },
    variants={
        "quantiser": ("fsq", "vq"),
        "upsampling": ("nearest", "bilinear", "transposed", "pixel-shuffle"),
        "norm": ("group", "batch", "instance", "pixel", "none"),
    },
    controls=frozenset({"top_k", "top_p"}),
)


@hookimpl
def register_generators(register: Callable[[GeneratorSpec, Callable[[], Generator]], None]) -> None:
    """Offer the generator ``autoregressive``."""
    register(SPEC, _build)


def _build() -> Generator:
    from provenance_generators.autoregressive.generator import AutoregressiveGenerator

    return AutoregressiveGenerator()
