"""What the autoregressive generator keeps on disk, and what it refuses to load."""

import functools

import numpy as np
import pytest
from scenes import scenes

from provenance import ArtefactError, FitContext
from provenance.training import TrainingLoop, load_weights, save_weights
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


@pytest.fixture(scope="module", autouse=True)
def few_watched():
    """A look at few samples costs little; lines of the log come at the end only."""
    calm = functools.partial(TrainingLoop, log_every_s=1e9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("provenance_generators.autoregressive.train._WATCHED", 8)
        patch.setattr("provenance_generators.autoregressive.generator._BATCH", 16)
        for module in ("tokenizers", "autoregressive"):
            patch.setattr(f"provenance_generators.{module}.train.TrainingLoop", calm)
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Three steps of the tokenizer, five of the transformer."""
    folder = tmp_path_factory.mktemp("autoregressive")
    model = AutoregressiveGenerator()
    model.fit(scenes(48), context(folder))
    return model, folder


def test_save_and_load_give_the_same_pixels(trained, tmp_path):
    model, _ = trained
    model.save(tmp_path)
    other = AutoregressiveGenerator()
    other.load(tmp_path, "cpu")
    np.testing.assert_array_equal(model.sample(3, seed=2), other.sample(3, seed=2))
    pixels = np.stack([item.data for item in scenes(5)])
    np.testing.assert_array_equal(model.reconstruct(pixels), other.reconstruct(pixels))


def break_missing(arrays, config):
    arrays.pop("prior.head.own.weight")


def break_extra(arrays, config):
    arrays["prior.surplus"] = np.zeros(3, np.float32)


def break_shape(arrays, config):
    config["settings"]["tokenizer"]["levels"] = [4, 4, 4]


def break_family(arrays, config):
    config["family"] = "vae"


def break_config(arrays, config):
    del config["settings"]["layers"]


def break_bounds(arrays, config):
    config["settings"]["embedding"] = 10**9


@pytest.mark.parametrize(
    "damage", [break_missing, break_extra, break_shape, break_family, break_config, break_bounds]
)
def test_load_is_strict(trained, tmp_path, damage):
    trained[0].save(tmp_path)
    arrays, config = load_weights(tmp_path)
    damage(arrays, config)
    save_weights(tmp_path, arrays, config)
    with pytest.raises(ArtefactError):
        AutoregressiveGenerator().load(tmp_path, "cpu")
