"""How the family learns: one loop over random batches, then a density over the latents.

Loss: the negative evidence bound (``loss.py``), plus a small hinge term from a patch critic, which
buys texture for a little squared error. Networks of codes are trained by the shared tokenizer's own
loop. Notation: N images, S = side in pixels, Z = latent units.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import mse_loss

from provenance import FitContext
from provenance.quality import CollapseWatch
from provenance.training import (
    EMA,
    Adversary,
    Milestones,
    Precision,
    ResidentImages,
    TrainingLoop,
    Workers,
    derive_rng,
    derive_seed,
    images_to_tensor,
    mirror_and_exchange_channels,
    mirror_half,
    pick_pictures,
    seed_everything,
    set_learning_rate,
    tensor_to_images,
    write_sheet,
)
from provenance_generators.tokenizers import TokenizerTrainer
from provenance_generators.vae.density import LatentDensity
from provenance_generators.vae.fitting import fit_density
from provenance_generators.vae.loss import PerceptualDistance, evidence_bound
from provenance_generators.vae.model import VAE, Autoencoder, CodedAutoencoder, images_at_once
from provenance_generators.vae.settings import Settings

DENSITY_SHARE = 0.05  # of a budget in seconds, left for the density and the last pictures
_PICTURES = 12  # columns of a contact sheet
_SHEETS_AT = (0.1, 0.25, 0.5, 0.75)  # parts of the budget; one more is drawn at the end
_CHECKS_AT = tuple((i + 1) / 16 for i in range(15))  # when the held-out images are looked at
_MOST_CHECKED = 256  # images a look
_MIDWAY, _MOST = 1024, 8192  # images that the density is fitted to
_WATCHED_PX = 32
_ACTIVE_VARIANCE = 0.01  # Burda et al., arXiv 1509.00519, section 5.2
_CRITIC_RATE = 5e-4


@dataclasses.dataclass(frozen=True, slots=True)
class Data:
    """What a run learns from.

    Attributes:
        images: uint8 (N, S, S, 3), trained on.
        numbers: int64 (N,), the class of each; zeros without classes.
        held_out: uint8 (M, S, S, 3), watched only; may be empty.
        exchange: Whether half of the images have their colour channels exchanged.
    """

    images: NDArray[np.uint8]
    numbers: NDArray[np.int64]
    held_out: NDArray[np.uint8]
    exchange: bool


def train(
    data: Data, settings: Settings, context: FitContext
) -> tuple[VAE | CodedAutoencoder, LatentDensity]:
    """Train until the budget is spent; return the averaged network and its density."""
    within = dataclasses.replace(context, budget_s=context.budget_s * (1 - DENSITY_SHARE))
    if not settings.is_coded:
        return Trainer(data, settings, within).run()
    trainer = TokenizerTrainer(
        data.images,
        data.held_out,
        settings.tokenizer(),
        within,
        family="vae",
        share=1.0,
        exchange_channels=data.exchange,
    )
    tokenizer, steps = trainer.run()
    network = CodedAutoencoder(tokenizer, settings.size_px).eval()
    density = fit(network, data, settings, context)
    if Workers(context.device).is_first:
        draw_sheet(network, density, data, context, steps)
    return network, density


class Trainer:
    """Trains a network with a Gaussian bottleneck.

    Args:
        data: To learn from.
        settings: Shape and schedule.
        context: Budget, seed, device, folder.
    """

    def __init__(self, data: Data, settings: Settings, context: FitContext) -> None:
        seed_everything(derive_seed(context.seed, "vae", "weights"))
        self.data, self.settings, self.context = data, settings, context
        self.precision = Precision(context.device)
        self.network = cast("VAE", settings.network())
        self.precision.place(self.network)
        self.adversary = Adversary(self.precision, width=settings.width)
        self.perceptual = PerceptualDistance().to(self.precision.device)
        self.average = EMA(self.network)
        self.watch = CollapseWatch(
            context,
            _evenly(data.images, _MOST_CHECKED),
            samples=max(64, _MOST_CHECKED * _WATCHED_PX // settings.size_px),
        )
        self._resident = ResidentImages(data.images, self.precision.device)
        self._at_once = images_at_once(settings.size_px)
        self.vary = mirror_and_exchange_channels if data.exchange else mirror_half
        self.optimizer = self.precision.optimizer(
            torch.optim.AdamW,
            self.network.parameters(),
            lr=settings.learning_rate,
            weight_decay=0.01,
        )

    def run(self) -> tuple[VAE, LatentDensity]:
        """Train until the budget is spent; return the averaged network and its density."""
        loop = TrainingLoop(self.context, self._kept())
        network = self.precision.compile(
            loop.workers.wrap(self.network), budget_s=self.context.budget_s
        )
        self.adversary.share(loop.workers)
        sheets, checks = (Milestones(at, loop.fraction) for at in (_SHEETS_AT, _CHECKS_AT))
        for step in loop:
            images, noise = self._batch(step, loop.workers.rank)
            self._set_rates(loop.fraction)
            loop.log(**self._step(network, images, noise))
            if checks.passed(loop.fraction):
                loop.log(**self._held_out_error())
            if sheets.passed(loop.fraction) and loop.workers.is_first:
                draw_sheet(self._averaged, self._midway(), self.data, self.context, loop.step)
            self._look(loop)
        self._look(loop)
        density = fit(self._averaged, self.data, self.settings, self.context)
        if loop.workers.is_first:
            self._conclude(loop, density)
        return self._averaged, density

    def _kept(self) -> dict[str, Any]:
        return {
            "network": self.network,
            "critic": self.adversary.critic,
            "average": self.average,
            "optimizer": self.optimizer,
            "critic_optimizer": self.adversary.optimizer,
            "precision": self.precision,
            "watch": self.watch,
        }

    @property
    def _averaged(self) -> VAE:
        return cast("VAE", self.average.network)

    def _batch(self, step: int, rank: int) -> tuple[Tensor, Tensor]:
        """Return varied images (N, 3, S, S) and noise (N, Z).

        Both depend on seed, rank and step alone, so that a resumed run sees what it would have.
        """
        rng = derive_rng(self.context.seed, "vae", rank, step)
        count = self.settings.batch
        chosen = torch.randint(len(self.data.images), (count,), generator=rng)
        images = self._resident.batch(chosen, rng, vary=self.vary)
        noise = torch.randn(count, self.network.units, generator=rng)
        return images, noise.to(self.precision.device)

    def _set_rates(self, fraction: float) -> None:
        gentleness = self.watch.gentleness
        set_learning_rate(self.optimizer, self.settings.learning_rate * gentleness, fraction)
        for group in self.adversary.optimizer.param_groups:
            group["lr"] = _CRITIC_RATE * gentleness

    def _step(self, network: torch.nn.Module, images: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """Take one step of the network and one of the critic; return what to log."""
        settings = self.settings
        with self.precision.autocast():
            made, mean, log_variance = network(images, noise)
            fooled = self.adversary.fooled(made) if settings.adversarial else made.new_zeros(())
            apart = self.perceptual(made, images) if settings.perceptual else made.new_zeros(())
        bound = evidence_bound(
            made.float(),
            images,
            mean,
            log_variance,
            beta=settings.beta,
            free_bits=settings.free_bits,
        )
        # weights count against squared error, whose own weight in the bound is 1 / (2 variance)
        extra = settings.perceptual * apart - settings.adversarial * fooled
        loss = bound.objective + extra / (2 * bound.error.detach() + 1e-3)
        self.precision.step(loss, self.optimizer, clip_norm=1.0)
        self.average.update(self.network)
        logged = {
            "loss": bound.nats,
            "bits_per_dim": (bound.nats + math.log(127.5)) / math.log(2),  # of 8-bit values
            "mse": bound.error,
            "kl_nats": bound.divergence,
        }
        if settings.perceptual:
            logged["perceptual"] = apart
        if settings.adversarial:
            logged |= {"fooled": fooled, "critic_loss": self.adversary.learn(images, made)}
        return logged

    # -- looking -----------------------------------------------------------------------------------

    def _midway(self) -> LatentDensity:
        """Return a density of one Gaussian a class, fitted to a few images."""
        settings = dataclasses.replace(self.settings, components=1)
        return fit(self._averaged, self.data, settings, self.context, most=_MIDWAY)

    def _look(self, loop: TrainingLoop) -> None:
        """Let the watch see samples where a look is due."""
        if not self.watch.is_due(loop.fraction):
            return
        samples, active = None, 0
        if loop.workers.is_first:
            samples = self._samples(self._midway(), self.watch.n_samples)
            active = self._active_units()
        self.watch.look(loop, samples, active_units=active)

    def _active_units(self) -> int:
        """Return how many latent units tell images apart; posterior collapse is when few do."""
        images = _evenly(self.data.images, _MIDWAY)
        return int((embed(self._averaged, images).var(0) > _ACTIVE_VARIANCE).sum())

    @torch.no_grad()
    def _samples(self, density: LatentDensity, n: int) -> NDArray[np.float32]:
        """Return samples (n, S, S, 3), 0..255, unrounded, so that what is no number shows."""
        rng = derive_rng(self.context.seed, "vae", "samples")
        latents = draw(density, n, rng).to(self.precision.device)
        made = torch.cat(
            [self._averaged.decode(part) for part in torch.split(latents, self._at_once)]
        )
        pixels = (made.float() * 127.5 + 127.5).clamp(0, 255).permute(0, 2, 3, 1)
        return cast("NDArray[np.float32]", pixels.cpu().numpy())

    def _conclude(self, loop: TrainingLoop, density: LatentDensity) -> None:
        """Draw the last sheet, and log what the averaged network is like."""
        draw_sheet(self._averaged, density, self.data, self.context, loop.step)
        pixels = _evenly(self.data.images, _MOST_CHECKED)
        loop.conclude(
            mse=self._error(pixels),
            **self._held_out_error(),
            kl_nats=self._divergence(pixels),
            active_units=self._active_units(),
            units=self.network.units,
            components=len(density.weight),
        )

    def _held_out_error(self) -> dict[str, float]:
        """Return the error on photographs that are not trained on; nothing where there are none."""
        pixels = self.data.held_out[:_MOST_CHECKED]
        return {"held_out_mse": self._error(pixels)} if len(pixels) else {}

    def _error(self, pixels: NDArray[np.uint8]) -> float:
        """Return the squared error (values -1..1) of reconstructions of uint8 (N, S, S, 3)."""
        network = self._averaged
        return self._mean(
            pixels, lambda images: mse_loss(network.decode(network.embed(images)), images)
        )

    def _divergence(self, pixels: NDArray[np.uint8]) -> float:
        """Return the KL divergence in nats an image, of images uint8 (N, S, S, 3)."""

        def figure(images: Tensor) -> Tensor:
            mean, log_variance = self._averaged.encode(images)
            return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1).mean()

        return self._mean(pixels, figure)

    @torch.no_grad()
    def _mean(self, pixels: NDArray[np.uint8], figure: Callable[[Tensor], Tensor]) -> float:
        """Return the mean of a figure over uint8 (N, S, S, 3), taken in parts."""
        starts = range(0, len(pixels), self._at_once)
        parts = [pixels[start : start + self._at_once] for start in starts]
        sums = [len(part) * figure(self.precision.images(images_to_tensor(part))) for part in parts]
        return float(torch.stack(sums).sum()) / len(pixels)


def _evenly(images: NDArray[np.uint8], most: int) -> NDArray[np.uint8]:
    """Return up to ``most`` images, from first to last."""
    return images[:: math.ceil(len(images) / most)]


# --- after the loop, for both bottlenecks ---------------------------------------------------------


def fit(
    network: Autoencoder, data: Data, settings: Settings, context: FitContext, *, most: int = _MOST
) -> LatentDensity:
    """Return the density that the settings ask for, fitted to up to ``most`` images."""
    if settings.density == "none":
        return LatentDensity(units=network.units, rank=0, components=1)
    rows = choose_rows(data.numbers, most)
    return fit_density(
        embed(network, data.images[rows]),
        torch.from_numpy(data.numbers[rows]),
        components=settings.components if settings.density == "mixture" else 1,
        rank=settings.rank,
        seed=context.seed,
    )


def choose_rows(numbers: NDArray[np.int64], most: int) -> NDArray[np.intp]:
    """Return about ``most`` rows, in equal parts of each class (N,), at least one of each."""
    ordered = np.argsort(numbers, kind="stable")
    first = np.unique(numbers[ordered], return_index=True)[1]
    step = math.ceil(len(ordered) / most)
    return np.sort(ordered[np.union1d(first, np.arange(0, len(ordered), step))])


@torch.no_grad()
def embed(network: Autoencoder, pixels: NDArray[np.uint8]) -> Tensor:
    """Return the latents (N, Z) of images uint8 (N, S, S, 3), on the host."""
    device = next(cast("torch.nn.Module", network).parameters()).device
    batch = images_at_once(pixels.shape[1])
    parts = [pixels[start : start + batch] for start in range(0, len(pixels), batch)]
    found = [network.embed(images_to_tensor(part).to(device)).cpu() for part in parts]
    return torch.cat(found) if found else torch.empty(0, network.units)


def draw(density: LatentDensity, n: int, rng: torch.Generator) -> Tensor:
    """Return ``n`` latents (n, Z), classes as often as in the source."""
    number = torch.multinomial(density.shares(), n, replacement=True, generator=rng)
    uniform = torch.rand(n, generator=rng)
    noise = torch.randn(n, density.rank + density.units, generator=rng)
    latents: Tensor = density(number, uniform, noise)
    return latents


@torch.no_grad()
def draw_sheet(
    network: Autoencoder, density: LatentDensity, data: Data, context: FitContext, step: int
) -> None:
    """Write a contact sheet: originals, held-out ones where there are; reconstructions; samples."""
    originals = pick_pictures(data.images, data.held_out, _PICTURES)
    device = next(cast("torch.nn.Module", network).parameters()).device
    latents = draw(density, _PICTURES, derive_rng(context.seed, "vae", "pictures"))
    made = network.decode(network.embed(images_to_tensor(originals).to(device)))
    rows = [originals, *map(tensor_to_images, (made, network.decode(latents.to(device))))]
    write_sheet(context.workdir, step, rows, ["photograph", "reconstruction", "sample"])
