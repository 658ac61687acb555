"""How one token is drawn from its logits. Notation: N sequences, V codes."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn; the defaults draw from the distribution as it was learned.

    Attributes:
        temperature: Divides the logits; 0 takes the likeliest token.
        top_k: Keep so many of the likeliest tokens; None keeps all.
        top_p: Keep the likeliest tokens whose probabilities first sum to this; 1 keeps all
            (nucleus sampling, arXiv 1904.09751).
        guidance: How far logits go from those without a class towards, and beyond at above 1,
            those with it (classifier-free guidance, arXiv 2207.12598).
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    guidance: float = 1.0


def draw(logits: Tensor, uniform: Tensor, sampling: Sampling) -> Tensor:
    """Return one token (N,) of each row of ``logits`` (N, V) by inverting its distribution.

    Args:
        logits: (N, V).
        uniform: float64 (N,), 0..1.
        sampling: See there; guidance has been applied already.
    """
    if sampling.temperature == 0:
        return logits.argmax(1)
    # double: in single precision the sum over V falls short of 1 by more than a rare code's share
    scaled = logits if sampling.temperature == 1 else logits / sampling.temperature
    probability = scaled.softmax(1, dtype=torch.float64)
    if sampling.top_p < 1 or sampling.top_k is not None:
        probability = _keep_likeliest(probability, sampling)
    edges = probability.cumsum(1)
    target = uniform[:, None] * edges[:, -1:]
    return torch.searchsorted(edges, target, right=True)[:, 0].clamp(max=logits.shape[1] - 1)


def _keep_likeliest(probability: Tensor, sampling: Sampling) -> Tensor:
    """Return ``probability`` (N, V) with zeros where neither top-k nor top-p keeps a token."""
    ordered, _ = probability.sort(1, descending=True)
    if sampling.top_k is not None:
        ordered = ordered[:, : sampling.top_k]
    sums = ordered.cumsum(1)
    # of what top-k keeps, so that both together mean one after the other
    enough = (sums - ordered < sampling.top_p * sums[:, -1:]).sum(1, keepdim=True)  # (N, 1)
    threshold = ordered.gather(1, (enough - 1).clamp(min=0))
    return probability * (probability >= threshold)
