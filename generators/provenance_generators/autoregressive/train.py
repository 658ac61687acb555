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
from provenance.training import EMA, Precision, TrainingLoop, derive_seed, seed_everything
from provenance_generators.autoregressive.data import to_pixels, to_tensor
from provenance_generators.autoregressive.model import Critic, Prior, Tokenizer
from provenance_generators.autoregressive.settings import Settings

TOKENIZER_SHARE = 0.35
_PICTURES = 12  # columns of a contact sheet
_SHEETS_AT = (0.3, 0.7)  # parts of each loop; one more is drawn at the end of each
_CHECKS = 8  # how many times a loop looks at the held-out images
_MOST_CHECKED = 256
_ENCODE_BATCH = 64
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
                loop.log(held_out_mse=self._held_out_mse())
            if sheets.passed(loop.fraction) and loop.workers.is_first:
                draw_sheet(self.context, loop.step, self.pictures, self._averaged, None)
        return self._averaged, loop.step

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
        """Return images (N, 3, S, S), half of them mirrored.

        They depend on seed, rank and step alone, so that a resumed run sees what it would have.
        """
        rng = _rng(self.context, "tokenizer", rank, step)
        count = self.settings.batch
        chosen = torch.randint(len(self.images), (count,), generator=rng).numpy()
        images = to_tensor(self.images[chosen])
        mirrored = torch.rand(count, 1, 1, 1, generator=rng) < 0.5
        return self.precision.images(torch.where(mirrored, images.flip(3), images))

    def _step(
        self, network: torch.nn.Module, critic: torch.nn.Module, images: Tensor
    ) -> dict[str, Tensor]:
        """Take one step of the network and one of the critic; return what to log."""
        weight = self.settings.adversarial
        self.critic.requires_grad_(False)  # this step passes gradients through it, not to it
        with self.precision.autocast():
            made, tokens = network(images)
            fooled = self.critic(made).float().mean() if weight else made.new_zeros(())
        error = mse_loss(made.float(), images)
        self.precision.step(error - weight * fooled, self.optimizer, clip_norm=1.0)
        self.average.update(self.network)
        logged = {"mse": error, **usage(tokens, self.network.quantiser.codes)}
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
    def _held_out_mse(self) -> Tensor:
        """Return the squared error (values -1..1) on photographs that are not trained on."""
        images = self.precision.images(to_tensor(self.held_out))
        return mse_loss(self._averaged(images)[0], images)


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
                loop.log(held_out_token_nats=self._held_out_loss())
            if sheets.passed(loop.fraction) and loop.workers.is_first:
                self._draw(steps_before + loop.step, pictures)
        if loop.workers.is_first:
            self._draw(steps_before + loop.step, pictures)
        return self._averaged

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
    def _held_out_loss(self) -> Tensor:
        """Return nats per token on photographs that are not trained on."""
        tokens = self.held_out.to(self.precision.device)
        return token_nats(self._averaged(tokens), tokens)

    @torch.no_grad()
    def _tokenise(self, images: NDArray[np.uint8]) -> Tensor:
        """Return the tokens (N, T) of images uint8 (N, S, S, 3), kept on the host."""
        parts = [
            self.tokenizer.encode(self.precision.images(to_tensor(images[i : i + _ENCODE_BATCH])))
            for i in range(0, len(images), _ENCODE_BATCH)
        ]
        return torch.cat(parts).cpu() if parts else torch.empty(0, 0, dtype=torch.long)

    def _draw(self, step: int, pictures: NDArray[np.uint8]) -> None:
        draw_sheet(self.context, step, pictures, self.tokenizer, self._averaged)


@torch.no_grad()
def draw_sheet(
    context: FitContext,
    step: int,
    pictures: NDArray[np.uint8],
    tokenizer: Tokenizer,
    prior: Prior | None,
) -> None:
    """Write ``samples/step_XXXXXX.png``: originals, reconstructions and, with a prior, draws."""
    captions = ["photograph", "reconstruction"]
    images = to_tensor(pictures).to(context.device)
    tokens = tokenizer.encode(images)
    rows = [pictures, to_pixels(tokenizer.decode(tokens))]
    if prior is not None:
        rng = torch.Generator().manual_seed(context.seed)
        uniform = torch.rand(tokens.shape, generator=rng).to(context.device)
        half = (torch.rand(tokens.shape, generator=rng) < 0.5).to(context.device)
        for chosen in (half, torch.ones_like(half)):
            rows.append(to_pixels(tokenizer.decode(prior.complete(tokens, chosen, uniform))))
        captions += ["half resampled", "sample"]
    folder = context.workdir / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"step_{step:06d}.png").write_bytes(contact_sheet(rows, captions=captions))


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
