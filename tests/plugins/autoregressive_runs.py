"""What the tests of the autoregressive family share: tiny settings, and looks that cost little."""

import contextlib
import functools

import pytest
from scenes import scenes

from provenance import FitContext
from provenance.training import TrainingLoop
from provenance_generators.autoregressive.generator import AutoregressiveGenerator

OPTIONS = {
    "levels": (4, 4, 3),
    "width": 8,
    "embedding": 16,
    "layers": 2,
    "heads": 2,
    "batch": 8,
    "tokenizer_batch": 8,
    "tokenizer_share": 0.35,
}


def context(folder, **changes):
    return FitContext(
        **{"workdir": folder, "seed": 3, "max_steps": 8, "options": OPTIONS, **changes}
    )


@contextlib.contextmanager
def few_watched():
    """A look at few samples costs little; lines of the log come at the end only."""
    calm = functools.partial(TrainingLoop, log_every_s=1e9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("provenance_generators.autoregressive.train._WATCHED", 8)
        patch.setattr("provenance_generators.autoregressive.generator._BATCH", 16)
        for module in ("tokenizers", "autoregressive"):
            patch.setattr(f"provenance_generators.{module}.train.TrainingLoop", calm)
        yield


def train(folder):
    """Return a model after three steps of the tokenizer and five of the transformer."""
    model = AutoregressiveGenerator()
    model.fit(scenes(48), context(folder))
    return model
