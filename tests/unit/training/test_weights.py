"""Weights on disk: exact, strict, and free of code."""

import numpy as np
import pytest
import torch

from provenance import ArtefactError
from provenance.training import derive_seed, load_weights, resolve_device, save_weights


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
