"""All figures of a set of samples beside those of real images, which say what is good.

Notation: N samples, and as many real images in each of two halves.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from provenance.errors import UserError
from provenance.quality.copies import copied_share, duplicates
from provenance.quality.frechet import estimate_frechet
from provenance.quality.intervals import Estimate, bootstrap_mean
from provenance.quality.kernels import estimate_kernel
from provenance.quality.neighbourhoods import estimate_manifold
from provenance.quality.spectra import check_image_pair, estimate_spectral
from provenance.quality.variety import choose_pairs, ms_ssim
from provenance.quality.wasserstein import estimate_sliced
from provenance.training.seeds import derive_seed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from provenance.quality.features import Features

Progress = Callable[[float, str], None]
_FEWEST = 40
_PAIRS = 1000
_KERNEL_UNIT = 1000.0

FIGURES: Mapping[str, str] = {
    "frechet": "Frechet distance of the features; lower is better",
    "kernel": "kernel distance (KID) of the features x 1,000; lower is better",
    "precision": "share of samples among real images; higher is better",
    "recall": "share of real images among samples; higher is better",
    "density": "real neighbourhoods about a sample; higher is better, equal sets about 1",
    "coverage": "share of real images whose neighbourhood has a sample; higher is better",
    "copied": "share of samples nearer to a training image than 99 % of real images are",
    "spectral_db": "difference of mean log power spectra, in decibels; lower is better",
    "swd": "sliced Wasserstein distance x 1,000 of the band of so many pixels; lower is better",
    "ms_ssim": "similarity of pairs of samples; as real images is best, 1 is collapse",
    "duplicates": "share of samples that show what another shows; lower is better",
}
"""Every figure by its key, with its meaning; those of features stand after ``NAME.``."""


@dataclass(frozen=True, slots=True)
class Row:
    """All figures of one set.

    Attributes:
        name: ``samples``, ``real`` (the floor: other real images) or ``training``.
        figures: Key, such as ``learned.recall``, ``spectral_db`` or ``swd.32``, to estimate.
    """

    name: str
    figures: Mapping[str, Estimate]

    def __getitem__(self, key: str) -> float:
        """Return the value of one figure."""
        return self.figures[key].value


@dataclass(frozen=True, slots=True)
class Quality:
    """What was measured, against one half of the real images.

    Attributes:
        items: N, of samples and of real images in each set.
        rows: ``samples`` first, then ``real`` and perhaps ``training``.
        features: Names of the features, in order.
        seed: Of pairs, blocks, patches and resamples.
    """

    items: int
    rows: tuple[Row, ...]
    features: tuple[str, ...]
    seed: int

    def row(self, name: str) -> Row:
        """Return one row.

        Raises:
            KeyError: There is none of that name.
        """
        return {row.name: row for row in self.rows}[name]

    def to_json(self) -> dict[str, Any]:
        """Return all as plain values."""
        return {
            "items": self.items,
            "seed": self.seed,
            "features": list(self.features),
            "level": 0.95,
            "rows": {
                row.name: {key: found.to_json() for key, found in row.figures.items()}
                for row in self.rows
            },
            "findings": findings(self),
        }


def evaluate(
    samples: "NDArray[np.uint8]",
    reals: "NDArray[np.uint8]",
    features: "Sequence[Features]",
    *,
    seed: int = 0,
    resamples: int = 1000,
    training: "NDArray[np.uint8] | None" = None,
    progress: Progress = lambda fraction, message: None,
) -> Quality:
    """Measure samples, and real images in their place, against real images.

    The real images are halved: one half is what all is compared with, the other is the row
    ``real``, the best that samples can reach. All sets are cut to one size, since most figures
    depend on it. Training images in the samples' place show what a perfect copier would get.

    Args:
        samples: uint8 (N, S, S, 3).
        reals: uint8 (M, S, S, 3), unseen by the generator; in an order that means nothing.
        features: One or more; report a learned and a random one, since neither sees all.
        seed: Of everything random.
        resamples: Of the bootstraps, where a figure is a mean of items.
        training: uint8 (L, S, S, 3), what the generator learned from; None leaves out ``copied``.
        progress: Called with a fraction (0..1) and a few words.

    Raises:
        UserError: Fewer than 40 samples or 80 real images, or images of another size.
    """
    check_image_pair(reals, samples)
    count = min(len(samples), len(reals) // 2)
    if count < _FEWEST:
        raise UserError(
            f"{len(samples)} samples and {len(reals)} real images are too few: "
            f"{_FEWEST} and {2 * _FEWEST} are the least. Use a larger source, or more samples."
        )
    sets = {"samples": samples[:count], "real": reals[count : 2 * count]}
    if training is not None and len(training) >= count:
        sets["training"] = training[:count]
    bench = _Bench(reals[:count], features, training, seed, resamples)
    rows = []
    for done, (name, images) in enumerate(sets.items()):
        progress(done / len(sets), f"measuring {name}")
        rows.append(Row(name, dict(bench.figures(images, is_copy=name == "training"))))
    progress(1.0, "measured")
    return Quality(count, tuple(rows), tuple(one.name for one in features), seed)


class _Bench:
    """The half of the real images that every set is compared with."""

    def __init__(
        self,
        reference: "NDArray[np.uint8]",
        features: "Sequence[Features]",
        training: "NDArray[np.uint8] | None",
        seed: int,
        resamples: int,
    ) -> None:
        self._reference, self._features = reference, features
        self._seed, self._resamples = seed, resamples
        self._theirs = [extract(reference) for extract in features]
        first = features[0] if features else None
        self._training = first(training) if first and training is not None else None

    def figures(
        self, images: "NDArray[np.uint8]", *, is_copy: bool
    ) -> Iterator[tuple[str, Estimate]]:
        for number, extract in enumerate(self._features):
            ours = extract(images)
            yield from self._of_features(extract.name, self._theirs[number], ours)
            if number == 0 and self._training is not None and not is_copy:
                copied = copied_share(ours, self._training, self._theirs[0])
                yield "copied", self._mean(copied)
        yield "spectral_db", estimate_spectral(self._reference, images, seed=self._seed)
        for side, found in estimate_sliced(self._reference, images, seed=self._seed).items():
            yield f"swd.{side}", found
        one, other = choose_pairs(len(images), _PAIRS, self._seed)
        yield "ms_ssim", self._mean(ms_ssim(images[one], images[other]))
        yield "duplicates", self._mean(duplicates(images).is_duplicate)

    def _of_features(
        self, name: str, theirs: "NDArray[np.float32]", ours: "NDArray[np.float32]"
    ) -> Iterator[tuple[str, Estimate]]:
        yield f"{name}.frechet", estimate_frechet(theirs, ours, seed=self._seed)
        kernel = estimate_kernel(theirs, ours, seed=self._seed)
        yield f"{name}.kernel", _scaled(kernel, _KERNEL_UNIT)
        for key, found in estimate_manifold(theirs, ours, seed=self._seed).items():
            yield f"{name}.{key}", found

    def _mean(self, values: "NDArray[Any]") -> Estimate:
        seed = derive_seed(self._seed, "bootstrap")
        return bootstrap_mean(values, seed=seed, resamples=self._resamples)


def _scaled(found: Estimate, unit: float) -> Estimate:
    low, high = found.low, found.high
    return Estimate(
        unit * found.value,
        None if low is None else unit * low,
        None if high is None else unit * high,
    )


# --- in words -------------------------------------------------------------------------------------


def findings(quality: Quality) -> list[str]:
    """Say in a plain sentence each what the figures show, the samples against the floor."""
    samples, real = quality.row("samples"), quality.row("real")
    first = quality.features[0]
    return [
        *_about_variety(first, samples, real),
        *_about_texture(samples, real),
        *_about_copies(samples, real),
    ]


def _about_variety(first: str, samples: Row, real: Row) -> Iterator[str]:
    recall, floor = samples[f"{first}.recall"], real[f"{first}.recall"]
    coverage, most = samples[f"{first}.coverage"], real[f"{first}.coverage"]
    text = f"recall {recall:.2f} (real images {floor:.2f}), coverage {coverage:.2f} ({most:.2f})"
    if recall < 0.05 and coverage < 0.2:
        yield f"Most of the variety is missing, as in mode collapse: {text}."
    elif recall < 0.5 * floor or coverage < 0.5 * most:
        yield f"Part of the variety is missing: {text}."
    else:
        yield f"The variety is near that of real images: {text}."
    precision = samples[f"{first}.precision"]
    if precision < 0.8 * real[f"{first}.precision"]:
        yield f"{1 - precision:.0%} of the samples lie where no real image does."


def _about_texture(samples: Row, real: Row) -> Iterator[str]:
    found, floor = samples.figures["spectral_db"], real.figures["spectral_db"]
    if found.low is not None and floor.high is not None and found.low > floor.high:
        yield (
            f"The spectrum gives the samples away: {found.value:.1f} dB from real images, which "
            f"are {floor.value:.1f} dB from one another."
        )
    bands = [key for key in samples.figures if key.startswith("swd.")]
    ratios = {key: samples[key] / max(real[key], 1e-9) for key in bands}
    worst = max(ratios, key=lambda key: ratios[key])
    if ratios[worst] > 2:
        side = worst.partition(".")[2]
        yield f"Structure is least like that of real images at the scale of {side} px images."


def _about_copies(samples: Row, real: Row) -> Iterator[str]:
    found, floor = samples.figures["duplicates"], real["duplicates"]
    if found.low is not None and found.low > max(2 * floor, 0.02):
        share = f"{found.value:.0%} of the samples"
        yield f"{share} show what another one shows ({floor:.0%} of real images do)."
    copied = samples.figures.get("copied")
    if copied is not None and copied.low is not None:
        if copied.low > max(2 * real["copied"], 0.03):
            yield f"{copied.value:.0%} of the samples lie suspiciously near a training image."
        else:
            yield "Nothing hints at memorised training images."
