"""How a GAN learns: one loop, in which the critic and the generator take turns.

Everything random in a step is drawn from a seed of (run, purpose, process, step), so that a resumed
run sees the images and latents that it would have seen. Notation: N images, S = side in pixels, Z
latent size.
"""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from provenance import FitContext
from provenance.quality import CollapseWatch
from provenance.training import (
    EMA,
    Precision,
    TrainingLoop,
    derive_rng,
    derive_seed,
    images_to_tensor,
    mirror_half,
    seed_everything,
    write_sheet,
)
from provenance_generators.gan.augment import AUGMENTATIONS
from provenance_generators.gan.networks import LATENT_SIZE, Generator
from provenance_generators.gan.objectives import OBJECTIVES
from provenance_generators.gan.penalties import Judged, judge
from provenance_generators.gan.settings import Settings

_COLUMNS, _ROWS = 16, 4  # samples on a sheet, at most; its first row shows photographs
_SMALL_PX = 64
_DRAWN_TOGETHER, _FEWEST_DRAWN = 64, 8  # up to _SMALL_PX, and above
_STATISTICS_BATCHES = 4  # of as many latents as are drawn together
_LOOKED_AT, _FEWEST_LOOKED_AT = 256, 64  # samples a look
_FEWEST_STEPS = 50  # of a shorter run the watch judges nothing


class Trainer:
    """One training run. Attributes hold its networks; :meth:`run` does the work.

    Args:
        images: uint8 (N, S, S, 3), trained on.
        numbers: int64 (N,), the class of each; zeros where there are none.
        settings: Networks and schedule.
        context: Budget, seed, device, folder.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        numbers: NDArray[np.int64],
        settings: Settings,
        context: FitContext,
    ) -> None:
        seed_everything(derive_seed(context.seed, "gan", "weights"))
        self.images, self.numbers = images, torch.from_numpy(numbers)
        self.settings, self.context = settings, context
        self.objective = OBJECTIVES[settings.objective]()
        self.augment = AUGMENTATIONS[settings.augment]()
        self.precision = Precision(context.device)
        self.generator = settings.generator()
        if settings.classes:
            counts = torch.bincount(self.numbers, minlength=len(settings.classes))
            self.generator.shares.copy_(counts / len(images))
        self.precision.place(self.generator)
        self.critic = self.precision.place(settings.critic_network())
        self.average = EMA(self.generator, decay=settings.average)
        self.generator_optimizer = self._adam(self.generator)
        self.critic_optimizer = self._adam(self.critic)
        self.watch = _watch(context, images)
        fewer = images.shape[1] ** 2 // _SMALL_PX**2  # maps of 256 px fill memory soon
        self.together = max(_FEWEST_DRAWN, _DRAWN_TOGETHER // max(1, fewer))
        self._ready_after: int | None = None

    def run(self) -> Generator:
        """Train until the budget is spent; return the averaged generator."""
        loop = TrainingLoop(self.context, self._kept())
        generator, critic = loop.workers.wrap(self.generator), loop.workers.wrap(self.critic)
        for step in loop:
            self._soften()
            logged = self._step(generator, critic, step, loop.workers.rank)
            if loop.workers.count > 1:
                self.objective.agree(loop.workers.agree)
                self.augment.agree(loop.workers.agree)
            loop.log(**logged)
            if self.watch.is_due(loop.fraction):
                self._look(loop, logged)
        if self.watch.is_due(loop.fraction):
            self._look(loop, {})
        return self._averaged()

    def _adam(self, network: torch.nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(
            network.parameters(), lr=self.settings.learning_rate, betas=self.objective.betas
        )

    def _kept(self) -> Mapping[str, Any]:
        """Name what a checkpoint holds."""
        return {
            "generator": self.generator,
            "critic": self.critic,
            "average": self.average,
            "generator_optimizer": self.generator_optimizer,
            "critic_optimizer": self.critic_optimizer,
            "precision": self.precision,
            "objective": self.objective,
            "augment": self.augment,
            "watch": self.watch,
        }

    def _soften(self) -> None:
        """Slow both players down after a collapse."""
        for optimizer in (self.generator_optimizer, self.critic_optimizer):
            for group in optimizer.param_groups:
                group["lr"] = self.settings.learning_rate * self.watch.gentleness

    # -- one step ----------------------------------------------------------------------------------

    def _draw(self, *parts: str | int) -> tuple[Tensor, Tensor, Tensor, torch.Generator]:
        """Return real images (N, 3, S, S), half of them mirrored, their classes (N,), latents.

        Latents are (N, Z). The stream that they were drawn from comes last, for what else a step
        draws.
        """
        rng = derive_rng(self.context.seed, "gan", *parts)
        count, device = self.settings.batch, self.precision.device
        chosen = torch.randint(len(self.images), (count,), generator=rng)
        real = mirror_half(images_to_tensor(self.images[chosen.numpy()]), rng)
        latents = torch.randn(count, LATENT_SIZE, generator=rng)
        return (
            self.precision.images(real),
            self.numbers[chosen].to(device),
            latents.to(device),
            rng,
        )

    def _step(
        self, generator: torch.nn.Module, critic: torch.nn.Module, step: int, rank: int
    ) -> dict[str, Tensor]:
        """Let the critic step, then the generator on the same fakes; return what to log."""
        for turn in range(self.settings.critic_steps - 1):
            real, classes, latents, rng = self._draw("critic", rank, step, turn)
            with torch.no_grad(), self.precision.autocast():
                fake = self.generator(latents, classes)  # (N, 3, S, S)
            self._critic_step(critic, real, fake.float(), classes, rng)
        real, classes, latents, rng = self._draw("both", rank, step)
        with self.precision.autocast():
            fake = generator(latents, classes)  # (N, 3, S, S)
        fake = fake.float()
        logged = self._critic_step(critic, real, fake.detach(), classes, rng)
        logged["generator_loss"] = self._generator_step(real, fake, classes, rng)
        self.average.update(self.generator)
        return logged

    def _critic_step(
        self,
        critic: torch.nn.Module,
        real: Tensor,
        fake: Tensor,
        classes: Tensor,
        rng: torch.Generator,
    ) -> dict[str, Tensor]:
        count = len(real)
        seen = self.augment(torch.cat([real, fake]), rng)  # (2N, 3, S, S)
        shares = torch.rand(count, generator=rng).to(real.device)  # (N,)
        weight = self.settings.penalty / self.watch.gentleness
        points = self.objective.penalised if weight else "none"
        with self.precision.autocast():
            judged = judge(critic, seen[:count], seen[count:], classes, points, shares)
        comparison = self.objective.critic_loss(judged.real, judged.fake)
        cost = weight * self.objective.slope_cost(judged.slopes)
        loss = comparison + cost + self.settings.reconstruction * judged.error
        self.precision.step(loss, self.critic_optimizer)
        return {"critic_loss": comparison, **self._balance(judged, cost)}

    def _balance(self, judged: Judged, cost: Tensor) -> dict[str, Tensor]:
        """Return numbers that say who is ahead, and let objective and augmentation follow them."""
        further = {"reconstruction": judged.error} if self.settings.reconstruction else {}
        return {
            "score_gap": (judged.real - judged.fake).mean(),
            "penalty": cost,
            **further,
            **self.objective.follow(judged.real, judged.fake),
            **self.augment.follow(judged.real, judged.fake),
        }

    def _generator_step(
        self, real: Tensor, fake: Tensor, classes: Tensor, rng: torch.Generator
    ) -> Tensor:
        """Let the generator step on fakes (N, 3, S, S), which carry gradients; return its loss."""
        self.critic.requires_grad_(False)  # gradients pass through it, not to it
        seen = self.augment(torch.cat([real, fake]), rng)
        real, fake = seen.chunk(2)
        # scores are compared in float32: a relativistic loss is a small difference of two
        real_scores = fake.new_zeros(len(fake), 1)
        if self.objective.is_relative:
            with torch.no_grad():
                real_scores = self.critic(real, classes)[0]
        loss = self.objective.generator_loss(real_scores, self.critic(fake, classes)[0])
        self.precision.step(loss, self.generator_optimizer)
        self.critic.requires_grad_(True)
        return loss

    # -- watching ----------------------------------------------------------------------------------

    @torch.no_grad()
    def _averaged(self) -> Generator:
        """Return the averaged generator, its normalisation statistics taken anew.

        The averaged weights have never run, so the statistics of the last step's weights, which
        the average copies, are not theirs.
        """
        network = cast("Generator", self.average.network)
        steps = int(self.average.state_dict()["steps"])
        if steps == self._ready_after:
            return network.eval()
        norms = [layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over the batches below
        network.train()
        for batch in range(_STATISTICS_BATCHES if norms else 0):
            network(*self._watched(self.together, "statistics", batch))
        self._ready_after = steps
        return network.eval()

    def _watched(self, count: int, *parts: str | int) -> tuple[Tensor, Tensor]:
        """Return latents (N, Z) and classes (N,), as often as in the source; the same each time."""
        rng = derive_rng(self.context.seed, "gan", *parts)
        latents = torch.randn(count, LATENT_SIZE, generator=rng)
        chosen = torch.randint(len(self.numbers), (count,), generator=rng)
        device = self.precision.device
        return latents.to(device), self.numbers[chosen].to(device)

    def _look(self, loop: TrainingLoop, logged: Mapping[str, Tensor]) -> None:
        """Draw samples of fixed latents for a contact sheet, and for the watch."""
        samples = None
        if loop.workers.is_first:
            samples = self._samples(self.watch.n_samples)
            self._write_sheet(loop.steps_taken, samples)
        balance = {k: float(logged[k].detach()) for k in ("score_gap", "penalty") if k in logged}
        if samples is not None:
            balance["detail"] = steepness(samples) / max(steepness(self.images[:256]), 1e-6)
        self.watch.look(loop, samples, **balance)

    @torch.no_grad()
    def _samples(self, count: int) -> NDArray[np.float32]:
        """Return samples (N, S, S, 3), 0..255; what is no number stays none, for the watch."""
        network = self._averaged()
        latents, classes = self._watched(count, "watched")
        parts = [
            network(latents[i : i + self.together], classes[i : i + self.together]).cpu()
            for i in range(0, count, self.together)
        ]
        images: NDArray[np.float32] = (torch.cat(parts) * 127.5 + 127.5).permute(0, 2, 3, 1).numpy()
        return images

    def _write_sheet(self, step: int, samples: NDArray[np.float32]) -> None:
        shown = np.nan_to_num(samples[: _COLUMNS * _ROWS]).round().clip(0, 255).astype(np.uint8)
        photographs = self.images[np.linspace(0, len(self.images) - 1, _COLUMNS).astype(int)]
        rows = np.split(shown, len(shown) // _COLUMNS)
        captions = ["photograph", *["sample"] * len(rows)]
        write_sheet(self.context.workdir, step, [photographs, *rows], captions)


def _watch(context: FitContext, images: NDArray[np.uint8]) -> CollapseWatch:
    """Return a watch whose looks do not cost more than the steps between them."""
    if context.max_steps is not None and context.max_steps < _FEWEST_STEPS:
        return CollapseWatch(context, images, checks=(1.0,), samples=2 * _COLUMNS)
    is_slow = images.shape[1] > _SMALL_PX and context.device == "cpu"
    return CollapseWatch(context, images, samples=_FEWEST_LOOKED_AT if is_slow else _LOOKED_AT)


def steepness(images: NDArray[Any]) -> float:
    """Return the mean step between neighbouring pixels of images (N, S, S, 3).

    Of samples over that of photographs: far below 1 is blur, far above 1 noise or a checkerboard.
    """
    values = images.astype(np.float32)
    return float(np.abs(np.diff(values, axis=1)).mean() + np.abs(np.diff(values, axis=2)).mean())
