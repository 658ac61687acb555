"""The PixelCNN: its likelihoods, its cached drawing, and what a resumed run learns."""

import dataclasses

import numpy as np
import pytest
import torch
from scenes import scenes
from scipy.stats import logistic

from provenance import ArtefactError, FitContext, UserError
from provenance.training import images_to_tensor, load_weights, save_weights
from provenance_generators.pixelcnn.drawing import Painter
from provenance_generators.pixelcnn.generator import PixelCNNGenerator
from provenance_generators.pixelcnn.mixture import Mixture, _log_of_level
from provenance_generators.pixelcnn.model import PixelCNN
from provenance_generators.pixelcnn.train import log_likelihoods

OPTIONS = {"width": 8, "layers": 2, "components": 2, "batch": 4}


def context(folder, **changes):
    return FitContext(
        **{"workdir": folder, "seed": 3, "max_steps": 3, "options": OPTIONS, **changes}
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    model = PixelCNNGenerator()
    model.fit(scenes(32), context(tmp_path_factory.mktemp("pixelcnn")))
    return model


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    made = PixelCNN(width=8, layers=3, components=3, classes=2)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return made.eval().requires_grad_(False)


# --- likelihood -----------------------------------------------------------------------------------


LEVELS = torch.arange(256) / 127.5 - 1


@pytest.mark.parametrize("scale", [0.002, 0.05, 2.0])
@pytest.mark.parametrize("mean", [-1.4, 0.0, 0.31, 1.0])
def test_the_levels_of_a_channel_have_probabilities_that_sum_to_one(mean, scale):
    logs = _log_of_level(LEVELS - mean, torch.full((256,), scale).log(), LEVELS)
    assert logs.exp().sum().item() == pytest.approx(1.0, abs=1e-4)


def test_likelihood_is_that_of_the_formula_written_out():
    """Against distribution functions of scipy, in double precision, one component at a time."""
    torch.manual_seed(0)
    parameters = torch.randn(6, 20)
    pixels = LEVELS[torch.randint(256, (6, 3))]
    pixels[0] = torch.tensor([-1.0, 1.0, -1.0])
    mixture = Mixture(parameters)
    for row in range(6):
        r, g, b = pixels[row].double().tolist()
        total = 0.0
        for k in range(2):
            mean, slope = mixture.means[row, k].tolist(), mixture.slopes[row, k].tolist()
            centres = (mean[0], mean[1] + slope[0] * r, mean[2] + slope[1] * r + slope[2] * g)
            scales = mixture.log_scales[row, k].double().exp().tolist()
            part = mixture.log_weights[row, k].exp().item()
            for value, centre, scale in zip((r, g, b), centres, scales, strict=True):
                low = 0.0 if value < -0.999 else logistic.cdf(value - 1 / 255, centre, scale)
                high = 1.0 if value > 0.999 else logistic.cdf(value + 1 / 255, centre, scale)
                part *= high - low
            total += part
        assert mixture.log_likelihood(pixels)[row].item() == pytest.approx(np.log(total), abs=1e-3)


def test_samples_have_the_frequencies_that_the_likelihood_says():
    torch.manual_seed(4)
    parameters = torch.randn(1, 20) * 0.7
    parameters[:, 8:14] = -3.0  # narrow: few levels hold most of the probability
    count = 20_000
    drawn = Mixture(parameters.repeat(count, 1)).sample(torch.rand(count, 4), 1.0)
    nats = -Mixture(parameters.repeat(count, 1)).log_likelihood(drawn)
    values, times = drawn.unique(dim=0, return_counts=True)
    top = times.argsort(descending=True)[:20]
    said = Mixture(parameters.repeat(20, 1)).log_likelihood(values[top]).exp() * count
    np.testing.assert_allclose(times[top].float(), said, rtol=0.5)
    assert torch.isfinite(nats).all()


def test_likelihood_is_finite_at_the_ends_of_the_range():
    parameters = torch.zeros(2, 20)
    parameters[:, 2:8] = 40.0  # means far outside
    ends = torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])
    assert torch.isfinite(Mixture(parameters).log_likelihood(ends)).all()


def test_bits_of_an_untrained_model_are_near_eight(trained):
    noise = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    bits = trained.bits_per_dim(noise)
    assert (bits.shape, bits.dtype) == ((3,), np.float32)
    assert np.isfinite(bits).all()
    assert (bits > 7.9).all()  # nothing codes noise in less than 8
    assert trained.bits_per_dim(noise[:0]).shape == (0,)


# --- order ----------------------------------------------------------------------------------------


def test_a_pixel_depends_on_those_before_it_only(network):
    images = torch.rand(1, 3, 8, 8) * 2 - 1
    labels = torch.zeros(1, dtype=torch.long)
    before = network(images, labels)
    images[0, :, 4, 3] = 0.9
    changed = (network(images, labels) != before).any(1)[0].flatten()
    assert not changed[: 4 * 8 + 3 + 1].any()
    assert changed[4 * 8 + 4]


def test_drawing_place_by_place_agrees_with_whole_passes(network):
    """The same uniform numbers give what a pass over the image, pixel by pixel, would give."""
    torch.manual_seed(2)
    labels, uniform = torch.tensor([0, 1]), torch.rand(2, 8, 8, 4)
    blank, anew = torch.zeros(2, 3, 8, 8), torch.ones(2, 8, 8, dtype=torch.bool)
    drawn = Painter(network, labels, 8).draw(blank, anew, uniform, 1.0)
    plain = blank.clone()
    for y in range(8):
        for x in range(8):
            parameters = network(plain, labels)[:, :, y, x]
            plain[:, :, y, x] = Mixture(parameters).sample(uniform[:, y, x], 1.0)
    assert (drawn - plain).abs().max() <= 2 / 255  # a level, where sums round otherwise
    assert (drawn == plain).float().mean() > 0.95


def test_the_class_changes_what_is_drawn(network):
    uniform = torch.rand(1, 8, 8, 4)
    blank, anew = torch.zeros(1, 3, 8, 8), torch.ones(1, 8, 8, dtype=torch.bool)
    one, other = (
        Painter(network, torch.tensor([label]), 8).draw(blank, anew, uniform, 1.0)
        for label in (0, 1)
    )
    assert not torch.equal(one, other)


# --- the generator --------------------------------------------------------------------------------


def test_pixels_outside_the_mask_stay_exactly(trained):
    pixels = np.stack([item.data for item in scenes(32)[:2]])
    mask = np.zeros((2, 32, 32), bool)
    mask[:, 8:16, 8:16] = True
    made = trained.resample(pixels, 1.0, seed=1, mask=mask)
    np.testing.assert_array_equal(made[~mask], pixels[~mask])
    assert (made[mask] != pixels[mask]).any()
    np.testing.assert_array_equal(trained.resample(pixels, 0.0, seed=1), pixels)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"fraction": 1.5, "seed": 0}, "between 0 and 1"),
        ({"fraction": 1.0, "seed": 0, "mask": np.ones((1, 8, 8), bool)}, "mask has shape"),
    ],
)
def test_wrong_arguments_are_named(trained, arguments, words):
    with pytest.raises(UserError, match=words):
        trained.resample(scenes(32)[0].data[None], **arguments)


def test_an_interrupted_run_learns_what_an_undisturbed_one_does(tmp_path, monkeypatch):
    whole = PixelCNNGenerator()
    whole.fit(scenes(32), context(tmp_path / "whole", max_steps=4))
    whole.save(tmp_path / "whole")

    calls = []

    def stop(fraction, message):
        calls.append(fraction)
        if len(calls) == 2:
            raise KeyboardInterrupt

    import functools

    from provenance.training import TrainingLoop

    eager = functools.partial(TrainingLoop, checkpoint_every_s=0.0, log_every_s=0.0)
    monkeypatch.setattr("provenance_generators.pixelcnn.train.TrainingLoop", eager)
    broken = PixelCNNGenerator()
    cut = context(tmp_path / "cut", max_steps=4, progress=stop)
    with pytest.raises(KeyboardInterrupt):
        broken.fit(scenes(32), cut)
    calls.extend([0.0] * 9)
    broken.fit(scenes(32), dataclasses.replace(cut, resume=True))
    broken.save(tmp_path / "cut")
    ours, theirs = load_weights(tmp_path / "cut")[0], load_weights(tmp_path / "whole")[0]
    for name, array in theirs.items():
        np.testing.assert_array_equal(ours[name], array, err_msg=name)


def test_weights_of_another_shape_are_refused(trained, tmp_path):
    trained.save(tmp_path)
    arrays, config = load_weights(tmp_path)
    save_weights(tmp_path, arrays, {**config, "layers": 3})
    with pytest.raises(ArtefactError):
        PixelCNNGenerator().load(tmp_path, "cpu")


def test_training_lowers_the_bits(tmp_path):
    model = PixelCNNGenerator()
    pixels = np.stack([item.data for item in scenes(32)[:4]])
    bits = []
    for steps in (1, 30):
        model.fit(scenes(32), context(tmp_path / str(steps), max_steps=steps))
        bits.append(float(model.bits_per_dim(pixels).mean()))
    assert bits[1] < bits[0] - 0.3


def test_log_likelihoods_are_of_each_pixel(network):
    images = images_to_tensor(np.zeros((2, 8, 8, 3), np.uint8))
    found = log_likelihoods(network(images, torch.tensor([0, 1])), images)
    assert found.shape == (2, 64)
