"""The generator that the host uses: learn, keep, sample, interpolate."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from provenance import FitContext, Media, UserError
from provenance.training import (
    check_sample_arguments,
    draw_rows,
    render_in_batches,
    save_weights,
    stack_images,
    strict_weights,
)
from provenance_generators.gan import SPEC
from provenance_generators.gan.model import LATENT_SIZE, Generator
from provenance_generators.gan.settings import Settings
from provenance_generators.gan.train import Trainer

_BATCH = 16
"""Images computed together."""
_MOST_WIDTH = 256  # a damaged file must not make us allocate without bounds


class GANGenerator:
    """A GAN. Images travel as uint8 (N, S, S, 3), sRGB, 0..255."""

    def __init__(self) -> None:
        self._network: Generator | None = None
        self._config: dict[str, Any] = {}
        self._device = "cpu"

    # -- learning ----------------------------------------------------------------------------------

    def fit(self, source: Sequence[Media], context: FitContext) -> None:
        """Learn from square images of one size; goes on from a checkpoint where asked to.

        Raises:
            UserError: The images, or a setting in ``context.options``, do not suit.
        """
        images = stack_images(source, SPEC.sizes_px)
        settings = Settings.build(SPEC.options, context.options)
        self._network = Trainer(images, settings, context).run()
        self._config = {"size_px": images.shape[1], "width": settings.width}
        self._device = context.device

    def save(self, folder: Path) -> None:
        """Write ``folder/model.safetensors``: the averaged generator, without its critic.

        Raises:
            UserError: Nothing has been learned yet.
        """
        config = {"family": SPEC.family, "version": SPEC.version, **self._config}
        save_weights(folder, self._learned().state_dict(), config)

    def load(self, folder: Path, device: str) -> None:
        """Read what :meth:`save` wrote.

        Raises:
            ArtefactError: The file is damaged, of another family, or not exactly this network's.
        """
        with strict_weights(folder, SPEC.family) as (tensors, config):
            network = _rebuild(config, tensors)
        self._network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._config = {name: config[name] for name in ("size_px", "width")}
        self._device = device

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
            truncation: 0..1; scales latents towards their mean, zero: typical, less varied images.
            temperature: At least 0; scales latents, too, and may exceed 1.

        Raises:
            UserError: A label, an argument out of range, or nothing learned yet.
        """
        check_sample_arguments(SPEC.name, n, label, truncation, temperature)
        return self._render(_latents(n, seed) * (truncation * temperature))

    def interpolate(self, seed_a: int, seed_b: int, steps: int) -> NDArray[np.uint8]:
        """Return ``steps`` images on the way from the sample of ``seed_a`` to that of ``seed_b``.

        The way is the great circle between the two latents, since a straight line would leave the
        shell on which Gaussian vectors of this size lie.

        Raises:
            UserError: Fewer than two steps, or nothing learned yet.
        """
        if steps < 2:
            raise UserError(f"An interpolation has at least 2 steps, not {steps}.")
        a, b = _latents(1, seed_a), _latents(1, seed_b)  # (1, Z)
        angle = torch.arccos(torch.cosine_similarity(a, b).clamp(-1, 1))  # (1,)
        share = torch.linspace(0, 1, steps)[:, None]  # (steps, 1)
        if float(angle.sin()) < 1e-4:  # one direction only: there is no circle to follow
            return self._render(torch.lerp(a, b, share))
        way = (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / angle.sin()
        way[0], way[-1] = a[0], b[0]  # exactly the two samples, whatever sines round to
        return self._render(way)

    # -- inside ------------------------------------------------------------------------------------

    def _render(self, latents: Tensor) -> NDArray[np.uint8]:
        """Return images uint8 (N, S, S, 3) for latents (N, Z)."""
        network = self._learned()
        return render_in_batches(
            len(latents),
            _BATCH,
            self._config["size_px"],
            lambda rows: network(latents[rows].to(self._device)),
        )

    def _learned(self) -> Generator:
        if self._network is None:
            raise UserError("This gan has learned nothing yet. Call fit or load first.")
        return self._network


def _rebuild(config: dict[str, Any], tensors: dict[str, Tensor]) -> Generator:
    """Return the generator of a file, every tensor of it used and none missing."""
    size_px, width = config["size_px"], config["width"]
    if size_px not in SPEC.sizes_px or not isinstance(width, int) or not 0 < width <= _MOST_WIDTH:
        raise ValueError(f"it declares {size_px!r} px and width {width!r}")
    with torch.device("meta"):  # no weights are drawn, and so no random state is touched
        network = Generator(size_px, width=width)
    expected = network.state_dict()
    for name in expected.keys() & tensors.keys():
        if expected[name].dtype != tensors[name].dtype:
            raise ValueError(f"{name} is {tensors[name].dtype}, not {expected[name].dtype}")
    network.load_state_dict(tensors, strict=True, assign=True)
    return network.eval().requires_grad_(False)


def _latents(n: int, seed: int) -> Tensor:
    """Return latents (N, Z)."""
    return draw_rows(n, seed, lambda rng: torch.randn(LATENT_SIZE, generator=rng))
