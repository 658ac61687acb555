"""Two fast generators as a plugin, installed by the tests as a distribution of its own.

``tint`` has all three steps; ``plain`` only samples. ``FAKE_FAULT`` makes ``plain`` fail somewhere.
"""

import os
import time

import numpy as np

from provenance import GeneratorSpec, MediaKind, hookimpl
from provenance.training import load_weights, save_weights


class Tint:
    """Remembers the mean colour of what it learned from."""

    def __init__(self, name):
        self._name = name
        self._mean = None

    def _fail(self, where):
        if self._name == "plain" and os.environ.get("FAKE_FAULT") == where:
            raise RuntimeError(f"fault in {where}")

    def fit(self, source, context):
        self._fail("fit")
        end = time.monotonic() + context.budget_s
        loop = context.workdir / "train"
        loop.mkdir(parents=True, exist_ok=True)
        while time.monotonic() < end:
            time.sleep(0.02)
            context.progress(0.5, "waiting")
        (loop / "log.jsonl").write_text('{"step": 7, "time_s": 1.0, "loss": 0.5}\n')
        (loop / "checkpoint.pt").write_bytes(b"state")
        self._mean = np.stack([media.data for media in source]).mean(axis=(0, 1, 2))
        self._size = source[0].data.shape[0]

    def save(self, folder):
        save_weights(folder, {"mean": self._mean}, {"size": self._size})

    def load(self, folder, device):
        arrays, config = load_weights(folder)
        self._mean, self._size = arrays["mean"], config["size"]

    def sample(self, n, *, seed, label=None, truncation=1.0, temperature=1.0):
        self._fail("sample")
        if self._name == "plain" and os.environ.get("FAKE_FAULT") == "shape":
            return np.zeros((n, 3, 8, 8), np.float32)
        time.sleep(0.02)
        noise = np.random.default_rng(seed).normal(0, 20, (n, self._size, self._size, 3))
        return np.clip(self._mean + noise, 0, 255).astype(np.uint8)

    def reconstruct(self, batch):
        time.sleep(0.02)
        return (batch // 8) * 8

    def resample(self, batch, fraction, *, seed):
        chosen = np.random.default_rng(seed).random(batch.shape[:3]) < fraction
        return np.where(chosen[..., None], self.reconstruct(batch), batch)


def _spec(name, capabilities):
    return GeneratorSpec(
        name=name,
        family="fake",
        version="1.0",
        kind=MediaKind.IMAGE,
        capabilities=frozenset(capabilities),
        summary="For tests",
        licence="Apache-2.0",
        sizes_px=(16, 32),
    )


@hookimpl
def register_generators(register):
    register(_spec("tint", ("reconstruct", "resample")), lambda: Tint("tint"))
    register(_spec("plain", ()), lambda: Tint("plain"))
