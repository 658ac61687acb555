"""How the transformer learns: the likelihood of the tokens of a tokenizer that stays as it is.

The tokenizer has a loop of its own before (``tokenizers/train.py``); both share the budget, and
each resumes by itself.
Notation: N images, S = side in pixels, T tokens, V codes, K classes.
"""

import functools
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

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
    seed_everything,
    set_learning_rate,
    spread,
    tensor_to_images,
    write_sheet,
)
from provenance_generators.autoregressive.drawing import Sampling
from provenance_generators.autoregressive.model import Prior
from provenance_generators.autoregressive.settings import Settings
from provenance_generators.tokenizers import Tokenizer, code_shares, code_usage

_SHEETS_AT = (0.3, 0.7)  # parts of the loop; one more is drawn at its end
_CHECKS_AT = tuple((i + 1) / 9 for i in range(8))  # when the held-out images are looked at
_MOST_CHECKED = 256
_WATCHED = 128  # samples that are looked at for collapse
_BATCH = 64  # images computed together where nothing is learned
_WITHOUT_CLASS = 0.1  # of the sequences are learned without their class
_NAME = "autoregressive"


class PriorTrainer:
    """Trains the transformer over the tokens of a frozen tokenizer; the loop is called ``prior``.

    Args:
        tokenizer: Trained.
        images: uint8 (N, S, S, 3), trained on.
        numbers: int64 (N,), of their classes.
        held_out: uint8 (M, S, S, 3), watched only; may be empty.
        settings: Shape and schedule.
        context: Budget, seed, device, folder.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        images: NDArray[np.uint8],
        numbers: NDArray[np.int64],
        held_out: NDArray[np.uint8],
        settings: Settings,
        context: FitContext,
    ) -> None:
        seed_everything(derive_seed(context.seed, _NAME, "prior"))
        self.precision = Precision(context.device)
        self.tokenizer = tokenizer.to(self.precision.device).eval().requires_grad_(False)
        self.settings, self.context = settings, context
        self.images, self.held_out = images, held_out[:_MOST_CHECKED]
        self.numbers = torch.from_numpy(numbers).to(self.precision.device)
        self.network = settings.prior(tokenizer.quantiser.features()).to(self.precision.device)
        self.average = EMA(self.network)
        self.watch = CollapseWatch(context, images, samples=_WATCHED)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), betas=(0.9, 0.95), weight_decay=0.05
        )

    def run(self, pictures: NDArray[np.uint8], steps_before: int) -> Prior:
        """Train until this loop's share is spent; return the averaged network.

        Args:
            pictures: Originals for contact sheets.
            steps_before: The tokenizer's steps, so that sheets of both loops sort by time.
        """
        share = 1 - self.settings.tokenizer_share
        loop = TrainingLoop(self.context, self._kept(), name="prior", share=share)
        parallel = loop.workers.wrap(self.network)
        sheets, checks = (Milestones(at, loop.fraction) for at in (_SHEETS_AT, _CHECKS_AT))
        for step in loop:
            tokens, classes = self._batch(step, loop.workers.rank)
            peak = self.settings.prior_rate * self.watch.gentleness
            set_learning_rate(self.optimizer, peak, loop.fraction)
            loop.log(token_nats=self._step(parallel, tokens, classes))
            if checks.passed(loop.fraction) and len(self.held_out):
                loop.log(held_out_token_nats=self._held_out_nats())
            if sheets.passed(loop.fraction) and loop.workers.is_first:
                self._draw(steps_before + loop.step, pictures)
            self._look(loop)
        self._look(loop)
        if loop.workers.is_first:
            self._draw(steps_before + loop.step, pictures)
            self._conclude(loop)
        return self._averaged

    @functools.cached_property
    def tokens(self) -> Tensor:
        """Tokens of all images, and of all of them mirrored: int64 (2N, T).

        Made in the loop's first step, so that their cost counts.
        """
        mirrored = np.ascontiguousarray(self.images[:, :, ::-1])
        return torch.cat([self._tokenise(self.images), self._tokenise(mirrored)])

    def shares(self) -> Tensor:
        """Return how often each code occurs in the images, float32 (V,)."""
        codes = self.tokenizer.quantiser.codes
        return code_shares(self.tokens[: len(self.images)], codes).cpu()

    def _kept(self) -> dict[str, Any]:
        """Name what a checkpoint holds."""
        return {
            "network": self.network,
            "average": self.average,
            "optimizer": self.optimizer,
            "precision": self.precision,
            "watch": self.watch,
        }

    @property
    def _averaged(self) -> Prior:
        return cast("Prior", self.average.network)

    # -- one step ----------------------------------------------------------------------------------

    def _batch(self, step: int, rank: int) -> tuple[Tensor, Tensor]:
        """Return tokens (N, T) and classes (N,); some of these are K, for none.

        They depend on seed, rank and step alone, so that a resumed run sees what it would have.
        """
        rng = derive_rng(self.context.seed, _NAME, "prior", rank, step)
        count, none = self.settings.batch, len(self.settings.classes)
        rows = torch.randint(len(self.tokens), (count,), generator=rng)
        without = torch.rand(count, generator=rng) < _WITHOUT_CLASS
        rows, without = rows.to(self.precision.device), without.to(self.precision.device)
        classes = self.numbers[rows % len(self.images)]
        return self.tokens[rows], torch.where(without, none, classes)

    def _step(self, network: torch.nn.Module, tokens: Tensor, classes: Tensor) -> Tensor:
        with self.precision.autocast():
            logits = network(tokens, classes)  # (N, T, V)
        loss = token_nats(logits, tokens)
        self.precision.step(loss, self.optimizer, clip_norm=1.0)
        self.average.update(self.network)
        return loss

    # -- watching ----------------------------------------------------------------------------------

    def _look(self, loop: TrainingLoop) -> None:
        """Let the watch see samples where they are due."""
        if self.watch.is_due(loop.fraction):
            samples = self._samples(self.watch.n_samples) if loop.workers.is_first else None
            self.watch.look(loop, samples)

    @torch.no_grad()
    def _samples(self, count: int) -> NDArray[np.uint8]:
        """Return images (count, S, S, 3) as the averaged network draws them, the same each time."""
        rng = derive_rng(self.context.seed, _NAME, "watched")
        uniform = torch.rand(count, self._averaged.length, generator=rng)
        rows = torch.randint(len(self.images), (count,), generator=rng)
        made = [
            self._complete(torch.zeros_like(some).long(), torch.ones_like(some).bool(), some, of)
            for some, of in _in_batches(uniform, rows)
        ]
        return np.concatenate(made)

    def _complete(
        self, tokens: Tensor, chosen: Tensor, uniform: Tensor, rows: Tensor | None
    ) -> NDArray[np.uint8]:
        """Return images of tokens (N, T), the chosen drawn anew, of the classes of some rows."""
        device, none = self.precision.device, len(self.settings.classes)
        if rows is None:
            classes = torch.full((len(tokens),), none, device=device)
        else:
            classes = self.numbers[rows.to(device)]
        drawn = self._averaged.complete(
            tokens.to(device), chosen.to(device), uniform.to(device), classes,
            Sampling(guidance=1.0 if rows is None else self.settings.guidance),
        )  # fmt: skip
        return tensor_to_images(self.tokenizer.decode(drawn))

    @torch.no_grad()
    def _draw(self, step: int, pictures: NDArray[np.uint8]) -> None:
        """Write a contact sheet: originals, reconstructions, half resampled ones, samples."""
        tokens = self._tokenise(pictures)
        rng = torch.Generator().manual_seed(self.context.seed)
        uniform = torch.rand(tokens.shape, generator=rng)
        half = torch.rand(tokens.shape, generator=rng) < 0.5
        rows = [
            pictures,
            tensor_to_images(self.tokenizer.decode(tokens)),
            self._complete(tokens, half, uniform, None),
            self._samples(len(pictures)),
        ]
        captions = ["photograph", "reconstruction", "half resampled", "sample"]
        write_sheet(self.context.workdir, step, rows, captions)

    def _conclude(self, loop: TrainingLoop) -> None:
        """Log what the averaged network is like, and how the tokenizer uses its codes."""
        rows = torch.arange(0, len(self.images), max(1, len(self.images) // _MOST_CHECKED))
        rows = rows.to(self.precision.device)
        found: dict[str, Tensor | float] = {
            "token_nats": self._nats(self.tokens[rows], self.numbers[rows]),
            "spread": spread(self._samples(_BATCH), self.images),
            **code_usage(self.shares()),
        }
        if len(self.held_out):
            found["held_out_token_nats"] = self._held_out_nats()
        loop.conclude(**found)

    def _held_out_nats(self) -> Tensor:
        """Return nats per token of the held-out images, without their classes."""
        tokens = self._held_out_tokens
        return self._nats(tokens, torch.full_like(tokens[:, 0], len(self.settings.classes)))

    @torch.no_grad()
    def _nats(self, tokens: Tensor, classes: Tensor) -> Tensor:
        """Return nats per token of sequences (N, T) of classes (N,)."""
        sums = [
            len(some) * token_nats(self._averaged(some, of), some)
            for some, of in _in_batches(tokens, classes)
        ]
        return torch.stack(sums).sum() / len(tokens)

    @functools.cached_property
    def _held_out_tokens(self) -> Tensor:
        return self._tokenise(self.held_out)

    @torch.no_grad()
    def _tokenise(self, images: NDArray[np.uint8]) -> Tensor:
        """Return the tokens (N, T) of images uint8 (N, S, S, 3)."""
        return torch.cat([self.tokenizer.encode(batch) for batch in self._batches(images)])

    def _batches(self, images: NDArray[np.uint8]) -> Iterator[Tensor]:
        for start in range(0, len(images), _BATCH):
            yield self.precision.images(images_to_tensor(images[start : start + _BATCH]))


def _in_batches(a: Tensor, b: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    for start in range(0, len(a), _BATCH):
        yield a[start : start + _BATCH], b[start : start + _BATCH]


def token_nats(logits: Tensor, tokens: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of tokens (N, T) under logits (N, T, V)."""
    return cross_entropy(logits.float().flatten(0, 1), tokens.flatten())
