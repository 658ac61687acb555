"""The generator that the host uses: learn, keep, sample, reconstruct, resample."""

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
    fixed_rows,
    hold_out_groups,
    images_to_tensor,
    render_in_batches,
    save_weights,
    stack_images,
    strict_weights,
)
from provenance_generators.autoregressive import SPEC
from provenance_generators.autoregressive.model import Prior, Tokenizer
from provenance_generators.autoregressive.settings import Settings
from provenance_generators.autoregressive.train import PriorTrainer, TokenizerTrainer

_BATCH = 64
"""Images computed together."""


class AutoregressiveGenerator:
    """Image tokens and a transformer. Images travel as uint8 (N, S, S, 3), sRGB, 0..255."""

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._tokenizer: Tokenizer | None = None
        self._prior: Prior | None = None
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
        seen, watched = images[~held_out], images[held_out]
        first = TokenizerTrainer(seen, watched, settings, context)
        tokenizer, steps = first.run()
        second = PriorTrainer(tokenizer, seen, watched, settings, context)
        prior = second.run(first.pictures, steps)
        self._keep(settings, tokenizer, prior, context.device)

    def save(self, folder: Path) -> None:
        """Write ``folder/model.safetensors``: the averaged tokenizer and transformer.

        Raises:
            UserError: Nothing has been learned yet.
        """
        settings, tokenizer, prior = self._learned()
        config = {"family": SPEC.family, "version": SPEC.version, **settings.to_json()}
        save_weights(folder, _both(tokenizer, prior).state_dict(), config)

    def load(self, folder: Path, device: str) -> None:
        """Read what :meth:`save` wrote.

        Raises:
            ArtefactError: The file is damaged, of another family, or not exactly this network's.
        """
        with strict_weights(folder, SPEC.family) as (tensors, config):
            settings = Settings.from_json(config)
            with torch.random.fork_rng(devices=[]):  # initial weights are drawn, then replaced
                tokenizer, prior = settings.tokenizer(), settings.prior()
            _both(tokenizer, prior).load_state_dict(tensors, strict=True)
        self._keep(settings, tokenizer, prior, device)

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
            truncation: Above 0, at most 1. Top-p: each token comes from the likeliest codes whose
                probabilities first sum to this.
            temperature: At least 0; divides the logits. 0 takes the likeliest code each time.

        Raises:
            UserError: A label, an argument out of range, or nothing learned yet.
        """
        check_sample_arguments(SPEC.name, n, label, truncation, temperature)
        if truncation == 0:
            raise UserError("Truncation keeps the likeliest codes; at 0 none is left. Raise it.")
        _, _, prior = self._learned()
        tokens = torch.zeros(n, prior.length, dtype=torch.long)
        uniform = _uniform(n, seed, prior.length)
        chosen = torch.ones(n, prior.length, dtype=torch.bool)
        return self._complete(tokens, chosen, uniform, temperature=temperature, top_p=truncation)

    def reconstruct(self, batch: Any) -> NDArray[np.uint8]:
        """Return images uint8 (N, S, S, 3) as decoded from their own tokens.

        Raises:
            UserError: Images of another size or type than learned, or nothing learned yet.
        """
        _, tokenizer, _ = self._learned()
        tokens = self._tokenise(batch)
        return self._render(
            len(tokens), lambda rows: tokenizer.decode(tokens[rows].to(self._device))
        )

    def resample(self, batch: Any, fraction: float, *, seed: int) -> NDArray[np.uint8]:
        """Return images with a share of their tokens drawn anew.

        In raster order, a chosen token is drawn from the model given all tokens before it, drawn
        or kept; the others stay the real ones. Image i depends on itself and ``seed + i`` alone.

        Args:
            batch: uint8 (N, S, S, 3).
            fraction: Share of the tokens, 0..1; 0 reconstructs, 1 draws a free sample.
            seed: Of the first image.

        Raises:
            UserError: An argument out of range, images of another size, or nothing learned yet.
        """
        if not 0 <= fraction <= 1:
            raise UserError(f"The fraction to resample lies within 0..1, not {fraction}.")
        tokens = self._tokenise(batch)
        n, length = tokens.shape
        chosen = torch.zeros(n, length, dtype=torch.bool)
        uniform = _uniform(n, seed, length)
        for i in range(n):
            rng = torch.Generator().manual_seed(seed + i)
            torch.rand(length, generator=rng)  # the draws above: places must not repeat them
            chosen[i, torch.randperm(length, generator=rng)[: round(fraction * length)]] = True
        return self._complete(tokens, chosen, uniform, temperature=1.0, top_p=1.0)

    # -- inside ------------------------------------------------------------------------------------

    def _complete(
        self, tokens: Tensor, chosen: Tensor, uniform: Tensor, *, temperature: float, top_p: float
    ) -> NDArray[np.uint8]:
        """Draw the chosen tokens and decode; all arguments (N, T)."""
        _, tokenizer, prior = self._learned()

        def make(rows: Tensor) -> Tensor:
            drawn = prior.complete(
                *(values[rows].to(self._device) for values in (tokens, chosen, uniform)),
                temperature=temperature,
                top_p=top_p,
            )
            return tokenizer.decode(drawn)

        return self._render(len(tokens), make)

    @torch.no_grad()
    def _tokenise(self, batch: Any) -> Tensor:
        """Return the tokens (N, T) of images uint8 (N, S, S, 3), on the host."""
        settings, tokenizer, prior = self._learned()
        pixels = check_images(batch, [settings.size_px])
        tokens = torch.empty(len(pixels), prior.length, dtype=torch.long)
        for start in range(0, len(pixels), _BATCH):
            rows = fixed_rows(start, len(pixels), _BATCH)
            images = images_to_tensor(pixels[rows.numpy()]).to(self._device)
            tokens[start : start + _BATCH] = tokenizer.encode(images)[: len(pixels) - start].cpu()
        return tokens

    def _render(self, n: int, make: Callable[[Tensor], Tensor]) -> NDArray[np.uint8]:
        """Return ``n`` images; ``make`` takes row numbers, always ``_BATCH`` of them."""
        settings, _, _ = self._learned()
        return render_in_batches(n, _BATCH, settings.size_px, make)

    def _keep(self, settings: Settings, tokenizer: Tokenizer, prior: Prior, device: str) -> None:
        self._settings, self._device = settings, device
        self._tokenizer = tokenizer.to(device).eval().requires_grad_(False)
        self._prior = prior.to(device).eval().requires_grad_(False)

    def _learned(self) -> tuple[Settings, Tokenizer, Prior]:
        if self._settings is None or self._tokenizer is None or self._prior is None:
            raise UserError(f"This {SPEC.name} has learned nothing yet: fit it, or load one.")
        return self._settings, self._tokenizer, self._prior


def _both(tokenizer: Tokenizer, prior: Prior) -> torch.nn.ModuleDict:
    """Name the networks as their weights are on disk."""
    return torch.nn.ModuleDict({"tokenizer": tokenizer, "prior": prior})


def _uniform(n: int, seed: int, length: int) -> Tensor:
    """Return draws (n, length) within 0..1."""
    return draw_rows(n, seed, lambda rng: torch.rand(length, generator=rng))
