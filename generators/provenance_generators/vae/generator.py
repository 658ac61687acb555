"""The generator that the host uses: learn, keep, sample, reconstruct, interpolate."""

from collections.abc import Callable, Sequence
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
    draw_rows,
    hold_out_groups,
    images_to_tensor,
    render_in_batches,
    save_weights,
    stack_images,
    strict_weights,
)
from provenance_generators.vae import SPEC
from provenance_generators.vae.model import VAE, LatentDensity
from provenance_generators.vae.settings import Settings
from provenance_generators.vae.train import Trainer

_BATCH = 32
"""Images computed together."""


class VAEGenerator:
    """A convolutional VAE. Images travel as uint8 (N, S, S, 3), sRGB, 0..255."""

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._network: VAE | None = None
        self._density: LatentDensity | None = None
        self._device = "cpu"

    # -- learning ----------------------------------------------------------------------------------

    def fit(self, source: Sequence[Media], context: FitContext) -> None:
        """Learn from square images of one size; goes on from a checkpoint where asked to.

        Raises:
            UserError: The images, or a setting in ``context.options``, do not suit.
        """
        images = stack_images(source, SPEC.sizes_px)
        settings = Settings.build(images.shape[1], SPEC.options, context.options)
        held_out = hold_out_groups(source)
        trainer = Trainer(images[~held_out], images[held_out], settings, context)
        network, density = trainer.run()
        self._keep(settings, network, density, context.device)

    def save(self, folder: Path) -> None:
        """Write ``folder/model.safetensors``: the averaged network and the density.

        Raises:
            UserError: Nothing has been learned yet.
        """
        settings, network, density = self._learned()
        components = len(density.weight)
        config = {**settings.to_json(), "components": components, "version": SPEC.version}
        arrays = _both(network, density).state_dict()
        save_weights(folder, arrays, {"family": SPEC.family, **config})

    def load(self, folder: Path, device: str) -> None:
        """Read what :meth:`save` wrote.

        Raises:
            ArtefactError: The file is damaged, of another family, or not exactly this network's.
        """
        with strict_weights(folder, SPEC.family) as (tensors, config):
            settings = Settings.from_json(config)
            with torch.random.fork_rng(devices=[]):  # initial weights are drawn, then replaced
                network, density = settings.network(), settings.density()
            _both(network, density).load_state_dict(tensors, strict=True)
        self._keep(settings, network, density, device)

    # -- making ------------------------------------------------------------------------------------

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
            label: Must be None: this generator knows no classes.
            truncation: 0..1; pulls latents towards their mean, for typical but less varied images.
            temperature: At least 0; scales the spread of latents.

        Raises:
            UserError: A label, an argument out of range, or nothing learned yet.
        """
        check_sample_arguments(SPEC.name, n, label, truncation, temperature)
        _, network, density = self._learned()
        uniform, noise = _draws(n, seed, network.units)

        def make(rows: Tensor) -> Tensor:
            latents = density(
                uniform[rows].to(self._device),
                noise[rows].to(self._device),
                truncation=truncation,
                temperature=temperature,
            )
            return network.decode(latents)

        return self._render(n, make)

    def reconstruct(self, batch: Any) -> NDArray[np.uint8]:
        """Return images uint8 (N, S, S, 3) as decoded from their posterior means.

        Raises:
            UserError: Images of another size or type than learned, or nothing learned yet.
        """
        settings, network, _ = self._learned()
        pixels = check_images(batch, [settings.size_px])

        def make(rows: Tensor) -> Tensor:
            images = images_to_tensor(pixels[rows.numpy()]).to(self._device)
            return network.decode(network.encode(images)[0])

        return self._render(len(pixels), make)

    def interpolate(self, seed_a: int, seed_b: int, steps: int) -> NDArray[np.uint8]:
        """Return ``steps`` images from the sample of ``seed_a`` to that of ``seed_b``.

        Latents lie on the straight line between the two draws: each keeps its component of the
        mixture, so that the ends are exactly what :meth:`sample` makes.

        Raises:
            UserError: Fewer than two steps, or nothing learned yet.
        """
        if steps < 2:
            raise UserError(f"An interpolation has at least 2 steps, not {steps}.")
        _, network, density = self._learned()
        ends = [
            density(*(t.to(self._device) for t in draw), truncation=1.0, temperature=1.0)
            for draw in (_draws(1, seed, network.units) for seed in (seed_a, seed_b))
        ]  # two of (1, Z)
        share = torch.linspace(0, 1, steps, device=self._device)[:, None]
        latents = (1 - share) * ends[0] + share * ends[1]  # (steps, Z)
        return self._render(steps, lambda rows: network.decode(latents[rows]))

    # -- inside ------------------------------------------------------------------------------------

    def _render(self, n: int, make: Callable[[Tensor], Tensor]) -> NDArray[np.uint8]:
        """Return ``n`` images; ``make`` takes row numbers, always ``_BATCH`` of them."""
        settings, _, _ = self._learned()
        return render_in_batches(n, _BATCH, settings.size_px, make)

    def _keep(self, settings: Settings, network: VAE, density: LatentDensity, device: str) -> None:
        self._settings, self._device = settings, device
        self._network = network.to(device).eval().requires_grad_(False)
        self._density = density.to(device).eval()

    def _learned(self) -> tuple[Settings, VAE, LatentDensity]:
        if self._settings is None or self._network is None or self._density is None:
            raise UserError("This vae has learned nothing yet: fit it, or load a trained one.")
        return self._settings, self._network, self._density


def _both(network: VAE, density: LatentDensity) -> torch.nn.ModuleDict:
    """Name the parts as their weights are on disk."""
    return torch.nn.ModuleDict({"network": network, "density": density})


def _draws(n: int, seed: int, units: int) -> tuple[Tensor, Tensor]:
    """Return uniform (n,) and normal (n, units) draws, both of row i from one stream."""

    def draw(rng: torch.Generator) -> Tensor:
        return torch.cat([torch.rand(1, generator=rng), torch.randn(units, generator=rng)])

    rows = draw_rows(n, seed, draw)  # (n, 1 + units)
    return rows[:, 0], rows[:, 1:]
