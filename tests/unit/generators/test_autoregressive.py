"""The autoregressive generator: steps to the digit, resumption, what it does with bad input."""

import functools
import itertools
import json
import math

import numpy as np
import pytest
import torch
from scenes import scenes

from provenance import ArtefactError, FitContext, UserError
from provenance.training import TrainingLoop, load_weights, save_weights
from provenance_generators.autoregressive.generator import AutoregressiveGenerator

OPTIONS = {
    "levels": (4, 4, 3),
    "width": 8,
    "embedding": 16,
    "layers": 2,
    "heads": 2,
    "batch": 8,
}
GOLDEN = {"mse": 0.13425, "token_nats": 3.75902}


def stacked(count):
    return np.stack([item.data for item in scenes(count)])


def context(folder, **changes):
    return FitContext(
        **{"workdir": folder, "seed": 3, "max_steps": 8, "options": OPTIONS, **changes}
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Three steps of the tokenizer, five of the transformer."""
    folder = tmp_path_factory.mktemp("autoregressive")
    model = AutoregressiveGenerator()
    model.fit(scenes(48), context(folder))
    return model, folder


def lines(folder, loop):
    text = (folder / loop / "log.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


# --- training -------------------------------------------------------------------------------------


def test_golden_losses(trained):
    """Few steps with a fixed seed; a change here changes every model trained from now on."""
    _, folder = trained
    tokenizer, transformer = lines(folder, "tokenizer")[0], lines(folder, "prior")[0]
    assert (tokenizer["step"], transformer["step"]) == (3, 5)
    assert tokenizer["mse"] == pytest.approx(GOLDEN["mse"], rel=2e-3)
    assert transformer["token_nats"] == pytest.approx(GOLDEN["token_nats"], rel=2e-3)


def test_last_log_lines_describe_the_model(trained):
    _, folder = trained
    tokenizer, transformer = lines(folder, "tokenizer")[-1], lines(folder, "prior")[-1]
    assert 0 < tokenizer["codes_used"] <= 1 <= tokenizer["code_perplexity"] <= 48
    assert transformer["token_nats"] < math.log(48) + 0.2
    assert transformer["spread"] >= 0


def test_training_learns_the_scenes(tmp_path):
    source = scenes(64)
    model = AutoregressiveGenerator()
    options = {**OPTIONS, "width": 16}
    model.fit(source, context(tmp_path, max_steps=400, options=options))
    images = stacked(64)
    made = model.reconstruct(images)
    error = ((made.astype(float) - images) ** 2).mean()
    shuffled = ((made.astype(float) - np.roll(images, 1, 0)) ** 2).mean()
    assert error < 0.6 * shuffled  # each follows its own scene, not the average of all
    last = lines(tmp_path, "prior")[-1]
    tokens = lines(tmp_path, "tokenizer")[-1]
    assert last["token_nats"] < math.log(tokens["code_perplexity"])  # knows more than frequencies
    assert last["spread"] > 0.2


def test_held_out_groups_are_watched_and_sheets_drawn(tmp_path):
    source = scenes(40, groups=20)
    AutoregressiveGenerator().fit(source, context(tmp_path))
    assert "held_out_mse" in lines(tmp_path, "tokenizer")[-1]
    assert "held_out_token_nats" in lines(tmp_path, "prior")[-1]
    names = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert names[-1] == "step_000008.png"
    assert len(names) > 2


@pytest.mark.parametrize("loop", ["tokenizer", "prior"])
def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(tmp_path, monkeypatch, loop):
    eager = functools.partial(TrainingLoop, checkpoint_every_s=0.0, log_every_s=0.0)
    monkeypatch.setattr("provenance_generators.autoregressive.train.TrainingLoop", eager)

    def kill(fraction, message):
        if f"{loop} step 3 " in message:
            raise KilledError

    source = scenes(16)
    whole, halved = AutoregressiveGenerator(), AutoregressiveGenerator()
    whole.fit(source, context(tmp_path / "whole", max_steps=10))
    with pytest.raises(KilledError):
        AutoregressiveGenerator().fit(
            source, context(tmp_path / "halved", max_steps=10, progress=kill)
        )
    halved.fit(source, context(tmp_path / "halved", max_steps=10, resume=True))
    np.testing.assert_array_equal(whole.sample(4, seed=1), halved.sample(4, seed=1))
    steps = [line["step"] for line in lines(tmp_path / "halved", loop)]
    assert steps == sorted(steps)


class KilledError(Exception):
    pass


# --- making ---------------------------------------------------------------------------------------


def test_items_depend_on_their_own_seed_alone(trained):
    model, _ = trained
    many = model.sample(67, seed=10)
    np.testing.assert_array_equal(many[3], model.sample(1, seed=13)[0])
    np.testing.assert_array_equal(many[65], model.sample(2, seed=74)[1])
    assert not (many[0] == many[1]).all()


def test_resampling_goes_from_reconstruction_to_sample(trained):
    model, _ = trained
    images = stacked(6)
    real = model.reconstruct(images)
    np.testing.assert_array_equal(model.resample(images, 0.0, seed=5), real)
    np.testing.assert_array_equal(model.resample(images, 1.0, seed=5), model.sample(6, seed=5))
    changed = [
        (model.resample(images, fraction, seed=5) != real).mean() for fraction in (0.02, 0.3, 0.9)
    ]
    assert all(a < b for a, b in itertools.pairwise(changed))


def test_resampled_items_depend_on_themselves_and_their_seed(trained):
    model, _ = trained
    images = stacked(6)
    many = model.resample(images, 0.5, seed=5)
    np.testing.assert_array_equal(many[4], model.resample(images[4:5], 0.5, seed=9)[0])
    assert not (many == model.resample(images, 0.5, seed=6)).all()


def test_global_random_state_and_inputs_are_left_alone(trained, tmp_path):
    model, _ = trained
    model.save(tmp_path)
    images = stacked(3)
    before = images.copy()
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    AutoregressiveGenerator().load(tmp_path, "cpu")
    model.sample(2, seed=1)
    model.resample(images, 0.5, seed=1)
    model.reconstruct(images)
    assert torch.equal(torch.rand(3), expected)
    np.testing.assert_array_equal(images, before)


def test_temperature_zero_is_one_image_and_nothing_asked_is_nothing(trained):
    model, _ = trained
    likeliest = model.sample(3, seed=0, temperature=0.0)
    assert (likeliest[0] == likeliest[1]).all()
    assert model.sample(0, seed=0).shape == (0, 32, 32, 3)
    assert model.reconstruct([]).shape == (0, 32, 32, 3)
    assert model.resample([], 0.5, seed=0).shape == (0, 32, 32, 3)


@pytest.mark.parametrize(
    "wrong", [{"label": "cat"}, {"truncation": 0.0}, {"truncation": math.nan}, {"temperature": -1}]
)
def test_bad_arguments_are_the_users_to_mend(trained, wrong):
    with pytest.raises(UserError):
        trained[0].sample(1, seed=0, **wrong)


@pytest.mark.parametrize("fraction", [-0.1, 1.1, math.nan])
def test_bad_fractions_are_refused(trained, fraction):
    with pytest.raises(UserError, match="fraction"):
        trained[0].resample(stacked(1), fraction, seed=0)


def test_images_of_another_size_are_refused(trained):
    with pytest.raises(UserError, match="32 x 32"):
        trained[0].reconstruct(np.zeros((1, 64, 64, 3), np.uint8))


def test_save_and_load_give_the_same_pixels(trained, tmp_path):
    model, _ = trained
    model.save(tmp_path)
    other = AutoregressiveGenerator()
    other.load(tmp_path, "cpu")
    np.testing.assert_array_equal(model.sample(3, seed=2), other.sample(3, seed=2))
    np.testing.assert_array_equal(model.reconstruct(stacked(5)), other.reconstruct(stacked(5)))


def break_missing(arrays, config):
    arrays.pop("prior.head.weight")


def break_extra(arrays, config):
    arrays["prior.surplus"] = np.zeros(3, np.float32)


def break_shape(arrays, config):
    config["levels"] = [4, 4, 4]


def break_family(arrays, config):
    config["family"] = "vae"


def break_config(arrays, config):
    del config["layers"]


@pytest.mark.parametrize(
    "damage", [break_missing, break_extra, break_shape, break_family, break_config]
)
def test_load_is_strict(trained, tmp_path, damage):
    trained[0].save(tmp_path)
    arrays, config = load_weights(tmp_path)
    damage(arrays, config)
    save_weights(tmp_path, arrays, config)
    with pytest.raises(ArtefactError):
        AutoregressiveGenerator().load(tmp_path, "cpu")


def test_untrained_says_so(tmp_path):
    model = AutoregressiveGenerator()
    for call in (
        lambda: model.sample(1, seed=0),
        lambda: model.reconstruct(stacked(1)),
        lambda: model.save(tmp_path),
    ):
        with pytest.raises(UserError, match="learned nothing"):
            call()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"depth": 8}, "no setting 'depth'"),
        ({"width": 12}, "multiple of 8"),
        ({"embedding": 10, "heads": 4}, "multiple of heads"),
        ({"levels": (8, 2)}, "at least 3"),
    ],
)
def test_fit_refuses_settings_that_make_no_network(tmp_path, options, words):
    with pytest.raises(UserError, match=words):
        AutoregressiveGenerator().fit(scenes(4), context(tmp_path, options=options))
