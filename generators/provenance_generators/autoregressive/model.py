"""The transformer over the tokens of an image.

Notation: N images, G = side of the token grid, T = G*G tokens in raster order, V codes, F features
of a code, K classes, E = width of the transformer, H heads.
"""

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, gelu, linear, scaled_dot_product_attention

from provenance_generators.autoregressive.drawing import Sampling, draw


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
        if cache is None:
            mixed = scaled_dot_product_attention(query, key, value, is_causal=True)
        else:
            mixed = _attend_one(query, *cache.append(key, value))
        mixed = mixed.transpose(1, 2).reshape(n, t, width)
        x = x + self.dropout(self.project(mixed))
        return cast("Tensor", x + self.dropout(self.narrow(gelu(self.widen(self.norm2(x))))))


def _attend_one(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Return what one position (N, H, 1, E/H) takes from keys and values (N, H, T, E/H).

    Plain products: for a single query the fused kernel is slower on a CPU from 64 keys on.
    """
    scores = (query * query.shape[-1] ** -0.5) @ keys.transpose(2, 3)  # (N, H, 1, T)
    return cast("Tensor", scores.softmax(-1) @ values)


class Codes(nn.Module):
    """A vector for each code: one of its own, plus a linear map of what is known of the code.

    Codes that look alike so begin alike, and each learns from what its relatives have seen.

    Args:
        features: (V, F), see :meth:`Quantiser.features`; stored, since a codebook is learned.
        width: E.
    """

    features: Tensor

    def __init__(self, features: Tensor, width: int) -> None:
        super().__init__()
        self.own = nn.Embedding(len(features), width)
        self.shared = nn.Linear(features.shape[1], width, bias=False)
        self.register_buffer("features", features.clone())

    def forward(self) -> Tensor:
        """Return the vectors (V, E)."""
        return cast("Tensor", self.own.weight + self.shared(self.features))


class _Ready(NamedTuple):
    """What stays the same over the steps of sampling: computed once."""

    vectors: Tensor  # (V, E)
    head: Tensor  # (V, E)
    begin: Tensor  # (R, E), R rows: N, or 2N with guidance
    places: Tensor  # (R or 1, T, E)
    caches: list[Cache]


class Prior(nn.Module):
    """Gives the distribution of each token from the class and the tokens before it.

    Before the first token stands that of the class; its vector is also added at each position.
    Class K means that none is given.

    Args:
        features: (V, F) of the codes.
        classes: K; 0 where the source has none.
        grid: G.
        width: E, a multiple of ``heads``.
        layers: How many blocks.
        heads: H.
        dropout: Share of activations dropped in training.
    """

    def __init__(
        self,
        features: Tensor,
        *,
        classes: int,
        grid: int,
        width: int,
        layers: int,
        heads: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.length, self.heads, self.classes = grid * grid, heads, classes
        self.token, self.head = Codes(features, width), Codes(features, width)
        self.bias = nn.Parameter(torch.zeros(len(features)))
        self.start, self.label = (nn.Embedding(classes + 1, width) for _ in range(2))
        self.row, self.column = nn.Embedding(grid, width), nn.Embedding(grid, width)
        self.blocks = nn.ModuleList(
            Block(width=width, heads=heads, dropout=dropout) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.apply(_initialise)

    def forward(self, tokens: Tensor, classes: Tensor) -> Tensor:
        """Return logits (N, T, V): at each position, from the tokens (N, T) before it.

        Args:
            tokens: int64 (N, T), or fewer positions: of so many the logits are returned.
            classes: int64 (N,), 0..K.
        """
        before = embedding(tokens[:, :-1], self.token())
        x = torch.cat([self.start(classes)[:, None], before], 1)  # (N, T, E)
        x = x + self._places(classes)[:, : x.shape[1]]
        for block in self.blocks:
            x = block(x)
        return linear(self.norm(x), self.head(), self.bias)

    def complete(
        self,
        tokens: Tensor,
        chosen: Tensor,
        uniform: Tensor,
        classes: Tensor,
        sampling: Sampling | None = None,
    ) -> Tensor:
        """Draw the chosen tokens anew, in raster order, each from the class and all before it.

        Args:
            tokens: (N, T); kept where not chosen.
            chosen: bool (N, T).
            uniform: (N, T), 0..1: the randomness of each draw.
            classes: int64 (N,), 0..K.
            sampling: How; the defaults where None.
        """
        sampling = sampling or Sampling()
        result, uniform = tokens.clone(), uniform.double()
        ready = self._prepare(self._with_guidance(classes, sampling))
        x = ready.begin
        for t in range(self.length):
            logits = self._guide(self._next(x, t, ready), len(tokens), sampling)
            drawn = draw(logits, uniform[:, t], sampling)
            last = torch.where(chosen[:, t], drawn, tokens[:, t])  # (N,)
            result[:, t] = last
            x = embedding(last, ready.vectors)
            if len(ready.begin) > len(x):
                x = torch.cat([x, x])
        return result

    # -- one step of sampling ----------------------------------------------------------------------

    def _prepare(self, classes: Tensor) -> _Ready:
        """Return what the steps of sampling share, for classes (R,)."""
        vectors = self.token()
        shape = (len(classes), self.heads, self.length, vectors.shape[1] // self.heads)
        caches = [Cache(vectors, shape) for _ in self.blocks]
        return _Ready(vectors, self.head(), self.start(classes), self._places(classes), caches)

    def _next(self, x: Tensor, t: int, ready: _Ready) -> Tensor:
        """Return logits (R, V) of token ``t`` from the vectors (R, E) of the one before it."""
        x = (x + ready.places[:, t])[:, None]  # (R, 1, E)
        for block, cache in zip(self.blocks, ready.caches, strict=True):
            x = block(x, cache)
        return linear(self.norm(x)[:, 0], ready.head, self.bias)

    def _with_guidance(self, classes: Tensor, sampling: Sampling) -> Tensor:
        """Return classes (N,), and behind them, where guidance asks for it, none (2N,)."""
        if sampling.guidance == 1 or not self.classes:
            return classes
        return torch.cat([classes, torch.full_like(classes, self.classes)])

    @staticmethod
    def _guide(logits: Tensor, n: int, sampling: Sampling) -> Tensor:
        """Return logits (N, V) of logits (N, V), or (2N, V) with and without the class."""
        if len(logits) == n:
            return logits
        return torch.lerp(logits[n:], logits[:n], sampling.guidance)

    def _places(self, classes: Tensor) -> Tensor:
        """Return what is added at each position, (N, T, E): row's, column's and class's vector."""
        grid = (self.row.weight[:, None] + self.column.weight[None]).flatten(0, 1)  # (T, E)
        return cast("Tensor", grid + self.label(classes)[:, None])


def _initialise(module: nn.Module) -> None:
    """Small normal weights and zero biases, as for GPT-2."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
