"""Layers that several families are built of. Notation: N images, C channels, S = side in pixels."""

from typing import cast

from torch import Tensor, nn
from torch.nn.functional import silu


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside an identity; cheap where maps are small.

    Args:
        channels: A multiple of 8, the number of groups that are normalised.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(8, channels), nn.GroupNorm(8, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` (N, C, H, W) plus what the block adds."""
        x2 = self.conv1(silu(self.norm1(x)))
        return cast("Tensor", x + self.conv2(silu(self.norm2(x2))))


class PatchCritic(nn.Module):
    """Tells real patches from reconstructed ones; its receptive field is a few textures wide.

    Spectral normalisation keeps it Lipschitz, so that it needs no gradient penalty.

    Args:
        width: Channels at half resolution.
    """

    def __init__(self, *, width: int) -> None:
        super().__init__()
        normed = nn.utils.spectral_norm  # the older form: its state is plain tensors
        self.layers = nn.Sequential(
            normed(nn.Conv2d(3, width, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            normed(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            normed(nn.Conv2d(2 * width, 1, 3, padding=1)),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return one logit per patch, (N, 1, S/4, S/4), of images (N, 3, S, S); higher = real."""
        return cast("Tensor", self.layers(images))
