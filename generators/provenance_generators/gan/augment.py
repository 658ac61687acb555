"""What the critic sees of an image: changed alike for real and generated ones, for small data.

A critic that knows its few images by heart teaches nothing. Changes that the generator can be
differentiated through keep it from that, and do not show in samples as long as the generator sees
most images unchanged in each respect, or as all are changed within one range.

Images: float (N, 3, S, S), -1..1. Draws come from a stream on the CPU, so that a seed means the
same on every device.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad


class Augmentation:
    """Leaves images as they are; the others inherit from it."""

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Return images (N, 3, S, S), each changed on its own."""
        del rng
        return images

    def follow(self, real: Tensor, fake: Tensor) -> Mapping[str, Tensor]:
        """Take note of scores (N, 1) of a critic step; return numbers for the log."""
        del real, fake
        return {}

    def agree(self, everywhere: Callable[[float], float]) -> None:
        """Take over the first process's state, where there is any."""

    def state_dict(self) -> dict[str, Any]:
        """Return what changes in training, for checkpoints."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""


class DiffAugment(Augmentation):
    """Colour, translation and cutout of every image (Zhao et al. 2020, arXiv 2006.10738, 3.2)."""

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Return images (N, 3, S, S), each with another brightness, place and hole."""
        draws = torch.rand(len(images), 7, generator=rng).to(images.device)  # (N, 7)
        images = images + (draws[:, 0] - 0.5).view(-1, 1, 1, 1)
        images = saturate(images, 2 * draws[:, 1])
        images = contrast(images, 0.5 + draws[:, 2])
        images = translate(images, (draws[:, 3:5] - 0.5) / 4)  # up to an eighth of the side
        return cut_out(images, draws[:, 5:7])


class AdaptiveAugmentation(Augmentation):
    """Every change happens with a probability that follows how much the critic over-fits.

    ADA: Karras et al. 2020 (arXiv 2006.06676), sections 2.2 and 3, in a compact form: mirroring and
    quarter turns; one affine map with scale, rotation and translation; brightness, contrast,
    saturation, inverted lightness and rotated hue. The sign of over-fitting is the mean sign of
    real scores above the middle between real and generated ones: the paper's is that above zero,
    but a relativistic critic's scores have no zero. The probability moves five times as fast as
    in the paper, since runs here are short.

    Attributes:
        probability: float (), 0..0.8, above which changes show in samples.
    """

    target: ClassVar[float] = 0.6
    images_to_one: ClassVar[int] = 100_000
    most: ClassVar[float] = 0.8

    def __init__(self) -> None:
        self.probability = torch.zeros(())

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Return images (N, 3, S, S), each changed in the respects that were drawn for it."""
        count, device = len(images), images.device
        happens = torch.rand(count, 10, generator=rng).to(device) < self.probability.to(device)
        uniform = (2 * torch.rand(count, 10, generator=rng) - 1).to(device)  # (N, 10), -1..1
        normal = torch.randn(count, 10, generator=rng).to(device)  # (N, 10)
        images = _where(happens[:, 0] & (uniform[:, 0] > 0), images.flip(3), images)
        images = _turn(images, torch.where(happens[:, 1], uniform[:, 1], uniform.new_zeros(())))
        images = _warp(images, happens[:, 2:5].float(), uniform[:, 2:5], normal[:, 2:5])
        return _recolour(images, happens[:, 5:], uniform[:, 5:], normal[:, 5:])

    def follow(self, real: Tensor, fake: Tensor) -> Mapping[str, Tensor]:
        """Move the probability by the sign of over-fitting; return both."""
        real, fake = real.detach().float(), fake.detach().float()
        sign = (real - (real.mean() + fake.mean()) / 2).sign().mean()
        step = (sign - self.target).sign() * len(real) / self.images_to_one
        self.probability = (self.probability.to(step.device) + step).clamp(0, self.most)
        return {"augment_probability": self.probability, "overfitting": sign}

    def agree(self, everywhere: Callable[[float], float]) -> None:
        """Take over the first process's probability."""
        self.probability = torch.tensor(everywhere(float(self.probability)))

    def state_dict(self) -> dict[str, Any]:
        """Return the probability."""
        return {"probability": self.probability}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the probability."""
        self.probability = state["probability"]


AUGMENTATIONS: Mapping[str, type[Augmentation]] = {
    "none": Augmentation,
    "diffaugment": DiffAugment,
    "ada": AdaptiveAugmentation,
}
"""Every augmentation by the name that the setting ``augment`` has."""


# --- single changes; amounts are one an image -----------------------------------------------------


def saturate(images: Tensor, factor: Tensor) -> Tensor:
    """Return images whose distance from grey is multiplied by ``factor`` (N,)."""
    grey = images.mean(dim=1, keepdim=True)  # (N, 1, S, S)
    return grey + (images - grey) * factor.view(-1, 1, 1, 1)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Return images whose distance from their mean is multiplied by ``factor`` (N,)."""
    mean = images.mean(dim=(1, 2, 3), keepdim=True)  # (N, 1, 1, 1)
    return mean + (images - mean) * factor.view(-1, 1, 1, 1)


def translate(images: Tensor, shift: Tensor) -> Tensor:
    """Return images moved by whole pixels, black where nothing was.

    Args:
        images: (N, 3, S, S).
        shift: (N, 2), down and right, as a share of the side, -0.5..0.5.
    """
    count, _, side, _ = images.shape
    margin = side // 2
    padded = pad(images, (margin,) * 4, value=-1.0)
    places = torch.arange(side, device=images.device)
    start = margin - (shift * side).round().long()  # (N, 2)
    rows = (start[:, 0, None] + places).view(count, 1, side, 1)
    columns = (start[:, 1, None] + places).view(count, 1, 1, side)
    image = torch.arange(count, device=images.device).view(count, 1, 1, 1)
    channel = torch.arange(3, device=images.device).view(1, 3, 1, 1)
    moved: Tensor = padded[image, channel, rows, columns]  # (N, 3, S, S)
    return moved


def cut_out(images: Tensor, centre: Tensor) -> Tensor:
    """Return images with a grey square of half their side, clipped at the edges.

    Args:
        images: (N, 3, S, S).
        centre: (N, 2), of the square, down and right, as a share of the side, 0..1.
    """
    side = images.shape[-1]
    places = (torch.arange(side, device=images.device) + 0.5) / side  # (S,)
    near = (places - centre[..., None]).abs() < 0.25  # (N, 2, S)
    hole = near[:, 0, :, None] & near[:, 1, None, :]  # (N, S, S)
    return images.masked_fill(hole[:, None], 0.0)


def _where(chosen: Tensor, changed: Tensor, images: Tensor) -> Tensor:
    """Return ``changed`` where ``chosen`` (N,) is true, ``images`` elsewhere."""
    return torch.where(chosen.view(-1, 1, 1, 1), changed, images)


def _turn(images: Tensor, uniform: Tensor) -> Tensor:
    """Return images turned by a quarter, half or three quarters, by thirds of ``uniform`` (N,)."""
    turned = images
    for quarters, (low, high) in enumerate(((-1, -1 / 3), (-1 / 3, 1 / 3), (1 / 3, 1)), start=1):
        chosen = (uniform != 0) & (uniform >= low) & (uniform < high)
        turned = _where(chosen, images.rot90(quarters, (2, 3)), turned)
    return turned


def _warp(images: Tensor, happens: Tensor, uniform: Tensor, normal: Tensor) -> Tensor:
    """Return images scaled, rotated and moved in one bilinear step; arguments (N, 3)."""
    scale = torch.exp2(0.2 * normal[:, 0] * happens[:, 0])  # (N,)
    angle = math.pi * uniform[:, 1] * happens[:, 1]
    right, down = (0.125 * normal[:, i] * happens[:, 2] for i in (2, 1))
    cosine, sine = angle.cos() / scale, angle.sin() / scale
    rows = [torch.stack([cosine, -sine, right], 1), torch.stack([sine, cosine, down], 1)]
    places = affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return grid_sample(images, places, padding_mode="reflection", align_corners=False)


def _recolour(images: Tensor, happens: Tensor, uniform: Tensor, normal: Tensor) -> Tensor:
    """Return images with other brightness, contrast, saturation, lightness, hue; (N, 5) each."""
    on = happens.float()
    images = images + (0.2 * normal[:, 0] * on[:, 0]).view(-1, 1, 1, 1)
    images = contrast(images, torch.exp2(0.5 * normal[:, 1] * on[:, 1]))
    images = saturate(images, torch.exp2(normal[:, 2] * on[:, 2]))
    grey = images.mean(dim=1, keepdim=True)
    images = _where(happens[:, 3] & (uniform[:, 3] > 0), images - 2 * grey, images)
    return torch.einsum("nij,njhw->nihw", _hue(math.pi * uniform[:, 4] * on[:, 4]), images)


def _hue(angle: Tensor) -> Tensor:
    """Return rotations of colours about grey, (N, 3, 3), by ``angle`` (N,)."""
    third = angle.new_full((3, 3), 1 / 3)
    cross = angle.new_tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    cosine, sine = (value.view(-1, 1, 1) for value in (angle.cos(), angle.sin()))
    return cosine * torch.eye(3, device=angle.device) + (1 - cosine) * third + sine * cross
