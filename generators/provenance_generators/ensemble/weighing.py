"""How the members share the work: weights by coverage of the source, and the best for each class.

Coverage (2002.09797) is the part of real images that have a sample nearer than their k-th real
neighbour. That of a mixture is no mean of its members': what counts is what each adds. So all
weights on a grid are tried on samples that were drawn once.
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from provenance import UserError
from provenance.quality import RandomFeatures, frechet_distance, manifold
from provenance.training import derive_seed
from provenance_generators.ensemble.members import Member

_REALS, _SAMPLES = 512, 512
_STEPS = 10  # weights are tenths
_MOST_TRIED = 300  # four members have 286
_FEWEST_OF_A_CLASS = 32


def fit_weights(
    members: Sequence[Member], images: NDArray[np.uint8], seed: int
) -> tuple[NDArray[np.float64], float]:
    """Return the weights (M,) whose mixture covers most of the source, and that coverage.

    Args:
        members: M of them.
        images: uint8 (N, S, S, 3), real.
        seed: Of the samples.
    """
    features = RandomFeatures(seed=0)
    reals = features(_evenly(images, _REALS))
    drawn = [features(_drawn(member, n, seed)) for n, member in enumerate(members)]
    best = max(_grid(len(members)), key=lambda weights: _covered(reals, drawn, weights))
    return np.array(best) / _STEPS, _covered(reals, drawn, best)


def fit_classes(
    members: Sequence[Member],
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    seed: int,
) -> dict[str, int]:
    """Return for each class the number of the member whose samples of it are nearest to real ones.

    Nearest by Frechet distance of features with random weights, which small sets allow.

    Args:
        members: Of which two or more know classes.
        images: uint8 (N, S, S, 3), real.
        labels: Number of each one's class, (N,).
        classes: Their names.
        seed: Of the samples.

    Raises:
        UserError: Members that know classes are fewer than two, or a class is known to none.
    """
    able = [number for number, member in enumerate(members) if member.classes]
    if len(able) < 2 or not classes:
        raise UserError(
            "An ensemble by class needs a source with classes, and two members that learned them."
        )
    features = RandomFeatures(seed=0)

    def samples(which: int, name: str, count: int) -> NDArray[np.uint8]:
        return _drawn(members[which], which, seed, name, count)

    chosen: dict[str, int] = {}
    for number, name in enumerate(classes):
        reals = features(_evenly(images[labels == number], _REALS))
        count = max(_FEWEST_OF_A_CLASS, min(len(reals), 256))
        found = {
            which: frechet_distance(
                reals, features(_drawn(members[which], which, seed, name, count))
            )
            for which in able
            if name in members[which].classes
        }
        if not found:
            raise UserError(f"No member of the ensemble knows the class {name!r}.")
        chosen[name] = min(found, key=found.__getitem__)
    return chosen


def _drawn(
    member: Member, number: int, seed: int, name: str | None = None, count: int = _SAMPLES
) -> NDArray[np.uint8]:
    own = derive_seed(seed, "ensemble", "weights", number) % 2**40
    labels = None if name is None else [name] * count
    return member.sample(count, seed=own, labels=labels)


def _grid(count: int) -> Iterator[tuple[int, ...]]:
    """Yield weights in tenths that sum to one: all of them, or corners and middle of very many."""
    parts = itertools.product(range(_STEPS + 1), repeat=count - 1)
    every = ((*some, _STEPS - sum(some)) for some in parts if sum(some) <= _STEPS)
    yield from itertools.islice(every, _MOST_TRIED)


def _covered(
    reals: NDArray[np.float32], drawn: Sequence[NDArray[np.float32]], weights: Sequence[int]
) -> float:
    """Return the coverage of reals (N, D) by a mixture of members' samples, each (M, D).

    Args:
        reals: Features of real images.
        drawn: Features of samples, a member each.
        weights: In tenths.
    """
    shares = [
        round(weight / _STEPS * len(made)) for weight, made in zip(weights, drawn, strict=True)
    ]
    mixed = np.concatenate([made[:share] for made, share in zip(drawn, shares, strict=True)])
    return manifold(reals, mixed).coverage


def _evenly(images: NDArray[np.uint8], most: int) -> NDArray[np.uint8]:
    rows = np.linspace(0, len(images) - 1, min(len(images), most)).astype(int)
    chosen: NDArray[np.uint8] = images[rows]
    return chosen
