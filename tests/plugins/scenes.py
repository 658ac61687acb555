"""Small pictures to learn in tests of generators: smooth, coloured, equal on every run."""

import numpy as np

from provenance import Media, MediaKind


def scenes(count: int, size_px: int = 32, groups: int = 4) -> list[Media]:
    """Return ``count`` pictures, each a colour with a slope, in ``groups`` groups."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[0:size_px, 0:size_px] / size_px
    items = []
    for i in range(count):
        tint, slope = rng.uniform(60, 190, 3), rng.uniform(-60, 60, (2, 3))
        pixels = tint + x[..., None] * slope[0] + y[..., None] * slope[1]
        pixels = pixels.clip(0, 255).astype(np.uint8)
        items.append(Media(f"scene/{i}", MediaKind.IMAGE, pixels, f"group{i % groups}"))
    return items
