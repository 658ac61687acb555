"""Training: pairs, binary cross-entropy, an average of weights, the best state on validation."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from provenance import FitContext, Label, LabelledMedia, UserError
from provenance.training import EMA, Precision, TrainingLoop, Workers, derive_seed
from provenance_plugins.timm.data import Pairs, augment, stack
from provenance_plugins.timm.model import logits, problem_of
from provenance_plugins.timm.network import Network, new_network

_CHECKS = 8  # looks at the validation split in one run
_CHECKED_OF_EACH = 192  # real items, and items of each generator, at each look
_WARMUP = 0.05  # share of the run in which the learning rate rises
_WEIGHT_DECAY = 0.05
_CLIP_NORM = 1.0


def fit(
    train: Sequence[LabelledMedia], validation: Sequence[LabelledMedia], context: FitContext
) -> Network:
    """Return the network in the state that did best on ``validation``, ready to score.

    Raises:
        UserError: A class is missing, the windows have no one size, or an option is wrong.
    """
    cuda = [torch.device(context.device)] if context.device.startswith("cuda") else []
    with torch.random.fork_rng(devices=cuda):
        return _fit(train, validation, context)


def _fit(
    train: Sequence[LabelledMedia], validation: Sequence[LabelledMedia], context: FitContext
) -> Network:
    options, size_px = context.options, _size_px(context)
    workers = Workers(context.device)
    torch.manual_seed(context.seed)
    network = new_network(options, size_px)
    pairs = Pairs(_usable(train, size_px))
    check = _Check(_usable(validation, size_px), workers.device)
    precision = Precision(workers.device)
    precision.place(network)
    average, best = EMA(network, decay=0.98), _Best()
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=float(options["learning_rate"]), weight_decay=_WEIGHT_DECAY
    )
    loop = TrainingLoop(
        context,
        {"network": network, "average": average, "optimizer": optimizer, "scaler": precision,
         "best": best},
    )  # fmt: skip
    if not (loop.resumed and workers.is_first):  # the checkpoint holds the first process's state
        torch.manual_seed(derive_seed(context.seed, "batches", workers.rank, loop.step))
    shared = workers.wrap(network)
    shared.train()
    half = max(1, int(options["batch_size"]) // 2)
    for _ in loop:
        _set_rate(optimizer, float(options["learning_rate"]) * _schedule(loop.fraction))
        loss = _loss(shared, pairs.draw(half), precision)
        precision.step(loss, optimizer, clip_norm=_CLIP_NORM)
        average.update(network)
        loop.log(loss=loss)
        if workers.is_first and loop.fraction >= (best.looks + 1) / _CHECKS:
            loop.log(validation_auroc=best.offer(average.network, check))
    best.offer(average.network, check)
    network.load_state_dict(best.weights)
    return network.eval()


def _size_px(context: FitContext) -> int:
    """Return the side of the windows.

    Raises:
        UserError: The context does not say; a network needs windows of one size.
    """
    if context.input.size_px is None:
        raise UserError("timm needs windows of one size. Set size_px of the input spec.")
    return context.input.size_px


def _usable(items: Sequence[LabelledMedia], size_px: int) -> list[LabelledMedia]:
    return [item for item in items if not problem_of(item.media.data, size_px)]


def _loss(network: nn.Module, pairs: Tensor, precision: Precision) -> Tensor:
    count, _, channels, height, width = pairs.shape
    varied = augment(pairs.to(precision.device, non_blocking=True).float())
    batch = precision.images(varied.reshape(2 * count, channels, height, width))
    truth = torch.tensor([0.0, 1.0], device=batch.device).repeat(count)  # real, synthetic, ...
    with precision.autocast():
        return nn.functional.binary_cross_entropy_with_logits(network(batch).float(), truth)


def _schedule(fraction: float) -> float:
    """Return the share of the full learning rate: a short rise, then half a cosine."""
    if fraction < _WARMUP:
        return (fraction + 0.01) / (_WARMUP + 0.01)
    return 0.5 * (1 + math.cos(math.pi * (fraction - _WARMUP) / (1 - _WARMUP)))


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


class _Check:
    """A part of the validation split, and how well a network ranks it."""

    def __init__(self, items: Sequence[LabelledMedia], device: str) -> None:
        groups: dict[str | None, list[LabelledMedia]] = {}
        for item in items:
            groups.setdefault(item.generator, []).append(item)
        if None not in groups or len(groups) < 2:
            raise UserError("timm needs real and synthetic items in the validation split.")
        chosen = [item for group in groups.values() for item in _spread(group, _CHECKED_OF_EACH)]
        self._windows = stack([item.media.data for item in chosen])
        self._synthetic = np.array([item.label is Label.SYNTHETIC for item in chosen])
        self._generators = [item.generator for item in chosen]
        self._device = device

    def mean_auroc(self, network: nn.Module) -> float:
        """Return the AUROC of reals against each generator, averaged over generators."""
        from sklearn.metrics import roc_auc_score

        scores = logits(network, self._windows, self._device)
        parts = [
            np.array([other in (None, name) for other in self._generators])
            for name in sorted({name for name in self._generators if name is not None})
        ]
        return float(np.mean([roc_auc_score(self._synthetic[p], scores[p]) for p in parts]))


def _spread(items: Sequence[LabelledMedia], count: int) -> list[LabelledMedia]:
    """Return up to ``count`` items, evenly from the whole list."""
    places = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[place] for place in places]


class _Best:
    """The weights that did best so far; part of each checkpoint."""

    def __init__(self) -> None:
        self.weights: dict[str, Tensor] = {}
        self.quality = -1.0
        self.looks = 0

    def offer(self, network: nn.Module, check: _Check) -> float:
        """Test ``network``, keep a copy if it is the best yet, and return its quality."""
        quality = check.mean_auroc(network)
        self.looks += 1
        if quality >= self.quality:
            self.quality = quality
            self.weights = {name: value.clone() for name, value in network.state_dict().items()}
        return quality

    def state_dict(self) -> dict[str, Any]:
        """Return all that a checkpoint needs."""
        return {"weights": self.weights, "quality": self.quality, "looks": self.looks}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.weights, self.quality = dict(state["weights"]), float(state["quality"])
        self.looks = int(state["looks"])
