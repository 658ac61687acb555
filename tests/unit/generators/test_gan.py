"""The GAN: its loss, its networks, its steps to the digit, and what it does with bad input."""

import functools
import json
import subprocess
import sys
from textwrap import dedent

import numpy as np
import pytest
import torch
from scenes import scenes

from provenance import ArtefactError, FitContext, Media, MediaKind, UserError
from provenance.media import decode_image
from provenance.training import TrainingLoop, load_weights, save_weights
from provenance_generators.gan import SPEC
from provenance_generators.gan.generator import GANGenerator
from provenance_generators.gan.loss import critic_loss, generator_loss, score_with_penalty
from provenance_generators.gan.model import LATENT_SIZE, Critic, Generator, SkipExcitation
from provenance_generators.gan.monitors import monitors

OPTIONS = {"width": 2, "critic_width": 4, "batch": 8}
GOLDEN = {
    "critic_loss": [0.66673, 0.66451, 0.69219],
    "generator_loss": [0.75798, 0.76029, 0.71294],
    "penalty": [0.0027064, 0.0029124, 0.0018603],
}


def context(folder, **changes):
    return FitContext(
        **{"workdir": folder, "seed": 3, "max_steps": 3, "options": OPTIONS, **changes}
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gan")
    model = GANGenerator()
    model.fit(scenes(32), context(folder))
    return model, folder


@pytest.fixture
def eager(monkeypatch):
    """Log and save at every step, however fast the machine."""
    loop = functools.partial(TrainingLoop, checkpoint_every_s=0.0, log_every_s=0.0)
    monkeypatch.setattr("provenance_generators.gan.train.TrainingLoop", loop)


def lines(folder):
    text = (folder / "train" / "log.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


# --- loss -----------------------------------------------------------------------------------------


def test_losses_are_those_of_the_paper():
    real, fake = torch.tensor([[2.0], [-1.0]]), torch.tensor([[0.5], [3.0]])
    expected = torch.tensor([1.5, -4.0])  # real minus fake, in pairs
    assert critic_loss(real, fake).item() == pytest.approx(
        -torch.log(torch.sigmoid(expected)).mean().item()
    )
    assert generator_loss(real, fake).item() == pytest.approx(
        -torch.log(torch.sigmoid(-expected)).mean().item()
    )


def test_losses_compare_scores_and_ignore_their_level():
    real, fake = torch.randn(5, 1), torch.randn(5, 1)
    for loss in (critic_loss, generator_loss):
        torch.testing.assert_close(loss(real, fake), loss(real + 7, fake + 7))


def test_slope_is_the_squared_gradient_of_each_image():
    weight = torch.randn(3 * 4 * 4)
    critic = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 1))
    with torch.no_grad():
        critic[1].weight.copy_(weight[None])
    scores, slopes = score_with_penalty(critic, torch.randn(2, 3, 4, 4))
    assert scores.shape == (2, 1)
    torch.testing.assert_close(slopes, weight.square().sum().expand(2))


def test_penalty_reaches_the_weights_and_flattens_the_critic():
    torch.manual_seed(0)
    critic, images = Critic(32, width=4), torch.randn(4, 3, 32, 32)
    optimizer = torch.optim.SGD(critic.parameters(), lr=0.01)
    before = score_with_penalty(critic, images)[1].mean().item()
    for _ in range(20):
        optimizer.zero_grad()
        score_with_penalty(critic, images)[1].mean().backward()
        optimizer.step()
    assert score_with_penalty(critic, images)[1].mean().item() < 0.9 * before


def test_penalty_is_computed_in_float32_under_autocast():
    critic = Critic(32, width=4)
    images = torch.randn(2, 3, 32, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert critic(images).dtype == torch.bfloat16
        scores, slopes = score_with_penalty(critic, images)
    assert scores.dtype == slopes.dtype == torch.float32


# --- networks and monitors ------------------------------------------------------------------------


@pytest.mark.parametrize("size_px", SPEC.sizes_px)
def test_network_shapes(size_px):
    images = Generator(size_px, width=2)(torch.randn(3, LATENT_SIZE))
    assert images.shape == (3, 3, size_px, size_px)
    assert images.abs().max() <= 1
    assert Critic(size_px, width=4)(images).shape == (3, 1)


def test_every_weight_of_the_generator_is_used():
    generator = Generator(64, width=2)
    generator(torch.randn(4, LATENT_SIZE)).square().sum().backward()
    unused = [name for name, p in generator.named_parameters() if p.grad is None]
    assert unused == []


def test_excitation_scales_channels_and_nothing_else():
    fine, coarse = torch.randn(2, 4, 16, 16), torch.randn(2, 6, 4, 4)
    share = SkipExcitation(6, 4)(fine, coarse) / fine
    torch.testing.assert_close(share, share[..., :1, :1].expand_as(share))
    assert share.min() > 0
    assert share.max() < 1


def test_critic_scores_each_image_on_its_own():
    critic, images = Critic(32, width=4), torch.randn(4, 3, 32, 32)
    torch.testing.assert_close(critic(images)[1:2], critic(images[1:2]))


def test_monitors_see_collapse_blur_and_likeness():
    rng = torch.Generator().manual_seed(0)
    reals = torch.rand(64, 3, 32, 32, generator=rng) * 2 - 1
    assert monitors(reals, reals) == {"diversity": 1.0, "detail": 1.0}
    one = reals[:1].expand(64, -1, -1, -1)
    assert monitors(one, reals)["diversity"] == pytest.approx(0, abs=1e-3)
    blurred = torch.nn.functional.avg_pool2d(reals, 5, stride=1, padding=2)
    assert monitors(blurred, reals)["detail"] < 0.5


# --- training -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("eager")
def test_golden_losses(tmp_path):
    """Three steps with a fixed seed; a change here changes every model trained from now on."""
    GANGenerator().fit(scenes(32), context(tmp_path))
    steps = [line for line in lines(tmp_path) if "critic_loss" in line]
    assert [line["step"] for line in steps] == [1, 2, 3]
    for name, values in GOLDEN.items():
        assert [line[name] for line in steps] == pytest.approx(values, rel=1e-2), name


def test_log_and_sheets_describe_the_run(trained):
    _, folder = trained
    last = lines(folder)[-1]
    assert last["step"] == 3
    assert last["diversity"] > 0
    assert last["detail"] > 0
    sheets = sorted((folder / "samples").iterdir())
    assert sheets[-1].name == "step_000003.png"
    assert decode_image(sheets[-1].read_bytes()).shape[2] == 3


def test_training_learns_the_colours_of_its_source(tmp_path):
    """Of dark red pictures only, so that a network that learns nothing cannot pass."""
    rng = np.random.default_rng(0)
    source = [
        Media(str(i), MediaKind.IMAGE, rng.normal((150, 30, 40), 12, (32, 32, 3)).astype("u1"), "g")
        for i in range(32)
    ]
    model = GANGenerator()
    options = {**OPTIONS, "width": 4, "critic_width": 8, "learning_rate": 2e-3}
    model.fit(source, context(tmp_path, max_steps=120, options=options))
    made = model.sample(32, seed=0).mean((0, 1, 2))
    assert np.abs(made - (150, 30, 40)).max() < 40


@pytest.mark.usefixtures("eager")
def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(tmp_path):
    source, whole, halved = scenes(16), GANGenerator(), GANGenerator()
    whole.fit(source, context(tmp_path / "whole", max_steps=4))
    with pytest.raises(KilledError):
        GANGenerator().fit(source, context(tmp_path / "cut", max_steps=4, progress=kill_at_3))
    assert (tmp_path / "cut" / "train" / "checkpoint.pt").exists()
    halved.fit(source, context(tmp_path / "cut", max_steps=4, resume=True))
    np.testing.assert_array_equal(whole.sample(4, seed=1), halved.sample(4, seed=1))


class KilledError(Exception):
    """Stands in for a kill."""


def kill_at_3(fraction, message):
    if "step 3" in message:
        raise KilledError


def test_budget_in_seconds_is_kept(tmp_path):
    model = GANGenerator()
    model.fit(scenes(16), context(tmp_path, max_steps=None, budget_s=1.0))
    last = lines(tmp_path)[-1]
    assert last["step"] >= 1
    assert 1.0 <= last["elapsed_s"] < 10.0


def test_two_processes_train_one_model(tmp_path):
    """Under torchrun both processes see different images and end with equal generators."""
    script = tmp_path / "fit.py"
    script.write_text(
        dedent("""
        import sys
        from pathlib import Path

        import numpy as np
        from torch import distributed

        from provenance import FitContext, Media, MediaKind
        from provenance_generators.gan.generator import GANGenerator

        rng = np.random.default_rng(0)
        pixels = rng.integers(0, 256, (8, 32, 32, 3), np.uint8)
        source = [Media(str(i), MediaKind.IMAGE, p, "g") for i, p in enumerate(pixels)]
        options = {"width": 2, "critic_width": 4, "batch": 4}
        model = GANGenerator()
        model.fit(source, FitContext(Path(sys.argv[1]), max_steps=2, options=options))
        mine = model.sample(2, seed=0)
        everyone = [None, None]
        distributed.all_gather_object(everyone, mine)
        assert np.array_equal(*everyone)
        distributed.barrier()
        distributed.destroy_process_group()
        """)
    )
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        str(script), str(tmp_path / "run"),
    ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    assert lines(tmp_path / "run")[-1]["step"] == 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_training_in_mixed_precision_on_a_gpu(tmp_path):
    model = GANGenerator()
    model.fit(scenes(32), context(tmp_path, device="cuda", max_steps=20))
    assert all(np.isfinite(value) for line in lines(tmp_path) for value in line.values())
    assert len(np.unique(model.sample(8, seed=0))) > 8


# --- sampling -------------------------------------------------------------------------------------


def test_item_i_depends_on_seed_plus_i_alone(trained):
    model, _ = trained
    many = model.sample(21, seed=100)  # more than one internal batch
    np.testing.assert_array_equal(many[7:9], model.sample(2, seed=107))
    np.testing.assert_array_equal(many[20:], model.sample(1, seed=120))


def test_truncation_and_temperature_scale_the_latents(trained):
    model, _ = trained
    spread = [model.sample(8, seed=0, truncation=t).std(0).mean() for t in (0.0, 0.3, 1.0)]
    assert spread[0] == 0
    assert spread[0] < spread[1] < spread[2]
    np.testing.assert_array_equal(
        model.sample(4, seed=0, truncation=0.5), model.sample(4, seed=0, temperature=0.5)
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"label": "cat"},
        {"truncation": 1.5},
        {"truncation": float("nan")},
        {"temperature": -1.0},
        {"temperature": float("inf")},
    ],
    ids=str,
)
def test_bad_arguments_are_user_errors(trained, arguments):
    with pytest.raises(UserError):
        trained[0].sample(1, seed=0, **arguments)


def test_negative_count_is_a_user_error(trained):
    with pytest.raises(UserError, match="-1"):
        trained[0].sample(-1, seed=0)


def test_interpolation_goes_from_one_sample_to_the_other(trained):
    model, _ = trained
    way = model.interpolate(3, 9, 7)
    np.testing.assert_array_equal(way[[0, -1]], [model.sample(1, seed=s)[0] for s in (3, 9)])
    steps = np.abs(np.diff(way.astype(float), axis=0)).mean((1, 2, 3))
    whole = np.abs(way[0].astype(float) - way[-1]).mean()
    assert steps.max() < whole  # no step jumps all the way
    assert len(np.unique(model.interpolate(3, 3, 4), axis=0)) == 1
    with pytest.raises(UserError, match="2 steps"):
        model.interpolate(3, 9, 1)


# --- bad input and damaged files ------------------------------------------------------------------


@pytest.mark.parametrize("size_px", [16, 33, 128])
def test_other_sizes_are_user_errors(tmp_path, size_px):
    with pytest.raises(UserError, match="32 or 64"):
        GANGenerator().fit(scenes(4, size_px), context(tmp_path))


@pytest.mark.parametrize("shape", [(32, 64, 3), (32, 32), (32, 32, 4)])
def test_other_shapes_are_user_errors(tmp_path, shape):
    media = Media("odd", MediaKind.IMAGE, np.zeros(shape, np.uint8), "g")
    with pytest.raises(UserError):
        GANGenerator().fit([media, media], context(tmp_path))


def test_wide_integers_are_user_errors(tmp_path):
    media = Media("odd", MediaKind.IMAGE, np.zeros((32, 32, 3), np.uint16), "g")
    with pytest.raises(UserError, match="8-bit"):
        GANGenerator().fit([media, media], context(tmp_path))


@pytest.mark.parametrize(
    "options",
    [{"widht": 8}, {"width": 0}, {"width": "wide"}, {"batch": -1}, {"penalty": float("nan")}],
    ids=str,
)
def test_bad_options_are_user_errors(tmp_path, options):
    with pytest.raises(UserError, match=next(iter(options))):
        GANGenerator().fit(scenes(4), context(tmp_path, options=options))


def test_untrained_is_a_user_error(tmp_path):
    for use in (lambda g: g.sample(1, seed=0), lambda g: g.save(tmp_path)):
        with pytest.raises(UserError, match="learned nothing"):
            use(GANGenerator())


def damaged(trained, tmp_path, damage):
    trained[0].save(tmp_path)
    arrays, config = load_weights(tmp_path)
    damage(arrays, config)
    save_weights(tmp_path, arrays, config)


DAMAGES = {
    "missing tensor": lambda arrays, config: arrays.pop("to_rgb.bias"),
    "extra tensor": lambda arrays, config: arrays.update(more=np.zeros(1)),
    "other shape": lambda arrays, config: arrays.update({"to_rgb.bias": np.zeros(4, "f4")}),
    "other type": lambda arrays, config: arrays.update({"to_rgb.bias": np.zeros(3, "f8")}),
    "other family": lambda arrays, config: config.update(family="vae"),
    "no size": lambda arrays, config: config.pop("size_px"),
    "huge size": lambda arrays, config: config.update(size_px=1 << 20),
    "huge width": lambda arrays, config: config.update(width=1 << 40),
    "width of text": lambda arrays, config: config.update(width="8"),
    "size of list": lambda arrays, config: config.update(size_px=[32]),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_loading_is_strict(trained, tmp_path, damage):
    damaged(trained, tmp_path, damage)
    with pytest.raises(ArtefactError):
        GANGenerator().load(tmp_path, "cpu")


def test_saved_settings_are_complete(trained, tmp_path):
    trained[0].save(tmp_path)
    assert load_weights(tmp_path)[1] == {
        "family": "gan",
        "version": SPEC.version,
        "size_px": 32,
        "width": 2,
    }
