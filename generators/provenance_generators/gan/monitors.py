"""Numbers in the log that show a collapse before a person would see it.

Losses do not: a relativistic loss stays near log 2 whether samples are good, bad, or all the same.
Images: float (N, 3, S, S), -1..1.
"""

import torch
from torch.nn.functional import adaptive_avg_pool2d

_LAYOUT_PX = 8  # distances are between thumbnails: layout and colour, not noise


def monitors(samples: torch.Tensor, reals: torch.Tensor) -> dict[str, float]:
    """Compare a batch of samples with one of real images; at 1 they are alike.

    Returns:
        ``diversity``: mean distance between samples over that between reals; near 0, all samples
        are one image. ``detail``: mean step between neighbouring pixels over that of reals; far
        below 1 is blur, far above 1 is noise or a checkerboard.
    """
    return {
        "diversity": _distance(samples) / max(_distance(reals), 1e-6),
        "detail": _steepness(samples) / max(_steepness(reals), 1e-6),
    }


def _distance(images: torch.Tensor) -> float:
    thumbnails = adaptive_avg_pool2d(images, _LAYOUT_PX).flatten(1)  # (N, 3 * 8 * 8)
    return float(torch.pdist(thumbnails).mean())


def _steepness(images: torch.Tensor) -> float:
    return float(images.diff(dim=2).abs().mean() + images.diff(dim=3).abs().mean())
