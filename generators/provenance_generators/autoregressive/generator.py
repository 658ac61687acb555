"""The generator that the host uses: learn, keep, sample, reconstruct, resample, inpaint."""

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
    choose_classes,
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
from provenance_generators.autoregressive import SPEC
from provenance_generators.autoregressive.drawing import Sampling
from provenance_generators.autoregressive.learned import Learned
from provenance_generators.autoregressive.places import choose_places, draw_uniform
from provenance_generators.autoregressive.settings import Settings
from provenance_generators.autoregressive.train import PriorTrainer
from provenance_generators.tokenizers import TokenizerTrainer, code_usage

_BATCH = 128
"""Images computed together."""
_FEW_GROUPS = 64  # photographs: so few lack most colours


class AutoregressiveGenerator:
    """Image tokens and a transformer. Images travel as uint8 (N, S, S, 3), sRGB, 0..255."""

    def __init__(self) -> None:
        self._model: Learned | None = None
        self._device = "cpu"

    # -- learning ----------------------------------------------------------------------------------

    def fit(self, source: Sequence[Media], context: FitContext) -> None:
        """Learn from square images of one size; goes on from a checkpoint where asked to.

        Raises:
            UserError: The images, or a setting in ``context.options``, do not suit.
        """
        images, classes = stack_images(source, SPEC.sizes_px), find_classes(source)
        settings = Settings.build(images.shape[1], classes, context.options)
        numbers, held_out = number_classes(source, classes), hold_out_groups(source)
        seen, watched, numbers = images[~held_out], images[held_out], numbers[~held_out]
        first = TokenizerTrainer(
            seen, watched, settings.tokenizer, context,
            family=SPEC.name,
            share=settings.tokenizer_share,
            exchange_channels=len({item.group for item in source}) < _FEW_GROUPS,
        )  # fmt: skip
        tokenizer, steps = first.run()
        second = PriorTrainer(tokenizer, seen, numbers, watched, settings, context)
        prior = second.run(first.pictures, steps)
        counts = torch.from_numpy(np.bincount(numbers, minlength=max(1, len(classes))))
        self._keep(Learned(settings, tokenizer, prior, second.shares(), counts), context.device)

    def save(self, folder: Path) -> None:
        """Write ``folder/model.safetensors``: the averaged tokenizer and transformer.

        Raises:
            UserError: Nothing has been learned yet.
        """
        model = self._learned()
        used = {name: float(value) for name, value in code_usage(model.usage).items()}
        config = {
            "family": SPEC.family,
            "version": SPEC.version,
            "settings": model.settings.to_json(),
            **used,
        }
        save_weights(folder, model.state_dict(), config)

    def load(self, folder: Path, device: str) -> None:
        """Read what :meth:`save` wrote.

        Raises:
            ArtefactError: The file is damaged, of another family, or not exactly this network's.
        """
        with strict_weights(folder, SPEC.family) as (tensors, config):
            settings = Settings.from_json(config["settings"])
            with torch.random.fork_rng(devices=[]):  # initial weights are drawn, then replaced
                model = Learned.untrained(settings)
            model.load_state_dict(tensors, strict=True)
        self._keep(model, device)

    # -- making ------------------------------------------------------------------------------------

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that it has learned; empty where its source had none."""
        return self._learned().settings.classes

    def token_usage(self) -> NDArray[np.float32]:
        """Return the share of each code among the tokens of what was trained on, (V,)."""
        usage: NDArray[np.float32] = self._learned().usage.cpu().numpy()
        return usage.copy()

    def sample(
        self,
        n: int,
        *,
        seed: int,
        label: str | Sequence[str] | None = None,
        truncation: float = 1.0,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
    ) -> NDArray[np.uint8]:
        """Make ``n`` images; image i depends on ``seed + i``, and its class, alone.

        Args:
            n: How many.
            seed: Of the first image.
            label: Class of all, or of each; None draws classes as often as they were learned.
            truncation: Above 0, at most 1: another name for ``top_p``; the smaller one counts.
            temperature: At least 0; divides the logits. 0 takes the likeliest code each time.
            top_k: At least 1: each token comes from so many of the likeliest codes.
            top_p: Above 0, at most 1: each token comes from the likeliest codes whose
                probabilities first sum to this.

        Raises:
            UserError: An unknown class, an argument out of range, or nothing learned yet.
        """
        model = self._learned()
        names = model.settings.classes
        check_sample_arguments(SPEC.name, n, label, truncation, temperature, classes=names)
        _check_controls(truncation, top_k, top_p)
        length = model.prior.length
        return self._complete(
            torch.zeros(n, length, dtype=torch.long),
            torch.ones(n, length, dtype=torch.bool),
            draw_uniform(n, seed, length),
            choose_classes(SPEC.name, n, seed, label, names, model.class_shares.cpu()),
            Sampling(temperature, top_k, min(top_p, truncation), model.settings.guidance),
        )

    def reconstruct(self, batch: Any) -> NDArray[np.uint8]:
        """Return images uint8 (N, S, S, 3) as decoded from their own tokens.

        Raises:
            UserError: Images of another size or type than learned, or nothing learned yet.
        """
        model, tokens = self._learned(), self._tokenise(batch)
        return self._render(
            len(tokens), lambda rows: model.tokenizer.decode(tokens[rows].to(self._device))
        )

    def resample(
        self,
        batch: Any,
        fraction: float,
        *,
        seed: int,
        mask: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.uint8]:
        """Return images with a share of their tokens drawn anew.

        In raster order, a chosen token is drawn from the model given all tokens before it, drawn
        or kept; the others stay the real ones. Image i depends on itself, its mask and
        ``seed + i`` alone.

        Args:
            batch: uint8 (N, S, S, 3).
            fraction: Share of the tokens, 0..1; 0 reconstructs, 1 draws all of them.
            seed: Of the first image.
            mask: bool (N, S, S): the share is one of the tokens that touch its true part, and the
                others are kept. Without one, of all tokens.

        Raises:
            UserError: An argument out of range, images or a mask of another size, or nothing
                learned yet.
        """
        if not 0 <= fraction <= 1:
            raise UserError(f"The fraction to resample lies within 0..1, not {fraction}.")
        model, tokens = self._learned(), self._tokenise(batch)
        size_px, factor = model.settings.size_px, model.settings.tokenizer.factor
        chosen = choose_places(len(tokens), fraction, seed, size_px, factor, mask)
        uniform = draw_uniform(len(tokens), seed, model.prior.length)
        unknown = torch.full((len(tokens),), len(model.settings.classes))
        return self._complete(tokens, chosen, uniform, unknown, Sampling())

    # -- inside ------------------------------------------------------------------------------------

    def _complete(
        self,
        tokens: Tensor,
        chosen: Tensor,
        uniform: Tensor,
        classes: Tensor,
        sampling: Sampling,
    ) -> NDArray[np.uint8]:
        """Draw the chosen tokens and decode; classes (N,), the other tensors (N, T)."""
        model = self._learned()

        everything = (tokens, chosen, uniform, classes)

        def make(rows: Tensor) -> Tensor:
            ours, picked, draws, of = (values[rows].to(self._device) for values in everything)
            return model.tokenizer.decode(model.prior.complete(ours, picked, draws, of, sampling))

        return self._render(len(tokens), make)

    @torch.no_grad()
    def _tokenise(self, batch: Any) -> Tensor:
        """Return the tokens (N, T) of images uint8 (N, S, S, 3), on the host."""
        model = self._learned()
        pixels = check_images(batch, [model.settings.size_px])
        tokens = torch.empty(len(pixels), model.prior.length, dtype=torch.long)
        for start in range(0, len(pixels), _BATCH):
            rows = fixed_rows(start, len(pixels), _BATCH)
            images = images_to_tensor(pixels[rows.numpy()]).to(self._device)
            coded = model.tokenizer.encode(images)
            tokens[start : start + _BATCH] = coded[: len(pixels) - start].cpu()
        return tokens

    def _render(self, n: int, make: Callable[[Tensor], Tensor]) -> NDArray[np.uint8]:
        """Return ``n`` images; ``make`` takes row numbers, always ``_BATCH`` of them."""
        return render_in_batches(n, _BATCH, self._learned().settings.size_px, make)

    def _keep(self, model: Learned, device: str) -> None:
        self._model, self._device = model.to(device).eval().requires_grad_(False), device

    def _learned(self) -> Learned:
        if self._model is None:
            raise UserError(f"This {SPEC.name} has learned nothing yet: fit it, or load one.")
        return self._model


def _check_controls(truncation: float, top_k: int | None, top_p: float) -> None:
    """Check what ``check_sample_arguments`` does not know."""
    if truncation == 0:
        raise UserError("Truncation keeps the likeliest codes; at 0 none is left. Raise it.")
    if top_k is not None and (isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1):
        raise UserError(f"top_k is a whole number of at least 1, not {top_k!r}.")
    if not 0 < top_p <= 1:
        raise UserError(f"top_p lies above 0, at most at 1, not at {top_p}.")
