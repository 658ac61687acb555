"""How the model learns: it minimises the negative log-likelihood of each pixel given those before.

Everything random in a step is drawn from a seed of (run, process, step), so that a resumed run sees
what it would have seen. Notation: N images, S = side in pixels.
"""

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from provenance import FitContext
from provenance.quality import CollapseWatch
from provenance.training import (
    EMA,
    Milestones,
    Precision,
    TrainingLoop,
    derive_rng,
    derive_seed,
    images_to_tensor,
    mirror_half,
    pick_pictures,
    seed_everything,
    set_learning_rate,
    tensor_to_images,
    write_sheet,
)
from provenance_generators.pixelcnn.drawing import Painter
from provenance_generators.pixelcnn.mixture import Mixture, bits_per_dim
from provenance_generators.pixelcnn.model import PixelCNN
from provenance_generators.pixelcnn.settings import Settings

_LOOKS_AT = (0.5, 1.0)  # few and small: each sample costs a pass a pixel
_WATCHED = 32
_CHECKS_AT = tuple((i + 1) / 6 for i in range(5))  # when held-out images are looked at
_MOST_CHECKED = 128
_COLUMNS = 16


class Trainer:
    """One training run.

    Args:
        images: uint8 (N, S, S, 3), trained on.
        labels: int64 (N,), number of each image's class.
        held_out: uint8 (M, S, S, 3) and int64 (M,), watched only; may be empty.
        settings: Shape and schedule.
        context: Budget, seed, device, folder.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        held_out: tuple[NDArray[np.uint8], NDArray[np.int64]],
        settings: Settings,
        context: FitContext,
    ) -> None:
        seed_everything(derive_seed(context.seed, "pixelcnn", "weights"))
        self.images, self.labels = images, torch.from_numpy(labels)
        self.held_out = held_out[0][:_MOST_CHECKED], torch.from_numpy(held_out[1][:_MOST_CHECKED])
        self.settings, self.context = settings, context
        self.precision = Precision(context.device)
        self.network = self.precision.place(settings.network())
        self.average = EMA(self.network)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), weight_decay=0.01)
        self.watch = CollapseWatch(context, images, checks=_LOOKS_AT, samples=_WATCHED)

    def run(self) -> PixelCNN:
        """Train until the budget is spent; return the averaged network."""
        keep: dict[str, Any] = {
            "network": self.network,
            "average": self.average,
            "optimizer": self.optimizer,
            "precision": self.precision,
            "watch": self.watch,
        }
        loop = TrainingLoop(self.context, keep)
        parallel = loop.workers.wrap(self.network)
        checks = Milestones(_CHECKS_AT, loop.fraction)
        for step in loop:
            rate = self.settings.learning_rate * self.watch.gentleness
            set_learning_rate(self.optimizer, rate, loop.fraction)
            loop.log(bits_per_dim=self._step(parallel, *self._batch(step, loop.workers.rank)))
            if checks.passed(loop.fraction) and len(self.held_out[0]):
                loop.log(held_out_bits_per_dim=self._bits(*self.held_out))
            self._look(loop)
        self._look(loop)  # the check at the end of the budget
        if loop.workers.is_first:
            loop.conclude(**self._concluded())
        return self._averaged

    def _look(self, loop: TrainingLoop) -> None:
        if self.watch.is_due(loop.fraction):
            self.watch.look(loop, self._draw(loop.step))

    @property
    def _averaged(self) -> PixelCNN:
        return cast("PixelCNN", self.average.network)

    def _batch(self, step: int, rank: int) -> tuple[Tensor, Tensor]:
        """Return images (N, 3, S, S), half of them mirrored, and their classes (N,)."""
        rng = derive_rng(self.context.seed, "pixelcnn", rank, step)
        chosen = torch.randint(len(self.images), (self.settings.batch,), generator=rng)
        images = mirror_half(images_to_tensor(self.images[chosen.numpy()]), rng)
        return self.precision.images(images), self.labels[chosen].to(self.precision.device)

    def _step(self, network: torch.nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        with self.precision.autocast():
            parameters = network(images, labels)
        bits = bits_per_dim(log_likelihoods(parameters, images)).mean()
        self.precision.step(bits, self.optimizer, clip_norm=1.0)
        self.average.update(self.network)
        return bits

    @torch.no_grad()
    def _bits(self, pixels: NDArray[np.uint8], labels: Tensor) -> Tensor:
        """Return bits a value of images uint8 (N, S, S, 3) under the averaged network."""
        images = self.precision.images(images_to_tensor(pixels))
        parameters = self._averaged(images, labels.to(self.precision.device))
        return bits_per_dim(log_likelihoods(parameters, images)).mean()

    def _concluded(self) -> dict[str, Tensor]:
        """Return what to log of the averaged network."""
        every = max(1, len(self.images) // _MOST_CHECKED)
        found = {"bits_per_dim": self._bits(self.images[::every], self.labels[::every])}
        if len(self.held_out[0]):
            found["held_out_bits_per_dim"] = self._bits(*self.held_out)
        return found

    @torch.no_grad()
    def _draw(self, step: int) -> NDArray[np.uint8]:
        """Return samples uint8 (32, S, S, 3) of fixed seeds, and write a sheet of them."""
        rng = derive_rng(self.context.seed, "pixelcnn", "watched")
        size_px, device = self.settings.size_px, self.precision.device
        uniform = torch.rand(_WATCHED, size_px, size_px, 4, generator=rng).to(device)
        chosen = torch.randint(len(self.labels), (_WATCHED,), generator=rng)
        painter = Painter(self._averaged, self.labels[chosen].to(device), size_px)
        blank = torch.zeros(_WATCHED, 3, size_px, size_px, device=device)
        anew = torch.ones(_WATCHED, size_px, size_px, dtype=torch.bool, device=device)
        samples = tensor_to_images(painter.draw(blank, anew, uniform, 1.0))
        pictures = pick_pictures(self.images, self.held_out[0], _COLUMNS)
        rows = [pictures, *np.split(samples, _WATCHED // _COLUMNS)]
        write_sheet(self.context.workdir, step, rows, ["photograph", *["sample"] * (len(rows) - 1)])
        return samples


def log_likelihoods(parameters: Tensor, images: Tensor) -> Tensor:
    """Return the log-likelihood (N, S * S) of each pixel in nats.

    Args:
        parameters: (N, 10 K, S, S), as the network gives them for these images.
        images: (N, 3, S, S).
    """
    n = len(images)
    places = parameters.permute(0, 2, 3, 1).flatten(0, 2)  # (N * S * S, 10 K)
    pixels = images.permute(0, 2, 3, 1).flatten(0, 2)  # (N * S * S, 3)
    return Mixture(places).log_likelihood(pixels).view(n, -1)
