"""A generator that can do everything and keeps every promise, and others that each break one."""

from dataclasses import replace

import numpy as np
from example_generator import SPEC, Example

from provenance import ArtefactError, Direction, GeneratorSpec, UserError
from provenance.training import (
    find_classes,
    load_weights,
    resolve_options,
    save_weights,
)

RICH: GeneratorSpec = replace(
    SPEC,
    capabilities=SPEC.capabilities
    | {"class-conditional", "inpaint", "directions", "likelihood", "members"},
    controls=frozenset({"top_k", "top_p"}),
    options={"preset": "small", "spread": 20, "tone": "warm"},
    presets={"small": {"spread": 20}, "large": {"spread": 30}},
    variants={"tone": ("warm", "cold")},
)
_TONES = {"warm": 1.0, "cold": -1.0}


class Rich(Example):
    """The mean image of a class plus grey levels; a mask is filled with the level alone."""

    settings = RICH

    def __init__(self):
        super().__init__()
        self.classes = ()
        self.means = None
        self.spread = 20.0

    def fit(self, source, context):
        options = resolve_options(self.settings, context.options)
        super().fit(source, context)
        self.spread = options["spread"] * _TONES[options["tone"]]
        self.classes = find_classes(source)
        self.means = np.stack([self._mean_of(source, name) for name in self.classes or (None,)])

    def _mean_of(self, source, name):
        images = [item.data for item in source if name is None or item.category == name]
        return np.mean(images, axis=0, dtype=np.float32) if name else self.mean

    def save(self, folder):
        save_weights(
            folder,
            {"mean": self.mean, "means": self.means},
            {"classes": list(self.classes), "spread": self.spread},
        )

    def load(self, folder, device):
        arrays, config = load_weights(folder)
        if set(arrays) != {"mean", "means"}:
            raise ArtefactError("other arrays")
        self.mean, self.means = arrays["mean"], arrays["means"]
        self.classes, self.spread = tuple(config["classes"]), config["spread"]

    def levels(self, seeds):
        return super().levels(seeds) / 20 * self.spread

    def places(self, n, seed, label):
        if label is None:
            return [s % len(self.means) for s in range(seed, seed + n)]
        labels = [label] * n if isinstance(label, str) else list(label)
        if len(labels) != n or not set(labels) <= set(self.classes):
            raise UserError("other labels")
        return [self.classes.index(name) for name in labels]

    def sample(
        self, n, *, seed, label=None, truncation=1.0, temperature=1.0, top_k=None, top_p=None
    ):
        if self.mean is None:
            raise UserError("not trained")
        levels = self.levels(range(seed, seed + n)) * (0.5 if top_k or top_p else 1.0)
        means = self.means[self.places(n, seed, label)]
        return np.clip(means + levels, 0, 255).round().astype(np.uint8)

    def resample(self, batch, fraction, *, seed, mask=None):
        plain = super().resample(batch, 0.0 if mask is not None else fraction, seed=seed)
        if mask is None:
            return plain
        drawn = self.render(fraction * self.levels(range(seed, seed + len(batch))) + 40)
        return np.where(mask[..., None], drawn, plain)

    def interpolate(self, seed_a, seed_b, steps):
        ends = [self.sample(1, seed=seed)[0].astype(float) for seed in (seed_a, seed_b)]
        shares = np.linspace(0, 1, steps)[:, None, None, None]
        return ((1 - shares) * ends[0] + shares * ends[1]).round().astype(np.uint8)

    def directions(self):
        return [Direction("lighter", "pca", 1.0), Direction("redder", "pca", 0.5)]

    def move(self, seed, direction, amounts):
        if direction not in [one.name for one in self.directions()]:
            raise UserError("no such direction")
        base = self.sample(1, seed=seed)[0].astype(float)
        moved = np.stack([base + 10 * amount for amount in amounts])
        return np.clip(moved, 0, 255).round().astype(np.uint8)

    def bits_per_dim(self, batch):
        return (1 + np.abs(batch - self.mean).mean((1, 2, 3)) / 32).astype(np.float32)

    def members(self, n, *, seed, label=None):
        self.places(n, seed, label)
        return [("one", "other")[(seed + i) % 2] for i in range(n)]


# --- generators that each break one rule ----------------------------------------------------------


class IgnoresLabels(Rich):
    def sample(self, n, *, seed, label=None, **options):
        super().sample(n, seed=seed, label=label)  # what is wrong is refused
        return super().sample(n, seed=seed, **options)


class TakesFirstLabelForAll(Rich):
    def sample(self, n, *, seed, label=None, **options):
        super().sample(n, seed=seed, label=label)
        first = label if label is None or isinstance(label, str) else label[0]
        return super().sample(n, seed=seed, label=first, **options)


class ForgetsClasses(Rich):
    def load(self, folder, device):
        super().load(folder, device)
        self.classes = self.classes[::-1]


class TakesAnyLabel(Rich):
    def places(self, n, seed, label):
        labels = [label] * n if isinstance(label, str) or label is None else list(label)
        known = [self.classes.index(name) if name in self.classes else 0 for name in labels]
        return (known * n)[:n] if label is not None else super().places(n, seed, None)


class IgnoresTopK(Rich):
    def sample(self, n, *, top_k=None, **options):
        return super().sample(n, **options)


class DependsOnNeighbours(Rich):
    def levels(self, seeds):
        drawn = super().levels(seeds)
        return drawn + 5.0 * (len(drawn) - 1)


class IgnoresMask(Rich):
    def resample(self, batch, fraction, *, seed, mask=None):
        everywhere = None if mask is None or not mask.any() else np.ones_like(mask)
        return super().resample(batch, fraction, seed=seed, mask=everywhere)


class FillsAlike(Rich):
    def resample(self, batch, fraction, *, seed, mask=None):
        return super().resample(batch, fraction, seed=seed if mask is None else 0, mask=mask)


class TwoOfOneName(Rich):
    def directions(self):
        return [Direction("lighter", "pca", 1.0)] * 2


class MovesFromAfar(Rich):
    def move(self, seed, direction, amounts):
        return super().move(seed, direction, [amount + 1 for amount in amounts])


class MovesAnywhere(Rich):
    def move(self, seed, direction, amounts):
        return super().move(seed, self.directions()[0].name, amounts)


class InfiniteBits(Rich):
    def bits_per_dim(self, batch):
        return super().bits_per_dim(batch) + np.float32(np.inf)


class OneLikelihoodForAll(Rich):
    def bits_per_dim(self, batch):
        return np.float32([super().bits_per_dim(batch).mean()])


class OneMemberTooFew(Rich):
    def members(self, n, *, seed, label=None):
        return super().members(n, seed=seed)[: max(0, n - 1)]


class MembersByChance(Rich):
    calls = 0

    def members(self, n, *, seed, label=None):
        self.calls += 1
        return super().members(n, seed=seed + self.calls)


class TakesAnySetting(Rich):
    def fit(self, source, context):
        known = {k: v for k, v in context.options.items() if k in self.settings.options}
        super().fit(source, replace(context, options=known))


class CannotLearnLarge(Rich):
    def fit(self, source, context):
        if context.options.get("preset") == "large":
            raise RuntimeError("too large")
        super().fit(source, context)


class CannotSaveCold(Rich):
    def save(self, folder):
        if self.spread < 0:
            raise RuntimeError("cold")
        super().save(folder)


WRONG_CONTROLS = {
    IgnoresLabels: {"classes_are_honoured"},
    TakesFirstLabelForAll: {"classes_are_honoured"},
    ForgetsClasses: {"classes_are_honoured"},
    TakesAnyLabel: {"labels_are_checked"},
    IgnoresTopK: {"controls_are_honest"},
    DependsOnNeighbours: {
        "samples_depend_on_their_own_seed",
        "inpainting_follows_its_seed",
    },
    IgnoresMask: {"inpainting_keeps_what_is_not_masked"},
    FillsAlike: {"inpainting_follows_its_seed"},
    TwoOfOneName: {"directions_move_samples"},
    MovesFromAfar: {"directions_move_samples"},
    MovesAnywhere: {"directions_move_samples"},
    InfiniteBits: {"likelihoods_are_finite"},
    OneLikelihoodForAll: {"likelihoods_are_finite"},
    OneMemberTooFew: {"members_answer_for_samples"},
    MembersByChance: {"members_answer_for_samples"},
    TakesAnySetting: {"unknown_settings_are_refused"},
    CannotLearnLarge: {"every_preset_and_variant_learns"},
    CannotSaveCold: {"every_preset_and_variant_learns"},
}
