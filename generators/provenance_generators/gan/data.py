"""Images between the host (uint8, channels last) and the networks (float, channels first)."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from provenance import Media, UserError


def stack(source: Sequence[Media], sizes_px: Sequence[int]) -> NDArray[np.uint8]:
    """Return all images as uint8 (N, S, S, 3).

    Args:
        source: Images, all of one square size.
        sizes_px: Sizes that can be learned.

    Raises:
        UserError: No images, or images of unequal, oblong or other sizes.
    """
    images = [item.data for item in source]
    shapes = {np.shape(image) for image in images}
    wanted = {(size, size, 3) for size in sizes_px}
    if len(shapes) != 1 or not shapes <= wanted:
        found = ", ".join([str(shape) for shape in sorted(shapes)][:3]) or "none"
        sizes = " or ".join(map(str, sizes_px))
        raise UserError(f"gan learns RGB images, all square with side {sizes} px. Got {found}.")
    if any(image.dtype != np.uint8 for image in images):
        raise UserError("gan learns 8-bit images (uint8, 0..255).")
    return np.stack(images)


def to_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """Return uint8 (N, S, S, 3) as float (N, 3, S, S), -1..1; a copy."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def to_pixels(images: Tensor) -> NDArray[np.uint8]:
    """Return float (N, 3, S, S), -1..1, as uint8 (N, S, S, 3)."""
    scaled = (images.float() * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(scaled.permute(0, 2, 3, 1).cpu().numpy())


def flip(images: Tensor, source: torch.Generator) -> Tensor:
    """Return float images (N, 3, S, S) with about half of them mirrored left to right."""
    mirrored = torch.rand(len(images), 1, 1, 1, generator=source) < 0.5
    return torch.where(mirrored.to(images.device), images.flip(3), images)
