"""The generator that the host uses: learn, keep, sample, interpolate, steer."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from provenance import Direction, FitContext, Media, UserError
from provenance.training import (
    check_sample_arguments,
    choose_classes,
    draw_rows,
    find_classes,
    number_classes,
    render_in_batches,
    save_weights,
    stack_images,
    strict_weights,
)
from provenance_generators.gan import SPEC
from provenance_generators.gan.directions import find_ways, slerp
from provenance_generators.gan.networks import LATENT_SIZE, Generator
from provenance_generators.gan.settings import Settings
from provenance_generators.gan.train import Trainer

_BATCH = 16
"""Images computed together."""


class GANGenerator:
    """A GAN. Images travel as uint8 (N, S, S, 3), sRGB, 0..255."""

    def __init__(self) -> None:
        self._network: Generator | None = None
        self._settings: Settings | None = None
        self._device = "cpu"

    # -- learning ----------------------------------------------------------------------------------

    def fit(self, source: Sequence[Media], context: FitContext) -> None:
        """Learn from square images of one size; goes on from a checkpoint where asked to.

        Raises:
            UserError: The images, or a setting in ``context.options``, do not suit.
        """
        images = stack_images(source, SPEC.sizes_px)
        settings = Settings.build(images.shape[1], find_classes(source), context.options)
        numbers = number_classes(source, settings.classes)
        self._network = Trainer(images, numbers, settings, context).run()
        self._settings, self._device = settings, context.device

    def save(self, folder: Path) -> None:
        """Write ``folder/model.safetensors``: the averaged generator, without its critic.

        Raises:
            UserError: Nothing has been learned yet.
        """
        network, settings = self._learned()
        config = {"family": SPEC.family, "version": SPEC.version, **settings.to_json()}
        save_weights(folder, network.state_dict(), config)

    def load(self, folder: Path, device: str) -> None:
        """Read what :meth:`save` wrote.

        Raises:
            ArtefactError: The file is damaged, of another family, or not exactly this network's.
        """
        with strict_weights(folder, SPEC.family) as (tensors, config):
            settings = Settings.from_json(config)
            network = _rebuild(settings, tensors)
        self._network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._settings, self._device = settings, device

    @property
    def classes(self) -> tuple[str, ...]:
        """Names that ``label`` may have; empty where the source had no classes."""
        return self._settings.classes if self._settings else ()

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
            label: Class of all images, or of each; None draws classes as often as they were.
            truncation: 0..1; scales latents towards their mean, zero: typical, less varied images.
            temperature: At least 0; scales latents, too, and may exceed 1.

        Raises:
            UserError: A label that is no class, an argument out of range, or nothing learned yet.
        """
        _, settings = self._learned()
        check_sample_arguments(
            SPEC.name, n, label, truncation, temperature, classes=settings.classes
        )
        latents = _latents(n, seed) * (truncation * temperature)
        return self._render(self._codes(latents, self._classes(n, seed, label)))

    def interpolate(self, seed_a: int, seed_b: int, steps: int) -> NDArray[np.uint8]:
        """Return ``steps`` images on the way from the sample of ``seed_a`` to that of ``seed_b``.

        Latents go along a great circle, embeddings of classes along a straight line.

        Raises:
            UserError: Fewer than two steps, or nothing learned yet.
        """
        if steps < 2:
            raise UserError(f"An interpolation has at least 2 steps, not {steps}.")
        a, b = self._code(seed_a), self._code(seed_b)  # each (Z + E,)
        way = slerp(a[:LATENT_SIZE], b[:LATENT_SIZE], steps)  # (steps, Z)
        share = torch.linspace(0, 1, steps)[:, None]
        told = torch.lerp(a[None, LATENT_SIZE:], b[None, LATENT_SIZE:], share)  # (steps, E)
        return self._render(torch.cat([way, told], dim=1))

    def directions(self) -> Sequence[Direction]:
        """Return directions of latents (``sefa-1`` ...) and, with classes, ``class-NAME``.

        Raises:
            UserError: Nothing learned yet.
        """
        network, settings = self._learned()
        return [way.direction for way in find_ways(network, settings.classes)]

    def move(self, seed: int, direction: str, amounts: Sequence[float]) -> NDArray[np.uint8]:
        """Return the sample of ``seed`` moved along a direction, one image an amount.

        Args:
            seed: Of the sample.
            direction: A name among :meth:`directions`.
            amounts: In standard deviations: of latents or, for classes, of their embeddings.

        Raises:
            UserError: No such direction, an amount that is not finite, or nothing learned yet.
        """
        network, settings = self._learned()
        steps = {way.direction.name: way.step for way in find_ways(network, settings.classes)}
        if direction not in steps:
            known = ", ".join(steps)
            raise UserError(f"gan has no direction {direction!r}. Known: {known}.")
        far = torch.tensor(list(amounts), dtype=torch.float32)  # (n,)
        if not torch.isfinite(far).all():
            raise UserError("Amounts along a direction are finite numbers.")
        return self._render(self._code(seed)[None] + far[:, None] * steps[direction])

    # -- inside ------------------------------------------------------------------------------------

    def _classes(self, n: int, seed: int, label: str | Sequence[str] | None) -> Tensor:
        """Return the number of the class of each image, (n,)."""
        network, settings = self._learned()
        shares = network.shares.cpu() if settings.classes else torch.ones(1)
        return choose_classes(SPEC.name, n, seed, label, settings.classes, shares)

    def _codes(self, latents: Tensor, classes: Tensor) -> Tensor:
        """Return codes (N, Z + E), on the CPU, for latents (N, Z) and classes (N,)."""
        network, _ = self._learned()
        with torch.no_grad():
            return network.code(latents.to(self._device), classes.to(self._device)).cpu()

    def _code(self, seed: int) -> Tensor:
        """Return the code (Z + E,) of the sample of a seed."""
        return self._codes(_latents(1, seed), self._classes(1, seed, None))[0]

    def _render(self, codes: Tensor) -> NDArray[np.uint8]:
        """Return images uint8 (N, S, S, 3) for codes (N, Z + E)."""
        network, settings = self._learned()
        return render_in_batches(
            len(codes),
            _BATCH,
            settings.size_px,
            lambda rows: network.render(codes[rows].to(self._device)),
        )

    def _learned(self) -> tuple[Generator, Settings]:
        if self._network is None or self._settings is None:
            raise UserError("This gan has learned nothing yet. Call fit or load first.")
        return self._network, self._settings


def _rebuild(settings: Settings, tensors: dict[str, Tensor]) -> Generator:
    """Return the generator of a file, every tensor of it used and none missing."""
    with torch.device("meta"):  # no weights are drawn, and so no random state is touched
        network = settings.generator()
    expected = network.state_dict()
    for name in expected.keys() & tensors.keys():
        if expected[name].dtype != tensors[name].dtype:
            raise ValueError(f"{name} is {tensors[name].dtype}, not {expected[name].dtype}")
    network.load_state_dict(tensors, strict=True, assign=True)
    return network.eval().requires_grad_(False)


def _latents(n: int, seed: int) -> Tensor:
    """Return latents (N, Z)."""
    return draw_rows(n, seed, lambda rng: torch.randn(LATENT_SIZE, generator=rng))
