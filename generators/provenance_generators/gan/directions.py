"""Ways through the latent space: circles between samples, and directions in which these change.

Shapes: Z latent size, E size of a class's embedding, K classes. A code is latents and embedding,
(Z + E).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from provenance import Direction
from provenance_generators.gan.networks import LATENT_SIZE, Generator

_MOST_SEFA = 12


@dataclass(frozen=True, slots=True)
class Way:
    """A direction, and the step in code space that one standard deviation along it is.

    Attributes:
        direction: As it is listed.
        step: float (Z + E,), on the CPU.
    """

    direction: Direction
    step: Tensor


def slerp(a: Tensor, b: Tensor, steps: int) -> Tensor:
    """Return ``steps`` latents (steps, Z) on the great circle from ``a`` to ``b``, each (Z,).

    A straight line would leave the shell on which Gaussian vectors of this size lie. The ends are
    exactly ``a`` and ``b``.
    """
    share = torch.linspace(0, 1, steps)[:, None]  # (steps, 1)
    angle = torch.arccos(torch.cosine_similarity(a, b, dim=0).clamp(-1, 1))  # ()
    if float(angle.sin()) < 1e-4:  # one direction only: there is no circle to follow
        return torch.lerp(a[None], b[None], share)
    way = (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / angle.sin()
    way[0], way[-1] = a, b  # whatever sines round to
    return way


def find_ways(network: Generator, classes: tuple[str, ...]) -> list[Way]:
    """Return the directions of a trained generator: ``sefa-1`` ..., then ``class-NAME`` ...

    Args:
        network: Trained.
        classes: Names of its classes, in order of their numbers.
    """
    return [*_sefa(network), *_towards_classes(network, classes)]


@torch.no_grad()
def _sefa(network: Generator) -> list[Way]:
    """Directions of latents that change the first projection most, in closed form.

    Shen & Zhou 2021 (arXiv 2007.06600), section 3.2: eigenvectors of ``A^T A``. Latents are
    standard normal, so that a unit vector is a standard deviation.
    """
    weights = network.first_weights().detach().double().cpu()[:, :LATENT_SIZE]  # (M, Z)
    values, vectors = torch.linalg.eigh(weights.T @ weights)  # ascending
    gains = values.clamp(min=0).sqrt().flip(0)[:_MOST_SEFA]
    found = vectors.T.flip(0)[:_MOST_SEFA]  # (12, Z)
    largest = found.gather(1, found.abs().argmax(1, keepdim=True))
    found = found * largest.sign()  # eigenvectors have no sign of their own
    room = network.code_size - LATENT_SIZE
    return [
        Way(
            Direction(f"sefa-{i + 1}", "sefa", float(gains[i] / gains[0].clamp(min=1e-12))),
            torch.cat([found[i].float(), torch.zeros(room)]),
        )
        for i in range(len(found))
    ]


@torch.no_grad()
def _towards_classes(network: Generator, classes: tuple[str, ...]) -> list[Way]:
    """Directions from the mean class to each, in the space of embeddings; strongest first."""
    if network.embedding is None:
        return []
    embeddings = network.embedding.weight.detach().double().cpu()  # (K, E)
    centred = embeddings - network.shares.double().cpu() @ embeddings
    lengths = centred.norm(dim=1).clamp(min=1e-12)  # (K,)
    along = centred / lengths[:, None]
    spreads = (centred @ along.T).square().mean(0).sqrt()  # (K,), deviation of classes along each
    order = lengths.argsort(descending=True).tolist()
    return [
        Way(
            Direction(f"class-{classes[k]}", "label", float(lengths[k] / lengths.max())),
            torch.cat([torch.zeros(LATENT_SIZE), (along[k] * spreads[k]).float()]),
        )
        for k in order
    ]
