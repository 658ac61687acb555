"""R3GAN's loss: scores are compared in pairs, and the critic is kept flat around the data.

Huang et al. 2024 (arXiv 2501.05441), section 2: the relativistic pairing loss has no point at which
the generator wins by dropping modes, and zero-centred gradient penalties on real images (R1) *and*
on generated ones (R2) make its training converge. Scores: float (N, 1).
"""

import torch
from torch import nn
from torch.nn import functional


def critic_loss(real_scores: torch.Tensor, fake_scores: torch.Tensor) -> torch.Tensor:
    """Return the mean of ``-log sigmoid(real - fake)``: each real should outscore its fake."""
    return functional.softplus(fake_scores - real_scores).mean()


def generator_loss(real_scores: torch.Tensor, fake_scores: torch.Tensor) -> torch.Tensor:
    """Return the mean of ``-log sigmoid(fake - real)``: each fake should outscore its real."""
    return functional.softplus(real_scores - fake_scores).mean()


def score_with_penalty(
    critic: nn.Module, images: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Score images, and measure how steep the critic is at each.

    Computed in float32 whatever surrounds it: the penalty is differentiated twice, and squares of
    small gradients vanish in half precision.

    Args:
        critic: Scores each image on its own (no batch normalisation).
        images: float (N, 3, S, S).

    Returns:
        Scores (N, 1), and the squared length of each image's gradient (N,).
    """
    with torch.autocast(images.device.type, enabled=False):
        images = images.detach().float().requires_grad_()
        scores = critic(images)
        (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return scores, gradient.square().sum(dim=(1, 2, 3))
