"""Critics: images, and classes where there are any, to scores.

Shapes: N images, C channels, S side in pixels, K classes. Every critic returns scores (N, 1),
unbounded, higher = more real, and errors (N,): how badly it reconstructs each image, where it can.
None normalises over the batch, so each image is judged on its own, as gradient penalties ask for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, l1_loss

from provenance_generators.gan.blocks import SLOPE, ResidualBlock, draw_he, scale_fixup
from provenance_generators.gan.networks import CLASS_SIZE, RESIDUAL_MULTIPLES, channels_at
from provenance_generators.upsampling import upsample

_BASE_PX = 4  # side of the coarsest maps
_DECODED_PX = 8  # side of the maps that images are reconstructed from
_MOST_DECODED_PX = 64  # side of those reconstructions
_FEWEST_FINE = 8  # channels of the plain critic above 16 px


@dataclass(frozen=True, slots=True)
class CriticShape:
    """What a critic is built by.

    Attributes:
        size_px: Side of the images.
        width: Channels at 16 px (plain), or in units of its table.
        classes: K; 0 where there are none.
        is_spectral: Whether weights are divided by their largest singular value.
        reconstructs: Whether there is a decoder.
        full_resolution: Plain: whether a layer with few channels at full resolution comes first. It
            costs time, but where the first layer halves the side, a generator may get away with a
            grid of two pixels.
    """

    size_px: int
    width: int
    classes: int = 0
    is_spectral: bool = False
    reconstructs: bool = False
    full_resolution: bool = False


class TrunkCritic(nn.Module):
    """A trunk down to 4 x 4, a linear score, and what goes with it.

    With classes the score is that of a projection critic (Miyato & Koyama 2018, arXiv 1802.05637):
    the inner product of pooled features and an embedding of the class is added. With
    ``reconstructs``, a small decoder learns to restore the image, halved down to 64 px, from 8 x 8
    features, so that these keep what is in it (Liu et al. 2021, arXiv 2101.04775, section 3.2).

    Args:
        levels: Layers from one side to the next, finest first; the last but one gives 8 x 8.
        shape: Of the critic.
        channels_decoded: C at 8 x 8.
        channels: C at 4 x 4.
    """

    def __init__(
        self, levels: list[nn.Module], shape: CriticShape, *, channels_decoded: int, channels: int
    ) -> None:
        super().__init__()
        self.fine, self.last = nn.Sequential(*levels[:-1]), levels[-1]
        self.score = nn.Linear(channels * _BASE_PX**2, 1)
        self.embedding = nn.Embedding(shape.classes, channels) if shape.classes else None
        if self.embedding is not None:
            nn.init.zeros_(self.embedding.weight)  # first real, then of its class
        decoded_px = min(shape.size_px, _MOST_DECODED_PX)
        self.decoder = _decoder(channels_decoded, decoded_px) if shape.reconstructs else None

    def forward(self, images: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores (N, 1) and errors (N,) of images (N, 3, S, S), -1..1."""
        fine = self.fine(images)  # (N, C, 8, 8)
        x = self.last(fine)  # (N, C, 4, 4)
        scores = self.score(x.flatten(1))  # (N, 1)
        if self.embedding is not None:
            pooled = x.mean(dim=(2, 3))  # (N, C)
            scores = scores + (pooled * self.embedding(classes)).sum(1, keepdim=True)
        return scores, self._errors(images, fine)

    def _errors(self, images: Tensor, fine: Tensor) -> Tensor:
        if self.decoder is None:
            return images.new_zeros(len(images))
        made = self.decoder(fine)  # (N, 3, min(S, 64), min(S, 64))
        wanted = avg_pool2d(images.detach(), images.shape[-1] // made.shape[-1])
        return l1_loss(made, wanted, reduction="none").mean(dim=(1, 2, 3))


def plain_critic(shape: CriticShape) -> nn.Module:
    """Return a stack of strided convolutions, its channels doubled at each halving of the side."""
    side, channels, levels = shape.size_px, 3, list[nn.Module]()
    if shape.full_resolution:
        channels = _channels_at(shape.size_px, shape.width)
        first = nn.Conv2d(3, channels, 3, padding=1)
        levels.append(nn.Sequential(first, nn.LeakyReLU(SLOPE)))
    before = channels
    while side > _BASE_PX:
        side //= 2
        before, channels = channels, _channels_at(side, shape.width)
        halved = nn.Conv2d(before, channels, 4, stride=2, padding=1)
        levels.append(nn.Sequential(halved, nn.LeakyReLU(SLOPE)))
    critic = TrunkCritic(levels, shape, channels_decoded=before, channels=channels)
    for level in levels:
        for layer in level.modules():
            if isinstance(layer, nn.Conv2d):
                draw_he(layer)
    return _spectral(critic) if shape.is_spectral else critic


def residual_critic(shape: CriticShape) -> nn.Module:
    """Return the mirror image of the residual generator, which begins at full resolution."""
    side = shape.size_px
    channels = channels_at(side, shape.width, RESIDUAL_MULTIPLES)
    levels: list[nn.Module] = [nn.Conv2d(3, channels, 1)]
    before = channels
    while side > _BASE_PX:
        side //= 2
        before, channels = channels, channels_at(side, shape.width, RESIDUAL_MULTIPLES)
        blocks = [ResidualBlock(before) for _ in range(2)]
        levels.append(nn.Sequential(*blocks, nn.AvgPool2d(2), nn.Conv2d(before, channels, 1)))
    levels[-1] = nn.Sequential(*levels[-1].children(), *[ResidualBlock(channels) for _ in range(2)])
    critic = TrunkCritic(levels, shape, channels_decoded=before, channels=channels)
    scale_fixup(critic.fine)
    scale_fixup(critic.last)
    return _spectral(critic) if shape.is_spectral else critic


class AutoEncoderCritic(nn.Module):
    """Scores are negative errors of reconstruction; for BEGAN (arXiv 1703.10717, section 3.5).

    Args:
        size_px: Side of the images.
        width: Channels; added once more at each halving of the side.
        classes: K; the class is told to the decoder.
    """

    def __init__(self, size_px: int, *, width: int, classes: int) -> None:
        super().__init__()
        depth = (size_px // _DECODED_PX).bit_length() - 1
        encoder: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.ELU()]
        for n in range(depth):
            encoder += [
                nn.Conv2d((n + 1) * width, (n + 2) * width, 4, stride=2, padding=1),
                nn.ELU(),
            ]
        hidden = 2 * width
        wide = (depth + 1) * width * _DECODED_PX**2
        self.encode = nn.Sequential(*encoder, nn.Flatten(), nn.Linear(wide, hidden))
        self.embedding = nn.Embedding(classes, CLASS_SIZE) if classes else None
        self.begin = nn.Linear(hidden + CLASS_SIZE * bool(classes), width * _DECODED_PX**2)
        decoder: list[nn.Module] = [nn.Conv2d(width, width, 3, padding=1), nn.ELU()]
        for _ in range(depth):
            decoder += [upsample("nearest", width, width), nn.ELU()]
        self.decode = nn.Sequential(*decoder, nn.Conv2d(width, 3, 3, padding=1))

    def forward(self, images: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """Return negative errors (N, 1), and zeros (N,): scores are errors already."""
        hidden = self.encode(images)  # (N, H)
        if self.embedding is not None:
            hidden = torch.cat([hidden, self.embedding(classes)], dim=1)  # (N, H + E)
        x = self.begin(hidden).unflatten(1, (-1, _DECODED_PX, _DECODED_PX))  # (N, C, 8, 8)
        errors = (self.decode(x) - images).abs().flatten(1).mean(1, keepdim=True)  # (N, 1)
        return -errors, images.new_zeros(len(images))


def autoencoder_critic(shape: CriticShape) -> nn.Module:
    """Return an auto-encoder whose scores are errors; it has no further decoder."""
    critic = AutoEncoderCritic(shape.size_px, width=shape.width, classes=shape.classes)
    return _spectral(critic) if shape.is_spectral else critic


CRITICS: Mapping[str, Callable[[CriticShape], nn.Module]] = {
    "plain": plain_critic,
    "residual": residual_critic,
    "autoencoder": autoencoder_critic,
}
"""Every critic by the name that the setting ``critic`` has."""


def _channels_at(side: int, width: int) -> int:
    """Return channels of the plain critic at a side: ``width`` at 16 px, and few at fine ones."""
    return max(_FEWEST_FINE, width * 16 // side) if side > 16 else width * 16 // side


def _decoder(channels: int, size_px: int) -> nn.Sequential:
    """Return a decoder (N, C, 8, 8) -> (N, 3, S, S) of few channels."""
    layers: list[nn.Module] = []
    side, before = _DECODED_PX, channels
    while side < size_px:
        side, after = 2 * side, max(8, before // 2)
        layers += [upsample("nearest", before, after), nn.LeakyReLU(SLOPE)]
        before = after
    return nn.Sequential(*layers, nn.Conv2d(before, 3, 3, padding=1), nn.Tanh())


def _spectral(critic: nn.Module) -> nn.Module:
    """Divide the weights of all layers by their largest singular value (arXiv 1802.05957)."""
    for layer in critic.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.utils.spectral_norm(layer)  # the older form: its state is plain tensors
    return critic
