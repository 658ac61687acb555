"""How a tokenizer learns: squared error, and a critic of patches for texture.

Notation: N images, S = side in pixels, T tokens, V codes.
"""

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import mse_loss

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
    mirror_half,
    opponent_colours,
    pick_pictures,
    seed_everything,
    set_learning_rate,
    tensor_to_images,
    write_sheet,
)
from provenance_generators.tokenizers.model import Coded, Tokenizer
from provenance_generators.tokenizers.settings import TokenizerSettings
from provenance_generators.tokenizers.usage import code_shares, code_usage

PICTURES = 12  # columns of a contact sheet
MOST_CHECKED = 256  # images looked at to describe a network
_SHEETS_AT = (0.3, 0.7)  # parts of the loop; one more is drawn at its end
_CHECKS_AT = tuple((i + 1) / 9 for i in range(8))  # when the held-out images are looked at
_WEIGHTS = (1.0, 3.0, 3.0)  # of opponent colours in the loss


class TokenizerTrainer:
    """Trains a tokenizer; one loop of a run, called ``tokenizer``, that resumes by itself.

    Args:
        images: uint8 (N, S, S, 3), trained on.
        held_out: uint8 (M, S, S, 3), watched only; may be empty.
        settings: Shape and schedule.
        context: Budget, seed, device, folder.
        family: Of the generator that it is trained for; its random streams are named by it.
        share: Part of the budget (0..1) that this loop may use.
        exchange_channels: Whether half of the images have their colour channels exchanged: for
            sources that lack most colours.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        held_out: NDArray[np.uint8],
        settings: TokenizerSettings,
        context: FitContext,
        *,
        family: str,
        share: float,
        exchange_channels: bool = False,
    ) -> None:
        seed_everything(derive_seed(context.seed, family, "tokenizer"))
        self.images, self.held_out = images, held_out[:MOST_CHECKED]
        self.settings, self.context, self.family, self.share = settings, context, family, share
        self.vary = mirror_and_exchange_channels if exchange_channels else mirror_half
        self.precision = Precision(context.device)
        self.network = settings.build()
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
        loop = TrainingLoop(self.context, keep, name="tokenizer", share=self.share)
        parallel = loop.workers.wrap(self.network)
        self.adversary.share(loop.workers)
        sheets, checks = (Milestones(at, loop.fraction) for at in (_SHEETS_AT, _CHECKS_AT))
        for step in loop:
            rng = derive_rng(self.context.seed, self.family, "tokenizer", loop.workers.rank, step)
            set_learning_rate(self.optimizer, self.settings.rate, loop.fraction)
            loop.log(**self._step(parallel, self._batch(rng), rng))
            if checks.passed(loop.fraction) and len(self.held_out):
                loop.log(held_out_mse=self._look(self.held_out)["mse"])
            if sheets.passed(loop.fraction) and loop.workers.is_first:
                self._draw(loop.step)
        if loop.workers.is_first:
            self._conclude(loop)
        return self._averaged, loop.step

    @property
    def pictures(self) -> NDArray[np.uint8]:
        """Originals for contact sheets: held-out ones where there are."""
        return pick_pictures(self.images, self.held_out, PICTURES)

    @property
    def _averaged(self) -> Tokenizer:
        return cast("Tokenizer", self.average.network)

    def _batch(self, rng: torch.Generator) -> Tensor:
        """Return varied images (N, 3, S, S)."""
        chosen = torch.randint(len(self.images), (self.settings.batch,), generator=rng).numpy()
        return self.precision.images(self.vary(images_to_tensor(self.images[chosen]), rng))

    def _step(
        self, network: torch.nn.Module, images: Tensor, rng: torch.Generator
    ) -> dict[str, Tensor]:
        """Take one step of the network and one of the critic; return what to log."""
        with self.precision.autocast():
            made: Coded = network(images)
            wanted = self._textures(made.images, images)
        error = colour_error(made.images.float(), images)
        self.precision.step(error + made.loss + wanted, self.optimizer, clip_norm=1.0)
        self.network.quantiser.learn(made.maps, made.tokens, rng)
        self.average.update(self.network)
        logged = {"loss": error, "mse": mse_loss(made.images.detach().float(), images)}
        if self._has_critic:
            logged["critic_loss"] = self.adversary.learn(images, made.images)
        return logged | self._usage(made.tokens)

    @property
    def _has_critic(self) -> bool:
        return self.settings.adversarial > 0 or self.settings.perceptual > 0

    def _textures(self, made: Tensor, images: Tensor) -> Tensor:
        """Return the critic's terms of the loss, each with its weight."""
        total = made.new_zeros((), dtype=torch.float32)
        if self.settings.adversarial > 0:
            total = total - self.settings.adversarial * self.adversary.fooled(made)
        if self.settings.perceptual > 0:
            critic = self.adversary.critic.requires_grad_(False)
            total = total + self.settings.perceptual * perceptual_error(critic, made, images)
        return total

    def _usage(self, tokens: Tensor) -> dict[str, Tensor]:
        return code_usage(code_shares(tokens, self.network.quantiser.codes))

    @torch.no_grad()
    def _look(self, pixels: NDArray[np.uint8]) -> dict[str, Tensor]:
        """Return squared error (values -1..1) and code usage on images uint8 (N, S, S, 3)."""
        images = self.precision.images(images_to_tensor(pixels))
        made = self._averaged(images)
        return {"mse": mse_loss(made.images, images), **self._usage(made.tokens)}

    def _conclude(self, loop: TrainingLoop) -> None:
        """Log what the averaged network is like."""
        found = self._look(self.images[:: max(1, len(self.images) // MOST_CHECKED)])
        if len(self.held_out):
            found["held_out_mse"] = self._look(self.held_out)["mse"]
        loop.conclude(**found)

    @torch.no_grad()
    def _draw(self, step: int) -> None:
        """Write a contact sheet: originals and reconstructions."""
        images = self.precision.images(images_to_tensor(self.pictures))
        rows = [self.pictures, tensor_to_images(self._averaged(images).images)]
        write_sheet(self.context.workdir, step, rows, ["photograph", "reconstruction"])


def colour_error(made: Tensor, images: Tensor) -> Tensor:
    """Return the squared error of images (N, 3, S, S) with opponent colours weighted threefold.

    They vary less than lightness, and would else be learned last.
    """
    apart = opponent_colours(made - images)
    return ((apart**2).mean((0, 2, 3)) * made.new_tensor(_WEIGHTS)).mean()


def perceptual_error(critic: torch.nn.Module, made: Tensor, images: Tensor) -> Tensor:
    """Return how far images (N, 3, S, S) lie apart in the inner maps of a critic.

    A critic that learns beside the network needs no download, and sees what it can be told apart
    by (Larsen et al., arXiv 1512.09300, section 2.2; Wang et al., arXiv 1711.11585, section 3.3).
    Each map's mean absolute difference is taken as a share of its mean size.
    """
    total = made.new_zeros((), dtype=torch.float32)
    x, y = made, images
    for layer in critic.layers:  # type: ignore[union-attr]
        x, y = layer(x), layer(y)
        if isinstance(layer, torch.nn.LeakyReLU):
            apart = (x - y.detach()).float().abs().mean()
            total = total + apart / y.detach().float().abs().mean().clamp(min=1e-6)
    return total
