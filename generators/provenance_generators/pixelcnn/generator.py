"""The generator that the host uses: learn, keep, sample, draw anew, tell likelihoods."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from provenance import FitContext, Media, UserError
from provenance.training import (
    check_images,
    check_sample_arguments,
    choose_classes,
    draw_rows,
    find_classes,
    hold_out_groups,
    images_to_tensor,
    number_classes,
    render_in_batches,
    save_weights,
    stack_images,
    strict_weights,
)
from provenance_generators.pixelcnn import SPEC
from provenance_generators.pixelcnn.drawing import Painter
from provenance_generators.pixelcnn.mixture import bits_per_dim
from provenance_generators.pixelcnn.model import PixelCNN
from provenance_generators.pixelcnn.settings import Settings
from provenance_generators.pixelcnn.train import Trainer, log_likelihoods

_BATCH = 32
_CELL_PX = 8
"""Side of the squares that :meth:`PixelCNNGenerator.resample` draws anew without a mask."""


class PixelCNNGenerator:
    """A model of pixels. Images travel as uint8 (N, S, S, 3), sRGB, 0..255."""

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._network: PixelCNN | None = None
        self._shares = torch.ones(1)
        self._device = "cpu"

    # -- learning ----------------------------------------------------------------------------------

    def fit(self, source: Sequence[Media], context: FitContext) -> None:
        """Learn from square images of one size; goes on from a checkpoint where asked to.

        Raises:
            UserError: The images, or a setting in ``context.options``, do not suit.
        """
        images = stack_images(source, SPEC.sizes_px)
        classes = find_classes(source)
        labels = number_classes(source, classes)
        settings = Settings.build(images.shape[1], classes, context.options)
        out = hold_out_groups(source)
        held_out = images[out], labels[out]
        network = Trainer(images[~out], labels[~out], held_out, settings, context).run()
        counts = np.bincount(labels, minlength=max(1, len(classes)))
        shares = torch.from_numpy(counts / len(labels)).float()
        self._keep(settings, network, shares, context.device)

    def save(self, folder: Path) -> None:
        """Write ``folder/model.safetensors``: the averaged network.

        Raises:
            UserError: Nothing has been learned yet.
        """
        settings, network = self._learned()
        config = {"family": SPEC.name, "version": SPEC.version, **settings.to_json()}
        save_weights(folder, {**network.state_dict(), "shares": self._shares}, config)

    def load(self, folder: Path, device: str) -> None:
        """Read what :meth:`save` wrote.

        Raises:
            ArtefactError: The file is damaged, of another family, or not exactly this network's.
        """
        with strict_weights(folder, SPEC.name) as (tensors, config):
            settings = Settings.from_json(config)
            shares = tensors.pop("shares")
            with torch.random.fork_rng(devices=[]):  # initial weights are drawn, then replaced
                network = settings.network()
            network.load_state_dict(tensors, strict=True)
        self._keep(settings, network, shares, device)

    # -- making ------------------------------------------------------------------------------------

    @property
    def classes(self) -> tuple[str, ...]:
        """Names that ``label`` may have; empty where the source had no classes."""
        return () if self._settings is None else self._settings.classes

    def sample(
        self,
        n: int,
        *,
        seed: int,
        label: str | Sequence[str] | None = None,
        truncation: float = 1.0,
        temperature: float = 1.0,
    ) -> NDArray[np.uint8]:
        """Make ``n`` images; image i depends on ``seed + i`` alone.

        Args:
            n: How many.
            seed: Of the first image.
            label: Class of all or of each; None draws classes as often as they were in the source.
            truncation: 0..1; pulls what is drawn for each pixel towards the median.
            temperature: At least 0; scales the spread of each pixel's logistics.

        Raises:
            UserError: An argument out of range, an unknown class, or nothing learned yet.
        """
        settings, _ = self._learned()
        check_sample_arguments(SPEC.name, n, label, truncation, temperature, classes=self.classes)
        labels = choose_classes(SPEC.name, n, seed, label, self.classes, self._shares)
        blank = torch.zeros(n, 3, settings.size_px, settings.size_px)
        anew = torch.ones(n, settings.size_px, settings.size_px, dtype=torch.bool)
        uniform = 0.5 + truncation * (self._uniform(n, seed) - 0.5)
        return self._draw(blank, anew, uniform, labels, temperature)

    def resample(
        self,
        batch: Any,
        fraction: float,
        *,
        seed: int,
        mask: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.uint8]:
        """Return images with part of their pixels drawn anew, each given all pixels before it.

        Args:
            batch: uint8 (N, S, S, 3).
            fraction: 0..1; squares of 8 px are drawn anew with this probability.
            seed: Image i depends on ``seed + i`` alone.
            mask: bool (N, S, S); only what is true is drawn. All else keeps its value exactly.

        Raises:
            UserError: Images of another size or type than learned, or an argument out of range.
        """
        settings, _ = self._learned()
        pixels = check_images(batch, [settings.size_px])
        anew = self._cells(len(pixels), fraction, seed)
        if mask is not None:
            if mask.shape != anew.shape:
                raise UserError(f"The mask has shape {mask.shape}; the images need {anew.shape}.")
            anew &= torch.from_numpy(np.asarray(mask, bool))
        labels = torch.zeros(len(pixels), dtype=torch.long)
        images = images_to_tensor(pixels)
        return self._draw(images, anew, self._uniform(len(pixels), seed), labels, 1.0)

    @torch.no_grad()
    def bits_per_dim(self, batch: Any) -> NDArray[np.float32]:
        """Return the exact negative log2-likelihood a value, float32 (N,), of uint8 images.

        A class-conditional model is asked for each class, and the classes are averaged by their
        shares: the likelihood is that of the image, not of image and class.

        Raises:
            UserError: Images of another size or type than learned, or nothing learned yet.
        """
        settings, network = self._learned()
        pixels = check_images(batch, [settings.size_px])
        values = 3 * settings.size_px**2
        parts = []
        for start in range(0, len(pixels), _BATCH):
            images = images_to_tensor(pixels[start : start + _BATCH]).to(self._device)
            totals = torch.stack(
                [self._nats(network, images, number) for number in range(len(self._shares))], dim=1
            )  # (N, classes)
            mixed = torch.logsumexp(totals + self._shares.log().to(self._device), dim=1)
            parts.append(bits_per_dim(mixed[:, None] / (values / 3)))
        return torch.cat(parts).cpu().numpy() if parts else np.zeros(0, np.float32)

    # -- inside ------------------------------------------------------------------------------------

    @staticmethod
    def _nats(network: PixelCNN, images: Tensor, number: int) -> Tensor:
        """Return the log-likelihood (N,) of whole images as of one class."""
        labels = torch.full((len(images),), number, device=images.device)
        return log_likelihoods(network(images, labels), images).double().sum(1).float()

    def _uniform(self, n: int, seed: int) -> Tensor:
        side = self._learned()[0].size_px
        return draw_rows(n, seed, lambda rng: torch.rand(side, side, 4, generator=rng))

    def _cells(self, n: int, fraction: float, seed: int) -> Tensor:
        """Return bool (n, S, S): squares that are drawn anew."""
        if not 0 <= fraction <= 1:
            raise UserError(f"A fraction lies between 0 and 1, not at {fraction}.")
        cells = self._learned()[0].size_px // _CELL_PX

        def draw(rng: torch.Generator) -> Tensor:
            return torch.rand(cells, cells, generator=rng) < fraction

        # a stream apart: that of the seed itself draws the pixels
        chosen = draw_rows(n, seed + 2**40, draw)
        return chosen.repeat_interleave(_CELL_PX, 1).repeat_interleave(_CELL_PX, 2)

    def _draw(
        self, images: Tensor, anew: Tensor, uniform: Tensor, labels: Tensor, temperature: float
    ) -> NDArray[np.uint8]:
        settings, network = self._learned()

        def make(rows: Tensor) -> Tensor:
            painter = Painter(network, labels[rows].to(self._device), settings.size_px)
            originals, chosen = images[rows].to(self._device), anew[rows].to(self._device)
            return painter.draw(originals, chosen, uniform[rows].to(self._device), temperature)

        return render_in_batches(len(images), _BATCH, settings.size_px, make)

    def _keep(self, settings: Settings, network: PixelCNN, shares: Tensor, device: str) -> None:
        self._settings, self._device, self._shares = settings, device, shares
        self._network = network.to(device).eval().requires_grad_(False)

    def _learned(self) -> tuple[Settings, PixelCNN]:
        if self._settings is None or self._network is None:
            raise UserError("This pixelcnn has learned nothing yet: fit it, or load a trained one.")
        return self._settings, self._network
