"""The critic of ``best-of``: it learns to tell the source from what the members draw."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from provenance import FitContext
from provenance.training import (
    Precision,
    TrainingLoop,
    derive_rng,
    derive_seed,
    images_to_tensor,
    mirror_half,
    seed_everything,
    set_learning_rate,
)
from provenance_generators.ensemble.members import Member

_POOL = 1024  # samples of all members together that it learns from
_BATCH = 32
_RATE = 1e-3
_SMOOTH = 0.1  # labels of .1 and .9: scores stay comparable once the two are told apart


class Critic(nn.Sequential):
    """Images (N, 3, S, S), -1..1, to logits (N, 1), higher = more real.

    Args:
        width: Channels at full resolution.
    """

    def __init__(self, *, width: int) -> None:
        normed = nn.utils.parametrizations.spectral_norm
        super().__init__(
            nn.Conv2d(3, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            normed(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            normed(nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            nn.AdaptiveAvgPool2d(4),  # (N, C, 4, 4): any side
            nn.Flatten(),
            nn.Linear(64 * width, 1),
        )


def train_critic(
    members: Sequence[Member],
    weights: NDArray[np.float64],
    images: NDArray[np.uint8],
    width: int,
    share: float,
    context: FitContext,
) -> Critic:
    """Return a critic trained on real images and on samples of the mixture.

    Args:
        members: M of them.
        weights: (M,), sum 1.
        images: uint8 (N, S, S, 3), real.
        width: Channels.
        share: Part of the budget.
        context: Of the run; goes on from a checkpoint where asked to.
    """
    seed_everything(derive_seed(context.seed, "ensemble", "critic"))
    precision = Precision(context.device)
    critic = Critic(width=width)
    precision.place(critic)
    optimizer = torch.optim.Adam(critic.parameters(), _RATE, betas=(0.5, 0.9))
    made = _pool(members, weights, context.seed)
    keep: dict[str, Any] = {"critic": critic, "optimizer": optimizer, "precision": precision}
    loop = TrainingLoop(context, keep, name="critic", share=share)
    shared = loop.workers.wrap(critic)
    for step in loop:
        set_learning_rate(optimizer, _RATE, loop.fraction)
        rng = derive_rng(context.seed, "ensemble", loop.workers.rank, step)
        batch = torch.cat([_batch(images, rng), _batch(made, rng)])  # (2N, 3, S, S)
        with precision.autocast():
            logits = shared(precision.images(batch))[:, 0].float()  # (2N,)
        wanted = torch.full_like(logits, _SMOOTH)
        wanted[:_BATCH] = 1 - _SMOOTH
        loss = binary_cross_entropy_with_logits(logits, wanted)
        precision.step(loss, optimizer)
        told = ((logits > 0) == (wanted > 0.5)).float().mean()
        loop.log(critic_loss=loss, told_apart=told)
    return critic.eval()


@torch.no_grad()
def scores(critic: Critic, pixels: NDArray[np.uint8], device: str) -> NDArray[np.float32]:
    """Return one logit an image (N,) of uint8 (N, S, S, 3); higher = more real.

    Images are looked at in batches of one size, so that one's score does not depend on the others.
    """
    found = np.empty(len(pixels), np.float32)
    for start in range(0, len(pixels), _BATCH):
        part = pixels[start : start + _BATCH]
        rows = np.minimum(np.arange(_BATCH), len(part) - 1)
        logits = critic(images_to_tensor(part[rows]).to(device))[:, 0]
        found[start : start + _BATCH] = logits.float().cpu().numpy()[: len(part)]
    return found


def _pool(members: Sequence[Member], weights: NDArray[np.float64], seed: int) -> NDArray[np.uint8]:
    counts = np.maximum(1, np.round(weights * _POOL)).astype(int)
    parts = [
        member.sample(
            int(count), seed=derive_seed(seed, "ensemble", "pool", i) % 2**40, labels=None
        )
        for i, (member, count) in enumerate(zip(members, counts, strict=True))
        if weights[i] > 0
    ]
    return np.concatenate(parts)


def _batch(pixels: NDArray[np.uint8], rng: torch.Generator) -> Tensor:
    chosen = torch.randint(len(pixels), (_BATCH,), generator=rng).numpy()
    return mirror_half(images_to_tensor(pixels[chosen]), rng)
