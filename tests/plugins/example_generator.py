"""A generator that keeps every promise, and others that each break one."""

import contextlib
import itertools
import random
from dataclasses import replace

import numpy as np

from provenance import ArtefactError, GeneratorSpec, MediaKind, UserError
from provenance.training import TrainingLoop, load_weights, resolve_options, save_weights

SPEC = GeneratorSpec(
    name="example",
    family="example",
    version="1.0",
    kind=MediaKind.IMAGE,
    capabilities=frozenset({"reconstruct", "resample", "interpolate"}),
    summary="A mean image, made lighter or darker.",
    licence="Apache-2.0",
    sizes_px=(8, 16),
)


class State:
    """The mean image as something that a training loop can keep."""

    def __init__(self, mean):
        self.mean = mean

    def state_dict(self):
        import torch

        return {"mean": torch.from_numpy(self.mean)}

    def load_state_dict(self, state):
        self.mean[...] = state["mean"].numpy()


class Example:
    """Keeps every promise. Items are the mean image plus one grey level each."""

    settings = SPEC

    def __init__(self):
        self.mean = None

    def fit(self, source, context):
        import torch

        if type(self).settings is SPEC:
            resolve_options(SPEC, context.options)
        shapes = {item.data.shape for item in source}
        if len(shapes) != 1 or next(iter(shapes))[0] not in SPEC.sizes_px:
            raise UserError("other images, please")
        images = np.stack([item.data for item in source]).astype(np.float32)
        state = State(np.zeros_like(images[0]))
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
        loop = TrainingLoop(context, {"state": state})
        for step in loop:
            rng = np.random.default_rng([context.seed, step])
            state.mean += images[rng.integers(len(images))] / 2
            optimizer.step()
            loop.log(mean=state.mean.mean())
        self.mean = state.mean

    def save(self, folder):
        save_weights(folder, {"mean": self.mean}, {})

    def load(self, folder, device):
        arrays, _ = load_weights(folder)
        if set(arrays) != {"mean"}:
            raise ArtefactError("other arrays")
        self.mean = arrays["mean"]

    def levels(self, seeds):
        draws = [np.random.default_rng(seed).normal(0, 20, (1, 1, 3)) for seed in seeds]
        return np.array(draws).reshape(-1, 1, 1, 3)

    def render(self, levels):
        return np.clip(self.mean + levels, 0, 255).round().astype(np.uint8)

    def sample(self, n, *, seed, label=None, truncation=1.0, temperature=1.0):
        if self.mean is None or label is not None:
            raise UserError("not trained, or a label")
        return self.render(self.levels(range(seed, seed + n)))

    def reconstruct(self, batch):
        return self.render(batch.mean((1, 2), keepdims=True) - self.mean.mean((0, 1)))

    def resample(self, batch, fraction, *, seed):
        levels = batch.mean((1, 2), keepdims=True) - self.mean.mean((0, 1))
        drawn = self.levels(range(seed, seed + len(batch)))
        return self.render((1 - fraction) * levels + fraction * drawn)

    def interpolate(self, seed_a, seed_b, steps):
        a, b = self.levels([seed_a, seed_b])
        return self.render(np.stack([a + (b - a) * i / (steps - 1) for i in range(steps)]))


# --- generators that each break one rule ----------------------------------------------------------


class TakesLabels(Example):
    def sample(self, n, *, seed, label=None, truncation=1.0, temperature=1.0):
        return super().sample(n, seed=seed)


class MoreThanDeclared(Example):
    def directions(self):
        return []


class LessThanDeclared(Example):
    reconstruct = None


class TakesTopP(Example):
    def sample(self, n, *, top_p=None, **options):
        return super().sample(n, **options)


class TakesMasks(Example):
    def resample(self, batch, fraction, *, seed, mask=None):
        return super().resample(batch, fraction, seed=seed)


class OneTooMany(Example):
    def sample(self, n, **options):
        return super().sample(n + 1 if n == 1 else n, **options)


class Floats(Example):
    def sample(self, n, **options):
        return super().sample(n, **options).astype(np.float32) / 255


class UnitRange(Example):
    def sample(self, n, **options):
        return super().sample(n, **options) // 255


class OneSizeOnly(Example):
    def fit(self, source, context):
        if source and source[0].data.shape[0] == 16:
            raise ValueError("cannot broadcast")
        super().fit(source, context)


class Random(Example):
    def sample(self, n, *, seed, **options):
        return super().sample(n, seed=seed + random.SystemRandom().randrange(1000), **options)


class IgnoresSeed(Example):
    def sample(self, n, *, seed, **options):
        return super().sample(n, seed=0, **options)


class ReconstructsAtHalfSize(Example):
    def reconstruct(self, batch):
        return super().reconstruct(batch)[:, ::2, ::2]


class ResamplesAtFractionZero(Example):
    def resample(self, batch, fraction, *, seed):
        return super().resample(batch, 1.0, seed=seed)


class ResamplesAlike(Example):
    def resample(self, batch, fraction, *, seed):
        return super().resample(batch, fraction, seed=0)


class InterpolatesBackwards(Example):
    def interpolate(self, seed_a, seed_b, steps):
        return super().interpolate(seed_b, seed_a, steps)


class WritesIntoInput(Example):
    def reconstruct(self, batch):
        made = super().reconstruct(batch)
        batch[:, 0] = 0
        return made


class WritesIntoSource(Example):
    def fit(self, source, context):
        super().fit(source, context)
        source[0].data[0] ^= 255


class Prints(Example):
    def reconstruct(self, batch):
        print("reconstructing")  # noqa: T201
        return super().reconstruct(batch)


class PrintsInTraining(Example):
    def fit(self, source, context):
        print("training")  # noqa: T201
        super().fit(source, context)


class SeedsPython(Example):
    def sample(self, n, *, seed, **options):
        random.seed(seed)
        return super().sample(n, seed=seed, **options)


class SeedsTorch(Example):
    def load(self, folder, device):
        import torch

        torch.manual_seed(0)
        super().load(folder, device)


class SetsGradientMode(Example):
    def sample(self, n, **options):
        import torch

        torch.set_grad_enabled(False)
        return super().sample(n, **options)


class LearnsFromAnything(Example):
    def fit(self, source, context):
        sizes = {item.data.shape for item in source}
        if len(sizes) == 1 and sizes <= {(8, 8, 3), (16, 16, 3)}:
            super().fit(source, context)


class SavesRounded(Example):
    def save(self, folder):
        save_weights(folder, {"mean": self.mean.round(-1)}, {})


class SavesCode(Example):
    def save(self, folder):
        super().save(folder)
        (folder / "extra.pkl").write_bytes(b"")


class LoadsLeftovers(Example):
    def load(self, folder, device):
        self.mean = load_weights(folder)[0].get("mean")
        if self.mean is None:
            raise ArtefactError("no mean")


class LoadsAnything(Example):
    def load(self, folder, device):
        try:
            super().load(folder, device)
        except ArtefactError:  # this is the fault
            self.mean = np.zeros((8, 8, 3), np.float32)


class SamplesUntrained(Example):
    def __init__(self):
        self.mean = np.full((8, 8, 3), 99, np.float32)


class TrainsByChance(Example):
    runs = itertools.count(1)  # stands in for chance, which at times gives the same pixels twice

    def fit(self, source, context):
        super().fit(source, context)
        self.mean = self.mean + np.float32(next(self.runs))


class SwallowsInterrupts(Example):
    def fit(self, source, context):
        def progress(fraction, message):
            with contextlib.suppress(Exception):
                context.progress(fraction, message)

        super().fit(source, replace(context, progress=progress))


class CannotResume(Example):
    def fit(self, source, context):
        super().fit(source, replace(context, resume=False))


class StumblesOverResume(Example):
    def fit(self, source, context):
        if context.resume:
            raise FileNotFoundError("no checkpoint")
        super().fit(source, context)


SAMPLED = (  # what looks at the values of samples
    "samples_have_the_learned_shape",
    "every_size_can_be_learned",
    "interpolations_end_in_samples",
)
WRONG = {
    TakesLabels: {"capabilities_are_honest"},
    MoreThanDeclared: {"capabilities_are_honest"},
    TakesTopP: {"controls_are_honest"},
    TakesMasks: {"masks_are_not_ignored"},
    OneTooMany: {"samples_have_the_learned_shape"},
    Floats: {*SAMPLED},
    UnitRange: {*SAMPLED, "seeds_matter"},
    OneSizeOnly: {"every_size_can_be_learned"},
    IgnoresSeed: {
        "seeds_matter",
        "interpolations_end_in_samples",
        "samples_depend_on_their_own_seed",
    },
    ReconstructsAtHalfSize: {"reconstructions_keep_their_shape"},
    ResamplesAtFractionZero: {"resampling_follows_its_fraction"},
    ResamplesAlike: {"resampling_follows_its_fraction"},
    InterpolatesBackwards: {"interpolations_end_in_samples"},
    WritesIntoInput: {"input_is_not_modified"},
    WritesIntoSource: {"input_is_not_modified"},
    Prints: {"stdout_is_quiet"},
    PrintsInTraining: {"stdout_is_quiet"},
    SeedsPython: {"global_random_state_is_untouched"},
    SeedsTorch: {"global_random_state_is_untouched"},
    SetsGradientMode: {"torch_settings_are_untouched"},
    LearnsFromAnything: {"unfit_sources_are_refused"},
    SavesRounded: {"saved_is_what_was_trained"},
    SavesCode: {"artefact_is_safetensors_only"},
    LoadsLeftovers: {"damaged_weights_are_refused"},
    LoadsAnything: {"damaged_weights_are_refused", "untrained_does_not_sample"},
    SamplesUntrained: {"untrained_does_not_sample"},
    TrainsByChance: {"training_repeats", "training_goes_on_where_it_stood"},
    SwallowsInterrupts: {"interrupted_training_resumes"},
    CannotResume: {"training_goes_on_where_it_stood"},
    StumblesOverResume: {"interrupted_training_resumes", "training_goes_on_where_it_stood"},
}
