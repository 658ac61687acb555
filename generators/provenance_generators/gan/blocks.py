"""Parts that generators and critics are made of. Shapes: N images, C channels, S side in pixels."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from provenance_generators.upsampling import norm

SLOPE = 0.2
"""Of leaky rectifiers."""

_GROUP_SIZE = 16  # channels a group of the middle convolution
_EXPANSION = 2  # of the middle


class SkipExcitation(nn.Module):
    """Scales channels of fine features by weights read from coarse ones (arXiv 2101.04775, 3.1)."""

    def __init__(self, channels_coarse: int, channels_fine: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(4),  # (N, C, 4, 4)
            nn.Conv2d(channels_coarse, channels_fine, 4),  # (N, C_fine, 1, 1)
            nn.SiLU(),
            nn.Conv2d(channels_fine, channels_fine, 1),
            nn.Sigmoid(),
        )

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Return ``fine`` (N, C_fine, S, S), scaled per image and channel."""
        scaled: Tensor = fine * self.weigh(coarse)
        return scaled


class ResidualBlock(nn.Module):
    """Widens, convolves in groups of 16 channels, narrows; what comes out is added to what went in.

    The block of R3GAN (arXiv 2501.05441, section 3.2): no norm is needed, since the last layer
    starts at zero and the others are scaled by :func:`scale_fixup`.

    Args:
        channels: In and out.
        normalisation: Before the first layer; ``none`` in the paper.
    """

    def __init__(self, channels: int, normalisation: str = "none") -> None:
        super().__init__()
        middle = _EXPANSION * channels
        groups = max(1, middle // _GROUP_SIZE) if middle % _GROUP_SIZE == 0 else 1
        self.norm = norm(normalisation, channels)
        self.widen = nn.Conv2d(channels, middle, 1)
        self.grouped = nn.Conv2d(middle, middle, 3, padding=1, groups=groups)
        self.narrow = nn.Conv2d(middle, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` (N, C, S, S) plus what the block adds."""
        y = leaky_relu(self.widen(self.norm(x)), SLOPE)  # (N, 2C, S, S)
        added: Tensor = self.narrow(leaky_relu(self.grouped(y), SLOPE))  # (N, C, S, S)
        return x + added


@torch.no_grad()
def scale_fixup(layers: nn.Module) -> None:
    """Draw weights so that blocks add nothing at first and little after a step.

    Fixup (Zhang et al. 2019, arXiv 1901.09321, section 3): with L blocks of m = 3 layers each, He
    initialisation times L ** (-1 / (2 m - 2)) in all layers of a block but the last, which is zero.
    """
    blocks = [block for block in layers.modules() if isinstance(block, ResidualBlock)]
    factor = max(1, len(blocks)) ** (-1 / 4)
    inside = {id(layer) for block in blocks for layer in block.modules()}
    for block in blocks:
        for layer in (block.widen, block.grouped):
            draw_he(layer)
            layer.weight.mul_(factor)
        block.narrow.weight.zero_()
    for other in layers.modules():
        if isinstance(other, nn.Conv2d) and id(other) not in inside:
            nn.init.kaiming_normal_(other.weight, nonlinearity="linear")


@torch.no_grad()
def draw_he(layer: nn.Conv2d) -> None:
    """Draw weights that keep the variance through leaky rectifiers (arXiv 1502.01852).

    torch's default lets the signal fade: a critic's scores then hardly differ.
    """
    fan_in = math.prod(layer.weight.shape[1:])
    layer.weight.normal_(0, math.sqrt(2 / (1 + SLOPE**2) / fan_in))
    if layer.bias is not None:
        layer.bias.zero_()


@torch.no_grad()
def keep_variance_through_gates(parts: Iterable[nn.Module]) -> None:
    """Scale torch's default weights so that a signal without norm does not fade in gated layers.

    They have variance 1 / (3 fan-in), and a gate lets 29 % of the squares of what it opens for by
    sigmoid(normal) through.
    """
    for part in parts:
        for layer in part.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                layer.weight.mul_(math.sqrt(3 / 0.29))
