"""The network between images and codes.

Notation: N images, S = side in pixels, F = pixels a token along each side, G = S/F the side of the
token grid, T = G*G tokens in raster order, D channels of the quantiser, C channels at half
resolution. Images are float (N, 3, S, S), -1..1.
"""

import itertools
from typing import NamedTuple, cast

from torch import Tensor, nn
from torch.nn.functional import silu

from provenance_generators.tokenizers.quantisers import Quantiser
from provenance_generators.upsampling import norm, upsample

FACTORS = (4, 8, 16)
_WIDEST = 4  # channels are doubled from stage to stage, up to 4C


class Coded(NamedTuple):
    """Images through a tokenizer.

    Attributes:
        images: (N, 3, S, S), reconstructed.
        tokens: int64 (N, T).
        loss: (), what the quantiser adds to the loss.
        maps: (N, D, G, G), before they were rounded: what :meth:`Quantiser.learn` needs.
    """

    images: Tensor
    tokens: Tensor
    loss: Tensor
    maps: Tensor


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, each behind a norm, beside an identity."""

    def __init__(self, channels: int, *, kind: str) -> None:
        super().__init__()
        self.norm1, self.norm2 = norm(kind, channels), norm(kind, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` (N, C, S, S) plus what the block adds."""
        x2 = self.conv1(silu(self.norm1(x)))
        return cast("Tensor", x + self.conv2(silu(self.norm2(x2))))


class Tokenizer(nn.Module):
    """Images to tokens and back, one token for F x F pixels.

    Args:
        quantiser: :class:`FSQ` or :class:`VQ`.
        width: C, a multiple of 8.
        factor: F, one of 4, 8, 16.
        upsampling: A name in ``upsampling.UPSAMPLING``.
        norm: A name in ``upsampling.NORMS``.
        blocks: Residual blocks of the decoder; the encoder has half as many, at least one.

    Example:
        >>> Tokenizer(quantiser=FSQ((6, 6, 6)), width=24).encode(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 64])
    """

    def __init__(
        self,
        *,
        quantiser: Quantiser,
        width: int,
        factor: int = 4,
        upsampling: str = "nearest",
        norm: str = "group",
        blocks: int = 2,
    ) -> None:
        super().__init__()
        if factor not in FACTORS:
            raise ValueError(f"a tokenizer's factor is one of {FACTORS}, not {factor}")
        self.quantiser, self.factor = quantiser, factor
        widths = [min(_WIDEST, 2**stage) * width for stage in range(factor.bit_length() - 1)]
        core = widths[-1]
        self.encoder = nn.Sequential(
            *_down(widths),  # (N, core, G, G)
            *(ResidualBlock(core, kind=norm) for _ in range(max(1, blocks // 2))),
            nn.Conv2d(core, quantiser.channels, 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(quantiser.channels, core, 3, padding=1),
            *(ResidualBlock(core, kind=norm) for _ in range(blocks)),
            *_up(widths, upsampling),  # (N, C, S, S)
            nn.Conv2d(width, 3, 3, padding=1),
        )

    def forward(self, images: Tensor) -> Coded:
        """Return images (N, 3, S, S) as decoded from their own tokens, and what training needs."""
        maps = self.encoder(images)
        values, tokens, loss = self.quantiser(maps)
        return Coded(self.decoder(values), tokens, loss, maps)

    def encode(self, images: Tensor) -> Tensor:
        """Return the tokens (N, T) of images."""
        return cast("Tensor", self.quantiser(self.encoder(images)).tokens)

    def decode(self, tokens: Tensor) -> Tensor:
        """Return the images (N, 3, S, S) of tokens (N, T)."""
        return cast("Tensor", self.decoder(self.quantiser.values(tokens)))


def _down(widths: list[int]) -> list[nn.Module]:
    """Return layers that halve the side as often as there are widths."""
    layers: list[nn.Module] = []
    for before, after in zip([3, *widths], widths, strict=False):
        layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.SiLU()]
    return layers[:-1]  # a residual block follows, which begins with a norm and that itself


def _up(widths: list[int], upsampling: str) -> list[nn.Module]:
    """Return layers that double the side as often as there are widths, ending with the first."""
    layers: list[nn.Module] = []
    narrowing = [*widths[::-1], widths[0]]
    for before, after in itertools.pairwise(narrowing):
        layers += [upsample(upsampling, before, after), nn.SiLU()]
    return layers
