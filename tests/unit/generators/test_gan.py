"""The GAN: its loss, its networks, its steps to the digit, and what it does with bad input."""

import subprocess
import sys
from textwrap import dedent

import numpy as np
import pytest
import torch
from gan_runs import EAGER_LOOP, OPTIONS, KilledError, context, kill_at_3, lines
from scenes import scenes

from provenance import ArtefactError, Media, MediaKind, UserError
from provenance.media import decode_image
from provenance.training import load_weights, save_weights
from provenance_generators.gan import SPEC
from provenance_generators.gan.generator import GANGenerator

GOLDEN = {
    "critic_loss": [0.66148, 0.58542, 0.5493],
    "generator_loss": [0.74869, 0.89321, 0.97369],
    "penalty": [0.016175, 0.021517, 0.020566],
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gan")
    model = GANGenerator()
    model.fit(scenes(32), context(folder))
    return model, folder


@pytest.fixture
def eager(monkeypatch):
    """Log and save at every step."""
    monkeypatch.setattr("provenance_generators.gan.train.TrainingLoop", EAGER_LOOP)


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
    assert last["collapse"] == "none"
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
    model.fit(source, context(tmp_path, max_steps=60, options=options))
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
    assert all(
        np.isfinite(line["critic_loss"]) for line in lines(tmp_path) if "critic_loss" in line
    )
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


@pytest.mark.parametrize("size_px", [16, 33, 512])
def test_other_sizes_are_user_errors(tmp_path, size_px):
    with pytest.raises(UserError, match="256 x 256"):
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
    saved = load_weights(tmp_path)[1]
    assert set(SPEC.options) | {"family", "version", "size_px", "classes"} == set(saved)
    assert (saved["width"], saved["critic"], saved["penalty"]) == (2, "plain", 0.1)
