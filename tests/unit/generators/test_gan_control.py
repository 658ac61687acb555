"""The GAN told what to make: classes, directions, presets; and a collapse that is noticed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gan_runs import EAGER_LOOP, OPTIONS, KilledError, context, kill_at_3, lines
from scenes import scenes

from provenance import UserError
from provenance_generators.gan import SPEC
from provenance_generators.gan.generator import GANGenerator
from provenance_generators.gan.networks import LATENT_SIZE
from provenance_generators.gan.settings import Settings
from provenance_generators.gan.train import Trainer, steepness


@pytest.fixture
def eager(monkeypatch):
    """Log and save at every step."""
    monkeypatch.setattr("provenance_generators.gan.train.TrainingLoop", EAGER_LOOP)


# --- classes and directions -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A generator of two classes, one three times as frequent."""
    source = [replace(item, category="bbba"[i % 4]) for i, item in enumerate(scenes(64))]
    model = GANGenerator()
    model.fit(source, context(tmp_path_factory.mktemp("told"), max_steps=20))
    return model


def test_classes_can_be_asked_for(told):
    assert told.classes == ("a", "b")
    a, b = (told.sample(4, seed=0, label=name) for name in "ab")
    assert not np.array_equal(a, b)
    mixed = told.sample(4, seed=0, label=["a", "b", "b", "a"])
    np.testing.assert_array_equal(mixed, np.stack([a[0], b[1], b[2], a[3]]))
    drawn = told.sample(200, seed=0)
    share = (drawn == told.sample(200, seed=0, label="b")).all(axis=(1, 2, 3)).mean()
    assert 0.65 < share < 0.85  # as often as in the source
    with pytest.raises(UserError, match="cat"):
        told.sample(1, seed=0, label="cat")
    with pytest.raises(UserError, match="labels"):
        told.sample(2, seed=0, label=["a"])


def test_classes_survive_saving_and_can_be_left_out(told, tmp_path):
    told.save(tmp_path)
    again = GANGenerator()
    again.load(tmp_path, "cpu")
    assert again.classes == told.classes
    np.testing.assert_array_equal(again.sample(5, seed=3), told.sample(5, seed=3))
    source = [replace(item, category="ab"[i % 2]) for i, item in enumerate(scenes(32))]
    untold = GANGenerator()
    untold.fit(source, context(tmp_path / "run", options={**OPTIONS, "conditional": False}))
    assert untold.classes == ()


def test_directions_begin_at_the_sample_and_change_it(told):
    found = told.directions()
    names = [direction.name for direction in found]
    assert names[:2] == ["sefa-1", "sefa-2"]
    assert set(names[-2:]) == {"class-a", "class-b"}
    assert found[0].strength == 1
    assert all(0 <= direction.strength <= 1 for direction in found)
    assert found == told.directions()
    for name in ("sefa-1", "class-a"):
        moved = told.move(7, name, [0.0, 1.0, 3.0]).astype(float)
        np.testing.assert_array_equal(moved[0], told.sample(1, seed=7)[0])
        near, far = (np.abs(image - moved[0]).mean() for image in moved[1:])
        assert 0 < near < far
    with pytest.raises(UserError, match="sefa-1"):
        told.move(7, "smile", [1.0])
    with pytest.raises(UserError, match="finite"):
        told.move(7, "sefa-1", [float("nan")])


def test_the_first_direction_is_that_of_the_largest_gain(told):
    """SeFa by another way: the right singular vectors of the projection."""
    network = told._network
    gains = torch.linalg.svdvals(network.first_weights()[:, :LATENT_SIZE].double())
    strengths = [d.strength for d in told.directions() if d.how == "sefa"]
    torch.testing.assert_close(
        torch.tensor(strengths).double(), gains[: len(strengths)] / gains[0], rtol=1e-4, atol=1e-4
    )


# --- presets, variants, collapse ------------------------------------------------------------------


@pytest.mark.parametrize("preset", SPEC.presets)
def test_every_preset_learns_saves_and_loads(tmp_path, preset):
    model, again = GANGenerator(), GANGenerator()
    small = {"width": 2, "critic_width": 8, "batch": 4, "preset": preset}
    model.fit(scenes(16), context(tmp_path, max_steps=1, options=small))
    model.save(tmp_path / "saved")
    again.load(tmp_path / "saved", "cpu")
    np.testing.assert_array_equal(model.sample(2, seed=0), again.sample(2, seed=0))


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("preset", ["wgan-gp", "began", "high-resolution"])
def test_what_presets_keep_survives_a_resumption(tmp_path, preset):
    """The control of BEGAN, several critic steps, augmentations: bit for bit."""
    options = {"width": 2, "critic_width": 8, "batch": 4, "preset": preset, "augment": "ada"}
    source, models = scenes(16), (GANGenerator(), GANGenerator())
    models[0].fit(source, context(tmp_path / "whole", max_steps=4, options=options))
    with pytest.raises(KilledError):
        models[1].fit(
            source,
            context(tmp_path / "cut", max_steps=4, options=options, progress=kill_at_3),
        )
    models[1].fit(source, context(tmp_path / "cut", max_steps=4, options=options, resume=True))
    np.testing.assert_array_equal(*(model.sample(4, seed=1) for model in models))


@pytest.mark.parametrize(
    "options",
    [
        {"critic": "fancy"},
        {"objective": "began", "critic": "plain"},
        {"augment": "mixup"},
        {"average": 1.0},
        {"preset": "huge"},
    ],
    ids=str,
)
def test_settings_that_do_not_go_together_are_user_errors(tmp_path, options):
    with pytest.raises(UserError, match=next(iter(options))):
        GANGenerator().fit(scenes(4), context(tmp_path, options=options))


def looks(folder):
    return [line for line in lines(folder) if "collapse" in line]


def test_a_collapse_is_noticed_within_two_checks_and_rolled_back(tmp_path, caplog, monkeypatch):
    """From step 60 on all samples are one grey image, until the run has gone back."""
    steps, step_of = [], Trainer._step

    def break_down(trainer, generator, critic, step, rank):
        logged = step_of(trainer, generator, critic, step, rank)
        steps.append(trainer.average.network.to_rgb.weight.abs().sum().item())
        if step >= 60 and trainer.watch.gentleness == 1:
            for network in (trainer.generator, trainer.average.network):
                torch.nn.init.zeros_(network.to_rgb.weight)
                torch.nn.init.zeros_(network.to_rgb.bias)
        return logged

    monkeypatch.setattr(Trainer, "_step", break_down)
    GANGenerator().fit(scenes(64), context(tmp_path, max_steps=100))
    found = looks(tmp_path)
    after = [line for line in found if line["step"] > 60]
    assert "roll-back" in [line["action"] for line in after[:2]]
    assert all(line["collapse"] == "none" for line in found if line["step"] <= 60)
    assert found[-1]["gentleness"] < 1
    assert steps[-1] > 1  # the weights came back
    assert "collapsed" in caplog.text


def test_a_healthy_run_never_warns(tmp_path, caplog):
    GANGenerator().fit(scenes(64), context(tmp_path, max_steps=80))
    found = looks(tmp_path)
    assert len(found) == 7
    assert all(line["collapse"] == "none" for line in found)
    assert {"score_gap", "penalty"} <= set(found[0])
    assert "collapse" not in caplog.text


def test_gentleness_slows_both_players_and_raises_the_penalty(tmp_path):
    images = np.stack([item.data for item in scenes(16)])
    settings = Settings.build(32, (), OPTIONS)
    trainer = Trainer(images, np.zeros(16, np.int64), settings, context(tmp_path))
    batch = (*(torch.randn(8, 3, 32, 32) for _ in range(2)), torch.zeros(8).long())
    costs = []
    for gentleness in (1.0, 0.5):
        trainer.watch.gentleness = gentleness
        trainer._soften()
        rates = {
            group["lr"]
            for optimizer in (trainer.generator_optimizer, trainer.critic_optimizer)
            for group in optimizer.param_groups
        }
        assert rates == {settings.learning_rate * gentleness}
        costs.append(trainer._critic_step(trainer.critic, *batch, torch.Generator())["penalty"])
    assert costs[1] > 1.5 * costs[0]


def test_detail_sees_blur():
    noise = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    blurred = (noise[:, 1:].astype(float) + noise[:, :-1]) / 2
    assert steepness(blurred) < 0.8 * steepness(noise)
