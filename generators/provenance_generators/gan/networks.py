"""Generators: latent vectors, and classes where there are any, to images.

Shapes: N images, C channels, S side in pixels, Z latent size, E size of a class's embedding, K
classes. A *code* is what a network renders: latents (N, Z) and, behind them, the embedding (N, E).
Every network enlarges and normalises as told (:mod:`provenance_generators.upsampling`).
"""

import abc
from collections.abc import Mapping
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from provenance_generators.gan.blocks import (
    ResidualBlock,
    SkipExcitation,
    keep_variance_through_gates,
    scale_fixup,
)
from provenance_generators.upsampling import norm, upsample

LATENT_SIZE = 128
CLASS_SIZE = 32
_CLASS_SPREAD = 0.2  # of embeddings at first: with 1, all images of a class were alike for long
_BASE_PX = 4  # side of the coarsest maps
_MULTIPLES = {4: 16.0, 8: 8.0, 16: 4.0, 32: 2.0, 64: 1.0, 128: 0.5, 256: 0.25}
"""Channels at each side, in multiples of the setting ``width``."""
RESIDUAL_MULTIPLES = {4: 8.0, 8: 8.0, 16: 4.0, 32: 2.0, 64: 1.0, 128: 0.5, 256: 0.25}


class Generator(nn.Module, abc.ABC):
    """What all generators share: codes, and how often each class was in the source.

    Args:
        classes: K; 0 where there are none.
    """

    shares: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(classes, CLASS_SIZE) if classes else None
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, std=_CLASS_SPREAD)
            self.register_buffer("shares", torch.full((classes,), 1 / classes))
        self.code_size = LATENT_SIZE + CLASS_SIZE * bool(classes)

    def code(self, latents: Tensor, classes: Tensor) -> Tensor:
        """Return codes (N, Z + E) for latents (N, Z) and classes (N,), which may be ignored."""
        if self.embedding is None:
            return latents
        return torch.cat([latents, self.embedding(classes)], dim=1)

    @abc.abstractmethod
    def render(self, codes: Tensor) -> Tensor:
        """Return images (N, 3, S, S), -1..1, for codes (N, Z + E)."""

    @abc.abstractmethod
    def first_weights(self) -> Tensor:
        """Return the weights of the first projection of codes, (M, Z + E)."""

    def forward(self, latents: Tensor, classes: Tensor) -> Tensor:
        """Return images (N, 3, S, S), -1..1."""
        return self.render(self.code(latents, classes))


class Builder(Protocol):
    """Builds a generator."""

    def __call__(
        self, size_px: int, *, width: int, upsampling: str, normalisation: str, classes: int
    ) -> Generator:
        """Return a generator of images of side ``size_px``."""
        ...


def channels_at(side: int, width: int, multiples: Mapping[int, float] = _MULTIPLES) -> int:
    """Return how many channels a generator has at a side, at least 4."""
    return max(4, round(multiples[side] * width))


class FastGAN(Generator):
    """Gated linear units and skip-layer excitation, by which coarse features choose finer ones.

    Liu et al. 2021 (arXiv 2101.04775), section 3.1.

    Args:
        size_px: Side of the images.
        width: Channels at 64 px; doubled at each halving of the side.
        upsampling: One of ``UPSAMPLING``.
        normalisation: One of ``NORMS``.
        classes: K.
    """

    def __init__(
        self, size_px: int, *, width: int, upsampling: str, normalisation: str, classes: int
    ) -> None:
        super().__init__(classes)
        self.stem = GatedStem(self.code_size, channels_at(_BASE_PX, width), normalisation)
        self.blocks, self.excitations = nn.ModuleDict(), nn.ModuleDict()
        for side in _sides(size_px):
            here, below = channels_at(side, width), channels_at(side // 2, width)
            self.blocks[str(side)] = GatedBlock(below, here, upsampling, normalisation)
            if side >= 16:
                skipped = channels_at(side // 4, width)
                self.excitations[str(side)] = SkipExcitation(skipped, here)
        self.to_rgb = nn.Conv2d(channels_at(size_px, width), 3, 3, padding=1)
        if normalisation == "none":
            keep_variance_through_gates([self.stem, self.blocks])

    def render(self, codes: Tensor) -> Tensor:
        """Return images (N, 3, S, S) for codes (N, Z + E)."""
        x = self.stem(codes)  # (N, C, 4, 4)
        features = {_BASE_PX: x}
        for name, block in self.blocks.items():
            x = block(x)  # (N, C, side, side)
            if name in self.excitations:
                x = self.excitations[name](x, features[int(name) // 4])
            features[int(name)] = x
        return torch.tanh(self.to_rgb(x))  # (N, 3, S, S)

    def first_weights(self) -> Tensor:
        """Return the weights of the stem, (32 C, Z + E)."""
        return self.stem.project.weight


class GatedStem(nn.Module):
    """Codes to the coarsest features."""

    def __init__(self, code_size: int, channels: int, normalisation: str) -> None:
        super().__init__()
        self.project = nn.Linear(code_size, 2 * channels * _BASE_PX**2, bias=False)
        self.norm = norm(normalisation, 2 * channels)

    def forward(self, codes: Tensor) -> Tensor:
        """Return features (N, C, 4, 4) for codes (N, Z + E)."""
        x = self.project(codes).unflatten(1, (-1, _BASE_PX, _BASE_PX))  # (N, 2C, 4, 4)
        return functional.glu(self.norm(x), dim=1)  # (N, C, 4, 4)


class GatedBlock(nn.Module):
    """Doubles the side, then two gated convolutions."""

    def __init__(
        self, channels_in: int, channels_out: int, upsampling: str, normalisation: str
    ) -> None:
        super().__init__()
        self.first = upsample(upsampling, channels_in, 2 * channels_out)
        self.first_norm = norm(normalisation, 2 * channels_out)
        self.second = nn.Conv2d(channels_out, 2 * channels_out, 3, padding=1, bias=False)
        self.second_norm = norm(normalisation, 2 * channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (N, C_out, 2S, 2S) for features (N, C_in, S, S)."""
        x = functional.glu(self.first_norm(self.first(x)), dim=1)  # (N, C_out, 2S, 2S)
        return functional.glu(self.second_norm(self.second(x)), dim=1)


class DCGAN(Generator):
    """One convolution, norm and rectifier a level; the last level is the image itself.

    Radford et al. 2016 (arXiv 1511.06434), section 3. Arguments as :class:`FastGAN`, save that
    ``width`` counts channels at half the side of the images.
    """

    def __init__(
        self, size_px: int, *, width: int, upsampling: str, normalisation: str, classes: int
    ) -> None:
        super().__init__(classes)
        sides = list(_sides(size_px))
        channels = [width * 2 ** min(3, n) for n in reversed(range(len(sides)))]
        self.project = nn.Linear(self.code_size, channels[0] * _BASE_PX**2)
        layers: list[nn.Module] = [norm(normalisation, channels[0]), nn.ReLU()]
        for below, here in pairwise(channels):
            layers += [upsample(upsampling, below, here), norm(normalisation, here), nn.ReLU()]
        self.layers = nn.Sequential(*layers, upsample(upsampling, channels[-1], 3), nn.Tanh())

    def render(self, codes: Tensor) -> Tensor:
        """Return images (N, 3, S, S) for codes (N, Z + E)."""
        x = self.project(codes).unflatten(1, (-1, _BASE_PX, _BASE_PX))  # (N, C, 4, 4)
        images: Tensor = self.layers(x)  # (N, 3, S, S)
        return images

    def first_weights(self) -> Tensor:
        """Return the weights of the projection, (16 C, Z + E)."""
        return self.project.weight


class Residual(Generator):
    """Bottlenecks of grouped convolutions without norm, their last layer zero at the start.

    As R3GAN's (Huang et al. 2024, arXiv 2501.05441, section 3.2): a learned map of 4 x 4 that the
    code modulates, and two blocks a level. Arguments as :class:`FastGAN`.
    """

    def __init__(
        self, size_px: int, *, width: int, upsampling: str, normalisation: str, classes: int
    ) -> None:
        super().__init__(classes)
        sides = [_BASE_PX, *_sides(size_px)]
        channels = {side: channels_at(side, width, RESIDUAL_MULTIPLES) for side in sides}
        self.basis = nn.Parameter(torch.randn(channels[_BASE_PX], _BASE_PX, _BASE_PX))
        self.project = nn.Linear(self.code_size, channels[_BASE_PX])
        layers: list[nn.Module] = []
        for side, here in channels.items():
            if side > _BASE_PX:
                layers.append(upsample(upsampling, channels[side // 2], here, kernel_px=1))
            layers += [ResidualBlock(here, normalisation) for _ in range(2)]
        self.layers = nn.Sequential(*layers)
        scale_fixup(self.layers)
        self.to_rgb = nn.Conv2d(channels[size_px], 3, 1)

    def render(self, codes: Tensor) -> Tensor:
        """Return images (N, 3, S, S) for codes (N, Z + E)."""
        x = self.project(codes)[:, :, None, None] * self.basis  # (N, C, 4, 4)
        return torch.tanh(self.to_rgb(self.layers(x)))  # (N, 3, S, S)

    def first_weights(self) -> Tensor:
        """Return the weights of the projection, (C, Z + E)."""
        return self.project.weight


GENERATORS: Mapping[str, Builder] = {"fastgan": FastGAN, "dcgan": DCGAN, "residual": Residual}
"""Every generator by the name that the setting ``network`` has."""


def _sides(size_px: int) -> list[int]:
    """Return the sides of the levels that enlarge, coarsest first."""
    return [side for side in _MULTIPLES if _BASE_PX < side <= size_px]
