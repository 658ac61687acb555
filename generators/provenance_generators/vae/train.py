"""How the VAE learns: one loop over random flipped batches, then a density over its latents.

Loss: the negative evidence bound per pixel value with the variance of the decoder at its optimum
(sigma-VAE, arXiv 2006.13202, section 3.3), plus a small hinge term from a patch critic, which buys
texture for a little squared error. Notation: N images, S = side in pixels, Z = latent units.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture
from torch import Tensor
from torch.nn.functional import mse_loss, relu

from provenance import FitContext, UserError
from provenance.media import contact_sheet
from provenance.training import EMA, Precision, TrainingLoop, derive_seed, seed_everything
from provenance_generators.vae.data import to_pixels, to_tensor
from provenance_generators.vae.model import VAE, Critic, LatentDensity

_PICTURES = 12  # columns of a contact sheet
_SHEETS_AT = (0.1, 0.25, 0.5, 0.75)  # parts of the budget; one more is drawn at the end
_CHECKS = 16  # how many times the held-out images are looked at
_MOST_CHECKED = 256
_MOST_ENCODED = 8192  # images that the density is fitted on
_ACTIVE_VARIANCE = 0.01  # Burda et al., arXiv 1509.00519, section 5.2
_ENCODE_BATCH = 64


@dataclass(frozen=True, slots=True)
class Settings:
    """What shapes the network and its training; stored beside the weights.

    Attributes:
        size_px: Side of the images.
        width: Channels at full resolution, a multiple of 8.
        latents: Latent units.
        components: Gaussians in the density that is sampled.
        adversarial: Weight of the critic's term; 0 leaves the critic out.
        batch: Images a step.
        learning_rate: Peak of the schedule.
    """

    size_px: int
    width: int
    latents: int
    components: int
    adversarial: float
    batch: int
    learning_rate: float

    @classmethod
    def build(cls, size_px: int, defaults: Mapping[str, Any], given: Mapping[str, Any]) -> Self:
        """Return ``defaults`` overridden by ``given``.

        Raises:
            UserError: A setting that does not exist, or a value that makes no network.
        """
        unknown = sorted(set(given) - set(defaults))
        if unknown:
            raise UserError(f"vae has no setting {unknown[0]!r}. Known: {', '.join(defaults)}.")
        values = {name: type(defaults[name])(given.get(name, defaults[name])) for name in defaults}
        whole = ("width", "latents", "components", "batch")
        if any(values[name] < 1 for name in whole) or values["width"] % 8:
            raise UserError(f"{', '.join(whole)} must be at least 1, and width a multiple of 8.")
        return cls(size_px=size_px, **values)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the header of the weights."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def network(self) -> VAE:
        """Build the network, untrained."""
        return VAE(size_px=self.size_px, width=self.width, latents=self.latents)

    def density(self) -> LatentDensity:
        """Build the density: the prior, until it is fitted."""
        return LatentDensity(components=self.components, units=self.network().units)


class Trainer:
    """One training run. Attributes hold its networks; :meth:`run` does the work.

    Args:
        images: uint8 (N, S, S, 3), trained on.
        held_out: uint8 (M, S, S, 3), watched only; may be empty.
        settings: Shape and schedule.
        context: Budget, seed, device, folder.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        held_out: NDArray[np.uint8],
        settings: Settings,
        context: FitContext,
    ) -> None:
        seed_everything(derive_seed(context.seed, "vae", "weights"))
        self.images, self.held_out = images, held_out[:_MOST_CHECKED]
        self.settings, self.context = settings, context
        self.precision = Precision(context.device)
        self.network = settings.network()
        self.precision.place(self.network)
        self.critic = self.precision.place(Critic(width=settings.width))
        self.average = EMA(self.network)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=settings.learning_rate, weight_decay=0.01
        )
        self.critic_optimizer = torch.optim.Adam(
            self.critic.parameters(), lr=5e-4, betas=(0.5, 0.9)
        )

    def run(self) -> tuple[VAE, LatentDensity]:
        """Train until the budget is spent; return the averaged network and its density."""
        loop = TrainingLoop(
            self.context,
            {
                "network": self.network,
                "critic": self.critic,
                "average": self.average,
                "optimizer": self.optimizer,
                "critic_optimizer": self.critic_optimizer,
                "precision": self.precision,
            },
        )
        parallel = loop.workers.wrap(self.network)
        parallel_critic = loop.workers.wrap(self.critic)
        sheets = Milestones(_SHEETS_AT, loop.fraction)
        checks = Milestones([(i + 1) / _CHECKS for i in range(_CHECKS)], loop.fraction)
        for step in loop:
            images, noise = self._batch(step, loop.workers.rank)
            rate = self.settings.learning_rate * _schedule(loop.fraction)
            loop.log(
                learning_rate=rate, **self._step(parallel, parallel_critic, images, noise, rate)
            )
            if checks.passed(loop.fraction) and len(self.held_out):
                loop.log(held_out_mse=self._held_out_mse())
            if sheets.passed(loop.fraction) and loop.workers.is_first:
                self._draw(loop.step, self._fit_density(components=1, most=1024)[0])
        density, active = self._fit_density(self.settings.components, _MOST_ENCODED)
        if loop.workers.is_first:
            loop.records.write(loop.step, active_units=active)
            self._draw(loop.step, density)
        return self._averaged, density

    @property
    def _averaged(self) -> VAE:
        assert isinstance(self.average.network, VAE)
        return self.average.network

    def _batch(self, step: int, rank: int) -> tuple[Tensor, Tensor]:
        """Return images (N, 3, S, S), half of them mirrored, and noise (N, Z).

        Both depend on seed, rank and step alone, so that a resumed run sees what it would have.
        """
        rng = torch.Generator().manual_seed(derive_seed(self.context.seed, "vae", rank, step))
        count = self.settings.batch
        chosen = torch.randint(len(self.images), (count,), generator=rng).numpy()
        images = to_tensor(self.images[chosen])
        mirrored = torch.rand(count, 1, 1, 1, generator=rng) < 0.5
        images = torch.where(mirrored, images.flip(3), images)
        noise = torch.randn(count, self.network.units, generator=rng)
        return self.precision.images(images), noise.to(self.precision.device)

    def _step(
        self,
        network: torch.nn.Module,
        critic: torch.nn.Module,
        images: Tensor,
        noise: Tensor,
        rate: float,
    ) -> dict[str, Tensor]:
        """Take one step of the network and one of the critic; return what to log."""
        weight = self.settings.adversarial
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.critic.requires_grad_(False)  # this step passes gradients through it, not to it
        with self.precision.autocast():
            made, mean, log_variance = network(images, noise)
            fooled = self.critic(made).float().mean() if weight else made.new_zeros(())
        nats, error, divergence = evidence_bound(made.float(), images, mean, log_variance)
        # the weight counts against squared error, whose own weight in the bound is 1 / (2 variance)
        loss = nats - weight / (2 * error.detach() + 1e-3) * fooled
        self.precision.step(loss, self.optimizer, clip_norm=1.0)
        self.average.update(self.network)
        logged = {
            "loss": nats,
            "bits_per_dim": (nats + math.log(127.5)) / math.log(2),  # of 8-bit values
            "mse": error,
            "kl_nats": divergence,
            "fooled": fooled,
        }
        return (
            {**logged, "critic_loss": self._critic_step(critic, images, made)} if weight else logged
        )

    def _critic_step(self, critic: torch.nn.Module, images: Tensor, made: Tensor) -> Tensor:
        self.critic.requires_grad_(True)
        with self.precision.autocast():
            real, fake = critic(torch.cat([images, made.detach()])).float().chunk(2)
        loss = relu(1 - real).mean() + relu(1 + fake).mean()
        self.precision.step(loss, self.critic_optimizer)
        return loss

    @torch.no_grad()
    def _held_out_mse(self) -> Tensor:
        """Return the squared error (values -1..1) on photographs that are not trained on."""
        images = self.precision.images(to_tensor(self.held_out))
        network = self._averaged
        return mse_loss(network.decode(network.encode(images)[0]), images)

    @torch.no_grad()
    def _fit_density(self, components: int, most: int) -> tuple[LatentDensity, int]:
        """Fit the density to the images as they are; also count the active latent units."""
        every = max(1, len(self.images) // most)
        images = self.images[::every][:most]
        means = torch.cat(
            [
                self._averaged.encode(self.precision.images(to_tensor(part)))[0].cpu()
                for part in np.array_split(images, math.ceil(len(images) / _ENCODE_BATCH))
            ]
        )
        active = int((means.var(0) > _ACTIVE_VARIANCE).sum())
        return fit_density(means, components, self.context.seed), active

    @torch.no_grad()
    def _draw(self, step: int, density: LatentDensity) -> None:
        """Write a contact sheet: originals (held-out ones where there are), then what we make."""
        pool = self.held_out if len(self.held_out) >= _PICTURES else self.images
        originals = pool[np.linspace(0, len(pool) - 1, _PICTURES).astype(int)]
        network, rng = self._averaged, torch.Generator().manual_seed(self.context.seed)
        images = self.precision.images(to_tensor(originals))
        uniform = torch.rand(_PICTURES, generator=rng)
        noise = torch.randn(_PICTURES, self.network.units, generator=rng)
        draws = density(uniform, noise, truncation=1.0, temperature=1.0)
        rows = [
            originals,
            to_pixels(network.decode(network.encode(images)[0])),
            to_pixels(network.decode(draws.to(self.precision.device))),
        ]
        folder = self.context.workdir / "samples"
        folder.mkdir(parents=True, exist_ok=True)
        sheet = contact_sheet(rows, captions=["photograph", "reconstruction", "sample"])
        (folder / f"step_{step:06d}.png").write_bytes(sheet)


def evidence_bound(
    made: Tensor, images: Tensor, mean: Tensor, log_variance: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return nats per pixel value, mean squared error, and nats of KL divergence per image.

    The decoder is a Gaussian whose variance is the batch's own squared error, which maximises the
    likelihood, so that no weight between the two parts has to be tuned.

    Args:
        made: Reconstructions (N, 3, S, S).
        images: Originals, same shape, -1..1.
        mean: Posterior means (N, Z).
        log_variance: Posterior log-variances (N, Z).
    """
    error = mse_loss(made, images)
    likelihood = 0.5 * (torch.log(2 * math.pi * (error + 1e-6)) + 1)  # negative, nats per value
    divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1).mean()
    return likelihood + divergence / images[0].numel(), error, divergence


def fit_density(means: Tensor, components: int, seed: int) -> LatentDensity:
    """Fit a Gaussian mixture to posterior means (N, Z); fewer components where data are few."""
    count, units = means.shape
    components = max(1, min(components, count // (2 * units)))
    mixture = GaussianMixture(
        components, max_iter=20, tol=1e-2, reg_covar=1e-4, random_state=seed % 2**32
    )
    mixture.fit(means.double().numpy())
    density = LatentDensity(components=components, units=units)
    density.weight.copy_(torch.from_numpy(mixture.weights_))
    density.mean.copy_(torch.from_numpy(mixture.means_))
    density.factor.copy_(torch.from_numpy(np.linalg.cholesky(mixture.covariances_)))
    return density


class Milestones:
    """Says once for each of some parts of the budget that it has been passed.

    Args:
        fractions: Parts of the budget (0..1), ascending.
        start: Where a resumed run stands; what lies before is not said again.
    """

    def __init__(self, fractions: "tuple[float, ...] | list[float]", start: float) -> None:
        self._left = [fraction for fraction in fractions if fraction > start]

    def passed(self, fraction: float) -> bool:
        """Return whether a milestone was passed since the last call."""
        before = len(self._left)
        self._left = [left for left in self._left if left > fraction]
        return len(self._left) < before


def _schedule(fraction: float) -> float:
    """Return the share of the peak learning rate: 3 % linear warm-up, then a cosine to 2 %."""
    if fraction < 0.03:
        return max(0.05, fraction / 0.03)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (fraction - 0.03) / 0.97))
