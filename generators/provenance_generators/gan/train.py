"""How the GAN learns: one loop, in which the critic and the generator take turns.

Everything random in a step is drawn from a seed of (run, process, step), so that a resumed run sees
the images and latents that it would have seen. Notation: N images, S = side in pixels.
"""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from provenance import FitContext
from provenance.training import (
    EMA,
    Milestones,
    Precision,
    TrainingLoop,
    derive_rng,
    derive_seed,
    images_to_tensor,
    mirror_half,
    seed_everything,
    tensor_to_images,
    write_sheet,
)
from provenance_generators.gan.loss import critic_loss, generator_loss, score_with_penalty
from provenance_generators.gan.model import LATENT_SIZE, Critic, Generator
from provenance_generators.gan.monitors import monitors
from provenance_generators.gan.settings import Settings

_BETAS = (0.0, 0.99)  # no momentum: each player chases a target that moves (R3GAN, appendix)
_EMA_DECAY = 0.99
_SHEETS_AT = (0.1, 0.25, 0.5, 0.75)  # parts of the budget; one more is drawn at the end
_COLUMNS, _ROWS = 16, 4  # samples on a sheet; the first row of it shows photographs
_WATCHED = _COLUMNS * _ROWS
_STATISTICS_BATCHES = 8  # of _WATCHED latents each


class Trainer:
    """One training run. Attributes hold its networks; :meth:`run` does the work.

    Args:
        images: uint8 (N, S, S, 3), trained on.
        settings: Shape and schedule.
        context: Budget, seed, device, folder.
    """

    def __init__(self, images: NDArray[np.uint8], settings: Settings, context: FitContext) -> None:
        seed_everything(derive_seed(context.seed, "gan", "weights"))
        self.images, self.settings, self.context = images, settings, context
        self.precision = Precision(context.device)
        size_px = images.shape[1]
        self.generator = self.precision.place(Generator(size_px, width=settings.width))
        self.critic = self.precision.place(Critic(size_px, width=settings.critic_width))
        self.average = EMA(self.generator, decay=_EMA_DECAY)
        self.generator_optimizer = self._adam(self.generator)
        self.critic_optimizer = self._adam(self.critic)

    def run(self) -> Generator:
        """Train until the budget is spent; return the averaged generator."""
        loop = TrainingLoop(self.context, self._kept())
        generator, critic = loop.workers.wrap(self.generator), loop.workers.wrap(self.critic)
        sheets = Milestones(_SHEETS_AT, loop.fraction)
        for step in loop:
            real, latents = self._batch(step, loop.workers.rank)
            loop.log(**self._step(generator, critic, real, latents))
            if sheets.passed(loop.fraction) and loop.workers.is_first:
                loop.log(**self._watch(step))
        if loop.workers.is_first:
            loop.conclude(**self._watch(loop.step))
        return self._averaged()

    def _adam(self, network: torch.nn.Module) -> torch.optim.Adam:
        return torch.optim.Adam(network.parameters(), self.settings.learning_rate, betas=_BETAS)

    def _kept(self) -> Mapping[str, Any]:
        """Name what a checkpoint holds."""
        return {
            "generator": self.generator,
            "critic": self.critic,
            "average": self.average,
            "generator_optimizer": self.generator_optimizer,
            "critic_optimizer": self.critic_optimizer,
            "precision": self.precision,
        }

    # -- one step ----------------------------------------------------------------------------------

    def _batch(self, step: int, rank: int) -> tuple[Tensor, Tensor]:
        """Return real images (N, 3, S, S), half of them mirrored, and latents (N, Z)."""
        source = derive_rng(self.context.seed, "gan", rank, step)
        count = self.settings.batch
        chosen = torch.randint(len(self.images), (count,), generator=source).numpy()
        real = mirror_half(images_to_tensor(self.images[chosen]), source)
        latents = torch.randn(count, LATENT_SIZE, generator=source)
        return self.precision.images(real), latents.to(self.precision.device)

    def _step(
        self,
        generator: torch.nn.Module,
        critic: torch.nn.Module,
        real: Tensor,
        latents: Tensor,
    ) -> dict[str, Tensor]:
        """Let the critic step, then the generator on the same fakes; return what to log."""
        with self.precision.autocast():
            fake = generator(latents)  # (N, 3, S, S)
        fake = fake.float()  # the critic works in float32: its loss is differentiated twice
        logged = self._critic_step(critic, real, fake.detach())
        self.critic.requires_grad_(False)  # gradients pass through it, not to it
        with torch.no_grad():
            real_scores = self.critic(real)
        loss = generator_loss(real_scores, self.critic(fake))
        self.precision.step(loss, self.generator_optimizer)
        self.critic.requires_grad_(True)
        self.average.update(self.generator)
        return {"critic_loss": logged.pop("critic_loss"), "generator_loss": loss, **logged}

    def _critic_step(
        self, critic: torch.nn.Module, real: Tensor, fake: Tensor
    ) -> dict[str, Tensor]:
        # one pass over both: distributed averaging allows one forward pass a backward pass
        scores, slopes = score_with_penalty(critic, torch.cat([real, fake]))
        real_scores, fake_scores = scores.chunk(2)
        real_slope, fake_slope = slopes.chunk(2)
        comparison = critic_loss(real_scores, fake_scores)
        penalty = self.settings.penalty / 2 * (real_slope.mean() + fake_slope.mean())
        self.precision.step(comparison + penalty, self.critic_optimizer)
        return {
            "critic_loss": comparison,
            "score_gap": (real_scores - fake_scores).mean(),
            "penalty": penalty,
        }

    # -- watching ----------------------------------------------------------------------------------

    @torch.no_grad()
    def _averaged(self) -> Generator:
        """Return the averaged generator, its normalisation statistics taken anew.

        The averaged weights have never run, so the statistics of the last step's weights, which
        the average copies, are not theirs.
        """
        network = cast("Generator", self.average.network)
        norms = [layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over the batches below
        source = derive_rng(self.context.seed, "gan", "statistics")
        network.train()
        for _ in range(_STATISTICS_BATCHES):
            network(torch.randn(_WATCHED, LATENT_SIZE, generator=source).to(self.precision.device))
        return network.eval()

    @torch.no_grad()
    def _watch(self, step: int) -> dict[str, float]:
        """Write a contact sheet of fixed latents; return the collapse monitors."""
        source = derive_rng(self.context.seed, "gan", "watched")
        latents = torch.randn(_WATCHED, LATENT_SIZE, generator=source)
        chosen = torch.randint(len(self.images), (_WATCHED,), generator=source).numpy()
        samples = self._averaged()(latents.to(self.precision.device)).cpu()
        rows = [self.images[chosen[:_COLUMNS]], *np.split(tensor_to_images(samples), _ROWS)]
        captions = ["photograph", *["sample"] * _ROWS]
        write_sheet(self.context.workdir, step, rows, captions)
        return monitors(samples, images_to_tensor(self.images[chosen]))
