"""The networks of the VAE, and the density from which it samples.

Notation: N images, C channels, S = side in pixels, G = S/8 the side of the latent grid, L latent
units per cell of it, Z = L*G*G latent units in all, K = mixture components.
Images are float (N, 3, S, S), -1..1.
"""

import math
from typing import cast

import torch
from torch import Tensor, nn

from provenance.training import ResidualBlock

FACTOR = 8  # pixels of image per cell of the latent grid, along each side


def _down(channels_in: int, channels: int) -> nn.Module:
    """Halve the side; a 4x4 kernel covers every pixel equally often at stride 2.

    No norm here nor in :func:`_up`: it would take away each image's own brightness and contrast,
    which the latents then had to carry (measured: README).
    """
    return nn.Sequential(nn.Conv2d(channels_in, channels, 4, stride=2, padding=1), nn.SiLU())


def _up(channels_in: int, channels: int) -> nn.Module:
    """Double the side: nearest neighbours, then a convolution; no checkerboard."""
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="nearest"),
        nn.Conv2d(channels_in, channels, 3, padding=1),
        nn.SiLU(),
    )


class VAE(nn.Module):
    """Encoder and decoder around Gaussian latents on a grid.

    A grid rather than a vector, because convolutions share what they learn between places: a few
    photographs then teach enough for others.

    Args:
        size_px: Side of the images, a multiple of 8.
        width: Channels at full resolution; each halving of the side doubles them, up to 4 times.
        latents: Latent units per cell.
    """

    def __init__(self, *, size_px: int, width: int, latents: int) -> None:
        super().__init__()
        self.grid = (latents, size_px // FACTOR, size_px // FACTOR)
        self.units = math.prod(self.grid)  # Z
        core = 4 * width
        self.encoder = nn.Sequential(
            _down(3, width),
            _down(width, 2 * width),
            _down(2 * width, core),
            ResidualBlock(core),
            nn.Conv2d(core, 2 * latents, 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(latents, core, 3, padding=1),
            ResidualBlock(core),
            ResidualBlock(core),
            _up(core, 2 * width),
            _up(2 * width, width),
            _up(width, width),
            nn.Conv2d(width, 3, 3, padding=1),
        )

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the posterior, each (N, Z)."""
        mean, log_variance = self.encoder(images).float().chunk(2, dim=1)  # each (N, L, G, G)
        return mean.flatten(1), log_variance.flatten(1).clamp(-12.0, 4.0)  # keeps exp() finite

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


class LatentDensity(nn.Module):
    """A mixture of K full-covariance Gaussians over the latents that real images occupy.

    The prior of the training loss is a standard normal, but real images fill only a part of it;
    decoded draws from the fitted density resemble reconstructions, draws from the prior do not.

    Attributes:
        weight: (K,), sums to 1.
        mean: (K, Z).
        factor: (K, Z, Z), lower Cholesky factor of each covariance.
    """

    weight: Tensor
    mean: Tensor
    factor: Tensor

    def __init__(self, *, components: int, units: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.full((components,), 1.0 / components))
        self.register_buffer("mean", torch.zeros(components, units))
        self.register_buffer("factor", torch.eye(units).repeat(components, 1, 1))

    def forward(
        self, uniform: Tensor, noise: Tensor, *, truncation: float, temperature: float
    ) -> Tensor:
        """Return draws (N, Z).

        Args:
            uniform: (N,), 0..1; picks the component.
            noise: (N, Z), standard normal.
            truncation: 0..1; pulls the draws towards the mean of all components.
            temperature: Scales the spread within a component.
        """
        edges = self.weight.cumsum(0)
        component = torch.searchsorted(edges, uniform).clamp(max=len(edges) - 1)  # (N,)
        # every factor meets every row: copying a factor of Z x Z for each row would cost far more
        spreads = torch.einsum("kij,nj->nki", self.factor, noise)
        spread = spreads[torch.arange(len(noise), device=noise.device), component]  # (N, Z)
        draws = self.mean[component] + temperature * spread
        centre = self.weight @ self.mean  # (Z,)
        return centre + truncation * (draws - centre)
