"""The two networks. Shapes: N images, C channels, S side in pixels, Z latent size.

The generator follows FastGAN (Liu et al. 2021, arXiv 2101.04775, section 3.1): nearest-neighbour
up-sampling, gated linear units, and skip-layer excitation, by which 4 x 4 features choose the
channels of features four times as fine or finer. The critic is a plain stack of strided
convolutions without normalisation, as the gradient penalties of :mod:`.loss` ask for.
"""

import torch
from torch import nn
from torch.nn import functional

LATENT_SIZE = 128
SIZES_PX = (32, 64)
_WIDTHS = {4: 16, 8: 8, 16: 4, 32: 2, 64: 1}  # channels at each side, in multiples of ``width``
_EXCITED = {16: 4, 32: 8, 64: 16}  # side of the features that are scaled, and of those that scale
_SLOPE = 0.2  # of the critic's leaky rectifiers


class Generator(nn.Module):
    """Latent vectors to images.

    Args:
        size_px: Side of the images, one of :data:`SIZES_PX`.
        width: Channels at the finest levels are small multiples of this.
    """

    def __init__(self, size_px: int, *, width: int = 8) -> None:
        super().__init__()
        self.stem = Stem(LATENT_SIZE, _WIDTHS[4] * width)
        sides = [side for side in _WIDTHS if 4 < side <= size_px]
        self.blocks = nn.ModuleDict()
        self.excitations = nn.ModuleDict()
        for side in sides:
            here, below = _WIDTHS[side] * width, _WIDTHS[side // 2] * width
            self.blocks[str(side)] = UpBlock(below, here)
            if side in _EXCITED:
                skipped = _WIDTHS[_EXCITED[side]] * width
                self.excitations[str(side)] = SkipExcitation(skipped, here)
        self.to_rgb = nn.Conv2d(_WIDTHS[size_px] * width, 3, 3, padding=1)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        """Return images (N, 3, S, S), -1..1, for latents (N, Z)."""
        x = self.stem(latents)  # (N, C, 4, 4)
        features = {4: x}
        for name, block in self.blocks.items():
            side = int(name)
            x = block(x)  # (N, C, side, side)
            if name in self.excitations:
                x = self.excitations[name](x, features[_EXCITED[side]])
            features[side] = x
        return torch.tanh(self.to_rgb(x))  # (N, 3, S, S)


class Stem(nn.Module):
    """Latent vectors to the coarsest features."""

    def __init__(self, latent_size: int, channels: int) -> None:
        super().__init__()
        self.project = nn.Linear(latent_size, 2 * channels * 16, bias=False)
        self.norm = nn.BatchNorm2d(2 * channels)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        """Return features (N, C, 4, 4) for latents (N, Z)."""
        x = self.project(latents).unflatten(1, (-1, 4, 4))  # (N, 2C, 4, 4)
        return functional.glu(self.norm(x), dim=1)  # (N, C, 4, 4)


class UpBlock(nn.Module):
    """Doubles the side by repeating pixels, then two gated convolutions."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels_in, 2 * channels_out, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(2 * channels_out)
        self.second = nn.Conv2d(channels_out, 2 * channels_out, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(2 * channels_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features (N, C_out, 2S, 2S) for features (N, C_in, S, S)."""
        x = functional.interpolate(x, scale_factor=2, mode="nearest")  # (N, C_in, 2S, 2S)
        x = functional.glu(self.first_norm(self.first(x)), dim=1)  # (N, C_out, 2S, 2S)
        return functional.glu(self.second_norm(self.second(x)), dim=1)


class SkipExcitation(nn.Module):
    """Scales channels of fine features by weights read from coarse ones."""

    def __init__(self, channels_coarse: int, channels_fine: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(4),  # (N, C, 4, 4)
            nn.Conv2d(channels_coarse, channels_fine, 4),  # (N, C_fine, 1, 1)
            nn.SiLU(),
            nn.Conv2d(channels_fine, channels_fine, 1),
            nn.Sigmoid(),
        )

    def forward(self, fine: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
        """Return ``fine`` (N, C_fine, S, S), scaled per image and channel."""
        scaled: torch.Tensor = fine * self.weigh(coarse)
        return scaled


class Critic(nn.Sequential):
    """Images (N, 3, S, S), -1..1, to scores (N, 1), unbounded, higher = more real.

    Its first layer keeps the full resolution: where it halves the side at once, the generator gets
    away with a grid of two pixels.

    Args:
        size_px: Side of the images, one of :data:`SIZES_PX`.
        width: Channels at a side of 32; doubled at each halving of the side, down to 4 x 4, and
            halved at 64, where a step would else cost several times as much.
    """

    def __init__(self, size_px: int, *, width: int = 24) -> None:
        side, channels = size_px, max(1, width * 32 // size_px)
        layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1), nn.LeakyReLU(_SLOPE)]
        while side > 4:
            halved = nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1)
            layers += [halved, nn.LeakyReLU(_SLOPE)]
            side, channels = side // 2, 2 * channels
        super().__init__(*layers, nn.Flatten(), nn.Linear(channels * side * side, 1))
        for layer in self:
            if isinstance(layer, nn.Conv2d):  # torch's default halves the signal at each layer
                nn.init.kaiming_normal_(layer.weight, a=_SLOPE)
