"""The density from which latents are drawn, and what it says of latents that are partly known.

Notation: N rows, Z latent units, R principal axes, K components.

A latent vector is ``centre + axes @ y + spread * e`` with e standard normal and y from a mixture
of K Gaussians in R dimensions: a mixture of factor analysers (Ghahramani and Hinton 1996, report
CRG-TR-96-1) that share their axes. So nothing as large as Z x Z is ever held, each covariance is
positive definite, and what is unknown given what is known has a closed form. Where R equals Z the
axes are those of the latents, and the mixture is one of full covariances.
"""

import torch
from torch import Tensor, nn

_ROWS = 16
"""Rows completed together. Always as many: a row then does not depend on how many there are."""


class LatentDensity(nn.Module):
    """A mixture of Gaussians over the latents of real images, by class where there are classes.

    The prior of the training loss is a standard normal, but real images fill only a part of it;
    decoded draws from the fitted density resemble reconstructions, draws from the prior do not. As
    built, and with a rank of 0, it is the prior.

    Args:
        units: Z.
        rank: R, 0..Z.
        components: K.

    Attributes:
        centre: (Z,).
        axes: (Z, R), orthonormal columns.
        spread: (Z,), standard deviation of what the axes leave out.
        weight: (K,), sums to 1.
        mean: (K, R).
        factor: (K, R, R), lower Cholesky factor of each covariance.
        owner: int64 (K,), the class that each component belongs to; zeros without classes.
    """

    centre: Tensor
    axes: Tensor
    spread: Tensor
    weight: Tensor
    mean: Tensor
    factor: Tensor
    owner: Tensor

    def __init__(self, *, units: int, rank: int, components: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(units))
        self.register_buffer("axes", torch.eye(units, rank))
        self.register_buffer("spread", torch.ones(units))
        self.register_buffer("weight", torch.full((components,), 1.0 / components))
        self.register_buffer("mean", torch.zeros(components, rank))
        self.register_buffer("factor", torch.eye(rank).repeat(components, 1, 1))
        self.register_buffer("owner", torch.zeros(components, dtype=torch.long))

    @property
    def units(self) -> int:
        """Z."""
        return len(self.centre)

    @property
    def rank(self) -> int:
        """R."""
        return self.axes.shape[1]

    def shares(self) -> Tensor:
        """Return how often each class is drawn, (classes,), summing to 1; one without classes."""
        count = int(self.owner.max()) + 1
        return torch.zeros(count).index_add_(0, self.owner.cpu(), self.weight.float().cpu())

    def class_means(self) -> Tensor:
        """Return the mean of y in each class, (classes, R)."""
        weighted = self.weight[:, None] * self.mean
        sums = weighted.new_zeros(len(self.shares()), self.rank).index_add_(0, self.owner, weighted)
        return sums / self.shares().to(sums)[:, None]

    def forward(
        self,
        number: Tensor,
        uniform: Tensor,
        noise: Tensor,
        *,
        truncation: float = 1.0,
        temperature: float = 1.0,
    ) -> Tensor:
        """Return draws (N, Z).

        Args:
            number: int64 (N,), the class of each row; zeros without classes.
            uniform: (N,), 0..1; picks the component.
            noise: (N, R + Z), standard normal.
            truncation: 0..1; pulls the draws towards the mean of their class.
            temperature: Scales the spread within a component.
        """
        owned = self.owner == number[:, None]  # (N, K)
        component = pick(self.weight * owned, uniform)
        along, apart = torch.split(noise, [self.rank, self.units], dim=1)
        steps = torch.bmm(self.factor[component], along[..., None])[..., 0]  # (N, R)
        middle = self.class_means()[number]  # (N, R)
        y = middle + truncation * (self.mean[component] + temperature * steps - middle)
        drawn: Tensor = self.place(y) + truncation * temperature * self.spread * apart
        return drawn

    def place(self, y: Tensor) -> Tensor:
        """Return latents (N, Z) of coordinates along the axes (N, R)."""
        return self.centre + y @ self.axes.T


class Completion:
    """The density given the latents of some units: draws for the others.

    With A = S^-1 + V' P^-1 V of a component's covariance S, known rows V of the axes and known
    variances P, the posterior of y is a Gaussian of covariance A^-1 (Woodbury). A is at least
    S^-1, so that its Cholesky factor exists whatever is known. In double precision throughout,
    since P is small.

    Args:
        density: Fitted.
        kept: bool (Z,), the known units.
        precision: S^-1 of each component, (K, R, R), where it is at hand.
    """

    def __init__(
        self, density: LatentDensity, kept: Tensor, *, precision: Tensor | None = None
    ) -> None:
        if precision is None:
            precision = torch.cholesky_inverse(density.factor.double())
        self._density, self._kept = density, kept
        scale = kept / density.spread.double().square()  # (Z,); unknown units weigh nothing
        axes = density.axes.double()
        self._project = axes * scale[:, None]  # (Z, R)
        self._known = self._project.T @ axes  # V' P^-1 V, (R, R)
        self._lower = torch.linalg.cholesky(precision + self._known)
        means = density.mean.double()
        self._pull = means @ self._known  # (K, R)
        self._offset = (  # of the log-probability of each component, (K,)
            density.weight.double().log()
            - 0.5 * (means * self._pull).sum(1)
            - _log_diagonal(self._lower)
            - _log_diagonal(density.factor.double())
        )

    def draw(self, latents: Tensor, uniform: Tensor, noise: Tensor) -> Tensor:
        """Return latents (N, Z) with the unknown units drawn, the known ones as they are.

        Args:
            latents: (N, Z).
            uniform: (N,), 0..1; picks the component.
            noise: (N, R + Z), standard normal.
        """
        density = self._density
        along, apart = torch.split(noise.double(), [density.rank, density.units], dim=1)
        seen = (latents.double() - density.centre.double()) @ self._project  # (N, R)
        ahead = torch.linalg.solve_triangular(  # L^-1 b for each component, (K, R, N)
            self._lower, (seen[None] - self._pull[:, None]).mT, upper=False
        )
        component = pick(self._responsibilities(seen, ahead), uniform)
        rows = torch.arange(len(latents), device=latents.device)
        lower, ahead = self._lower[component], ahead.permute(2, 0, 1)[rows, component]  # (N, R)
        step = torch.linalg.solve_triangular(lower.mT, (ahead + along)[..., None], upper=True)
        y = density.mean.double()[component] + step[..., 0]
        drawn = density.place(y.float()) + density.spread * apart.float()
        return torch.where(self._kept, latents, drawn)

    def _responsibilities(self, seen: Tensor, ahead: Tensor) -> Tensor:
        """Return the probability of each component given what is known, (N, K)."""
        evidence = seen @ self._density.mean.double().T + 0.5 * ahead.square().sum(1).T
        return (evidence + self._offset).softmax(1)


def complete(
    density: LatentDensity, latents: Tensor, kept: Tensor, uniform: Tensor, noise: Tensor
) -> Tensor:
    """Return latents (N, Z) with the units that are not kept drawn given those that are.

    Rows that keep the same units share the costly part.

    Args:
        density: Fitted.
        latents: (N, Z).
        kept: bool (N, Z).
        uniform: (N,), 0..1.
        noise: (N, R + Z), standard normal.
    """
    result = latents.clone()
    precision = torch.cholesky_inverse(density.factor.double())
    patterns, which = torch.unique(kept, dim=0, return_inverse=True)  # (P, Z), (N,)
    for number, pattern in enumerate(patterns):
        if bool(pattern.all()):
            continue
        completion = Completion(density, pattern, precision=precision)
        for rows in (which == number).nonzero()[:, 0].split(_ROWS):
            filled = rows[torch.arange(_ROWS, device=rows.device).clamp(max=len(rows) - 1)]
            drawn = completion.draw(latents[filled], uniform[filled], noise[filled])
            result[rows] = drawn[: len(rows)]
    return result


def pick(probability: Tensor, uniform: Tensor) -> Tensor:
    """Return one index (N,) a row of (N, K) by inverting its distribution; it need not sum to 1."""
    edges = probability.double().cumsum(1)
    target = (uniform.double()[:, None] * edges[:, -1:]).contiguous()
    found = torch.searchsorted(edges, target, right=True)[:, 0]
    return found.clamp(max=probability.shape[1] - 1)


def _log_diagonal(lower: Tensor) -> Tensor:
    """Return half the log-determinants (K,) of the matrices with factors (K, R, R)."""
    return lower.diagonal(dim1=1, dim2=2).log().sum(1)
