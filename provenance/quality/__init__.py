"""How good generated images are: what each figure sees and does not see is in the README here.

Arrays only: images are uint8 (N, S, S, 3), features float32 (N, D). Where the order matters, real
items come first.
"""

from typing import TYPE_CHECKING

from provenance._lazy import lazy_exports

if TYPE_CHECKING:
    from provenance.quality.copies import (
        Duplicates,
        Neighbours,
        copied_share,
        duplicates,
        nearest,
    )
    from provenance.quality.evaluation import FIGURES, Quality, evaluate, findings
    from provenance.quality.features import Features, RandomFeatures
    from provenance.quality.frechet import estimate_frechet, frechet_distance
    from provenance.quality.intervals import Estimate, bootstrap_mean, jackknife
    from provenance.quality.kernels import estimate_kernel, kernel_distance
    from provenance.quality.learned import LearnedFeatures, load_features, train_features
    from provenance.quality.modes import ModeCount, count_modes, stack_digits
    from provenance.quality.neighbourhoods import Manifold, estimate_manifold, manifold
    from provenance.quality.pretrained import PretrainedFeatures, pretrained_features
    from provenance.quality.spectra import estimate_spectral, mean_log_power, spectral_distance
    from provenance.quality.variety import Diversity, diversity, ms_ssim
    from provenance.quality.wasserstein import estimate_sliced, sliced_wasserstein
    from provenance.quality.watch import CollapseWatch

__all__ = [
    "FIGURES",
    "CollapseWatch",
    "Diversity",
    "Duplicates",
    "Estimate",
    "Features",
    "LearnedFeatures",
    "Manifold",
    "ModeCount",
    "Neighbours",
    "PretrainedFeatures",
    "Quality",
    "RandomFeatures",
    "bootstrap_mean",
    "copied_share",
    "count_modes",
    "diversity",
    "duplicates",
    "estimate_frechet",
    "estimate_kernel",
    "estimate_manifold",
    "estimate_sliced",
    "estimate_spectral",
    "evaluate",
    "findings",
    "frechet_distance",
    "jackknife",
    "kernel_distance",
    "load_features",
    "manifold",
    "mean_log_power",
    "ms_ssim",
    "nearest",
    "pretrained_features",
    "sliced_wasserstein",
    "spectral_distance",
    "stack_digits",
    "train_features",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "CollapseWatch": "provenance.quality.watch",
        "Diversity": "provenance.quality.variety",
        "Duplicates": "provenance.quality.copies",
        "Estimate": "provenance.quality.intervals",
        "FIGURES": "provenance.quality.evaluation",
        "Features": "provenance.quality.features",
        "LearnedFeatures": "provenance.quality.learned",
        "Manifold": "provenance.quality.neighbourhoods",
        "ModeCount": "provenance.quality.modes",
        "Neighbours": "provenance.quality.copies",
        "PretrainedFeatures": "provenance.quality.pretrained",
        "Quality": "provenance.quality.evaluation",
        "RandomFeatures": "provenance.quality.features",
        "bootstrap_mean": "provenance.quality.intervals",
        "copied_share": "provenance.quality.copies",
        "count_modes": "provenance.quality.modes",
        "diversity": "provenance.quality.variety",
        "duplicates": "provenance.quality.copies",
        "estimate_frechet": "provenance.quality.frechet",
        "estimate_kernel": "provenance.quality.kernels",
        "estimate_manifold": "provenance.quality.neighbourhoods",
        "estimate_sliced": "provenance.quality.wasserstein",
        "estimate_spectral": "provenance.quality.spectra",
        "evaluate": "provenance.quality.evaluation",
        "findings": "provenance.quality.evaluation",
        "frechet_distance": "provenance.quality.frechet",
        "jackknife": "provenance.quality.intervals",
        "kernel_distance": "provenance.quality.kernels",
        "load_features": "provenance.quality.learned",
        "manifold": "provenance.quality.neighbourhoods",
        "mean_log_power": "provenance.quality.spectra",
        "ms_ssim": "provenance.quality.variety",
        "nearest": "provenance.quality.copies",
        "pretrained_features": "provenance.quality.pretrained",
        "sliced_wasserstein": "provenance.quality.wasserstein",
        "spectral_distance": "provenance.quality.spectra",
        "stack_digits": "provenance.quality.modes",
        "train_features": "provenance.quality.learned",
    },
)
