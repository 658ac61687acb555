"""Draws pixels one after another, each layer at one place at a time.

The maps of all layers are kept, so that a pixel costs a few small products in place of a pass over
the image: what a layer needs from the places before has been computed.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import silu

from provenance_generators.pixelcnn.mixture import Mixture
from provenance_generators.pixelcnn.model import Block, MaskedConv, PixelCNN, gate


class _Layer:
    """One masked convolution, and the map that it reads, padded by half its kernel.

    Args:
        rows: Its weights, (C_in * k * k, C).
        bias: (C,).
        kernel: k, in pixels.
        shape: N, C_in and S of what it reads.
    """

    def __init__(self, rows: Tensor, bias: Tensor, kernel: int, shape: Sequence[int]) -> None:
        n, channels, side = shape
        self._rows, self._bias, self._kernel = rows, bias, kernel
        padded = side + 2 * (kernel // 2)
        self._map = rows.new_zeros(n, channels, padded, padded)

    def write(self, y: int, x: int, values: Tensor) -> None:
        """Set the place (y, x) of its map to values (N, C_in)."""
        self._map[:, :, y + self._kernel // 2, x + self._kernel // 2] = values

    def read(self, y: int, x: int) -> Tensor:
        """Return its output (N, C) at a place."""
        window = self._map[:, :, y : y + self._kernel, x : x + self._kernel]
        return torch.addmm(self._bias, window.flatten(1), self._rows)


class Painter:
    """The state of N images that are being drawn.

    Args:
        network: Trained.
        labels: Number of each image's class, (N,).
        size_px: Side of the images.
    """

    def __init__(self, network: PixelCNN, labels: Tensor, size_px: int) -> None:
        self._network, self._size_px = network, size_px
        n, width = len(labels), network.first.out_channels
        self._first = _Layer(*_weights(network.first), (n, 4, size_px))
        self._layers = [
            _Layer(*_weights(block.look), (n, width, size_px)) for block in self._blocks
        ]
        self._shifts = [block.classes(labels) for block in self._blocks]  # each (N, 2C)
        self._mixes = [_matrix(block.mix) for block in self._blocks]
        self._head = _matrix(network.head)

    def draw(self, images: Tensor, anew: Tensor, uniform: Tensor, temperature: float) -> Tensor:
        """Return images (N, 3, S, S) with some pixels drawn, each given all those before it.

        Args:
            images: (N, 3, S, S); pixels that are not drawn keep their values.
            anew: bool (N, S, S), which to draw.
            uniform: (N, S, S, 4), 0..1.
            temperature: Scales the spread.
        """
        drawn = images.clone()
        for y in range(self._size_px):
            for x in range(self._size_px):
                made = Mixture(self._parameters(y, x)).sample(uniform[:, y, x], temperature)
                pixel = torch.where(anew[:, y, x, None], made, drawn[:, :, y, x])  # (N, 3)
                drawn[:, :, y, x] = pixel
                self._first.write(y, x, torch.cat([pixel, torch.ones_like(pixel[:, :1])], dim=1))
        return drawn

    def _parameters(self, y: int, x: int) -> Tensor:
        """Return the mixture's parameters (N, 10 K) of a place; all before it are written."""
        here = self._first.read(y, x)  # (N, C)
        for layer, shift, (weight, bias) in zip(
            self._layers, self._shifts, self._mixes, strict=True
        ):
            layer.write(y, x, silu(here))
            here = here + torch.addmm(bias, gate(layer.read(y, x) + shift), weight)
        weight, bias = self._head
        return torch.addmm(bias, silu(here), weight)

    @property
    def _blocks(self) -> list[Block]:
        return [block for block in self._network.blocks if isinstance(block, Block)]


def _matrix(layer: torch.nn.Conv2d) -> tuple[Tensor, Tensor]:
    """Return weights (C_in, C) and bias (C,) of a convolution of one pixel."""
    assert layer.bias is not None
    return layer.weight[:, :, 0, 0].T, layer.bias


def _weights(layer: MaskedConv) -> tuple[Tensor, Tensor, int]:
    assert layer.bias is not None
    return layer.rows(), layer.bias, int(layer.kernel_size[0])
