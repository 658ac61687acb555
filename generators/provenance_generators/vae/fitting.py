"""Fits the density to the latents of real images.

Few images meet many latent units, the more so by class, so covariances borrow from those above
them: a component's from its class, a class' from all classes (regularised discriminant analysis,
Friedman 1989, doi 10.1080/01621459.1989.10478752). Each weighs as many images as it has against R.
Notation as in ``density.py``: N images, Z latent units, R principal axes, K components.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from provenance.training import derive_rng
from provenance_generators.vae.density import LatentDensity

_FEWEST = 100  # images a component
_ITERATIONS = 8  # of expectation and maximisation
_CLUSTER_ITERATIONS = 8
_SUBSPACE_ITERATIONS = 3
_FLOOR = 1e-3  # of a variance, so that nothing is certain


@dataclass(frozen=True, slots=True)
class Gaussians:
    """Components of a mixture: weights (K,), means (K, R), Cholesky factors (K, R, R)."""

    weight: Tensor
    mean: Tensor
    factor: Tensor


def fit_density(
    latents: Tensor,
    numbers: Tensor,
    *,
    components: int,
    rank: int,
    seed: int,
) -> LatentDensity:
    """Fit a mixture of Gaussians to each class of latents.

    Args:
        latents: (N, Z). What is not finite counts as zero: a diverged network must be noticed by
            those who watch its samples.
        numbers: int64 (N,), the class of each, none left out; zeros without classes.
        components: Most in all, shared by the classes: each has one at least, and no more than one
            for 100 images.
        rank: Most principal axes.
        seed: Of the clusters that the mixtures start from.
    """
    count, units = latents.shape
    latents = torch.nan_to_num(latents.float(), posinf=0.0, neginf=0.0).clamp(-1e3, 1e3)
    centre = latents.mean(0)
    apart = latents - centre
    axes = principal_axes(apart, min(rank, units, max(1, count // 2)), seed)
    y = (apart @ axes).double()  # (N, R)
    classes = int(numbers.max()) + 1
    members = [y[numbers == number] for number in range(classes)]
    within, each = _within(members), components // classes
    fitted = [
        fit_gaussians(part, max(1, min(each, len(part) // _FEWEST)), within, seed)
        for part in members
    ]
    sizes = torch.tensor([len(part.weight) for part in fitted])
    density = LatentDensity(units=units, rank=axes.shape[1], components=int(sizes.sum()))
    density.centre.copy_(centre)
    density.axes.copy_(axes)
    density.spread.copy_(_left_out(apart, axes))
    density.weight.copy_(
        torch.cat([p.weight * len(m) / count for p, m in zip(fitted, members, strict=True)])
    )
    density.mean.copy_(torch.cat([part.mean for part in fitted]))
    density.factor.copy_(torch.cat([part.factor for part in fitted]))
    density.owner.copy_(torch.repeat_interleave(torch.arange(classes), sizes))
    return density


def principal_axes(apart: Tensor, rank: int, seed: int) -> Tensor:
    """Return the ``rank`` strongest principal axes (Z, R) of centred rows (N, Z).

    By subspace iteration (Halko et al. 2009, arXiv 0909.4061, algorithm 4.4), whose cost grows with
    R and not with Z. All axes are wanted where R equals Z: then they are those of the latents.
    """
    units = apart.shape[1]
    if rank >= units:
        return torch.eye(units)
    width = min(units, rank + 8)
    found = torch.randn(units, width, generator=derive_rng(seed, "vae", "axes"))
    for _ in range(_SUBSPACE_ITERATIONS):
        found = torch.linalg.qr(apart.T @ (apart @ found))[0]  # (Z, width)
    seen = (apart @ found).double()
    strongest = torch.linalg.eigh(seen.T @ seen)[1][:, -rank:].flip(1)  # (width, R)
    axes: Tensor = found @ strongest.float()
    return axes


def fit_gaussians(y: Tensor, components: int, within: Tensor, seed: int) -> Gaussians:
    """Fit a mixture to rows (N, R) by expectation and maximisation, from clusters.

    Args:
        y: Double.
        components: K, at most N.
        within: Covariance (R, R) that those of the components are shrunk towards.
        seed: Of the clusters.
    """
    share = torch.nn.functional.one_hot(clusters(y, components, seed), components).double()
    gaussians = _maximise(y, share, within)
    for _ in range(_ITERATIONS if components > 1 else 0):
        gaussians = _maximise(y, _expect(y, gaussians), within)
    return gaussians


def clusters(y: Tensor, count: int, seed: int) -> Tensor:
    """Return the cluster (N,) of each row: k-means from seeds that lie apart (k-means++)."""
    rng = derive_rng(seed, "vae", "clusters")
    centres = y[torch.randint(len(y), (1,), generator=rng)]
    while len(centres) < count:
        away = torch.cdist(y, centres).amin(1).square() + 1e-12
        centres = torch.cat([centres, y[torch.multinomial(away, 1, generator=rng)]])
    for _ in range(_CLUSTER_ITERATIONS if count > 1 else 0):
        share = torch.nn.functional.one_hot(torch.cdist(y, centres).argmin(1), count).double()
        sizes = share.sum(0)[:, None]  # (K, 1)
        centres = torch.where(sizes > 0, share.T @ y / sizes.clamp(min=1), centres)
    return torch.cdist(y, centres).argmin(1)


def _expect(y: Tensor, gaussians: Gaussians) -> Tensor:
    """Return how much of each row (N, R) each component explains, (N, K)."""
    apart = (y[None] - gaussians.mean[:, None]).mT  # (K, R, N)
    white = torch.linalg.solve_triangular(gaussians.factor, apart, upper=False)
    volumes = gaussians.factor.diagonal(dim1=1, dim2=2).log().sum(1)
    logs: Tensor = gaussians.weight.log() - volumes - 0.5 * white.square().sum(1).T  # (N, K)
    return logs.softmax(1)


def _maximise(y: Tensor, share: Tensor, within: Tensor) -> Gaussians:
    """Return the Gaussians that fit shares (N, K) of rows (N, R) best, shrunk."""
    sizes = share.sum(0) + 1e-6  # (K,)
    means = share.T @ y / sizes[:, None]  # (K, R)
    own = torch.stack(
        [
            _scatter(y - mean, part) / size
            for mean, part, size in zip(means, share.T, sizes, strict=True)
        ]
    )  # (K, R, R)
    pooled = torch.einsum("k,kij->ij", sizes / sizes.sum(), own)
    pooled = _shrink(pooled, within, float(sizes.sum()))
    covariances = torch.stack(
        [_shrink(one, pooled, float(size)) for one, size in zip(own, sizes, strict=True)]
    )
    return Gaussians(sizes / sizes.sum(), means, torch.linalg.cholesky(covariances))


def _scatter(apart: Tensor, weight: Tensor) -> Tensor:
    scatter: Tensor = (apart * weight[:, None]).T @ apart
    return scatter


def _shrink(own: Tensor, target: Tensor, count: float) -> Tensor:
    """Return a covariance (R, R) of ``count`` rows, drawn to ``target`` as if by R rows more."""
    share = count / (count + len(own))
    return share * own + (1 - share) * target


def _within(members: list[Tensor]) -> Tensor:
    """Return the covariance (R, R) of rows around the mean of their class."""
    apart = torch.cat([part - part.mean(0) for part in members])
    covariance = apart.T @ apart / len(apart)
    floor = _FLOOR * covariance.diagonal().mean() + 1e-8
    return covariance + floor * torch.eye(len(covariance), dtype=covariance.dtype)


def _left_out(apart: Tensor, axes: Tensor) -> Tensor:
    """Return the standard deviation (Z,) of what the axes leave out of each unit."""
    total = apart.square().mean(0)
    y = apart @ axes
    explained = ((axes @ (y.T @ y / len(y))) * axes).sum(1)
    return (total - explained).clamp(min=0).maximum(_FLOOR * total + 1e-8).sqrt()
