"""The networks: a tokenizer with finite scalar quantisation, and a transformer over its tokens.

Notation: N images, C channels, S = side in pixels, G = S/4 the side of the token grid, T = G*G
tokens in raster order, V codes, D digits of a code, E = width of the transformer, H heads.
Images are float (N, 3, S, S), -1..1.
"""

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from provenance.training import ResidualBlock

FACTOR = 4  # pixels of image per token, along each side


# --- tokens ---------------------------------------------------------------------------------------


class FiniteScalarQuantiser(nn.Module):
    """Rounds each of D numbers to a few levels; together they are one of V codes.

    There is no codebook to learn, so no code can die (arXiv 2309.15505, section 3).

    Args:
        levels: How many values each digit may take, at least 3.
    """

    levels: Tensor
    place: Tensor

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        self.codes = math.prod(levels)  # V
        steps = torch.tensor([1, *levels[:-1]])
        # (D, 1, 1), so that they meet maps (N, D, G, G); rebuilt from the settings, never stored
        self.register_buffer("levels", torch.tensor(levels)[:, None, None], persistent=False)
        self.register_buffer("place", steps.cumprod(0)[:, None, None], persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        """Return ``z`` (N, D, G, G) rounded to the levels, each within -1..1.

        The gradient passes as if nothing had been rounded.
        """
        half = (self.levels - 1) / 2 * (1 - 1e-3)  # just inside, so that no level more is reached
        offset = torch.where(self.levels % 2 == 0, 0.5, 0.0)  # an even count has no middle
        bounded = torch.tanh(z + torch.atanh(offset / half)) * half - offset
        rounded = bounded + (bounded.round() - bounded).detach()
        return rounded / (self.levels // 2)

    def tokens(self, quantised: Tensor) -> Tensor:
        """Return the code numbers (N, T) of rounded maps (N, D, G, G)."""
        half = self.levels // 2
        digits = (quantised * half).round().long() + half
        return (digits * self.place).sum(1).flatten(1)

    def values(self, tokens: Tensor) -> Tensor:
        """Return rounded maps (N, D, G, G) of code numbers (N, T)."""
        grid = math.isqrt(tokens.shape[1])
        codes = tokens.view(-1, 1, grid, grid)  # (N, 1, G, G)
        digits = codes // self.place % self.levels
        half = self.levels // 2
        return (digits - half) / half


class Tokenizer(nn.Module):
    """Images to tokens and back, one token for 4x4 pixels.

    Args:
        width: Channels at half resolution, a multiple of 8.
        levels: Of the quantiser.
    """

    def __init__(self, *, width: int, levels: Sequence[int]) -> None:
        super().__init__()
        self.quantiser = FiniteScalarQuantiser(levels)
        core = 2 * width
        self.encoder = nn.Sequential(
            nn.Conv2d(3, width, 4, stride=2, padding=1),  # (N, C, S/2, S/2)
            nn.SiLU(),
            nn.Conv2d(width, core, 4, stride=2, padding=1),  # (N, 2C, G, G)
            ResidualBlock(core),
            nn.Conv2d(core, len(levels), 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(len(levels), core, 3, padding=1),
            ResidualBlock(core),
            ResidualBlock(core),
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(core, width, 3, padding=1),  # (N, C, S/2, S/2)
            nn.SiLU(),
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(width, width, 3, padding=1),  # (N, C, S, S)
            nn.SiLU(),
            nn.Conv2d(width, 3, 3, padding=1),
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return reconstructions (N, 3, S, S) and tokens (N, T)."""
        quantised = self.quantiser(self.encoder(images).float())
        return self.decoder(quantised), self.quantiser.tokens(quantised)

    def encode(self, images: Tensor) -> Tensor:
        """Return the tokens (N, T) of images."""
        return self.quantiser.tokens(self.quantiser(self.encoder(images).float()))

    def decode(self, tokens: Tensor) -> Tensor:
        """Return the images (N, 3, S, S) of tokens (N, T)."""
        return cast("Tensor", self.decoder(self.quantiser.values(tokens)))


# --- the transformer ------------------------------------------------------------------------------


class Cache:
    """Keys and values of the positions that one layer has seen, so that none is computed twice.

    Attributes:
        keys: (N, H, T, E/H); positions not yet seen are undefined.
        values: Same shape.
        length: Positions seen.
    """

    def __init__(self, like: Tensor, shape: tuple[int, int, int, int]) -> None:
        self.keys, self.values, self.length = like.new_empty(shape), like.new_empty(shape), 0

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add one position (N, H, 1, E/H); return keys and values of all seen so far."""
        self.keys[:, :, self.length], self.values[:, :, self.length] = key[:, :, 0], value[:, :, 0]
        self.length += 1
        return self.keys[:, :, : self.length], self.values[:, :, : self.length]


class Block(nn.Module):
    """Causal self-attention and a perceptron, each behind a norm and beside an identity."""

    def __init__(self, *, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """Return (N, T, E) for ``x`` (N, T, E): all positions, or with a cache the next one."""
        n, t, width = x.shape
        heads = self.attend(self.norm1(x)).view(n, t, 3, self.heads, -1)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each (N, H, T, E/H)
        if cache is not None:
            key, value = cache.append(key, value)
        mixed = scaled_dot_product_attention(query, key, value, is_causal=cache is None)
        mixed = mixed.transpose(1, 2).reshape(n, t, width)
        x = x + self.dropout(self.project(mixed))
        return cast("Tensor", x + self.dropout(self.narrow(gelu(self.widen(self.norm2(x))))))


class Prior(nn.Module):
    """Gives the distribution of each token from those before it in raster order.

    Args:
        codes: V.
        grid: G.
        embedding: E, a multiple of ``heads``.
        layers: How many blocks.
        heads: H.
        dropout: Share of activations dropped in training.
    """

    def __init__(
        self, *, codes: int, grid: int, embedding: int, layers: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.length, self.heads, self.start = grid * grid, heads, codes
        self.token = nn.Embedding(codes + 1, embedding)  # the last stands before the first token
        self.row, self.column = nn.Embedding(grid, embedding), nn.Embedding(grid, embedding)
        self.blocks = nn.ModuleList(
            Block(width=embedding, heads=heads, dropout=dropout) for _ in range(layers)
        )
        self.norm, self.head = nn.LayerNorm(embedding), nn.Linear(embedding, codes)
        self.apply(_initialise)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits (N, T, V): at each position, from the tokens (N, T) before it."""
        starts = torch.full_like(tokens[:, :1], self.start)
        x = self.token(torch.cat([starts, tokens[:, :-1]], 1)) + self._places()
        for block in self.blocks:
            x = block(x)
        return cast("Tensor", self.head(self.norm(x)))

    def complete(
        self,
        tokens: Tensor,
        chosen: Tensor,
        uniform: Tensor,
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
    ) -> Tensor:
        """Draw the chosen tokens anew, in raster order, each from all tokens before it.

        Args:
            tokens: (N, T); kept where not chosen.
            chosen: bool (N, T).
            uniform: (N, T), 0..1: the randomness of each draw.
            temperature: See :func:`draw`.
            top_p: See :func:`draw`.
        """
        result, places = tokens.clone(), self._places()
        caches = self.caches(tokens.shape[0])
        last = torch.full_like(tokens[:, 0], self.start)
        for t in range(self.length):
            logits = self.next_logits(last, places[t], caches)
            drawn = draw(logits, uniform[:, t], temperature=temperature, top_p=top_p)
            last = torch.where(chosen[:, t], drawn, tokens[:, t])
            result[:, t] = last
        return result

    def caches(self, n: int) -> list[Cache]:
        """Return an empty cache for each layer, for ``n`` sequences."""
        weight = self.head.weight
        shape = (n, self.heads, self.length, weight.shape[1] // self.heads)
        return [Cache(weight, shape) for _ in self.blocks]

    def next_logits(self, last: Tensor, place: Tensor, caches: Sequence[Cache]) -> Tensor:
        """Return logits (N, V) of the next token from the last one (N,), and extend the caches."""
        x = (self.token(last) + place)[:, None]  # (N, 1, E)
        for block, cache in zip(self.blocks, caches, strict=True):
            x = block(x, cache)
        return cast("Tensor", self.head(self.norm(x))[:, 0])

    def _places(self) -> Tensor:
        """Return what is added at each position (T, E): its row's vector and its column's."""
        return (self.row.weight[:, None] + self.column.weight[None]).flatten(0, 1)


def draw(logits: Tensor, uniform: Tensor, *, temperature: float, top_p: float) -> Tensor:
    """Return one token (N,) of each row of ``logits`` (N, V) by inverting its distribution.

    Args:
        logits: (N, V).
        uniform: (N,), 0..1.
        temperature: Divides the logits; 0 takes the likeliest token.
        top_p: Keep the likeliest tokens whose probabilities first sum to this; 1 keeps all.
    """
    if temperature == 0:
        return logits.argmax(1)
    # double: in single precision the sum over V falls short of 1 by more than a rare code's share
    probability = (logits.double() / temperature).softmax(1)
    if top_p < 1:
        ordered, _ = probability.sort(1, descending=True)
        enough = (ordered.cumsum(1) - ordered < top_p).sum(1, keepdim=True)  # (N, 1)
        threshold = ordered.gather(1, (enough - 1).clamp(min=0))
        probability = probability * (probability >= threshold)
    edges = probability.cumsum(1)
    target = uniform.double()[:, None] * edges[:, -1:]
    return torch.searchsorted(edges, target, right=True)[:, 0].clamp(max=logits.shape[1] - 1)


def _initialise(module: nn.Module) -> None:
    """Small normal weights and zero biases, as for GPT-2."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
