"""The VAE: its loss, its steps to the digit, its artefact, and what it does with bad input."""

import functools
import json
import math

import numpy as np
import pytest
import torch
from scenes import scenes

from provenance import ArtefactError, FitContext, Media, MediaKind, UserError
from provenance.training import TrainingLoop, load_weights, opponent_colours, save_weights
from provenance_generators.upsampling import NORMS, UPSAMPLING
from provenance_generators.vae import SPEC
from provenance_generators.vae.generator import VAEGenerator
from provenance_generators.vae.loss import VARIANCES, PerceptualDistance, evidence_bound
from provenance_generators.vae.model import VAE
from provenance_generators.vae.settings import Settings

OPTIONS = {"width": 8, "latents": 4, "batch": 8}
GOLDEN = {"loss": 0.41139, "kl_nats": 1.4767, "mse": 0.13389}


def context(folder, **changes):
    return FitContext(
        **{"workdir": folder, "seed": 3, "max_steps": 3, "options": OPTIONS, **changes}
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vae")
    model = VAEGenerator()
    seldom = functools.partial(TrainingLoop, log_every_s=1e9)  # one line, however slow the machine
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("provenance_generators.vae.train.TrainingLoop", seldom)
        model.fit(scenes(48), context(folder))
    return model, folder


def last_line(folder):
    return json.loads((folder / "train" / "log.jsonl").read_text().splitlines()[-1])


def lines(folder):
    text = (folder / "train" / "log.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def losses(folder):
    """Return the lines about steps; others tell of looks at samples."""
    return [line for line in lines(folder) if "loss" in line]


# --- the loss -------------------------------------------------------------------------------------


def test_bound_agrees_with_torch_distributions():
    rng = torch.Generator().manual_seed(0)
    images, made = (torch.rand(4, 3, 8, 8, generator=rng) * 2 - 1 for _ in range(2))
    mean, log_variance = (torch.randn(4, 6, generator=rng) for _ in range(2))
    _, nats, error, divergence = evidence_bound(made, images, mean, log_variance)
    ratios = torch.tensor(VARIANCES)[:, None, None]
    turned, aim = opponent_colours(made), opponent_colours(images)
    scale = (((turned - aim) ** 2 / ratios).mean() * ratios).sqrt()
    likelihood = torch.distributions.Normal(turned, scale).log_prob(aim).mean()
    posterior = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    kl = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0))
    assert error == pytest.approx(float(((made - images) ** 2).mean()), rel=1e-5)
    assert divergence == pytest.approx(float(kl.sum(1).mean()), rel=1e-5)
    assert nats == pytest.approx(float(-likelihood + divergence / 192), abs=1e-4)


def test_no_other_scale_of_the_variances_is_likelier():
    rng = torch.Generator().manual_seed(0)
    images, zeros = torch.zeros(2, 3, 4, 4), torch.zeros(2, 5)
    made = 0.3 * torch.randn(2, 3, 4, 4, generator=rng)
    _, nats, _, divergence = evidence_bound(made, images, zeros, zeros)
    turned = opponent_colours(made)
    spreads = torch.tensor(VARIANCES).sqrt()[:, None, None]
    nats_at = [
        -torch.distributions.Normal(0.0, s * spreads).log_prob(turned).mean()
        for s in torch.linspace(0.1, 1.5, 200)
    ]
    assert divergence == 0
    assert nats <= min(nats_at) + 1e-5
    assert nats == pytest.approx(float(min(nats_at)), abs=1e-3)


def test_beta_weighs_the_divergence_and_free_bits_cost_nothing():
    rng = torch.Generator().manual_seed(0)
    images, made = (torch.rand(4, 3, 8, 8, generator=rng) * 2 - 1 for _ in range(2))
    mean = torch.randn(4, 6, generator=rng) * torch.tensor([0.01, 0.01, 1, 1, 2, 2])
    zeros = torch.zeros(4, 6)
    plain = evidence_bound(made, images, mean, zeros)
    assert plain.objective == plain.nats
    double = evidence_bound(made, images, mean, zeros, beta=2.0)
    assert double.nats == plain.nats
    extra = float(double.objective - plain.objective)
    assert extra == pytest.approx(float(plain.divergence) / 192, rel=1e-3)
    free = evidence_bound(made, images, mean.requires_grad_(), zeros, free_bits=0.1)
    free.objective.backward()
    assert mean.grad[:, :2].abs().max() == 0  # nearly unused units are not pressed down further
    assert mean.grad[:, 4:].abs().min() > 0


def test_perceptual_distance_sees_texture_that_squared_error_does_not():
    rng = torch.Generator().manual_seed(0)
    images = 0.3 + 0.05 * torch.randn(4, 3, 16, 16, generator=rng)
    blurred = torch.nn.functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    error = (blurred - images).square().mean().sqrt()
    lighter = images + error  # as far away, but of the same texture
    distance = PerceptualDistance()
    assert distance(images, images) == 0
    assert distance(blurred, images) > 2 * distance(lighter, images)
    assert torch.equal(distance(blurred, images), PerceptualDistance()(blurred, images))


@pytest.mark.parametrize("size_px", SPEC.sizes_px)
def test_network_shapes(size_px):
    network = VAE(size_px=size_px, width=8, latents=4)
    images = torch.zeros(2, 3, size_px, size_px)
    made, mean, log_variance = network(images, torch.zeros(2, network.units))
    assert network.units == 4 * (size_px // 8) ** 2
    assert made.shape == images.shape
    assert mean.shape == log_variance.shape == (2, network.units)


@pytest.mark.parametrize("upsampling", UPSAMPLING)
@pytest.mark.parametrize("norm", SPEC.variants["norm"])
def test_every_variant_makes_a_network(upsampling, norm):
    network = VAE(size_px=32, width=8, latents=2, upsampling=upsampling, norm=norm)
    assert network.decode(torch.zeros(1, network.units)).shape == (1, 3, 32, 32)


def test_variants_are_the_shared_ones():
    assert SPEC.variants["upsampling"] == UPSAMPLING
    assert set(SPEC.variants["norm"]) < set(NORMS)


@pytest.mark.parametrize("preset", SPEC.presets)
def test_every_preset_makes_a_network(preset):
    settings = Settings.build(32, {"preset": preset})
    network = settings.network()
    assert network.embed(torch.zeros(1, 3, 32, 32)).shape == (1, network.units)
    assert Settings.from_json(settings.to_json()) == settings


# --- training -------------------------------------------------------------------------------------


def test_golden_losses(trained):
    """Three steps with a fixed seed; a change here changes every model trained from now on."""
    _, folder = trained
    first, last = losses(folder)[0], last_line(folder)
    assert first["loss"] == pytest.approx(GOLDEN["loss"], rel=2e-3)
    assert first["kl_nats"] == pytest.approx(GOLDEN["kl_nats"], rel=2e-2)
    assert first["bits_per_dim"] == pytest.approx(
        (first["loss"] + math.log(127.5)) / math.log(2), rel=1e-5
    )
    assert last["mse"] == pytest.approx(GOLDEN["mse"], rel=2e-3)


def test_last_log_line_describes_the_model(trained):
    last = last_line(trained[1])
    assert last["step"] == 3
    assert 0 <= last["active_units"] <= last["units"] == 4 * 16
    assert last["kl_nats"] > 0
    assert last["components"] == 1
    looks = [line for line in lines(trained[1]) if "collapse" in line]
    assert looks[-1]["collapse"] == "none"
    assert all(0 <= look["active_units"] <= 64 for look in looks)
    assert "held_out_mse" not in last  # a quarter of the items is more than may be held out


def test_training_learns_the_scenes(tmp_path):
    source = scenes(64)
    model = VAEGenerator()
    # scenes are so alike that the watch takes those of a young network for copies
    model.fit(source, context(tmp_path, max_steps=200, on_collapse="warn"))
    images = np.stack([item.data for item in source])
    made = model.reconstruct(images)
    error = ((made.astype(float) - images) ** 2).mean()
    shuffled = ((made.astype(float) - np.roll(images, 1, 0)) ** 2).mean()
    assert error < 0.35 * shuffled  # each follows its own scene, not the average of all
    look = [line for line in lines(tmp_path) if "diversity" in line][-1]
    assert look["diversity"] > 0.2


def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(tmp_path, monkeypatch):
    eager = functools.partial(TrainingLoop, checkpoint_every_s=0.0, log_every_s=0.0)
    monkeypatch.setattr("provenance_generators.vae.train.TrainingLoop", eager)
    source = scenes(16)
    whole, halved = VAEGenerator(), VAEGenerator()
    whole.fit(source, context(tmp_path / "whole", max_steps=4))
    with pytest.raises(KilledError):
        VAEGenerator().fit(source, context(tmp_path / "halved", max_steps=4, progress=kill_at_3))
    halved.fit(source, context(tmp_path / "halved", max_steps=4, resume=True))
    np.testing.assert_array_equal(whole.sample(4, seed=1), halved.sample(4, seed=1))


class KilledError(Exception):
    pass


def kill_at_3(fraction, message):
    if "step 3 " in message:
        raise KilledError


def test_contact_sheets_are_drawn_on_the_way_and_at_the_end(tmp_path):
    from provenance.media import decode_image

    VAEGenerator().fit(scenes(24), context(tmp_path, max_steps=5))
    sheets = sorted((tmp_path / "samples").glob("step_*.png"))
    assert sheets[-1].name == "step_000005.png"
    assert len(sheets) > 1
    assert decode_image(sheets[-1].read_bytes()).shape[0] > 3 * 64


def test_training_leaves_its_source_alone(tmp_path):
    source = scenes(12)
    before = [item.data.copy() for item in source]
    VAEGenerator().fit(source, context(tmp_path, max_steps=1))
    assert all((a == item.data).all() for a, item in zip(before, source, strict=True))


def test_adversarial_term_can_be_left_out(tmp_path):
    options = {**OPTIONS, "adversarial": 0}
    VAEGenerator().fit(scenes(12), context(tmp_path, max_steps=2, options=options))
    assert "critic_loss" not in losses(tmp_path)[0]


def test_perceptual_term_is_taken_up(tmp_path):
    options = {**OPTIONS, "perceptual": 0.1}
    VAEGenerator().fit(scenes(12), context(tmp_path, max_steps=2, options=options))
    assert losses(tmp_path)[0]["perceptual"] > 0


def test_few_photographs_are_learned_with_exchanged_colours(tmp_path):
    """Two runs that differ in nothing else end otherwise where the default is not the same."""
    ends = {}
    for colours in ("auto", "exchanged", "kept"):
        folder = tmp_path / colours
        VAEGenerator().fit(
            scenes(12), context(folder, max_steps=1, options={**OPTIONS, "colours": colours})
        )
        ends[colours] = last_line(folder)["mse"]
    assert ends["auto"] == ends["exchanged"] != ends["kept"]


# --- sampling -------------------------------------------------------------------------------------


def test_items_depend_on_their_own_seed_alone(trained):
    model, _ = trained
    many = model.sample(35, seed=10)
    np.testing.assert_array_equal(many[3], model.sample(1, seed=13)[0])
    np.testing.assert_array_equal(many[33], model.sample(2, seed=42)[1])
    assert not (many[0] == many[1]).all()


def test_global_random_state_is_left_alone(trained, tmp_path):
    model, _ = trained
    model.save(tmp_path)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    VAEGenerator().load(tmp_path, "cpu")
    model.sample(2, seed=1)
    model.reconstruct(np.zeros((1, 32, 32, 3), np.uint8))
    assert torch.equal(torch.rand(3), expected)


def test_interpolation_ends_at_the_samples(trained):
    model, _ = trained
    steps = model.interpolate(4, 9, 5)
    assert steps.shape == (5, 32, 32, 3)
    np.testing.assert_array_equal(steps[0], model.sample(1, seed=4)[0])
    np.testing.assert_array_equal(steps[-1], model.sample(1, seed=9)[0])
    with pytest.raises(UserError, match="at least 2"):
        model.interpolate(4, 9, 1)


def test_truncation_zero_is_one_image_and_nothing_asked_is_nothing(trained):
    model, _ = trained
    typical = model.sample(3, seed=0, truncation=0.0)
    assert (typical[0] == typical[1]).all()
    assert model.sample(0, seed=0).shape == (0, 32, 32, 3)
    assert model.reconstruct([]).shape == (0, 32, 32, 3)


@pytest.mark.parametrize(
    "wrong", [{"label": "cat"}, {"truncation": 1.5}, {"truncation": math.nan}, {"temperature": -1}]
)
def test_bad_arguments_are_the_users_to_mend(trained, wrong):
    with pytest.raises(UserError):
        trained[0].sample(1, seed=0, **wrong)


def test_save_and_load_give_the_same_pixels(trained, tmp_path):
    model, _ = trained
    model.save(tmp_path)
    other = VAEGenerator()
    other.load(tmp_path, "cpu")
    images = np.stack([item.data for item in scenes(5)])
    np.testing.assert_array_equal(model.sample(3, seed=2), other.sample(3, seed=2))
    np.testing.assert_array_equal(model.reconstruct(images), other.reconstruct(images))


def break_missing(arrays, config):
    arrays.pop(sorted(arrays)[0])


def break_extra(arrays, config):
    arrays["network.surplus"] = np.zeros(3, np.float32)


def break_shape(arrays, config):
    arrays["density.mean"] = arrays["density.mean"][:, :-1]


def break_owner(arrays, config):
    arrays["density.owner"] += 1


def break_rank(arrays, config):
    config["fitted_rank"] = 10**9


def break_family(arrays, config):
    config["family"] = "gan"


def break_config(arrays, config):
    del config["latents"]


def break_type(arrays, config):
    config["width"] = "wide"


@pytest.mark.parametrize(
    "damage",
    [
        break_missing,
        break_extra,
        break_shape,
        break_owner,
        break_rank,
        break_family,
        break_config,
        break_type,
    ],
)
def test_load_is_strict(trained, tmp_path, damage):
    trained[0].save(tmp_path)
    arrays, config = load_weights(tmp_path)
    damage(arrays, config)
    save_weights(tmp_path, arrays, config)
    with pytest.raises(ArtefactError):
        VAEGenerator().load(tmp_path, "cpu")


# --- input ----------------------------------------------------------------------------------------


def test_untrained_says_so(tmp_path):
    model = VAEGenerator()
    with pytest.raises(UserError, match="learned nothing"):
        model.sample(1, seed=0)
    with pytest.raises(UserError, match="learned nothing"):
        model.save(tmp_path)


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        (scenes(1), {}, "at least 2"),
        (scenes(4, size_px=40), {}, "32 x 32 or 64 x 64 or 128 x 128"),
        (scenes(2) + scenes(2, size_px=64), {}, "must all be"),
        ([Media(str(i), MediaKind.TEXT, "words", "a") for i in range(3)], {}, "images only"),
        (scenes(4), {"widht": 8}, "no setting 'widht'"),
        (scenes(4), {"width": 12}, "multiple of 8"),
        (scenes(4), {"width": "wide"}, "'width' is 'wide'"),
        (scenes(4), {"preset": "huge"}, "no preset 'huge'. Known: small"),
        (scenes(4), {"upsampling": "sinc"}, "'upsampling' is one of nearest"),
        (scenes(4), {"density": "kernel"}, "density is one of none"),
        (scenes(4), {"beta": -1}, "at least 0"),
        (scenes(4), {"beta": math.nan}, "at least 0"),
        (scenes(4), {"learning_rate": 0}, "above 0"),
        (scenes(4), {"rank": 0}, "rank lies within"),
        (scenes(4), {"preset": "fsq", "levels": (2, 2)}, "levels must"),
    ],
)
def test_fit_refuses_what_it_cannot_learn(tmp_path, source, options, words):
    with pytest.raises(UserError, match=words):
        VAEGenerator().fit(source, context(tmp_path, options=options))
