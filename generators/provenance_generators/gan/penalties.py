"""How steep the critic is around images: what gradient penalties are made of."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from provenance_generators.gan.objectives import Points


class Judged(NamedTuple):
    """What the critic said of a batch of N real and N generated images.

    Attributes:
        real: Scores (N, 1).
        fake: Scores (N, 1).
        slopes: Squared length of the critic's gradient, (M,), at the penalised images.
        error: Mean error with which it reconstructs real images, (); 0 where it does not.
    """

    real: Tensor
    fake: Tensor
    slopes: Tensor
    error: Tensor


def judge(
    critic: nn.Module, real: Tensor, fake: Tensor, classes: Tensor, points: Points, shares: Tensor
) -> Judged:
    """Score a batch, and measure slopes at the penalised points.

    In one pass over all images, since distributed averaging allows one forward pass a backward
    pass. With a penalty, in float32 whatever surrounds it: the slope is differentiated twice, and
    squares of small gradients vanish in half precision.

    Args:
        critic: Takes images and classes, returns scores (M, 1) and errors (M,); it judges each
            image on its own (no batch normalisation).
        real: float (N, 3, S, S).
        fake: The same; no gradient goes back through it.
        classes: int64 (N,), of both.
        points: Where slopes are measured.
        shares: float (N,), 0..1: how far ``between`` points lie towards generated images.
    """
    n = len(real)
    images, labels = torch.cat([real, fake.detach()]), torch.cat([classes, classes])
    if points == "none":
        scores, errors = critic(images, labels)
        return Judged(scores[:n].float(), scores[n:].float(), scores.new_zeros(1), _mean(errors, n))
    if points == "between":
        middle = torch.lerp(real, fake.detach(), shares.view(-1, 1, 1, 1))
        images, labels = torch.cat([images, middle]), torch.cat([labels, classes])
    measured = {"real": slice(0, n), "both": slice(0, 2 * n), "between": slice(2 * n, 3 * n)}
    with torch.autocast(images.device.type, enabled=False):
        images = images.float().requires_grad_()
        scores, errors = critic(images, labels)
        (gradient,) = torch.autograd.grad(scores[measured[points]].sum(), images, create_graph=True)
    slopes = gradient[measured[points]].square().sum(dim=(1, 2, 3))  # (M,)
    return Judged(scores[:n], scores[n : 2 * n], slopes, _mean(errors, n))


def _mean(errors: Tensor, n: int) -> Tensor:
    """Return the mean error of the N real images, which come first."""
    return errors[:n].float().mean()
