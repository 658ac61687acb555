"""A small adversarial term for networks that reconstruct: it buys texture for little error."""

import torch
from torch import Tensor
from torch.nn.functional import relu

from provenance.training.devices import Precision
from provenance.training.distributed import Workers
from provenance.training.networks import PatchCritic


class Adversary:
    """A critic of patches, and how it learns: by hinge loss (geometric GAN, arXiv 1705.02894).

    Usage, at each step::

        with precision.autocast():
            made = network(images)
            fooled = adversary.fooled(made)
        precision.step(error - weight * fooled, optimizer)
        critic_loss = adversary.learn(images, made)

    Attributes:
        critic: For checkpoints.
        optimizer: For checkpoints.

    Args:
        precision: Of the run.
        width: Channels of the critic at half resolution.
    """

    def __init__(self, precision: Precision, *, width: int) -> None:
        self.critic = PatchCritic(width=width)
        precision.place(self.critic)
        self.optimizer = torch.optim.Adam(self.critic.parameters(), lr=5e-4, betas=(0.5, 0.9))
        self._precision = precision
        self._shared: torch.nn.Module = self.critic

    def share(self, workers: Workers) -> None:
        """Average the critic's gradients over all processes of the run."""
        self._shared = workers.wrap(self.critic)

    def fooled(self, made: Tensor) -> Tensor:
        """Return the critic's mean logit of images (N, 3, S, S): higher = taken for real ones.

        Gradients pass through the critic, not to it. Called within ``precision.autocast()``.
        """
        self.critic.requires_grad_(False)
        mean: Tensor = self.critic(made).float().mean()
        return mean

    def learn(self, images: Tensor, made: Tensor) -> Tensor:
        """Take a step of the critic on real and made images, each (N, 3, S, S); return its loss."""
        self.critic.requires_grad_(True)
        with self._precision.autocast():
            # one pass over both: distributed averaging allows one forward pass a backward pass
            real, fake = self._shared(torch.cat([images, made.detach()])).float().chunk(2)
        loss = relu(1 - real).mean() + relu(1 + fake).mean()
        self._precision.step(loss, self.optimizer)
        return loss
