"""Fast generators as a plugin, installed by the tests as a distribution of its own.

``tint`` has all three steps; ``plain`` only samples. ``FAKE_FAULT`` makes ``plain`` fail somewhere.
Only when named: ``kinds`` knows classes, presets, variants and ``top_k``, and draws grey levels by
what it was asked for; ``ensemble`` takes turns between its members.
"""

import json
import os
import time
from pathlib import Path

import numpy as np

from provenance import Direction, GeneratorSpec, MediaKind, UserError, hookimpl
from provenance.training import find_classes, load_weights, resolve_options, save_weights


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


class Kinds:
    """Images of one grey level: 10 times the number of the class, plus 100 with ``top_k``."""

    def fit(self, source, context):
        options = resolve_options(KINDS, context.options)
        self.classes, self._size = find_classes(source), source[0].data.shape[0]
        self._told = [options["preset"], options["shade"], options["trace"], context.on_collapse]
        loop = context.workdir / "train"
        loop.mkdir(parents=True, exist_ok=True)
        lines = [
            {"step": 1, "loss": 0.5},
            {"step": 2, "collapse": "all alike", "action": "roll-back", "recall": 0.0},
            {"step": 3, "collapse": "none", "action": "keep", "recall": 0.4},
        ]
        (loop / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def save(self, folder):
        config = {"classes": self.classes, "size": self._size, "told": self._told}
        save_weights(folder, {"none": np.zeros(1, np.float32)}, config)

    def load(self, folder, device):
        config = load_weights(folder)[1]
        self.classes, self._size = tuple(config["classes"]), config["size"]

    def sample(self, n, *, seed, label=None, truncation=1.0, temperature=1.0, top_k=0):
        if label is None or len(label) != n:
            raise UserError("no labels")
        levels = np.array([10 * self.classes.index(name) for name in label], np.uint8)
        levels = levels + (100 if top_k else 0) + round(4 * (1 - truncation))
        return np.broadcast_to(
            levels.astype(np.uint8)[:, None, None, None], (n, self._size, self._size, 3)
        )

    def interpolate(self, seed_a, seed_b, steps):
        levels = np.linspace(seed_a % 256, seed_b % 256, steps).astype(np.uint8)
        return np.broadcast_to(levels[:, None, None, None], (steps, self._size, self._size, 3))

    def directions(self):
        return [Direction("lighter", "pca", 1.0)]

    def move(self, seed, direction, amounts):
        if direction != "lighter":
            raise UserError(f"kinds knows no direction {direction!r}.")
        levels = np.array([128 + 10 * amount for amount in amounts]).astype(np.uint8)
        shape = (len(amounts), self._size, self._size, 3)
        return np.broadcast_to(levels[:, None, None, None], shape)


class Turns:
    """Member i makes item i of every call, and so on in turn."""

    def fit(self, source, context):
        self._names = [json.loads((Path(f) / "card.json").read_text())["name"]
                       for f in context.options["members"]]  # fmt: skip
        self._rule, self._size = context.options["rule"], source[0].data.shape[0]
        (context.workdir / "train").mkdir(parents=True, exist_ok=True)

    def save(self, folder):
        config = {"names": self._names, "rule": self._rule, "size": self._size}
        save_weights(folder, {"none": np.zeros(1, np.float32)}, config)

    def load(self, folder, device):
        config = load_weights(folder)[1]
        self._names, self._size = config["names"], config["size"]

    def sample(self, n, *, seed, label=None, truncation=1.0, temperature=1.0):
        levels = [(seed + i) % len(self._names) for i in range(n)]
        shape = (n, self._size, self._size, 3)
        return np.broadcast_to(np.array(levels, np.uint8)[:, None, None, None], shape)

    def members(self, n, *, seed, label=None):
        return [self._names[(seed + i) % len(self._names)] for i in range(n)]


def _spec(name, capabilities, **more):
    return GeneratorSpec(
        name=name,
        family="fake",
        version="1.0",
        kind=MediaKind.IMAGE,
        capabilities=frozenset(capabilities),
        summary="For tests",
        licence="Apache-2.0",
        sizes_px=(16, 32),
        **more,
    )


KINDS = _spec(
    "kinds",
    ("class-conditional", "interpolate", "directions"),
    options={"preset": "small", "shade": 1, "trace": "a"},
    presets={"small": {}, "large": {"shade": 2}},
    variants={"trace": ("a", "b", "c", "d")},
    controls=frozenset({"top_k"}),
    is_default=False,
)
TURNS = _spec(
    "ensemble", ("members",), options={"members": [], "rule": "mixture"}, is_default=False
)


@hookimpl
def register_generators(register):
    register(_spec("tint", ("reconstruct", "resample")), lambda: Tint("tint"))
    register(_spec("plain", ()), lambda: Tint("plain"))
    register(KINDS, Kinds)
    register(TURNS, Turns)
