"""The detector: which windows it takes, how it scores them, and its place on disk."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from provenance import FitContext, LabelledMedia, ProvenanceError, Scores
from provenance.detection import score_usable
from provenance.training import Precision, load_weights, save_weights
from provenance_plugins.timm.data import stack
from provenance_plugins.timm.network import Network, NetworkConfig, same_network

_PIXELS_AT_ONCE = 1 << 18  # of windows in one forward pass: bounds memory


class TimmDetector:
    """A backbone of timm on windows of the size that it was trained on."""

    def __init__(self) -> None:
        self._network: Network | None = None
        self._device = "cpu"

    def fit(
        self,
        train: Sequence[LabelledMedia],
        validation: Sequence[LabelledMedia],
        context: FitContext,
    ) -> None:
        """Train on pairs until the budget is spent; keep the weights best on ``validation``."""
        from provenance_plugins.timm.train import fit

        self._network, self._device = fit(train, validation, context), context.device

    def save(self, folder: Path) -> None:
        """Write ``folder/model.safetensors``."""
        network = self._trained()
        save_weights(folder, network.state_dict(), network.config.to_json())

    def load(self, folder: Path, device: str) -> None:
        """Read what ``save`` wrote, strictly."""
        arrays, values = load_weights(folder)
        with torch.random.fork_rng(devices=[]):  # building draws weights that are thrown away
            network = same_network(NetworkConfig.from_json(values))
        network.load_state_dict(
            {name: torch.from_numpy(array) for name, array in arrays.items()}, strict=True
        )
        Precision(device).place(network)
        self._network, self._device = network.eval(), device

    @torch.inference_mode()
    def score(self, batch: Sequence[Any]) -> Scores:
        """Score uint8 RGB windows of the size that it was trained on; others are abstained on."""
        network = self._trained()
        size = network.config.size_px
        return score_usable(
            batch,
            lambda window: problem_of(window, size),
            lambda usable: logits(network, stack(usable), self._device),
        )

    def _trained(self) -> Network:
        if self._network is None:
            raise ProvenanceError("timm has learned nothing yet. Call fit or load first.")
        return self._network


def problem_of(window: Any, size_px: int) -> str:
    """Return why a window cannot be scored, or ""."""
    if not isinstance(window, np.ndarray) or window.dtype != np.uint8 or window.ndim != 3:
        return "is no uint8 image with channels"
    height, width, channels = window.shape
    if channels != 3:
        return f"has {channels} channels, not 3"
    if (height, width) != (size_px, size_px):
        return f"{width} x {height} px is not the {size_px} x {size_px} px of training"
    if (window == window[0, 0]).all():
        return "is one flat colour, which has no texture to judge"
    return ""


def logits(network: torch.nn.Module, windows: Tensor, device: str) -> NDArray[np.float32]:
    """Return logits float32 (N,) of windows uint8 (N, 3, H, W), without gradients.

    Always in float32: half precision would move scores by more than the golden vector allows.
    """
    precision = Precision(device, enabled=False)
    at_once = max(1, _PIXELS_AT_ONCE // windows[0, 0].numel())
    with torch.inference_mode():
        parts = [network(precision.images(part).float()) for part in torch.split(windows, at_once)]
        return torch.cat(parts).float().cpu().numpy()
