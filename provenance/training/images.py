"""Images between the host (uint8, channels last) and networks (float, channels first).

For generators and detectors of images; nothing else in this package knows what an image is.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from provenance.errors import UserError
from provenance.training.seeds import derive_seed
from provenance.types import Media, MediaKind

_HELD_OUT_SHARE = (0.05, 0.20)  # at least, at most
_FEWEST_GROUPS = 4
_OPPONENT = (  # lightness, red against blue, green against both; rows of unit length
    (3**-0.5, 3**-0.5, 3**-0.5),
    (2**-0.5, 0.0, -(2**-0.5)),
    (6**-0.5, -2 * 6**-0.5, 6**-0.5),
)


def stack_images(source: Sequence[Media], sizes_px: Sequence[int]) -> NDArray[np.uint8]:
    """Return all images of ``source`` as uint8 (N, S, S, 3); they stay 8-bit to save memory.

    Args:
        source: Decoded items.
        sizes_px: Sides that can be learned.

    Raises:
        UserError: There are fewer than two, they are not images, or not of one known square size.
    """
    if len(source) < 2:
        raise UserError(f"Training needs at least 2 images, this source has {len(source)}.")
    if any(item.kind is not MediaKind.IMAGE for item in source):
        raise UserError("This generator learns images only; the source has other media.")
    return check_images([item.data for item in source], sizes_px)


def check_images(batch: Any, sizes_px: Sequence[int]) -> NDArray[np.uint8]:
    """Return a batch of images as uint8 (N, S, S, 3), with S one of ``sizes_px``.

    Raises:
        UserError: Another type or shape.
    """
    shapes = {np.shape(image) for image in batch}
    allowed = {(size, size, 3) for size in sizes_px}
    if len(shapes) > 1 or not shapes <= allowed:
        wanted = " or ".join(f"{size} x {size}" for size in sizes_px)
        found = ", ".join([str(shape) for shape in sorted(shapes)][:3])
        raise UserError(f"Images must all be {wanted} px RGB; these are {found}.")
    if any(np.asarray(image).dtype != np.uint8 for image in batch):
        raise UserError("Images must be 8-bit (uint8, 0..255).")
    size_px = next(iter(shapes), (sizes_px[0],))[0]
    return np.asarray(batch, np.uint8).reshape(len(batch), size_px, size_px, 3)


def hold_out_groups(source: Sequence[Media]) -> NDArray[np.bool_]:
    """Choose whole groups to watch over-fitting on; they are not trained on.

    The smallest groups, until they make 5 % of the items; none where there are fewer than four
    groups or where the next one would take the share above 20 %.

    Returns:
        bool (N,), True where the item is held out.
    """
    sizes = Counter(item.group for item in source)
    least, most = (share * len(source) for share in _HELD_OUT_SHARE)
    chosen: set[str] = set()
    held = 0
    # among equal ones a choice by hash: the first by name would all be of one class
    for group, size in sorted(sizes.items(), key=lambda pair: (pair[1], derive_seed(0, pair[0]))):
        if len(sizes) < _FEWEST_GROUPS or held >= least or held + size > most:
            break
        chosen.add(group)
        held += size
    return np.array([item.group in chosen for item in source])


def images_to_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """Return uint8 (N, H, W, 3) as float (N, 3, H, W), -1..1; a copy."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def tensor_to_images(images: Tensor) -> NDArray[np.uint8]:
    """Return float (N, 3, H, W), -1..1, as uint8 (N, H, W, 3); what lies outside is clipped."""
    scaled = (images.float() * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(scaled.permute(0, 2, 3, 1).cpu().numpy())


def opponent_colours(images: Tensor) -> Tensor:
    """Return images (N, 3, H, W) with channels lightness, red against blue, green against both.

    A rotation of RGB: distances and volumes, and so densities, are those of the pixel values.
    """
    return torch.einsum("oc,nchw->nohw", images.new_tensor(_OPPONENT), images)


def mirror_half(images: Tensor, rng: torch.Generator) -> Tensor:
    """Return images (N, C, H, W), about half of them mirrored left to right.

    Args:
        images: On any device.
        rng: On the CPU, so that a seed means the same on every device.
    """
    mirrored = torch.rand(len(images), 1, 1, 1, generator=rng) < 0.5
    return torch.where(mirrored.to(images.device), images.flip(3), images)


def mirror_and_exchange_channels(images: Tensor, rng: torch.Generator) -> Tensor:
    """Return images (N, 3, H, W), half of them mirrored, half of them with channels exchanged.

    A few photographs lack most colours. Exchanged channels teach those to encoder and decoder; what
    is sampled is learned from the images as they are. Arguments as :func:`mirror_half`.
    """
    images = mirror_half(images, rng)
    count, device = len(images), images.device
    orders = torch.rand(count, 3, generator=rng).argsort(1)  # (N, 3)
    kept = torch.rand(count, 1, generator=rng) < 0.5
    orders = torch.where(kept, torch.arange(3), orders).to(device)
    return images[torch.arange(count, device=device)[:, None], orders]


@torch.no_grad()
def render_in_batches(
    n: int, batch: int, size_px: int, make: Callable[[Tensor], Tensor]
) -> NDArray[np.uint8]:
    """Make ``n`` images, always ``batch`` together, and return uint8 (N, S, S, 3).

    The last batch is filled up by repeating its last row: kernels chosen by batch size would
    otherwise make an image depend, in its last bit, on how many were asked for.

    Args:
        n: How many images.
        batch: Images computed together.
        size_px: Their side S.
        make: Takes row numbers (batch,) and returns images (batch, 3, S, S), -1..1.
    """
    made = np.empty((n, size_px, size_px, 3), np.uint8)
    for start in range(0, n, batch):
        rows = fixed_rows(start, n, batch)
        made[start : start + batch] = tensor_to_images(make(rows))[: n - start]
    return made


def fixed_rows(start: int, n: int, batch: int) -> Tensor:
    """Return ``batch`` row numbers from ``start``; beyond row ``n - 1`` that row is repeated."""
    return torch.arange(start, start + batch).clamp(max=n - 1)
