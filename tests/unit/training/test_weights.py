"""Weights on disk: exact, strict, and free of code."""

import numpy as np
import pytest
import torch

from provenance import ArtefactError
from provenance.training import (
    derive_rng,
    derive_seed,
    load_weights,
    resolve_device,
    save_weights,
    strict_weights,
)


def test_what_is_saved_is_loaded(tmp_path):
    arrays = {
        "a": torch.arange(6, dtype=torch.float32).reshape(2, 3),
        "b": np.arange(4)[::2],
        "scalar": np.float64(0.5),
    }
    save_weights(tmp_path / "model", arrays, {"size_px": 32, "levels": [8, 8]})
    loaded, config = load_weights(tmp_path / "model")
    assert config == {"size_px": 32, "levels": [8, 8]}
    assert {name: array.tolist() for name, array in loaded.items()} == {
        "a": [[0, 1, 2], [3, 4, 5]],
        "b": [0, 2],
        "scalar": 0.5,
    }


def test_channels_last_weights_keep_their_values(tmp_path):
    weight = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    save_weights(tmp_path, {"w": weight}, {})
    assert np.array_equal(load_weights(tmp_path)[0]["w"], weight.numpy())


@pytest.mark.parametrize("damage", ["missing", "truncated", "empty", "pickle", "no config"])
def test_damaged_files_are_refused(tmp_path, damage):
    import pickle

    from safetensors.numpy import save

    save_weights(tmp_path, {"a": np.zeros(100, np.float32)}, {})
    path = tmp_path / "model.safetensors"
    data = path.read_bytes()
    contents = {
        "truncated": data[:-1],
        "empty": b"",
        "pickle": pickle.dumps({"a": 1}),
        "no config": save({"a": np.zeros(1)}),
    }
    path.unlink()
    if damage in contents:
        path.write_bytes(contents[damage])
    with pytest.raises(ArtefactError):
        load_weights(tmp_path)


def rebuild(folder, family="line"):
    with strict_weights(folder, family) as (tensors, config):
        network = torch.nn.Linear(config["inputs"], 1)
        network.load_state_dict(tensors, strict=True)
    return network


CONFIG = {"family": "line", "inputs": 3}


def test_a_network_is_rebuilt_from_its_weights(tmp_path):
    network = torch.nn.Linear(3, 1)
    save_weights(tmp_path, network.state_dict(), CONFIG)
    assert torch.equal(rebuild(tmp_path).weight, network.weight)


@pytest.mark.parametrize(
    ("arrays", "config", "words"),
    [
        ({}, {"family": "vae"}, "holds a 'vae' model, not line"),
        ({}, {}, "holds a None model"),
        ({}, {"family": "line"}, "does not fit line: 'inputs'. Train it anew"),
        ({}, {**CONFIG, "inputs": "three"}, "does not fit line"),
        ({}, CONFIG, "Missing key"),
        ({"weight": np.zeros((1, 4), np.float32)}, CONFIG, "size mismatch"),
        ({"more": np.zeros(1)}, CONFIG, "Unexpected key"),
    ],
)
def test_a_network_that_does_not_fit_its_weights_is_refused(tmp_path, arrays, config, words):
    save_weights(tmp_path, {"bias": np.zeros(1, np.float32), **arrays}, config)
    with pytest.raises(ArtefactError, match=words):
        rebuild(tmp_path)


def test_other_faults_of_a_rebuilding_plugin_come_out(tmp_path):
    save_weights(tmp_path, {}, CONFIG)
    with pytest.raises(ZeroDivisionError), strict_weights(tmp_path, "line"):
        _ = 1 / 0


def test_a_stream_is_that_of_its_seed():
    first = torch.rand(3, generator=derive_rng(7, "gan", 0, 1))
    assert torch.equal(first, torch.rand(3, generator=derive_rng(7, "gan", 0, 1)))
    assert not torch.equal(first, torch.rand(3, generator=derive_rng(7, "gan", 0, 2)))
    assert derive_rng(7, "gan").initial_seed() == derive_seed(7, "gan")


def test_seeds_depend_on_every_part_and_on_their_order():
    seeds = {
        derive_seed(0),
        derive_seed(1),
        derive_seed(0, "a"),
        derive_seed(0, "a", "b"),
        derive_seed(0, "b", "a"),
        derive_seed(0, "ab"),
        derive_seed(0, "a", 1),
    }
    assert len(seeds) == 7
    assert all(0 <= seed < 2**62 for seed in seeds)
    assert derive_seed(7, "gan", 3) == 3349097647899830729  # by sha256sum: everywhere the same


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cpu:0", "", "cuda:99"])
def test_devices_that_do_not_exist_are_user_errors(name):
    from provenance import UserError

    with pytest.raises(UserError, match="auto"):
        resolve_device(name)


def test_cpu_is_always_there():
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") in ("cpu", "cuda")
