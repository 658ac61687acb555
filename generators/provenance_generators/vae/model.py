"""The networks: images to latents and back, with a Gaussian bottleneck or one of codes.

Notation: N images, C channels, S = side in pixels, G = side of the latent grid, L latent units per
cell of it, Z = L*G*G latent units in all. Images are float (N, 3, S, S), -1..1.
"""

import math
from typing import Protocol, cast

from torch import Tensor, nn

from provenance.training import ResidualBlock
from provenance_generators.tokenizers import Tokenizer
from provenance_generators.upsampling import norm, upsample

FACTOR = 8  # pixels of image per cell of the latent grid, along each side


def images_at_once(size_px: int) -> int:
    """Return how many images are passed through a network together: larger ones need more room."""
    return max(4, 1024 // size_px)


class Autoencoder(Protocol):
    """What sampling and editing need of a network; :class:`VAE` and :class:`CodedAutoencoder`.

    Attributes:
        grid: (L, G, G).
    """

    grid: tuple[int, int, int]

    @property
    def units(self) -> int:
        """Z."""
        ...

    def embed(self, images: Tensor) -> Tensor:
        """Return the latents (N, Z) of images, without randomness and before any rounding."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Return the images (N, 3, S, S) of latents (N, Z)."""
        ...


class VAE(nn.Module):
    """Encoder and decoder around Gaussian latents on a grid.

    A grid rather than a vector, because convolutions share what they learn between places: a few
    photographs then teach enough for others.

    Args:
        size_px: Side of the images, a multiple of 8.
        width: Channels at full resolution, a multiple of 8; each halving of the side doubles them,
            up to 4 times.
        latents: L.
        blocks: Residual blocks of the encoder; the decoder has twice as many.
        upsampling: A name in ``upsampling.UPSAMPLING``.
        norm: A name in ``upsampling.NORMS``, of the layers that change the side.
    """

    def __init__(
        self,
        *,
        size_px: int,
        width: int,
        latents: int,
        blocks: int = 1,
        upsampling: str = "nearest",
        norm: str = "none",
    ) -> None:
        super().__init__()
        self.grid = (latents, size_px // FACTOR, size_px // FACTOR)
        core = 4 * width
        self.encoder = nn.Sequential(
            _down(3, width, norm),
            _down(width, 2 * width, norm),
            _down(2 * width, core, norm),
            *(ResidualBlock(core) for _ in range(blocks)),
            nn.Conv2d(core, 2 * latents, 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(latents, core, 3, padding=1),
            *(ResidualBlock(core) for _ in range(2 * blocks)),
            _up(core, 2 * width, upsampling, norm),
            _up(2 * width, width, upsampling, norm),
            _up(width, width, upsampling, norm),
            nn.Conv2d(width, 3, 3, padding=1),
        )

    @property
    def units(self) -> int:
        """Z."""
        return math.prod(self.grid)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the posterior, each (N, Z)."""
        mean, log_variance = self.encoder(images).float().chunk(2, dim=1)  # each (N, L, G, G)
        return mean.flatten(1), log_variance.flatten(1).clamp(-12.0, 4.0)  # keeps exp() finite

    def embed(self, images: Tensor) -> Tensor:
        """Return posterior means (N, Z)."""
        return self.encode(images)[0]

    def decode(self, latents: Tensor) -> Tensor:
        """Return the images (N, 3, S, S) of latents (N, Z); nearly all within -1..1."""
        return cast("Tensor", self.decoder(latents.view(-1, *self.grid)))

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return reconstructions from one posterior draw, its mean, and its log-variance.

        Args:
            images: (N, 3, S, S).
            noise: (N, Z), standard normal.
        """
        mean, log_variance = self.encode(images)
        latents = mean + (0.5 * log_variance).exp() * noise
        return self.decode(latents), mean, log_variance


class CodedAutoencoder(nn.Module):
    """A tokenizer seen as an autoencoder: its latents are the maps before they are rounded.

    A density over them can be fitted as over any others; draws from it are rounded to codes.

    Args:
        tokenizer: Its factor divides ``size_px``.
        size_px: Side of the images.
    """

    def __init__(self, tokenizer: Tokenizer, size_px: int) -> None:
        super().__init__()
        side = size_px // tokenizer.factor
        self.tokenizer, self.grid = tokenizer, (tokenizer.quantiser.channels, side, side)

    @property
    def units(self) -> int:
        """Z."""
        return math.prod(self.grid)

    def embed(self, images: Tensor) -> Tensor:
        """Return the maps of images before rounding, (N, Z)."""
        return cast("Tensor", self.tokenizer.encoder(images).float().flatten(1))

    def decode(self, latents: Tensor) -> Tensor:
        """Return the images (N, 3, S, S) of latents (N, Z), rounded to codes first."""
        values = self.tokenizer.quantiser(latents.view(-1, *self.grid)).values
        return cast("Tensor", self.tokenizer.decoder(values))


def _down(channels_in: int, channels: int, kind: str) -> nn.Module:
    """Halve the side; a 4x4 kernel covers every pixel equally often at stride 2.

    By default no norm here nor in :func:`_up`: it would take away each image's own brightness and
    contrast, which the latents then had to carry (measured: README).
    """
    convolution = nn.Conv2d(channels_in, channels, 4, stride=2, padding=1)
    return nn.Sequential(convolution, norm(kind, channels), nn.SiLU())


def _up(channels_in: int, channels: int, kind: str, norm_kind: str) -> nn.Module:
    """Double the side."""
    return nn.Sequential(
        upsample(kind, channels_in, channels), norm(norm_kind, channels), nn.SiLU()
    )
