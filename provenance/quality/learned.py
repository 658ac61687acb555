"""Features learned from the source itself: a small classifier that is trained in two minutes.

What it learns to tell apart is what its features see, so labels matter: classes where the source
has them, groups (one photograph each) or rotations (Gidaris et al. 2018, arXiv 1803.07728) else.
Notation: N images of side S, K classes, C channels, D features.
"""

import contextlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from provenance.contracts import FitContext
from provenance.errors import UserError
from provenance.files import write_json
from provenance.quality.features import check_images_for_features, in_batches
from provenance.training.devices import Precision
from provenance.training.images import images_to_tensor, mirror_half
from provenance.training.loop import TrainingLoop
from provenance.training.schedule import set_learning_rate
from provenance.training.seeds import derive_rng, derive_seed
from provenance.training.weights import save_weights, strict_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FAMILY = "features"
_WIDTHS = (32, 48, 96, 128)
_BATCH = 128
_PEAK_RATE = 4e-3
_WEIGHT_DECAY = 0.05
_SMOOTHING = 0.1
_SHIFT_PX = 4
_HELD_OUT = 0.1
CARD_FILE = "card.json"


class Classifier(nn.Module):
    """Four stages of convolutions, each half as large as the one before; any side from 8 px.

    Args:
        classes: K.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        first, second, third, last = _WIDTHS
        self.stages = nn.Sequential(
            _convolution(3, first),
            nn.MaxPool2d(2, ceil_mode=True),
            _convolution(first, second),
            nn.MaxPool2d(2, ceil_mode=True),
            _convolution(second, third),
            _Residual(third),
            nn.MaxPool2d(2, ceil_mode=True),
            _convolution(third, last),
        )
        self.head = nn.Linear(last, classes)

    def embed(self, images: Tensor) -> Tensor:
        """Return features (N, 128), at least 0, of images (N, 3, S, S), -1..1."""
        features: Tensor = self.stages(images).mean((2, 3))
        return features

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, K) of images (N, 3, S, S)."""
        logits: Tensor = self.head(self.embed(images))
        return logits


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = _convolution(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = x + self.inner(x)
        return added


def _convolution(before: int, after: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()
    )


@dataclass
class LearnedFeatures:
    """Means over the image of the last layer's channels of a trained classifier: D = 128.

    Attributes:
        network: In evaluation mode.
        card: How it was trained, and ``accuracy`` (0..1) on images it has not seen.
        device: Where it computes.
        name: Stands in reports.
    """

    network: Classifier
    card: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"
    name: str = "learned"

    def __call__(self, images: "NDArray[np.uint8]") -> "NDArray[np.float32]":
        """Return float32 (N, 128) of images uint8 (N, S, S, 3)."""
        return in_batches(images, self.network.embed, device=self.device)

    def classify(self, images: "NDArray[np.uint8]") -> "NDArray[np.int64]":
        """Return the number of the likeliest class of each image, (N,)."""
        logits = in_batches(images, self.network, device=self.device)
        found: NDArray[np.int64] = logits.argmax(1)
        return found

    def save(self, folder: Path) -> None:
        """Write ``model.safetensors`` and ``card.json``."""
        save_weights(
            folder,
            self.network.state_dict(),
            {"family": _FAMILY, "classes": self.network.head.out_features, "card": dict(self.card)},
        )
        write_json(folder / CARD_FILE, dict(self.card))


def load_features(folder: Path, *, device: str = "cpu") -> LearnedFeatures:
    """Read what :meth:`LearnedFeatures.save` wrote. Strict, as all weights here are.

    Raises:
        ArtefactError: Weights are missing, damaged, or those of something else.
    """
    with strict_weights(folder, _FAMILY) as (tensors, config):
        network = Classifier(int(config["classes"]))
        network.load_state_dict(tensors, strict=True)
        card = dict(config["card"])
    return LearnedFeatures(network.to(device).eval(), card, device)


def train_features(
    images: "NDArray[np.uint8]",
    labels: "NDArray[np.int64] | None" = None,
    *,
    seed: int,
    budget_s: float = 120.0,
    device: str = "cpu",
    budget_clock: Literal["wall", "cpu"] = "wall",
    max_steps: int | None = None,
    held_out: "tuple[NDArray[np.uint8], NDArray[np.int64]] | None" = None,
    workdir: Path | None = None,
    progress: Callable[[float, str], None] = lambda fraction, message: None,
) -> LearnedFeatures:
    """Train features on real images. Generated ones would teach them what they should judge.

    AdamW with a cosine to near 0, label smoothing, mirrored images shifted by up to four pixels.

    Args:
        images: uint8 (N, S, S, 3), N at least 20.
        labels: int (N,), 0..K-1, K at least 2; None learns to tell by how much an image is turned.
        seed: Of everything random.
        budget_s: Seconds of training.
        device: A resolved device name.
        budget_clock: What the budget counts.
        max_steps: Instead of the budget; makes a run repeatable.
        held_out: Images and labels for the accuracy in the card; a tenth of ``images`` where None.
        workdir: Checkpoint and log; an unfinished run in it goes on. A temporary folder where None.
        progress: Called with a fraction (0..1) and a few words.

    Raises:
        UserError: Too few images, or labels that do not fit them.
    """
    labels = _check(images, labels)
    turned = labels is None
    plain = np.zeros(len(images), np.int64) if labels is None else labels
    classes = 4 if turned else int(plain.max()) + 1
    if held_out is None:
        rows = np.random.default_rng(derive_seed(seed, "held out")).permutation(len(images))
        test, train = np.split(rows, [max(1, int(_HELD_OUT * len(rows)))])
        held_out, images, plain = (images[test], plain[test]), images[train], plain[train]
    with tempfile.TemporaryDirectory() as temporary:
        context = FitContext(
            workdir=workdir or Path(temporary),
            seed=seed,
            device=device,
            budget_s=budget_s,
            max_steps=max_steps,
            resume=workdir is not None,
            progress=progress,
            budget_clock=budget_clock,
        )
        network, loop = _train(images, plain, classes, turned, context)
    features = LearnedFeatures(network, device=device)
    features.card = {
        "kind": "learned features",
        "labels": "rotations" if turned else "given",
        "classes": classes,
        "images": len(images),
        "size_px": int(images.shape[1]),
        "seed": seed,
        "steps": loop.step,
        "seconds": round(loop.elapsed_s, 1),
        "clock": budget_clock,
        "accuracy": _accuracy(features, *held_out, turned=turned),
        "accuracy_images": len(held_out[0]),
    }
    return features


def _check(
    images: "NDArray[np.uint8]", labels: "NDArray[np.int64] | None"
) -> "NDArray[np.int64] | None":
    check_images_for_features(images)
    if len(images) < 20 or images.shape[1] != images.shape[2]:
        raise UserError(f"Features are learned from 20 square images or more, not {images.shape}.")
    if labels is None:
        return None
    found = np.asarray(labels)
    if found.shape != (len(images),) or found.min() < 0 or len(np.unique(found)) < 2:
        raise UserError("Labels number the class of each image, and there are at least two.")
    return found.astype(np.int64)


def _train(
    images: "NDArray[np.uint8]",
    labels: "NDArray[np.int64]",
    classes: int,
    turned: bool,
    context: FitContext,
) -> tuple[Classifier, TrainingLoop]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(context.seed, _FAMILY))
        network = Classifier(classes)
    precision = Precision(context.device)
    precision.place(network)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=_PEAK_RATE, weight_decay=_WEIGHT_DECAY, betas=(0.9, 0.98)
    )
    loop = TrainingLoop(
        context, {"network": network, "optimizer": optimizer, "precision": precision}, name=_FAMILY
    )
    for step in loop:
        set_learning_rate(optimizer, _PEAK_RATE, loop.fraction)
        rng = derive_rng(context.seed, _FAMILY, step)
        rows = torch.randint(len(images), (_BATCH,), generator=rng).numpy()
        batch = _augment(images_to_tensor(images[rows]), rng, mirrored=not turned)
        target = torch.from_numpy(labels[rows])
        if turned:
            batch, target = turn(batch, torch.randint(4, (_BATCH,), generator=rng))
        with _autocast(precision):
            logits = network(precision.images(batch))
            loss = cross_entropy(logits, target.to(logits.device), label_smoothing=_SMOOTHING)
        precision.step(loss, optimizer)
        loop.log(loss=loss)
    return network.eval(), loop


def _autocast(precision: Precision) -> contextlib.AbstractContextManager[Any]:
    """Return the run's own precision, or bfloat16 on a CPU that multiplies it: twice the steps."""
    if precision.device.type != "cpu" or not torch.cpu.get_capabilities().get("avx512_bf16"):
        return precision.autocast()
    return torch.autocast("cpu", dtype=torch.bfloat16)


def _augment(images: Tensor, rng: torch.Generator, *, mirrored: bool) -> Tensor:
    """Return images (N, 3, S, S), each shifted by up to 4 px (1/8 of S at most) and half mirrored.

    Which way is left tells how far an image is turned, so those are not mirrored.
    """
    if mirrored:
        images = mirror_half(images, rng)
    count, _, side, _ = images.shape
    most = min(_SHIFT_PX, side // 8)
    padded = pad(images, (most,) * 4, mode="reflect")
    shift = torch.randint(2 * most + 1, (2, count, 1), generator=rng)
    row, column = torch.arange(side) + shift  # (N, S) each
    each = torch.arange(count)[:, None, None]
    return padded[each, :, row[:, :, None], column[:, None, :]].permute(0, 3, 1, 2)


def turn(images: Tensor, quarters: Tensor) -> tuple[Tensor, Tensor]:
    """Return images (N, C, S, S) turned by 0..3 quarters each, and the quarters."""
    turned = images.clone()
    for quarter in range(1, 4):
        chosen = quarters == quarter
        turned[chosen] = torch.rot90(images[chosen], quarter, (2, 3))
    return turned, quarters


def _accuracy(
    features: LearnedFeatures,
    images: "NDArray[np.uint8]",
    labels: "NDArray[np.int64]",
    *,
    turned: bool,
) -> float:
    if not turned:
        return float((features.classify(images) == labels).mean())
    right = [
        (features.classify(np.rot90(images, quarter, (1, 2))) == quarter).mean()
        for quarter in range(4)
    ]
    return float(np.mean(right))
