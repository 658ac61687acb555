"""Directions in the latent space along which samples change in one way.

Notation: Z latent units, R principal axes, K components of the density.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from provenance import Direction
from provenance_generators.vae.density import LatentDensity

_MOST = 12  # principal directions


class Axis(NamedTuple):
    """A direction and the step (Z,) of one standard deviation of the latents along it."""

    direction: Direction
    step: Tensor


def find_axes(density: LatentDensity, classes: Sequence[str]) -> list[Axis]:
    """Return the directions of a density, strongest first of each kind.

    ``pca-N`` are the principal components of the whole density, found without labels (arXiv
    2004.02546); ``class-NAME`` leads from the mean of all latents to that of a class. A prior that
    was not fitted has none.
    """
    if density.rank == 0:
        return []
    covariance, mean = _moments(density)
    variances, vectors = torch.linalg.eigh(covariance)
    count = min(_MOST, density.rank)
    deviations = variances.clamp(min=0).sqrt().flip(0)[:count]
    found = [
        _axis(density, f"pca-{number + 1}", "pca", size / deviations[0], size * vector)
        for number, (size, vector) in enumerate(
            zip(deviations, _signed(vectors.flip(1)[:, :count].T), strict=True)
        )
    ]
    return found + _class_axes(density, classes, covariance, mean)


def _class_axes(
    density: LatentDensity, classes: Sequence[str], covariance: Tensor, mean: Tensor
) -> list[Axis]:
    ways = density.class_means().double() - mean  # (classes, R)
    lengths = ways.norm(dim=1)
    longest = lengths.max().clamp(min=1e-12)
    found = []
    for name, way, length in zip(classes, ways, lengths, strict=False):
        unit = way / length.clamp(min=1e-12)
        deviation = (unit @ covariance @ unit).clamp(min=0).sqrt()
        found.append(_axis(density, f"class-{name}", "label", length / longest, deviation * unit))
    return sorted(found, key=lambda axis: -axis.direction.strength)


def _moments(density: LatentDensity) -> tuple[Tensor, Tensor]:
    """Return covariance (R, R) and mean (R,) of y over all components, in double precision."""
    weight, means, factor = (t.double() for t in (density.weight, density.mean, density.factor))
    mean = weight @ means
    apart = means - mean
    within = torch.einsum("k,kij,klj->il", weight, factor, factor)
    return within + (apart * weight[:, None]).T @ apart, mean


def _signed(vectors: Tensor) -> Tensor:
    """Return rows (M, R), each with the sign that makes its largest number positive."""
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    return vectors * torch.where(largest < 0, -1.0, 1.0)


def _axis(density: LatentDensity, name: str, how: str, strength: Tensor, step: Tensor) -> Axis:
    direction = Direction(name, how, float(strength.clamp(0, 1)))  # type: ignore[arg-type]
    return Axis(direction, density.axes @ step.to(density.axes))
