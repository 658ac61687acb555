"""The detector: features, a standardised affine map or two, and their place on disk."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from provenance import FitContext, LabelledMedia, ProvenanceError, Scores
from provenance.detection import score_usable
from provenance.training import load_weights, save_weights
from provenance_plugins.spectral.features import SMALLEST_SIDE_PX, Array, features

_PIXELS_AT_ONCE = 1 << 18  # of windows taken together: what stays in a processor's cache
_FARTHEST = 8.0  # standard deviations: a feature beyond is as odd as one there


class SpectralDetector:
    """Statistics of windows, standardised, through one affine map or an MLP of one hidden layer."""

    def __init__(self) -> None:
        self._arrays: Mapping[str, NDArray[Any]] = {}
        self._config: Mapping[str, Any] = {}

    def fit(
        self,
        train: Sequence[LabelledMedia],
        validation: Sequence[LabelledMedia],
        context: FitContext,
    ) -> None:
        """Extract features, fit each candidate model, keep the best on ``validation``."""
        from provenance_plugins.spectral.train import fit  # sklearn is needed for learning only

        self._arrays, self._config = fit(train, validation, context)

    def save(self, folder: Path) -> None:
        """Write ``folder/model.safetensors``: arrays and a few words, never a pickle."""
        if not self._arrays:
            raise ProvenanceError("spectral has learned nothing yet. Call fit or load first.")
        save_weights(folder, self._arrays, self._config)

    def load(self, folder: Path, device: str) -> None:
        """Read what ``save`` wrote. The device is the CPU, whatever is asked for."""
        arrays, config = load_weights(folder)
        problem = _problem_of_weights(arrays)
        if problem:
            raise ProvenanceError(f"{folder} is no model of spectral: {problem}. Train it anew.")
        self._arrays, self._config = arrays, config

    def score(self, batch: Sequence[Any]) -> Scores:
        """Score uint8 RGB windows of at least 32 px a side, of any and of mixed sizes."""
        if not self._arrays:
            raise ProvenanceError("spectral has learned nothing yet. Call fit or load first.")
        return score_usable(batch, problem_of, lambda usable: logits(extract(usable), self._arrays))


def logits(rows: Array, arrays: Mapping[str, NDArray[Any]]) -> Array:
    """Return the logit (N,) of each row of features (N, F); higher = synthetic."""
    values = standardised(rows, arrays["mean"], arrays["scale"])
    values = values @ arrays["weight.0"] + arrays["bias.0"]
    if "weight.1" in arrays:
        values = np.maximum(values, 0) @ arrays["weight.1"] + arrays["bias.1"]
    return np.asarray(values[:, 0], np.float32)


def standardised(rows: Array, mean: NDArray[Any], scale: NDArray[Any]) -> Array:
    """Return rows in standard deviations of the training set, clipped to what it can mean."""
    return np.asarray(np.clip((rows - mean) / scale, -_FARTHEST, _FARTHEST), np.float32)


def problem_of(window: Any) -> str:
    """Return why a window cannot be scored, or ""."""
    if not isinstance(window, np.ndarray) or window.dtype != np.uint8 or window.ndim != 3:
        return "is no uint8 image with channels"
    height, width, channels = window.shape
    if channels != 3:
        return f"has {channels} channels, not 3"
    if min(height, width) < SMALLEST_SIDE_PX:
        return f"{width} x {height} px is below {SMALLEST_SIDE_PX} px"
    if (window == window[0, 0]).all():
        return "is one flat colour, which has no texture to judge"
    return ""


def extract(windows: Sequence[NDArray[np.uint8]]) -> Array:
    """Return features (N, F), equal shapes taken together in pieces that fit the cache."""
    by_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, window in enumerate(windows):
        by_shape[window.shape].append(index)
    rows: dict[int, Array] = {}
    for (height, width, _), members in by_shape.items():
        at_once = max(1, _PIXELS_AT_ONCE // (height * width))
        for start in range(0, len(members), at_once):
            part = members[start : start + at_once]
            rows.update(zip(part, features(np.stack([windows[i] for i in part])), strict=True))
    return np.stack([rows[index] for index in range(len(windows))])


def _problem_of_weights(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return what is wrong with the arrays of a file, or ""."""
    linear = {"mean", "scale", "weight.0", "bias.0"}
    if set(arrays) not in (linear, linear | {"weight.1", "bias.1"}):
        return f"it holds {', '.join(sorted(arrays)) or 'nothing'}"
    width = len(features(np.zeros((1, SMALLEST_SIDE_PX, SMALLEST_SIDE_PX, 3), np.uint8))[0])
    hidden = arrays["weight.0"].shape[-1]
    expected = {
        "mean": (width,), "scale": (width,), "weight.0": (width, hidden), "bias.0": (hidden,),
        "weight.1": (hidden, 1), "bias.1": (1,),
    }  # fmt: skip
    wrong = [name for name, array in arrays.items() if array.shape != expected[name]]
    if wrong or (hidden != 1 and "weight.1" not in arrays):
        return f"{', '.join(wrong) or 'weight.0'} has another shape"
    return (
        ""
        if all(np.isfinite(array).all() for array in arrays.values())
        else "a value is not finite"
    )
