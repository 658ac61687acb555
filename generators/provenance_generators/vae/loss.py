"""What the Gaussian bottleneck is trained on.

Notation: N images, S = side in pixels, Z = latent units. Images are float (N, 3, S, S), -1..1.
"""

import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, relu

from provenance.training import derive_rng, opponent_colours

VARIANCES = (1.0, 1 / 3, 1 / 3)  # of opponent colours, relative to one another
_WIDTHS = (3, 16, 32, 64)  # channels of the random network


class Bound(NamedTuple):
    """Parts of the negative evidence bound.

    Attributes:
        objective: Nats a pixel value with ``beta`` and ``free_bits``: what is minimised.
        nats: Nats a pixel value without them: the bound itself.
        error: Mean squared error.
        divergence: KL divergence, nats an image.
    """

    objective: Tensor
    nats: Tensor
    error: Tensor
    divergence: Tensor


def evidence_bound(
    made: Tensor,
    images: Tensor,
    mean: Tensor,
    log_variance: Tensor,
    *,
    beta: float = 1.0,
    free_bits: float = 0.0,
) -> Bound:
    """Return the parts of the negative evidence bound.

    The decoder is a Gaussian whose variance is the batch's own squared error, which maximises the
    likelihood, so that no weight between the two parts has to be tuned (sigma-VAE, arXiv
    2006.13202). The variance of the two opponent colours is a third of lightness': they vary less,
    and would else be learned last.

    Args:
        made: Reconstructions (N, 3, S, S).
        images: Originals, same shape.
        mean: Posterior means (N, Z).
        log_variance: Posterior log-variances (N, Z).
        beta: Weight of the divergence (arXiv 1804.03599); above 1, smoother and blurrier.
        free_bits: Bits that a latent unit may carry, on average over the batch, before it costs
            (arXiv 1606.04934, section C.8): against units that are never used.
    """
    # a density of opponent colours is one of pixel values too
    apart = opponent_colours(made - images)
    errors, ratios = (apart**2).mean((0, 2, 3)), made.new_tensor(VARIANCES)  # each (3,)
    variances = ((errors / ratios).mean() + 1e-6) * ratios
    likelihood = 0.5 * (torch.log(2 * math.pi * variances) + 1).mean()  # negative, per value
    each = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean(0)  # (Z,)
    values = images[0].numel()
    cost = beta * each.clamp(min=free_bits * math.log(2)).sum()
    return Bound(
        likelihood + cost / values, likelihood + each.sum() / values, errors.mean(), each.sum()
    )


class PerceptualDistance(nn.Module):
    """Squared distance of images in the features of a convolutional network with random weights.

    Each pixel's features are scaled to unit length, and three scales count equally, as in LPIPS
    (arXiv 1801.03924, section 3), but nothing is learned or fetched: random filters followed by
    rectification already tell textures apart (arXiv 1606.04801). Equal in every run.
    """

    def __init__(self) -> None:
        super().__init__()
        rng = derive_rng(0, "vae", "perceptual")
        for scale, (before, after) in enumerate(itertools.pairwise(_WIDTHS)):
            filters = torch.randn(after, before, 3, 3, generator=rng) * math.sqrt(2 / (9 * before))
            self.register_buffer(f"filters{scale}", filters)

    def forward(self, made: Tensor, images: Tensor) -> Tensor:
        """Return the mean distance of images (N, 3, S, S), S at least 8: a number at least 0."""
        total = made.new_zeros(())
        x, y = made, images
        for scale in range(len(_WIDTHS) - 1):
            filters = self.get_buffer(f"filters{scale}")
            x, y = (relu(nn.functional.conv2d(z, filters, padding=1)) for z in (x, y))
            total = total + (_unit(x) - _unit(y)).square().sum(1).mean()
            x, y = avg_pool2d(x, 2), avg_pool2d(y, 2)  # (N, C, S/2, S/2)
        return total / (len(_WIDTHS) - 1)


def _unit(maps: Tensor) -> Tensor:
    """Return maps (N, C, S, S) with the channels of each pixel scaled to unit length."""
    return maps * torch.rsqrt(maps.square().sum(1, keepdim=True) + 1e-6)
