"""Training images kept where they are used: 8-bit, on the device, so that no step waits for them.

Notation: N images in all, n a batch, S = side in pixels.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from provenance.training.images import images_to_tensor, mirror_half

_MOST_OF_FREE = 0.25  # of the device's free memory; networks and their maps want the rest


class ResidentImages:
    """Batches of images by row number, made into floats on the device.

    On a GPU that has room, all images are there as 8-bit values, and a batch is one gather. Without
    room they stay on the host, and a batch crosses without waiting. On a CPU nothing is copied.
    Batches are the same everywhere, bit for bit.

    Attributes:
        is_resident: Whether the images lie on the device.

    Args:
        images: uint8 (N, S, S, 3).
        device: A resolved device name.
    """

    def __init__(self, images: NDArray[np.uint8], device: str | torch.device) -> None:
        self._device = torch.device(device)
        self._host = images
        self._on_device: Tensor | None = None
        if self._device.type == "cuda" and images.nbytes <= _room(self._device):
            self._on_device = torch.from_numpy(images).to(self._device)  # (N, S, S, 3)
        self.is_resident = self._on_device is not None or self._device.type == "cpu"

    def __len__(self) -> int:
        """Return N."""
        return len(self._host)

    def batch(
        self,
        rows: Tensor | NDArray[np.int64],
        rng: torch.Generator | None = None,
        *,
        vary: Callable[[Tensor, torch.Generator], Tensor] = mirror_half,
    ) -> Tensor:
        """Return images float (n, 3, S, S), -1..1, channels last, on the device.

        Args:
            rows: Row numbers, int64 (n,), on the CPU.
            rng: On the CPU, handed to ``vary``; None leaves the images as they are.
            vary: Takes images and ``rng``, returns images of the same shape.
        """
        chosen = torch.as_tensor(rows)
        if self._on_device is None:
            images = self._cross(images_to_tensor(self._host[chosen.numpy()]))
        else:
            pixels = self._on_device[chosen.to(self._device, non_blocking=True)]  # (n, S, S, 3)
            images = pixels.permute(0, 3, 1, 2).float() / 127.5 - 1.0  # (n, 3, S, S)
        if rng is not None:
            images = vary(images, rng)
        return images.contiguous(memory_format=torch.channels_last)

    def _cross(self, images: Tensor) -> Tensor:
        if self._device.type == "cpu":
            return images
        return images.pin_memory().to(self._device, non_blocking=True)


def _room(device: torch.device) -> int:
    """Return how many bytes images may take."""
    free, _ = torch.cuda.mem_get_info(device)
    return int(_MOST_OF_FREE * free)
