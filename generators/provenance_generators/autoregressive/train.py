"""How the family learns: first the tokenizer, then the transformer over its frozen tokens.

Two loops share the budget, and each resumes by itself. The tokenizer minimises squared error, plus
a small hinge term from a patch critic; rounding needs no loss of its own. The transformer minimises
the negative log-likelihood of each token given those before it.
Notation: N images, S = side in pixels, T tokens, V codes.
"""

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

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
from provenance_generators.autoregressive.model import Prior, Tokenizer
from provenance_generators.autoregressive.settings import Settings

TOKENIZER_SHARE = 0.35
_PICTURES = 12  # columns of a contact sheet
_SHEETS_AT = (0.3, 0.7)  # parts of each loop; one more is drawn at the end of each
_CHECKS_AT = tuple((i + 1) / 9 for i in range(8))  # when the held-out images are looked at
_MOST_CHECKED = 256
_ENCODE_BATCH = 64
_WEIGHTS = (1.0, 3.0, 3.0)  # of opponent colours in the loss
_NAME = "autoregressive"


class TokenizerTrainer:
    """Trains the tokenizer.

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
        seed_everything(derive_seed(context.seed, _NAME, "tokenizer"))
        self.images, self.held_out = images, held_out[:_MOST_CHECKED]
        self.settings, self.context = settings, context
        self.precision = Precision(context.device)
        self.network = settings.tokenizer()
        self.precision.place(self.network)
        self.adversary = Adversary(self.precision, width=settings.width)
        self.average = EMA(self.network)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), weight_decay=0.01)

    def run(self) -> tuple[Tokenizer, int]:
        """Train until this loop's share is spent; return the averaged network and the steps."""
        keep: dict[str, Any] = {
            "network": self.network,
            "critic": self.adversary.critic,
            "average": self.average,
            "optimizer": self.optimizer,
            "critic_optimizer": self.adversary.optimizer,
            "precision": self.precision,
        }
        loop = TrainingLoop(self.context, keep, name="tokenizer", share=TOKENIZER_SHARE)
        parallel = loop.workers.wrap(self.network)
        self.adversary.share(loop.workers)
        sheets, checks = _milestones(loop)
        for step in loop:
            images = self._batch(step, loop.workers.rank)
            set_learning_rate(self.optimizer, self.settings.tokenizer_rate, loop.fraction)
            loop.log(**self._step(parallel, images))
            if checks.passed(loop.fraction) and len(self.held_out):
                loop.log(held_out_mse=self._look(self.held_out)["mse"])
            if sheets.passed(loop.fraction) and loop.workers.is_first:
                draw_sheet(self.context, loop.step, self.pictures, self._averaged, None)
        if loop.workers.is_first:
            self._conclude(loop)
        return self._averaged, loop.step

    def _conclude(self, loop: TrainingLoop) -> None:
        """Log what the averaged network is like."""
        found = self._look(self.images[:: max(1, len(self.images) // _MOST_CHECKED)])
        if len(self.held_out):
            found["held_out_mse"] = self._look(self.held_out)["mse"]
        loop.conclude(**found)

    @property
    def pictures(self) -> NDArray[np.uint8]:
        """Originals for contact sheets: held-out ones where there are."""
        return pick_pictures(self.images, self.held_out, _PICTURES)

    @property
    def _averaged(self) -> Tokenizer:
        return cast("Tokenizer", self.average.network)

    def _batch(self, step: int, rank: int) -> Tensor:
        """Return varied images (N, 3, S, S).

        They depend on seed, rank and step alone, so that a resumed run sees what it would have.
        """
        rng = derive_rng(self.context.seed, _NAME, "tokenizer", rank, step)
        count = self.settings.batch
        chosen = torch.randint(len(self.images), (count,), generator=rng).numpy()
        return self.precision.images(
            mirror_and_exchange_channels(images_to_tensor(self.images[chosen]), rng)
        )

    def _step(self, network: torch.nn.Module, images: Tensor) -> dict[str, Tensor]:
        """Take one step of the network and one of the critic; return what to log."""
        weight = self.settings.adversarial
        with self.precision.autocast():
            made, tokens = network(images)
            fooled = self.adversary.fooled(made) if weight else made.new_zeros(())
        error = colour_error(made.float(), images)
        self.precision.step(error - weight * fooled, self.optimizer, clip_norm=1.0)
        self.average.update(self.network)
        mse = mse_loss(made.detach().float(), images)
        logged = {"loss": error, "mse": mse, **usage(tokens, self.network.quantiser.codes)}
        if weight:
            logged |= {"fooled": fooled, "critic_loss": self.adversary.learn(images, made)}
        return logged

    @torch.no_grad()
    def _look(self, pixels: NDArray[np.uint8]) -> dict[str, Tensor]:
        """Return squared error (values -1..1) and code usage on images uint8 (N, S, S, 3)."""
        images = self.precision.images(images_to_tensor(pixels))
        made, tokens = self._averaged(images)
        return {"mse": mse_loss(made, images), **usage(tokens, self.network.quantiser.codes)}


class PriorTrainer:
    """Trains the transformer over the tokens of a frozen tokenizer.

    Args:
        tokenizer: Trained.
        images: uint8 (N, S, S, 3), trained on.
        held_out: uint8 (M, S, S, 3), watched only; may be empty.
        settings: Shape and schedule.
        context: Budget, seed, device, folder.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        images: NDArray[np.uint8],
        held_out: NDArray[np.uint8],
        settings: Settings,
        context: FitContext,
    ) -> None:
        seed_everything(derive_seed(context.seed, _NAME, "prior"))
        self.tokenizer, self.settings, self.context = tokenizer, settings, context
        self.images = images
        self.precision = Precision(context.device)
        mirrored = np.ascontiguousarray(images[:, :, ::-1])
        self.tokens = torch.cat([self._tokenise(images), self._tokenise(mirrored)])  # (2N, T)
        self.held_out = self._tokenise(held_out[:_MOST_CHECKED])
        self.network = settings.prior().to(context.device)
        self.average = EMA(self.network)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), betas=(0.9, 0.95), weight_decay=0.05
        )

    def run(self, pictures: NDArray[np.uint8], steps_before: int) -> Prior:
        """Train until this loop's share is spent; return the averaged network.

        Args:
            pictures: Originals for contact sheets.
            steps_before: The tokenizer's steps, so that sheets of both loops sort by time.
        """
        keep: dict[str, Any] = {
            "network": self.network,
            "average": self.average,
            "optimizer": self.optimizer,
            "precision": self.precision,
        }
        loop = TrainingLoop(self.context, keep, name="prior", share=1 - TOKENIZER_SHARE)
        parallel = loop.workers.wrap(self.network)
        sheets, checks = _milestones(loop)
        for step in loop:
            tokens = self._batch(step, loop.workers.rank)
            set_learning_rate(self.optimizer, self.settings.prior_rate, loop.fraction)
            loop.log(token_nats=self._step(parallel, tokens))
            if checks.passed(loop.fraction) and len(self.held_out):
                loop.log(held_out_token_nats=self._nats(self.held_out))
            if sheets.passed(loop.fraction) and loop.workers.is_first:
                loop.log(spread=self._draw(steps_before + loop.step, pictures))
        if loop.workers.is_first:
            self._conclude(loop, self._draw(steps_before + loop.step, pictures))
        return self._averaged

    def _conclude(self, loop: TrainingLoop, spread: float) -> None:
        """Log what the averaged network is like."""
        few = self.tokens[:: max(1, len(self.tokens) // _MOST_CHECKED)]
        found: dict[str, Tensor | float] = {"token_nats": self._nats(few), "spread": spread}
        if len(self.held_out):
            found["held_out_token_nats"] = self._nats(self.held_out)
        loop.conclude(**found)

    @property
    def _averaged(self) -> Prior:
        return cast("Prior", self.average.network)

    def _batch(self, step: int, rank: int) -> Tensor:
        rng = derive_rng(self.context.seed, _NAME, "prior", rank, step)
        chosen = torch.randint(len(self.tokens), (self.settings.batch,), generator=rng)
        return self.tokens[chosen].to(self.precision.device)

    def _step(self, network: torch.nn.Module, tokens: Tensor) -> Tensor:
        with self.precision.autocast():
            logits = network(tokens)  # (N, T, V)
        loss = token_nats(logits, tokens)
        self.precision.step(loss, self.optimizer, clip_norm=1.0)
        self.average.update(self.network)
        return loss

    @torch.no_grad()
    def _nats(self, tokens: Tensor) -> Tensor:
        """Return nats per token of sequences (N, T)."""
        tokens = tokens.to(self.precision.device)
        return token_nats(self._averaged(tokens), tokens)

    @torch.no_grad()
    def _tokenise(self, images: NDArray[np.uint8]) -> Tensor:
        """Return the tokens (N, T) of images uint8 (N, S, S, 3), kept on the host."""
        parts = [
            self.tokenizer.encode(
                self.precision.images(images_to_tensor(images[i : i + _ENCODE_BATCH]))
            )
            for i in range(0, len(images), _ENCODE_BATCH)
        ]
        return torch.cat(parts).cpu() if parts else torch.empty(0, 0, dtype=torch.long)

    def _draw(self, step: int, pictures: NDArray[np.uint8]) -> float:
        """Write a contact sheet; return how far its samples lie apart, relative to originals."""
        rows = draw_sheet(self.context, step, pictures, self.tokenizer, self._averaged)
        return spread(rows[-1], self.images)


@torch.no_grad()
def draw_sheet(
    context: FitContext,
    step: int,
    pictures: NDArray[np.uint8],
    tokenizer: Tokenizer,
    prior: Prior | None,
) -> list[NDArray[np.uint8]]:
    """Write ``samples/step_XXXXXX.png`` and return its rows, each uint8 (N, S, S, 3).

    Originals and reconstructions; with a prior also half resampled ones, and samples.
    """
    captions = ["photograph", "reconstruction"]
    images = images_to_tensor(pictures).to(context.device)
    tokens = tokenizer.encode(images)
    rows = [pictures, tensor_to_images(tokenizer.decode(tokens))]
    if prior is not None:
        rng = torch.Generator().manual_seed(context.seed)
        uniform = torch.rand(tokens.shape, generator=rng).to(context.device)
        half = (torch.rand(tokens.shape, generator=rng) < 0.5).to(context.device)
        for chosen in (half, torch.ones_like(half)):
            rows.append(tensor_to_images(tokenizer.decode(prior.complete(tokens, chosen, uniform))))
        captions += ["half resampled", "sample"]
    write_sheet(context.workdir, step, rows, captions)
    return rows


def colour_error(made: Tensor, images: Tensor) -> Tensor:
    """Return the squared error of images (N, 3, S, S) with opponent colours weighted threefold.

    They vary less than lightness, and would else be learned last.
    """
    apart = opponent_colours(made - images)
    return ((apart**2).mean((0, 2, 3)) * made.new_tensor(_WEIGHTS)).mean()


def token_nats(logits: Tensor, tokens: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of tokens (N, T) under logits (N, T, V)."""
    return cross_entropy(logits.float().flatten(0, 1), tokens.flatten())


def usage(tokens: Tensor, codes: int) -> dict[str, Tensor]:
    """Return how many codes a batch uses as a share of all, and their perplexity (1..V)."""
    share = torch.bincount(tokens.flatten(), minlength=codes).float() / tokens.numel()
    entropy = -torch.special.xlogy(share, share).sum()
    return {"codes_used": (share > 0).float().mean(), "code_perplexity": entropy.exp()}


def _milestones(loop: TrainingLoop) -> tuple[Milestones, Milestones]:
    """Return when to draw sheets, and when to look at held-out images."""
    return Milestones(_SHEETS_AT, loop.fraction), Milestones(_CHECKS_AT, loop.fraction)
