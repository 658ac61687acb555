"""The network: each pixel's distribution from the pixels before it, row by row.

Notation: N images, S = side in pixels, C channels of maps, K components of a mixture.
Images are float (N, 3, S, S), -1..1, on the 256 levels of 8 bits.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, silu

_FIRST_KERNEL, _KERNEL = 5, 3


class MaskedConv(nn.Conv2d):
    """A convolution that sees what lies above, and to the left in its own row.

    Args:
        channels_in: Of the input.
        channels: Of the output.
        kernel: Side of the window in pixels, odd.
        sees_itself: Whether its own place counts; not in the first layer, where that is the pixel
            to be predicted.
    """

    mask: Tensor

    def __init__(self, channels_in: int, channels: int, kernel: int, *, sees_itself: bool) -> None:
        super().__init__(channels_in, channels, kernel, padding=kernel // 2)
        mask = torch.zeros(kernel, kernel)
        mask[: kernel // 2] = 1
        mask[kernel // 2, : kernel // 2 + int(sees_itself)] = 1
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (N, C, S, S) of maps (N, C_in, S, S)."""
        padding = cast("tuple[int, int]", self.padding)
        return conv2d(x, self.weight * self.mask, self.bias, padding=padding)

    def rows(self) -> Tensor:
        """Return the weights as a matrix (C_in * k * k, C), for one place at a time."""
        return (self.weight * self.mask).flatten(1).T.contiguous()


class Block(nn.Module):
    """A gated block beside an identity (Gated PixelCNN, 1606.05328, section 2.2).

    Args:
        width: Channels.
        classes: That shift its gates.
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.look = MaskedConv(width, 2 * width, _KERNEL, sees_itself=True)
        self.classes = nn.Embedding(classes, 2 * width)
        nn.init.zeros_(self.classes.weight)
        self.mix = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Return maps (N, C, S, S) of maps of that shape; ``labels`` are numbers (N,)."""
        seen = self.look(silu(x)) + self.classes(labels)[:, :, None, None]
        return cast("Tensor", x + self.mix(gate(seen)))


class PixelCNN(nn.Module):
    """A stack of gated blocks, and a mixture of logistics for every pixel.

    Args:
        width: Channels.
        layers: Blocks.
        components: Of the mixture.
        classes: At least one.
    """

    def __init__(self, *, width: int, layers: int, components: int, classes: int) -> None:
        super().__init__()
        # a fourth channel of ones tells the border, where maps are padded with zeros
        self.first = MaskedConv(4, width, _FIRST_KERNEL, sees_itself=False)
        self.blocks = nn.ModuleList(Block(width, classes) for _ in range(layers))
        self.head = nn.Conv2d(width, 10 * components, 1)  # weight, 3 means, 3 scales, 3 slopes

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return parameters (N, 10 K, S, S) of each pixel's mixture, given the pixels before it.

        Args:
            images: (N, 3, S, S).
            labels: Number of each image's class, (N,).
        """
        x = self.first(with_ones(images))  # (N, C, S, S)
        for block in self.blocks:
            x = block(x, labels)
        return cast("Tensor", self.head(silu(x)))


def with_ones(images: Tensor) -> Tensor:
    """Return images (N, 3, S, S) with a fourth channel of ones."""
    return torch.cat([images, torch.ones_like(images[:, :1])], dim=1)


def gate(x: Tensor) -> Tensor:
    """Return half of the channels: tanh of one half, weighted by the sigmoid of the other."""
    signal, weight = x.chunk(2, dim=1)
    return signal.tanh() * weight.sigmoid()
