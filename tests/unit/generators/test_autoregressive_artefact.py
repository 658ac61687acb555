"""What the autoregressive generator keeps on disk, and what it refuses to load."""

import numpy as np
import pytest
from autoregressive_runs import few_watched, train
from scenes import scenes

from provenance import ArtefactError
from provenance.training import load_weights, save_weights
from provenance_generators.autoregressive.generator import AutoregressiveGenerator


@pytest.fixture(scope="module", autouse=True)
def _few_watched():
    with few_watched():
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("autoregressive")
    return train(folder), folder


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
