"""How the family learns: first the tokenizer, then the transformer over its frozen tokens.

Two loops share the budget, and each resumes by itself. The tokenizer minimises squared error, plus
a small hinge term from a patch critic; rounding needs no loss of its own. The transformer minimises
the negative log-likelihood of each token given those before it.
Notation: N images, S = side in pixels, T tokens, V codes.
"""

import math
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss, relu

from provenance import FitContext
from provenance.media import contact_sheet
from provenance.training import (
    EMA,
    Precision,
    TrainingLoop,
    derive_seed,
    images_to_tensor,
    mirror_and_exchange_channels,
    seed_everything,
    tensor_to_images,
)
from provenance_generators.autoregressive.model import Critic, Prior, Tokenizer
from provenance_generators.autoregressive.settings import Settings

TOKENIZER_SHARE = 0.35
_PICTURES = 12  # columns of a contact sheet
_SHEETS_AT = (0.3, 0.7)  # parts of each loop; one more is drawn at the end of each
_CHECKS = 8  # how many times a loop looks at the held-out images
_MOST_CHECKED = 256
_ENCODE_BATCH = 64
_OPPONENT = (  # lightness, red against blue, green against both; rows of unit length
    (3**-0.5, 3**-0.5, 3**-0.5),
    (2**-0.5, 0.0, -(2**-0.5)),
    (6**-0.5, -2 * 6**-0.5, 6**-0.5),
)
_WEIGHTS = (1.0, 3.0, 3.0)  # of those in the loss
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
        self.network, self.critic = settings.tokenizer(), Critic(width=settings.width)
        self.precision.place(self.network)
        self.precision.place(self.critic)
        self.average = EMA(self.network)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), weight_decay=0.01)
        self.critic_optimizer = torch.optim.Adam(
            self.critic.parameters(), lr=5e-4, betas=(0.5, 0.9)
        )

    def run(self) -> tuple[Tokenizer, int]:
        """Train until this loop's share is spent; return the averaged network and the steps."""
        keep: dict[str, Any] = {
            "network": self.network,
            "critic": self.critic,
            "average": self.average,
            "optimizer": self.optimizer,
            "critic_optimizer": self.critic_optimizer,
            "precision": self.precision,
        }
        loop = TrainingLoop(self.context, keep, name="tokenizer", share=TOKENIZER_SHARE)
        parallel, critic = loop.workers.wrap(self.network), loop.workers.wrap(self.critic)
        sheets, checks = Milestones.over(loop)
        for step in loop:
            images = self._batch(step, loop.workers.rank)
            _set_rate(self.optimizer, self.settings.tokenizer_rate, loop.fraction)
            loop.log(**self._step(parallel, critic, images))
            if checks.passed(loop.fraction) and len(self.held_out):
                loop.log(held_out_mse=self._look(self.held_out)["mse"])
            if sheets.passed(loop.fraction) and loop.workers.is_first:
                draw_sheet(self.context, loop.step, self.pictures, self._averaged, None)
        if loop.workers.is_first:
            self._conclude(loop)
        return self._averaged, loop.step

    def _conclude(self, loop: TrainingLoop) -> None:
        """Log what the averaged network is like, as the last line."""
        found = self._look(self.images[:: max(1, len(self.images) // _MOST_CHECKED)])
        if len(self.held_out):
            found["held_out_mse"] = self._look(self.held_out)["mse"]
        values = {name: float(value) for name, value in found.items()}
        loop.records.write(loop.step, elapsed_s=round(loop.elapsed_s, 2), **values)
        loop.records.close()

    @property
    def pictures(self) -> NDArray[np.uint8]:
        """Originals for contact sheets: held-out ones where there are."""
        pool = self.held_out if len(self.held_out) >= _PICTURES else self.images
        rows = np.linspace(0, len(pool) - 1, _PICTURES).astype(int)
        return np.ascontiguousarray(pool[rows])

    @property
    def _averaged(self) -> Tokenizer:
        return cast("Tokenizer", self.average.network)

    def _batch(self, step: int, rank: int) -> Tensor:
        """Return varied images (N, 3, S, S).

        They depend on seed, rank and step alone, so that a resumed run sees what it would have.
        """
        rng = _rng(self.context, "tokenizer", rank, step)
        count = self.settings.batch
        chosen = torch.randint(len(self.images), (count,), generator=rng).numpy()
        return self.precision.images(
            mirror_and_exchange_channels(images_to_tensor(self.images[chosen]), rng)
        )

    def _step(
        self, network: torch.nn.Module, critic: torch.nn.Module, images: Tensor
    ) -> dict[str, Tensor]:
        """Take one step of the network and one of the critic; return what to log."""
        weight = self.settings.adversarial
        self.critic.requires_grad_(False)  # this step passes gradients through it, not to it
        with self.precision.autocast():
            made, tokens = network(images)
            fooled = self.critic(made).float().mean() if weight else made.new_zeros(())
        error = colour_error(made.float(), images)
        self.precision.step(error - weight * fooled, self.optimizer, clip_norm=1.0)
        self.average.update(self.network)
        mse = mse_loss(made.detach().float(), images)
        logged = {"loss": error, "mse": mse, **usage(tokens, self.network.quantiser.codes)}
        if weight:
            logged |= {"fooled": fooled, "critic_loss": self._critic_step(critic, images, made)}
        return logged

    def _critic_step(self, critic: torch.nn.Module, images: Tensor, made: Tensor) -> Tensor:
        self.critic.requires_grad_(True)
        with self.precision.autocast():
            real, fake = critic(torch.cat([images, made.detach()])).float().chunk(2)
        loss = relu(1 - real).mean() + relu(1 + fake).mean()
        self.precision.step(loss, self.critic_optimizer)
        return loss

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
        sheets, checks = Milestones.over(loop)
        for step in loop:
            tokens = self._batch(step, loop.workers.rank)
            _set_rate(self.optimizer, self.settings.prior_rate, loop.fraction)
            loop.log(token_nats=self._step(parallel, tokens))
            if checks.passed(loop.fraction) and len(self.held_out):
                loop.log(held_out_token_nats=self._nats(self.held_out))
            if sheets.passed(loop.fraction) and loop.workers.is_first:
                loop.log(spread=self._draw(steps_before + loop.step, pictures))
        if loop.workers.is_first:
            self._conclude(loop, self._draw(steps_before + loop.step, pictures))
        return self._averaged

    def _conclude(self, loop: TrainingLoop, spread: float) -> None:
        """Log what the averaged network is like, as the last line."""
        few = self.tokens[:: max(1, len(self.tokens) // _MOST_CHECKED)]
        values = {"token_nats": float(self._nats(few)), "spread": spread}
        if len(self.held_out):
            values["held_out_token_nats"] = float(self._nats(self.held_out))
        loop.records.write(loop.step, elapsed_s=round(loop.elapsed_s, 2), **values)
        loop.records.close()

    @property
    def _averaged(self) -> Prior:
        return cast("Prior", self.average.network)

    def _batch(self, step: int, rank: int) -> Tensor:
        rng = _rng(self.context, "prior", rank, step)
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
        return distance(rows[-1]) / max(distance(self.images), 1e-6)


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
    folder = context.workdir / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"step_{step:06d}.png").write_bytes(contact_sheet(rows, captions=captions))
    return rows


def distance(pixels: NDArray[np.uint8]) -> float:
    """Return how far images uint8 (N, S, S, 3) lie from one another; near 0 is collapse.

    The mean over an even choice of pairs of their root mean squared difference, 0..255.
    """
    rows = np.linspace(0, len(pixels) - 1, min(len(pixels), _MOST_CHECKED)).astype(int)
    chosen = pixels[rows].astype(np.float32)
    apart = (chosen - np.roll(chosen, len(chosen) // 2, axis=0)) ** 2
    return float(np.sqrt(apart.mean((1, 2, 3))).mean())


def colour_error(made: Tensor, images: Tensor) -> Tensor:
    """Return the squared error of images (N, 3, S, S) with opponent colours weighted threefold.

    They vary less than lightness, and would else be learned last.
    """
    apart = torch.einsum("oc,nchw->nohw", made.new_tensor(_OPPONENT), made - images)
    return ((apart**2).mean((0, 2, 3)) * made.new_tensor(_WEIGHTS)).mean()


def token_nats(logits: Tensor, tokens: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of tokens (N, T) under logits (N, T, V)."""
    return cross_entropy(logits.float().flatten(0, 1), tokens.flatten())


def usage(tokens: Tensor, codes: int) -> dict[str, Tensor]:
    """Return how many codes a batch uses as a share of all, and their perplexity (1..V)."""
    share = torch.bincount(tokens.flatten(), minlength=codes).float() / tokens.numel()
    entropy = -torch.special.xlogy(share, share).sum()
    return {"codes_used": (share > 0).float().mean(), "code_perplexity": entropy.exp()}


class Milestones:
    """Says once for each of some parts of the budget that it has been passed.

    Args:
        fractions: Parts of the budget (0..1), ascending.
        start: Where a resumed run stands; what lies before is not said again.
    """

    def __init__(self, fractions: "tuple[float, ...]", start: float) -> None:
        self._left = [fraction for fraction in fractions if fraction > start]

    @classmethod
    def over(cls, loop: TrainingLoop) -> "tuple[Milestones, Milestones]":
        """Return when to draw sheets, and when to look at held-out images."""
        checks = tuple((i + 1) / (_CHECKS + 1) for i in range(_CHECKS))
        return cls(_SHEETS_AT, loop.fraction), cls(checks, loop.fraction)

    def passed(self, fraction: float) -> bool:
        """Return whether a milestone was passed since the last call."""
        before = len(self._left)
        self._left = [left for left in self._left if left > fraction]
        return len(self._left) < before


def _rng(context: FitContext, *parts: str | int) -> torch.Generator:
    return torch.Generator().manual_seed(derive_seed(context.seed, _NAME, *parts))


def _set_rate(optimizer: torch.optim.Optimizer, peak: float, fraction: float) -> None:
    """Set the learning rate: 3 % linear warm-up, then a cosine to 2 % of the peak."""
    if fraction < 0.03:
        share = max(0.05, fraction / 0.03)
    else:
        share = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (fraction - 0.03) / 0.97))
    for group in optimizer.param_groups:
        group["lr"] = peak * share
