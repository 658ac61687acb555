"""What images are compared by: a protocol, and a network of random weights that needs no training.

Notation: N images of side S, C channels, D features.
"""

from typing import TYPE_CHECKING, Protocol

import numpy as np

from provenance.errors import UserError
from provenance.training.seeds import derive_rng

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from numpy.typing import NDArray

_IMAGES_AT_ONCE = 256
_SMALLEST_PX = 8
_SCALES = 3
_WIDTHS = (24, 24)
_FLOOR = 0.01  # of a response: below, a map counts as empty
_TYPICAL = -1.6  # logarithm of photographs' responses: kernels of products want features about 0


class Features(Protocol):
    """Turns images into rows of numbers in which distances mean something.

    Attributes:
        name: Stands in reports: ``learned``, ``random``, ``inception`` ...
    """

    name: str

    def __call__(self, images: "NDArray[np.uint8]") -> "NDArray[np.float32]":
        """Return float32 (N, D) of images uint8 (N, S, S, 3)."""
        ...


class RandomFeatures:
    """Strengths of convolutions whose weights are drawn, not learned, at three scales.

    They know no objects, and so miss what learned features see; but nothing has taught them to
    ignore grids and wrong texture either. Mean colour, and for each of two layers at full, half and
    quarter size the logarithm of every channel's mean absolute response over the image: D = 147.
    The first layer's kernels have mean 0; the logarithm makes a faint texture count as much as a
    strong edge. That untrained networks describe texture well: Ustyuzhaninov et al. 2016, arXiv
    1606.00021.

    Args:
        seed: Of the weights; features of different seeds are not comparable.
        device: A resolved device name.

    Example:
        >>> import numpy as np
        >>> RandomFeatures(seed=0)(np.zeros((2, 32, 32, 3), np.uint8)).shape
        (2, 147)
    """

    name = "random"

    def __init__(self, seed: int = 0, *, device: str = "cpu") -> None:
        self._seed, self._device = seed, device
        self._kernels: list[torch.Tensor] = []

    def __call__(self, images: "NDArray[np.uint8]") -> "NDArray[np.float32]":
        """Return float32 (N, 147) of images uint8 (N, S, S, 3), S at least 8.

        Raises:
            UserError: Images are smaller, or no images.
        """
        if not self._kernels:
            self._kernels = [kernel.to(self._device) for kernel in _draw_kernels(self._seed)]
        return in_batches(images, self._measure, device=self._device)

    def _measure(self, images: "torch.Tensor") -> "torch.Tensor":
        import torch
        from torch.nn.functional import avg_pool2d

        found = [images.mean((2, 3))]  # (n, 3)
        for _ in range(_SCALES):
            if min(images.shape[2:]) >= _SMALLEST_PX // 2:
                strengths = self._strengths(images)
                images = avg_pool2d(images, 2)
            found += strengths  # too small for another scale: the last one again
        return torch.cat(found, 1)

    def _strengths(self, maps: "torch.Tensor") -> "list[torch.Tensor]":
        import torch
        from torch.nn.functional import conv2d, pad

        found = []
        for kernel in self._kernels:
            maps = conv2d(pad(maps, (1, 1, 1, 1), mode="reflect"), kernel)
            found.append(torch.log(maps.abs().mean((2, 3)) + _FLOOR) - _TYPICAL)  # (n, C)
            maps = maps.relu()
        return found


def _draw_kernels(seed: int) -> "list[torch.Tensor]":
    """Return the kernels of the two layers, He-scaled; the first have mean 0: edges, not levels."""
    import torch

    kernels, channels = [], 3
    for layer, width in enumerate(_WIDTHS):
        rng = derive_rng(seed, "random features", layer)
        kernel = torch.randn(width, channels, 3, 3, generator=rng)
        if layer == 0:
            kernel -= kernel.mean((2, 3), keepdim=True)
        kernels.append(kernel * (2 / (channels * 9)) ** 0.5)
        channels = width
    return kernels


def in_batches(
    images: "NDArray[np.uint8]",
    measure: "Callable[[torch.Tensor], torch.Tensor]",
    *,
    device: str = "cpu",
    batch: int = _IMAGES_AT_ONCE,
) -> "NDArray[np.float32]":
    """Pass images through a network a batch at a time, without gradients.

    Args:
        images: uint8 (N, S, S, 3).
        measure: Takes float (n, 3, S, S), -1..1, returns float (n, D).
        device: Where it computes.
        batch: Images computed together.

    Returns:
        float32 (N, D).

    Raises:
        UserError: Another type or shape, or below 8 px.
    """
    import torch

    from provenance.training.images import images_to_tensor

    check_images_for_features(images)
    found = []
    with torch.inference_mode():
        for start in range(0, len(images), batch):
            some = np.ascontiguousarray(images[start : start + batch])
            found.append(measure(images_to_tensor(some).to(device)).float().cpu().numpy())
    return np.concatenate(found)


def check_images_for_features(images: "NDArray[np.uint8]") -> None:
    """Check that images are uint8 (N, H, W, 3), N at least 1, of 8 px or more.

    Raises:
        UserError: They are not.
    """
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8 or not len(images):
        raise UserError(f"Features are those of images uint8 (N, S, S, 3), not {images.shape}.")
    if min(images.shape[1:3]) < _SMALLEST_PX:
        raise UserError(f"Features need images of {_SMALLEST_PX} px, not {images.shape[1:3]}.")
