"""How the VAE learns: one loop over random flipped batches, then a density over its latents.

Loss: the negative evidence bound per pixel value with the variances of the decoder at their optimum
(sigma-VAE, arXiv 2006.13202), plus a small hinge term from a patch critic, which buys
texture for a little squared error. Notation: N images, S = side in pixels, Z = latent units.
"""

import math
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture
from torch import Tensor
from torch.nn.functional import mse_loss

from provenance import FitContext
from provenance.training import (
    EMA,
    Adversary,
    Milestones,
    Precision,
    TrainingLoop,
    derive_rng,
    derive_seed,
    images_to_tensor,
    mirror_and_exchange_channels,
    opponent_colours,
    pick_pictures,
    seed_everything,
    set_learning_rate,
    spread,
    tensor_to_images,
    write_sheet,
)
from provenance_generators.vae.model import VAE, LatentDensity
from provenance_generators.vae.settings import Settings

_PICTURES = 12  # columns of a contact sheet
_SHEETS_AT = (0.1, 0.25, 0.5, 0.75)  # parts of the budget; one more is drawn at the end
_CHECKS_AT = tuple((i + 1) / 16 for i in range(15))  # when the held-out images are looked at
_MOST_CHECKED = 256  # images a look
_MEANS_MIDWAY, _MOST_MEANS = 1024, 8192  # images that the density is fitted on
_VARIANCES = (1.0, 1 / 3, 1 / 3)  # of opponent colours, relative to one another
_ACTIVE_VARIANCE = 0.01  # Burda et al., arXiv 1509.00519, section 5.2
_ENCODE_BATCH = 64


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
        self.adversary = Adversary(self.precision, width=settings.width)
        self.average = EMA(self.network)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=settings.learning_rate, weight_decay=0.01
        )

    def run(self) -> tuple[VAE, LatentDensity]:
        """Train until the budget is spent; return the averaged network and its density."""
        keep: dict[str, Any] = {
            "network": self.network,
            "critic": self.adversary.critic,
            "average": self.average,
            "optimizer": self.optimizer,
            "critic_optimizer": self.adversary.optimizer,
            "precision": self.precision,
        }
        loop = TrainingLoop(self.context, keep)
        network = loop.workers.wrap(self.network)
        self.adversary.share(loop.workers)
        sheets = Milestones(_SHEETS_AT, loop.fraction)
        checks = Milestones(_CHECKS_AT, loop.fraction)
        for step in loop:
            images, noise = self._batch(step, loop.workers.rank)
            set_learning_rate(self.optimizer, self.settings.learning_rate, loop.fraction)
            loop.log(**self._step(network, images, noise))
            if checks.passed(loop.fraction):
                loop.log(**self._held_out_error())
            if sheets.passed(loop.fraction) and loop.workers.is_first:
                density = fit_density(self._means(_MEANS_MIDWAY), 1, self.context.seed)
                loop.log(spread=self._draw(loop.step, density))
        means = self._means(_MOST_MEANS)
        density = fit_density(means, self.settings.components, self.context.seed)
        if loop.workers.is_first:
            self._conclude(loop, means, density)
        return self._averaged, density

    def _conclude(self, loop: TrainingLoop, means: Tensor, density: LatentDensity) -> None:
        """Draw the last sheet, and log what the averaged network is like."""
        loop.conclude(
            mse=self._error(self.images[:: max(1, len(self.images) // _MOST_CHECKED)]),
            **self._held_out_error(),
            active_units=int((means.var(0) > _ACTIVE_VARIANCE).sum()),
            spread=self._draw(loop.step, density),
        )

    @property
    def _averaged(self) -> VAE:
        return cast("VAE", self.average.network)

    def _batch(self, step: int, rank: int) -> tuple[Tensor, Tensor]:
        """Return varied images (N, 3, S, S) and noise (N, Z).

        Both depend on seed, rank and step alone, so that a resumed run sees what it would have.
        """
        rng = derive_rng(self.context.seed, "vae", rank, step)
        count = self.settings.batch
        chosen = torch.randint(len(self.images), (count,), generator=rng).numpy()
        images = mirror_and_exchange_channels(images_to_tensor(self.images[chosen]), rng)
        noise = torch.randn(count, self.network.units, generator=rng)
        return self.precision.images(images), noise.to(self.precision.device)

    def _step(self, network: torch.nn.Module, images: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """Take one step of the network and one of the critic; return what to log."""
        weight = self.settings.adversarial
        with self.precision.autocast():
            made, mean, log_variance = network(images, noise)
            fooled = self.adversary.fooled(made) if weight else made.new_zeros(())
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
        }
        if weight:
            logged |= {"fooled": fooled, "critic_loss": self.adversary.learn(images, made)}
        return logged

    def _held_out_error(self) -> dict[str, Tensor]:
        """Return the error on photographs that are not trained on; nothing where there are none."""
        return {"held_out_mse": self._error(self.held_out)} if len(self.held_out) else {}

    @torch.no_grad()
    def _error(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Return the squared error (values -1..1) of reconstructions of uint8 (N, S, S, 3)."""
        images = self.precision.images(images_to_tensor(pixels))
        return mse_loss(self._averaged.decode(self._averaged.encode(images)[0]), images)

    @torch.no_grad()
    def _means(self, most: int) -> Tensor:
        """Return posterior means (N, Z) of up to ``most`` images, on the host."""
        images = self.images[:: math.ceil(len(self.images) / most)]
        parts = [images[i : i + _ENCODE_BATCH] for i in range(0, len(images), _ENCODE_BATCH)]
        placed = (self.precision.images(images_to_tensor(part)) for part in parts)
        return torch.cat([self._averaged.encode(part)[0].cpu() for part in placed])

    @torch.no_grad()
    def _draw(self, step: int, density: LatentDensity) -> float:
        """Write a contact sheet, of held-out originals where there are; return the spread."""
        originals = pick_pictures(self.images, self.held_out, _PICTURES)
        network, rng = self._averaged, torch.Generator().manual_seed(self.context.seed)
        images = self.precision.images(images_to_tensor(originals))
        uniform = torch.rand(_PICTURES, generator=rng)
        noise = torch.randn(_PICTURES, network.units, generator=rng)
        draws = density(uniform, noise, truncation=1.0, temperature=1.0)
        samples = tensor_to_images(network.decode(draws.to(self.precision.device)))
        rows = [originals, tensor_to_images(network.decode(network.encode(images)[0])), samples]
        captions = ["photograph", "reconstruction", "sample"]
        write_sheet(self.context.workdir, step, rows, captions)
        return spread(samples, self.images)


def evidence_bound(
    made: Tensor, images: Tensor, mean: Tensor, log_variance: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return nats per pixel value, mean squared error, and nats of KL divergence per image.

    The decoder is a Gaussian whose variance is the batch's own squared error, which maximises the
    likelihood, so that no weight between the two parts has to be tuned. The variance of the two
    opponent colours is a third of lightness': they vary less, and would else be learned last.

    Args:
        made: Reconstructions (N, 3, S, S).
        images: Originals, same shape, -1..1.
        mean: Posterior means (N, Z).
        log_variance: Posterior log-variances (N, Z).
    """
    # a density of opponent colours is one of pixel values too
    apart = opponent_colours(made - images)
    errors, ratios = (apart**2).mean((0, 2, 3)), made.new_tensor(_VARIANCES)  # each (3,)
    variances = ((errors / ratios).mean() + 1e-6) * ratios
    likelihood = 0.5 * (torch.log(2 * math.pi * variances) + 1).mean()  # negative, per value
    divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1).mean()
    return likelihood + divergence / images[0].numel(), errors.mean(), divergence


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
