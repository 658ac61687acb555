"""The generator that the host uses: learn, keep, sample, reconstruct, edit, steer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from provenance import Direction, FitContext, Media, UserError
from provenance.training import (
    check_images,
    check_sample_arguments,
    choose_classes,
    draw_rows,
    find_classes,
    fixed_rows,
    hold_out_groups,
    images_to_tensor,
    number_classes,
    render_in_batches,
    save_weights,
    stack_images,
    strict_weights,
)
from provenance_generators.vae import SPEC
from provenance_generators.vae.density import LatentDensity, complete
from provenance_generators.vae.directions import Axis, find_axes
from provenance_generators.vae.editing import (
    blend,
    check_fraction,
    check_mask,
    choose_cells,
    draws,
    kept_units,
)
from provenance_generators.vae.model import VAE, CodedAutoencoder, images_at_once
from provenance_generators.vae.settings import Settings
from provenance_generators.vae.train import Data, train

_FEW_PHOTOGRAPHS = 100
_MOST_CLASSES = 1000


@dataclass(frozen=True, slots=True)
class _Learned:
    """What a trained generator consists of."""

    settings: Settings
    classes: tuple[str, ...]
    network: VAE | CodedAutoencoder
    density: LatentDensity
    device: str


class VAEGenerator:
    """A convolutional VAE. Images travel as uint8 (N, S, S, 3), sRGB, 0..255."""

    def __init__(self) -> None:
        self._model: _Learned | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names that ``label`` may have; none where the source had no classes."""
        return self._model.classes if self._model else ()

    # -- learning ----------------------------------------------------------------------------------

    def fit(self, source: Sequence[Media], context: FitContext) -> None:
        """Learn from square images of one size; goes on from a checkpoint where asked to.

        Raises:
            UserError: The images, or a setting in ``context.options``, do not suit.
        """
        images = stack_images(source, SPEC.sizes_px)
        settings = Settings.build(images.shape[1], context.options)
        held_out = hold_out_groups(source)
        learned = [item for item, out in zip(source, held_out, strict=True) if not out]
        classes = find_classes(learned) if settings.density != "none" else ()
        numbers = number_classes(learned, classes)
        few = len({item.group for item in source}) < _FEW_PHOTOGRAPHS
        exchange = settings.colours == "exchanged" or (settings.colours == "auto" and few)
        data = Data(images[~held_out], numbers, images[held_out], exchange)
        network, density = train(data, settings, context)
        self._keep(settings, classes, network, density, context.device)

    def save(self, folder: Path) -> None:
        """Write ``folder/model.safetensors``: the averaged network and the density.

        Raises:
            UserError: Nothing has been learned yet.
        """
        model = self._learned()
        config = {
            "family": SPEC.family,
            "version": SPEC.version,
            **model.settings.to_json(),
            "classes": list(model.classes),
            "fitted_rank": model.density.rank,
            "fitted_components": len(model.density.weight),
        }
        save_weights(folder, _both(model.network, model.density).state_dict(), config)

    def load(self, folder: Path, device: str) -> None:
        """Read what :meth:`save` wrote.

        Raises:
            ArtefactError: The file is damaged, of another family, or not exactly this network's.
        """
        with strict_weights(folder, SPEC.family) as (tensors, config):
            settings = Settings.from_json(config)
            with torch.random.fork_rng(devices=[]):  # initial weights are drawn, then replaced
                network = settings.network()
            rank, components = config["fitted_rank"], config["fitted_components"]
            _check_density(tensors, rank, components, config["classes"])
            density = LatentDensity(units=network.units, rank=rank, components=components)
            _both(network, density).load_state_dict(tensors, strict=True)
        self._keep(settings, tuple(config["classes"]), network, density, device)

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
            label: Class of all or of each; None draws them as often as they were in the source.
            truncation: 0..1; pulls latents towards the mean of their class, for typical but less
                varied images.
            temperature: At least 0; scales the spread of latents within a component.

        Raises:
            UserError: A class not learned, an argument out of range, or nothing learned yet.
        """
        network, classes = self._learned().network, self.classes
        check_sample_arguments(SPEC.name, n, label, truncation, temperature, classes=classes)
        latents = self._draw(n, seed, label, truncation=truncation, temperature=temperature)
        return self._render(n, lambda rows: network.decode(latents(rows)))

    def reconstruct(self, batch: Any) -> NDArray[np.uint8]:
        """Return images uint8 (N, S, S, 3) as decoded from their latents.

        Raises:
            UserError: Images of another size or type than learned, or nothing learned yet.
        """
        network = self._learned().network
        latents = self._embed(batch)
        return self._render(len(latents), lambda rows: network.decode(latents[rows]))

    def resample(
        self,
        batch: Any,
        fraction: float,
        *,
        seed: int,
        mask: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.uint8]:
        """Return images with some cells of the latent grid drawn anew, given the others.

        Args:
            batch: uint8 (N, S, S, 3).
            fraction: 0..1 of the cells; 0 is :meth:`reconstruct`.
            seed: Image i depends on ``seed + i`` alone.
            mask: bool (N, S, S): only cells that its true part touches are drawn anew, and what is
                false looks as in :meth:`reconstruct`, to the last bit.

        Raises:
            UserError: Images, fraction or mask do not suit, or nothing learned yet.
        """
        check_fraction(fraction)
        model = self._learned()
        latents = self._embed(batch)
        n, grid = len(latents), model.network.grid
        where = None if mask is None else check_mask(mask, n, model.settings.size_px)
        chosen = choose_cells(n, fraction, seed, grid[1], where)
        uniform, noise = draws(n, seed, model.density.rank + model.density.units)
        kept, *random = (t.to(model.device) for t in (kept_units(chosen, grid), uniform, noise))
        filled = complete(model.density, latents, kept, *random)
        made = self._render(n, lambda rows: model.network.decode(filled[rows]))
        if where is None:
            return made
        plain = self._render(n, lambda rows: model.network.decode(latents[rows]))
        return blend(made, plain, where)

    def interpolate(self, seed_a: int, seed_b: int, steps: int) -> NDArray[np.uint8]:
        """Return ``steps`` images from the sample of ``seed_a`` to that of ``seed_b``.

        Latents lie on the straight line between the two draws: each keeps its component of the
        mixture, so that the ends are exactly what :meth:`sample` makes.

        Raises:
            UserError: Fewer than two steps, or nothing learned yet.
        """
        if steps < 2:
            raise UserError(f"An interpolation has at least 2 steps, not {steps}.")
        model = self._learned()
        a, b = self._one(seed_a), self._one(seed_b)  # (1, Z)
        share = torch.linspace(0, 1, steps, device=model.device)[:, None]
        latents = (1 - share) * a + share * b  # (steps, Z)
        return self._render(steps, lambda rows: model.network.decode(latents[rows]))

    # -- steering ----------------------------------------------------------------------------------

    def directions(self) -> Sequence[Direction]:
        """Return ``pca-N`` and, with classes, ``class-NAME``; none of a prior not fitted."""
        return [axis.direction for axis in self._axes()]

    def move(self, seed: int, direction: str, amounts: Sequence[float]) -> NDArray[np.uint8]:
        """Return one image an amount: the sample of ``seed`` moved along a direction.

        Args:
            seed: Of the sample.
            direction: A name among :meth:`directions`.
            amounts: In standard deviations of the latents; 0 is the sample itself.

        Raises:
            UserError: There is no such direction, or nothing learned yet.
        """
        model = self._learned()
        steps = {axis.direction.name: axis.step for axis in self._axes()}
        if direction not in steps:
            known = ", ".join(steps) or "none"
            raise UserError(f"{SPEC.name} knows no direction {direction!r}. Known: {known}.")
        far = torch.tensor(list(amounts), dtype=torch.float32, device=model.device)[:, None]
        latents = self._one(seed) + far * steps[direction]  # (amounts, Z)
        return self._render(len(latents), lambda rows: model.network.decode(latents[rows]))

    # -- inside ------------------------------------------------------------------------------------

    def _axes(self) -> list[Axis]:
        return find_axes(self._learned().density, self.classes)

    def _draw(
        self, n: int, seed: int, label: str | Sequence[str] | None, **how: float
    ) -> Callable[[Tensor], Tensor]:
        """Return what gives the latents (rows, Z) of some rows of ``n`` samples."""
        density, device = self._learned().density, self._learned().device
        number = choose_classes(SPEC.name, n, seed, label, self.classes, density.shares())
        uniform, noise = _draws(n, seed, density.rank + density.units)

        def latents(rows: Tensor) -> Tensor:
            drawn: Tensor = density(*(t[rows].to(device) for t in (number, uniform, noise)), **how)
            return drawn

        return latents

    def _one(self, seed: int) -> Tensor:
        """Return the latents (1, Z) of the sample of a seed, computed as among many."""
        rows = fixed_rows(0, 1, images_at_once(self._learned().settings.size_px))
        return self._draw(1, seed, None)(rows)[:1]

    @torch.no_grad()
    def _embed(self, batch: Any) -> Tensor:
        """Return the latents (N, Z) of images, always as many computed together."""
        model = self._learned()
        pixels = check_images(batch, [model.settings.size_px])
        n, batch = len(pixels), images_at_once(model.settings.size_px)
        parts = [torch.empty(0, model.network.units, device=model.device)]
        for start in range(0, n, batch):
            images = images_to_tensor(pixels[fixed_rows(start, n, batch).numpy()])
            parts.append(model.network.embed(images.to(model.device))[: n - start])
        return torch.cat(parts)

    def _render(self, n: int, make: Callable[[Tensor], Tensor]) -> NDArray[np.uint8]:
        """Return ``n`` images; ``make`` takes row numbers, always as many together."""
        size_px = self._learned().settings.size_px
        return render_in_batches(n, images_at_once(size_px), size_px, make)

    def _keep(
        self,
        settings: Settings,
        classes: tuple[str, ...],
        network: VAE | CodedAutoencoder,
        density: LatentDensity,
        device: str,
    ) -> None:
        # one layout, trained or loaded: kernels round otherwise for another
        network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        network = network.eval().requires_grad_(False)
        self._model = _Learned(settings, classes, network, density.to(device).eval(), device)

    def _learned(self) -> _Learned:
        if self._model is None:
            raise UserError("This vae has learned nothing yet: fit it, or load a trained one.")
        return self._model


def _both(network: VAE | CodedAutoencoder, density: LatentDensity) -> torch.nn.ModuleDict:
    """Name the parts as their weights are on disk."""
    return torch.nn.ModuleDict({"network": network, "density": density})


def _check_density(tensors: dict[str, Tensor], rank: int, components: int, classes: Any) -> None:
    """Check what a density is built of, before anything is allocated; raises ValueError."""
    if tensors["density.factor"].shape != (components, rank, rank):
        raise ValueError(f"it declares {components!r} components of rank {rank!r}")
    if len(classes) > _MOST_CLASSES or not all(isinstance(name, str) for name in classes):
        raise ValueError("its classes are no names")
    owned = set(tensors["density.owner"].tolist())
    if owned != set(range(max(1, len(classes)))):
        raise ValueError("its components do not belong to its classes")


def _draws(n: int, seed: int, normal: int) -> tuple[Tensor, Tensor]:
    """Return uniform (n,) and normal (n, ``normal``) draws, both of row i from one stream."""

    def draw(rng: torch.Generator) -> Tensor:
        return torch.cat([torch.rand(1, generator=rng), torch.randn(normal, generator=rng)])

    rows = draw_rows(n, seed, draw)  # (n, 1 + normal)
    return rows[:, 0], rows[:, 1:]
