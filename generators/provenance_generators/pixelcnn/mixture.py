"""A mixture of discretised logistics over the 256 levels of a pixel (PixelCNN++, 1701.05517).

A logistic is cut at the borders between levels; the outermost levels hold its tails. Green depends
on red, and blue on both, through slopes that shift their means.

Notation: M places (any shape), K components, 3 channels; values -1..1.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

_HALF_LEVEL = 1 / 255
_LEAST_LOG_SCALE = -7.0


class Mixture:
    """The mixtures of M places.

    Args:
        parameters: (M, 10 K), as the network gives them.
    """

    def __init__(self, parameters: Tensor) -> None:
        weights, means, scales, slopes = _split(parameters.float())
        self.log_weights = weights.log_softmax(-1)  # (M, K)
        self.means = means  # (M, K, 3)
        self.log_scales = scales.clamp(min=_LEAST_LOG_SCALE)  # (M, K, 3)
        self.slopes = slopes.tanh()  # (M, K, 3): red to green, red to blue, green to blue

    def log_likelihood(self, pixels: Tensor) -> Tensor:
        """Return the log-probability (M,), in nats, of pixels (M, 3) on the 256 levels."""
        values = pixels[:, None]  # (M, 1, 3)
        means = self._means_given(values[..., 0], values[..., 1])
        each = _log_of_level(values - means, self.log_scales, values)  # (M, K, 3)
        return torch.logsumexp(self.log_weights + each.sum(-1), dim=-1)

    def sample(self, uniform: Tensor, temperature: float) -> Tensor:
        """Return pixels (M, 3), on the 256 levels.

        Args:
            uniform: (M, 4), 0..1: one to choose the component, three for the channels.
            temperature: Scales the spread within a component.
        """
        edges = self.log_weights.exp().cumsum(-1)
        chosen = torch.searchsorted(edges, uniform[:, :1].contiguous())  # (M, 1)
        chosen = chosen.clamp(max=edges.shape[-1] - 1)
        rows = torch.arange(len(uniform), device=uniform.device)[:, None]
        one = uniform[:, 1:].clamp(1e-5, 1 - 1e-5)
        noise = (
            temperature * self.log_scales[rows, chosen][:, 0].exp() * (one.log() - (-one).log1p())
        )
        means, slopes = self.means[rows, chosen][:, 0], self.slopes[rows, chosen][:, 0]  # (M, 3)
        red = _level(means[:, 0] + noise[:, 0])
        green = _level(means[:, 1] + slopes[:, 0] * red + noise[:, 1])
        blue = means[:, 2] + slopes[:, 1] * red + slopes[:, 2] * green + noise[:, 2]
        return torch.stack([red, green, _level(blue)], dim=-1)

    def _means_given(self, red: Tensor, green: Tensor) -> Tensor:
        """Return means (M, K, 3), those of green and blue moved by the channels before them."""
        moved = [
            self.means[..., 0],
            self.means[..., 1] + self.slopes[..., 0] * red,
            self.means[..., 2] + self.slopes[..., 1] * red + self.slopes[..., 2] * green,
        ]
        return torch.stack(moved, dim=-1)


def bits_per_dim(log_likelihood: Tensor) -> Tensor:
    """Return bits a value (N,) of log-likelihoods (N, pixels) in nats."""
    return -log_likelihood.mean(1) / (3 * math.log(2))


def _split(parameters: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    k = parameters.shape[-1] // 10
    weights = parameters[..., :k]
    parts = parameters[..., k:].reshape(*parameters.shape[:-1], 3, k, 3)
    means, scales, slopes = parts.unbind(-3)  # each (M, K, 3)
    return weights, means, scales, slopes


def _log_of_level(distance: Tensor, log_scale: Tensor, values: Tensor) -> Tensor:
    """Return the log of the part of a logistic that falls on a level."""
    inverse = (-log_scale).exp()
    upper, lower = inverse * (distance + _HALF_LEVEL), inverse * (distance - _HALF_LEVEL)
    # sigmoid(upper) - sigmoid(lower) in logs; the difference itself vanishes far from the mean
    width = 2 * _HALF_LEVEL * inverse
    inner = logsigmoid(upper) - softplus(lower) + torch.log(-torch.expm1(-width))
    first = logsigmoid(upper)  # all that lies below
    last = -softplus(lower)  # all that lies above
    inner = torch.where(values < -1 + _HALF_LEVEL, first, inner)
    return torch.where(values > 1 - _HALF_LEVEL, last, inner)


def _level(values: Tensor) -> Tensor:
    """Return values on the nearest of the 256 levels."""
    return ((values.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1
