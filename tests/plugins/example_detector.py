"""A detector as a third party would write it: one feature, one weight. Used by several tests."""

import numpy as np

from provenance import (
    DetectorSpec,
    InputSpec,
    Label,
    MediaKind,
    ProvenanceError,
    hookimpl,
)
from provenance.detection import score_usable
from provenance.training import load_weights, save_weights

SPEC = DetectorSpec(
    name="example",
    version="1.0",
    kinds=frozenset({MediaKind.IMAGE}),
    summary="Energy of the diagonal difference.",
    licence="Apache-2.0",
    input=InputSpec(geometry="tiles", size_px=32, min_side_px=32),
    options={"delay_s": 0.0, "fail": False},
)


def feature(window):
    values = window.astype(np.float64)
    diagonal = values[1:, 1:] - values[1:, :-1] - values[:-1, 1:] + values[:-1, :-1]
    return np.log(np.mean(diagonal**2) + 1e-3)


def problem(window):
    good = isinstance(window, np.ndarray) and window.dtype == np.uint8 and window.ndim == 3
    return (
        "" if good and window.shape[2] == 3 and min(window.shape[:2]) >= 2 else "is no RGB window"
    )


class Example:
    """How far the feature lies from that of real items, in standard deviations."""

    def __init__(self):
        self.arrays = {}

    def fit(self, train, validation, context):
        import time

        if context.options.get("fail"):
            raise RuntimeError("told to fail")
        for step in range(10):
            context.progress(step / 10, "waiting")
            time.sleep(context.options.get("delay_s", 0.0) / 10)
        values = [feature(item.media.data) for item in train if item.label is Label.REAL]
        self.arrays = {"mean": np.array([np.mean(values)]), "std": np.array([np.std(values)])}

    def save(self, folder):
        save_weights(folder, self.arrays, {})

    def load(self, folder, device):
        arrays, _ = load_weights(folder)
        if set(arrays) != {"mean", "std"}:
            raise ProvenanceError("other arrays")
        self.arrays = arrays

    def score(self, batch):
        if not self.arrays:
            raise ProvenanceError("not trained")
        return score_usable(batch, problem, self.logits)

    def logits(self, usable):
        values = np.array([feature(window) for window in usable])
        return np.abs(values - self.arrays["mean"]) / self.arrays["std"] - 2


@hookimpl
def register_detectors(register):
    register(SPEC, Example)
