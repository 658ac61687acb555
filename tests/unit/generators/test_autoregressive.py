"""The autoregressive generator: steps to the digit, resumption, what it does with bad input."""

import dataclasses
import functools
import itertools
import json
import math

import numpy as np
import pytest
import torch
from autoregressive_runs import OPTIONS, context, few_watched, train
from scenes import scenes

from provenance import UserError
from provenance.training import TrainingLoop, load_weights
from provenance_generators.autoregressive import SPEC
from provenance_generators.autoregressive.generator import AutoregressiveGenerator
from provenance_generators.autoregressive.settings import Settings
from provenance_generators.upsampling import NORMS, UPSAMPLING

CLASSES = ("bird", "cat", "dog")
GOLDEN = {"mse": 0.13357, "token_nats": 3.51031}


def stacked(count):
    return np.stack([item.data for item in scenes(count)])


def classed(count, size_px=32):
    """Scenes of three classes, ``bird`` twice as often as the others."""
    names = ("bird", "cat", "bird", "dog")
    items = scenes(count, size_px)
    return [dataclasses.replace(item, category=names[i % 4]) for i, item in enumerate(items)]


@pytest.fixture(scope="module", autouse=True)
def _few_watched():
    with few_watched():
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("autoregressive")
    return train(folder), folder


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    """VQ, classes, guidance; a few steps."""
    folder = tmp_path_factory.mktemp("conditional")
    model = AutoregressiveGenerator()
    options = {**OPTIONS, "preset": "vq", "codes": 32, "guidance": 2.0, "norm": "pixel"}
    model.fit(classed(64), context(folder, options=options, max_steps=30))
    return model, folder


def lines(folder, loop):
    text = (folder / loop / "log.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


# --- training -------------------------------------------------------------------------------------


def test_golden_losses(trained):
    """Few steps with a fixed seed; a change here changes every model trained from now on."""
    _, folder = trained
    tokenizer = next(line for line in lines(folder, "tokenizer") if "loss" in line)
    transformer = next(line for line in lines(folder, "prior") if "diversity" not in line)
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
    calm = {"max_steps": 300, "on_collapse": "warn"}  # a look at 8 samples says little
    model.fit(source, context(tmp_path, options=options, **calm))
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


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Weights of a run that nobody killed."""
    model = AutoregressiveGenerator()
    model.fit(classed(64), resumable(tmp_path_factory.mktemp("undisturbed")))
    return model._model.state_dict()


def resumable(folder, **changes):
    options = {**OPTIONS, "quantiser": "vq", "codes": 32, "tokenizer_share": 0.5}
    return context(folder, options=options, **changes)


@pytest.mark.parametrize("loop", ["tokenizer", "prior"])
def test_a_killed_and_resumed_run_equals_an_undisturbed_one(
    tmp_path, monkeypatch, undisturbed, loop
):
    eager = functools.partial(TrainingLoop, checkpoint_every_s=0.0, log_every_s=0.0)
    for module in ("tokenizers", "autoregressive"):
        monkeypatch.setattr(f"provenance_generators.{module}.train.TrainingLoop", eager)

    def kill(fraction, message):
        if f"{loop} step 3 " in message:
            raise KilledError

    with pytest.raises(KilledError):
        AutoregressiveGenerator().fit(classed(64), resumable(tmp_path, progress=kill))
    model = AutoregressiveGenerator()
    model.fit(classed(64), resumable(tmp_path, resume=True))
    for name, value in model._model.state_dict().items():
        assert torch.equal(value, undisturbed[name]), name
    steps = [line["step"] for line in lines(tmp_path, loop)]
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
    "wrong",
    [
        {"label": "cat"},
        {"truncation": 0.0},
        {"truncation": math.nan},
        {"temperature": -1},
        {"top_k": 0},
        {"top_k": True},
        {"top_k": 1.5},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"top_p": math.nan},
    ],
)
def test_bad_arguments_are_the_users_to_mend(trained, wrong):
    with pytest.raises(UserError):
        trained[0].sample(1, seed=0, **wrong)


@pytest.mark.parametrize("fraction", [-0.1, 1.1, math.nan])
def test_bad_fractions_are_refused(trained, fraction):
    with pytest.raises(UserError, match="fraction"):
        trained[0].resample(stacked(1), fraction, seed=0)


def test_truncation_is_top_p_and_controls_change_what_is_drawn(trained):
    model, _ = trained
    plain = model.sample(4, seed=0)
    truncated = model.sample(4, seed=0, truncation=0.3)
    assert (truncated != plain).any()
    np.testing.assert_array_equal(truncated, model.sample(4, seed=0, top_p=0.3))
    np.testing.assert_array_equal(plain, model.sample(4, seed=0, top_k=48, top_p=1.0))
    likeliest = model.sample(2, seed=0, top_k=1)
    np.testing.assert_array_equal(likeliest, model.sample(2, seed=0, temperature=0.0))


def test_a_mask_says_where_content_is_drawn_anew(conditional):
    model, _ = conditional  # its norm sees one pixel only: others let far ones change a little
    images, mask = stacked(4), np.zeros((4, 32, 32), bool)
    mask[:, 28:, 4:12] = True
    real, drawn = model.reconstruct(images), model.resample(images, 1.0, seed=1, mask=mask)
    changed = (real != drawn).any(3)
    assert changed[:, 28:, 4:12].any()
    assert not changed[:, :4].any()  # beyond what the decoder sees of the tokens drawn anew
    np.testing.assert_array_equal(real, model.resample(images, 0.0, seed=1, mask=mask))
    np.testing.assert_array_equal(real, model.resample(images, 1.0, seed=1, mask=mask & ~mask))
    one = model.resample(images[2:3], 1.0, seed=3, mask=mask[2:3])
    np.testing.assert_array_equal(drawn[2], one[0])


# --- classes --------------------------------------------------------------------------------------


def test_classes_are_found_and_drawn_as_often_as_they_were(conditional):
    model, _ = conditional
    assert model.classes == CLASSES
    assert model._model.class_shares.tolist() == [0.5, 0.25, 0.25]


def test_labels_decide(conditional):
    model, _ = conditional
    cats = model.sample(6, seed=0, label="cat")
    np.testing.assert_array_equal(cats[1], model.sample(1, seed=1, label="cat")[0])
    mixed = model.sample(6, seed=0, label=["cat", "dog", "bird"] * 2)
    np.testing.assert_array_equal(mixed[0], cats[0])
    assert (mixed[1] != cats[1]).any()
    with pytest.raises(UserError, match="knows no class 'cta'"):
        model.sample(1, seed=0, label="cta")


def test_token_usage_is_kept_with_the_weights(conditional, tmp_path):
    model, folder = conditional
    usage = model.token_usage()
    assert (usage.shape, usage.dtype) == ((32,), np.float32)
    assert usage.sum() == pytest.approx(1)
    model.save(tmp_path)
    config = load_weights(tmp_path)[1]
    assert config["codes_used"] == pytest.approx((usage > 0).mean())
    assert lines(folder, "prior")[-1]["codes_used"] == pytest.approx(config["codes_used"])
    assert 1 <= config["code_perplexity"] <= 32
    other = AutoregressiveGenerator()
    other.load(tmp_path, "cpu")
    np.testing.assert_array_equal(usage, other.token_usage())
    np.testing.assert_array_equal(model.sample(3, seed=2), other.sample(3, seed=2))


def test_collapse_is_watched(conditional):
    _, folder = conditional
    looks = [line for line in lines(folder, "prior") if "collapse" in line]
    assert len(looks) == 7
    assert {"diversity", "recall", "gentleness"} <= set(looks[0])


def test_larger_images_have_coarser_tokens(tmp_path):
    model = AutoregressiveGenerator()
    options = {**OPTIONS, "layers": 1, "most_tokens": 64}
    model.fit(classed(64, 64), context(tmp_path, max_steps=2, options=options))
    assert model._model.prior.length == 64
    assert model.sample(1, seed=0, label="dog").shape == (1, 64, 64, 3)


def test_images_of_another_size_are_refused(trained):
    with pytest.raises(UserError, match="32 x 32"):
        trained[0].reconstruct(np.zeros((1, 64, 64, 3), np.uint8))


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
        ({"tokenizer_share": 1.0}, "below 1"),
        ({"guidance": 0.5}, "at least 1"),
        ({"preset": "huge"}, "no preset 'huge'"),
        ({"norm": "layer"}, "one of"),
    ],
)
def test_fit_refuses_settings_that_make_no_network(tmp_path, options, words):
    with pytest.raises(UserError, match=words):
        AutoregressiveGenerator().fit(scenes(4), context(tmp_path, options=options))


def test_the_spec_names_what_can_be_built():
    assert set(SPEC.variants["upsampling"]) == set(UPSAMPLING)
    assert set(SPEC.variants["norm"]) == set(NORMS)
    for preset in SPEC.presets:
        for size_px in SPEC.sizes_px:
            settings = Settings.build(size_px, CLASSES, {"preset": preset})
            assert Settings.from_json(json.loads(json.dumps(settings.to_json()))) == settings
