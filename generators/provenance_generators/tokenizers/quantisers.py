"""Two ways to round a vector to one of V codes, behind one interface.

Notation: N images, G = side of the token grid, T = G*G tokens in raster order, V codes, D channels
of the maps that are rounded. Maps are float (N, D, G, G).
"""

import abc
import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, distributed, nn
from torch.nn.functional import embedding, mse_loss, one_hot

_DEAD = 0.05  # of an equal share of all tokens: a code that gets less is restarted


class Quantised(NamedTuple):
    """What a quantiser makes of maps.

    Attributes:
        values: (N, D, G, G), rounded; gradients pass as if nothing had been rounded.
        tokens: int64 (N, T), numbers of the codes.
        loss: (), to be added to the loss; zero where rounding needs none.
    """

    values: Tensor
    tokens: Tensor
    loss: Tensor


class Quantiser(nn.Module, abc.ABC):
    """Rounds vectors to codes.

    Attributes:
        codes: V.
        channels: D.
    """

    codes: int
    channels: int

    @abc.abstractmethod
    def forward(self, maps: Tensor) -> Quantised:
        """Round maps (N, D, G, G), in float32 whatever the precision around."""

    @abc.abstractmethod
    def values(self, tokens: Tensor) -> Tensor:
        """Return the rounded maps (N, D, G, G) of code numbers (N, T)."""

    @abc.abstractmethod
    def features(self) -> Tensor:
        """Return what is known of each code, float (V, F): codes with like rows look alike."""

    def learn(self, maps: Tensor, tokens: Tensor, rng: torch.Generator) -> None:
        """Adapt the codes to maps (N, D, G, G) and their tokens, after an optimiser step.

        For quantisers that do not learn by gradients; others have nothing to do here.

        Args:
            maps: As the encoder made them, of this process.
            tokens: (N, T).
            rng: On the CPU: what is random depends on it alone.
        """


class FSQ(Quantiser):
    """Rounds each of D numbers to a few levels; together they are one of V codes.

    Finite scalar quantisation (Mentzer et al., arXiv 2309.15505, section 3): there is no codebook
    to learn, so no code can die, and no loss but that of the reconstruction.

    Args:
        levels: How many values each digit may take, at least 3.

    Example:
        >>> FSQ((6, 6, 6)).codes
        216
    """

    levels: Tensor
    place: Tensor

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        self.codes, self.channels = math.prod(levels), len(levels)
        steps = torch.tensor([1, *levels[:-1]])
        # (D, 1, 1), so that they meet maps (N, D, G, G); rebuilt from the settings, never stored
        self.register_buffer("levels", torch.tensor(levels)[:, None, None], persistent=False)
        self.register_buffer("place", steps.cumprod(0)[:, None, None], persistent=False)

    def forward(self, maps: Tensor) -> Quantised:
        """Round maps (N, D, G, G); see :class:`Quantiser`."""
        maps = maps.float()
        half = (self.levels - 1) / 2 * (1 - 1e-3)  # just inside, so that no level more is reached
        offset = torch.where(self.levels % 2 == 0, 0.5, 0.0)  # an even count has no middle
        bounded = torch.tanh(maps + torch.atanh(offset / half)) * half - offset
        rounded = bounded + (bounded.round() - bounded).detach()
        values = rounded / (self.levels // 2)
        return Quantised(values, self._tokens(values.detach()), values.new_zeros(()))

    def values(self, tokens: Tensor) -> Tensor:
        """Return the rounded maps (N, D, G, G) of code numbers (N, T)."""
        half = self.levels // 2
        return (self._digits(tokens) - half) / half

    def features(self) -> Tensor:
        """Return which level each digit of a code has, (V, sum of levels): ones and zeros."""
        codes = torch.arange(self.codes, device=self.levels.device)[:, None]
        digits = self._digits(codes)[:, :, 0, 0]  # (V, D)
        each = [
            one_hot(digits[:, digit], int(count))
            for digit, count in enumerate(self.levels.flatten().tolist())
        ]
        return torch.cat(each, 1).float()

    def _tokens(self, values: Tensor) -> Tensor:
        """Return the code numbers (N, T) of rounded maps (N, D, G, G)."""
        half = self.levels // 2
        digits = (values * half).round().long() + half
        return (digits * self.place).sum(1).flatten(1)

    def _digits(self, tokens: Tensor) -> Tensor:
        """Return the digits (N, D, G, G) of code numbers (N, T), each from 0."""
        grid = math.isqrt(tokens.shape[1])
        codes = tokens.view(-1, 1, grid, grid)  # (N, 1, G, G)
        return codes // self.place % self.levels


class VQ(Quantiser):
    """Takes the nearest of V vectors, each of which follows the mean of what it stands for.

    Vector quantisation with a commitment loss (van den Oord et al., arXiv 1711.00937, section 3.2)
    and a codebook of moving averages (Razavi et al., arXiv 1906.00446, section 2.1). A code that
    stands for almost nothing is put on a vector of the batch (Dhariwal et al., arXiv 2005.00341,
    section 3): so a fresh codebook spreads over the data in its first step.

    Args:
        codes: V.
        dim: D, numbers in a vector.
        commitment: Weight of the encoder's distance to its code.
        decay: Share of a code's old statistics that stays at each step.
    """

    codebook: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(
        self, codes: int, dim: int, *, commitment: float = 0.25, decay: float = 0.99
    ) -> None:
        super().__init__()
        self.codes, self.channels = codes, dim
        self._commitment, self._decay = commitment, decay
        self.register_buffer("codebook", torch.randn(codes, dim))
        self.register_buffer("counts", torch.zeros(codes))  # average of tokens a step
        self.register_buffer("sums", torch.zeros(codes, dim))  # average of the sum of their vectors

    def forward(self, maps: Tensor) -> Quantised:
        """Round maps (N, D, G, G); see :class:`Quantiser`."""
        with torch.autocast(maps.device.type, enabled=False):
            maps = maps.float()
            tokens = self._nearest(maps)
            chosen = self.values(tokens)
            loss = self._commitment * mse_loss(maps, chosen)
            return Quantised(maps + (chosen - maps).detach(), tokens, loss)

    def values(self, tokens: Tensor) -> Tensor:
        """Return the vectors (N, D, G, G) of code numbers (N, T)."""
        grid = math.isqrt(tokens.shape[1])
        grids = tokens.view(-1, grid, grid)  # (N, G, G)
        return embedding(grids, self.codebook).permute(0, 3, 1, 2)  # (N, D, G, G)

    def features(self) -> Tensor:
        """Return the vectors (V, D), scaled to a variance of 1."""
        return (self.codebook - self.codebook.mean(0)) / self.codebook.std().clamp(min=1e-6)

    @torch.no_grad()
    def learn(self, maps: Tensor, tokens: Tensor, rng: torch.Generator) -> None:
        """Move each code towards the mean of its vectors, and restart those that are not used."""
        rows = _rows(maps.detach().float())  # (N*T, D)
        # a product, not index_add: sums in any order would differ from run to run on a GPU
        members = one_hot(tokens.flatten(), self.codes).float()  # (N*T, V)
        counts, sums = _over_processes(members.sum(0)), _over_processes(members.T @ rows)
        self.counts.lerp_(counts, 1 - self._decay)
        self.sums.lerp_(sums, 1 - self._decay)
        self._restart(rows, rng)
        self.codebook.copy_(self.sums / self.counts[:, None])

    def _restart(self, rows: Tensor, rng: torch.Generator) -> None:
        """Give codes that stand for almost nothing an equal share, at vectors (N*T, D)."""
        share = self.counts.mean()
        is_dead = (self.counts < _DEAD * share)[:, None]  # (V, 1)
        order = torch.randperm(len(rows), generator=rng)
        repeats = -(-self.codes // len(rows))
        drawn = rows[order.repeat(repeats)[: self.codes].to(rows.device)]  # (V, D)
        if distributed.is_available() and distributed.is_initialized():
            distributed.broadcast(drawn, src=0)
        self.sums.copy_(torch.where(is_dead, drawn * share, self.sums))
        self.counts.copy_(torch.where(is_dead[:, 0], share, self.counts))

    def _nearest(self, maps: Tensor) -> Tensor:
        """Return the number (N, T) of the code nearest to each vector of maps (N, D, G, G)."""
        rows = _rows(maps.detach())
        lengths = self.codebook.square().sum(1)
        # that of a row itself is the same for all codes
        distances = torch.addmm(lengths, rows, self.codebook.T, alpha=-2)  # (N*T, V)
        return distances.argmin(1).view(len(maps), -1)


def _rows(maps: Tensor) -> Tensor:
    """Return the vectors (N*T, D) of maps (N, D, G, G)."""
    return maps.permute(0, 2, 3, 1).flatten(0, 2)


def _over_processes(value: Tensor) -> Tensor:
    """Return the sum of ``value`` over all processes of a run."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.all_reduce(value)
    return value
