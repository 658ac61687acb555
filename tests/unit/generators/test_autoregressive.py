"""Tokens, the transformer over them, cached sampling, and what the family does with bad input."""

import functools
import itertools
import json
import math

import numpy as np
import pytest
import torch

from provenance import ArtefactError, FitContext, Media, MediaKind, UserError
from provenance.training import TrainingLoop, load_weights, save_weights
from provenance_generators.autoregressive import SPEC
from provenance_generators.autoregressive.generator import AutoregressiveGenerator
from provenance_generators.autoregressive.model import (
    FiniteScalarQuantiser,
    Prior,
    Tokenizer,
    draw,
)
from provenance_generators.autoregressive.train import distance, usage

OPTIONS = {
    "levels": (4, 4, 3),
    "width": 8,
    "embedding": 16,
    "layers": 2,
    "heads": 2,
    "batch": 8,
}
GOLDEN = {"mse": 0.13425, "token_nats": 3.75902}


def scenes(count, size_px=32, groups=4):
    """Smooth coloured pictures, equal on every run."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[0:size_px, 0:size_px] / size_px
    items = []
    for i in range(count):
        tint, slope = rng.uniform(60, 190, 3), rng.uniform(-60, 60, (2, 3))
        pixels = tint + x[..., None] * slope[0] + y[..., None] * slope[1]
        pixels = pixels.clip(0, 255).astype(np.uint8)
        items.append(Media(f"scene/{i}", MediaKind.IMAGE, pixels, f"group{i % groups}"))
    return items


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


def prior(grid=4, codes=12):
    torch.manual_seed(0)
    made = Prior(codes=codes, grid=grid, embedding=16, layers=2, heads=2, dropout=0.1).eval()
    for weight in made.parameters():  # far from the initial near-uniform distribution
        weight.data += 0.3 * torch.randn_like(weight)
    return made


# --- quantiser ------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [(8, 8, 8), (6, 6, 6), (8, 5, 3), (3, 7)])
def test_every_code_is_reached_and_survives_the_round_trip(levels):
    quantiser = FiniteScalarQuantiser(levels)
    codes = torch.arange(math.prod(levels))[:, None]  # N images of one token
    values = quantiser.values(codes)
    assert torch.equal(quantiser.tokens(values), codes)
    assert values.abs().max() <= 1
    ramp = torch.linspace(-9, 9, 2001)
    for digit, count in enumerate(levels):
        z = torch.zeros(2001, len(levels), 1, 1)
        z[:, digit, 0, 0] = ramp
        assert len(quantiser(z)[:, digit].unique()) == count


def test_zero_lies_within_a_level_and_gradients_pass_the_rounding():
    quantiser = FiniteScalarQuantiser((8, 5))
    z = torch.zeros(1, 2, 3, 3, requires_grad=True)
    quantised = quantiser(z)
    quantised.sum().backward()
    assert torch.equal(quantised, quantiser(z + 1e-3))  # not on the edge between two levels
    assert (z.grad > 0.1).all()


def test_tokens_are_in_raster_order():
    quantiser = FiniteScalarQuantiser((4, 4))
    tokens = torch.arange(4)[None]
    assert torch.equal(quantiser.tokens(quantiser.values(tokens)), tokens)
    values = quantiser.values(tokens)
    assert not torch.equal(values[0, :, 0, 1], values[0, :, 1, 0])


@pytest.mark.parametrize("size_px", SPEC.sizes_px)
def test_tokenizer_shapes(size_px):
    tokenizer = Tokenizer(width=8, levels=(4, 4))
    images = torch.zeros(2, 3, size_px, size_px)
    made, tokens = tokenizer(images)
    assert made.shape == images.shape
    assert tokens.shape == (2, (size_px // 4) ** 2)
    torch.testing.assert_close(tokenizer.decode(tokens), made)
    assert torch.equal(tokenizer.encode(images), tokens)


# --- transformer ----------------------------------------------------------------------------------


def test_cached_logits_equal_uncached_ones():
    made = prior()
    tokens = torch.randint(12, (3, 16), generator=torch.Generator().manual_seed(1))
    caches, last = made.caches(3), torch.full((3,), made.start)
    step_by_step = []
    with torch.no_grad():
        for t in range(16):
            step_by_step.append(made.next_logits(last, made._places()[t], caches))
            last = tokens[:, t]
        at_once = made(tokens)
    torch.testing.assert_close(torch.stack(step_by_step, 1), at_once, atol=1e-5, rtol=1e-5)
    assert at_once.std() > 0.1


def test_cached_samples_equal_samples_computed_anew_each_time():
    made, rng = prior(), torch.Generator().manual_seed(2)
    uniform = torch.rand(5, 16, generator=rng)
    slow = torch.zeros(5, 16, dtype=torch.long)
    with torch.no_grad():
        for t in range(16):
            slow[:, t] = draw(made(slow)[:, t], uniform[:, t], temperature=0.9, top_p=0.95)
        everything = torch.ones_like(slow, dtype=torch.bool)
        fast = made.complete(slow * 0, everything, uniform, temperature=0.9, top_p=0.95)
    assert torch.equal(fast, slow)


def test_no_token_sees_itself_or_what_follows():
    made = prior()
    tokens = torch.zeros(1, 16, dtype=torch.long)
    changed = tokens.clone()
    changed[0, 6:] = 5
    with torch.no_grad():
        before, after = made(tokens), made(changed)
    torch.testing.assert_close(before[:, :7], after[:, :7])
    assert not torch.allclose(before[:, 7:], after[:, 7:])


def test_completion_keeps_what_is_not_chosen_and_conditions_on_it():
    made, rng = prior(), torch.Generator().manual_seed(3)
    tokens = torch.randint(12, (4, 16), generator=rng)
    uniform, chosen = torch.rand(4, 16, generator=rng), torch.zeros(4, 16, dtype=torch.bool)
    chosen[:, 9] = True
    with torch.no_grad():
        result = made.complete(tokens, chosen, uniform)
        expected = draw(made(tokens)[:, 9], uniform[:, 9], temperature=1.0, top_p=1.0)
    assert torch.equal(result[~chosen], tokens[~chosen])
    assert torch.equal(result[:, 9], expected)


def test_draws_follow_the_distribution():
    logits = torch.tensor([0.5, 0.3, 0.2, 0.0]).log().expand(20000, 4)
    uniform = torch.rand(20000, generator=torch.Generator().manual_seed(4))
    shares = torch.bincount(draw(logits, uniform, temperature=1.0, top_p=1.0), minlength=4) / 20000
    torch.testing.assert_close(shares, torch.tensor([0.5, 0.3, 0.2, 0.0]), atol=0.015, rtol=0)
    cut = torch.bincount(draw(logits, uniform, temperature=1.0, top_p=0.6), minlength=4) / 20000
    torch.testing.assert_close(cut, torch.tensor([0.625, 0.375, 0, 0]), atol=0.015, rtol=0)
    hot = torch.bincount(draw(logits, uniform, temperature=2.0, top_p=1.0), minlength=4) / 20000
    root = torch.tensor([0.5, 0.3, 0.2, 0.0]).sqrt()
    torch.testing.assert_close(hot, root / root.sum(), atol=0.015, rtol=0)


def test_the_ends_of_the_unit_interval_never_draw_an_impossible_code():
    logits = torch.tensor([[-math.inf, 0.0, 0.0, -math.inf]])
    for value in (0.0, 1 - 2**-24):
        assert draw(logits, torch.tensor([value]), temperature=1.0, top_p=1.0) in (1, 2)
    assert draw(torch.tensor([[0.0, 2.0]]), torch.tensor([0.0]), temperature=0.0, top_p=1.0) == 1


def test_usage_of_codes():
    found = usage(torch.tensor([[0, 1, 2, 3]]), 8)
    assert found["codes_used"] == pytest.approx(0.5)
    assert found["code_perplexity"] == pytest.approx(4.0)


def test_distance_sees_collapse():
    assert distance(stacked(1).repeat(8, 0)) == 0
    assert distance(stacked(8)) > 5


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
