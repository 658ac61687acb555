"""Quantisers, the tokenizer's network, its training."""

import functools
import json
import math

import numpy as np
import pytest
import torch
from scenes import scenes

from provenance import FitContext
from provenance.training import TrainingLoop
from provenance_generators.tokenizers import (
    FSQ,
    VQ,
    Tokenizer,
    TokenizerSettings,
    TokenizerTrainer,
    code_shares,
    code_usage,
)
from provenance_generators.tokenizers.train import perceptual_error
from provenance_generators.upsampling import NORMS, UPSAMPLING

TINY = {"width": 8, "batch": 8, "levels": (4, 4, 3), "codes": 24, "code_dim": 4}


def stacked(count, size_px=32):
    return np.stack([item.data for item in scenes(count, size_px)])


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def blobs(count=24, dim=4, per=40):
    """Return maps (24, 4, 8, 5) of vectors around ``count`` places, far apart."""
    places = 4 * torch.randn(count, dim, generator=rng(1))
    rows = places.repeat_interleave(per, 0) + 0.05 * torch.randn(count * per, dim, generator=rng(2))
    return rows.view(24, 8, 5, dim).permute(0, 3, 1, 2)[:, :, :5], places


# --- FSQ ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [(8, 8, 8), (6, 6, 6), (8, 5, 3), (3, 7)])
def test_every_code_is_reached_and_survives_the_round_trip(levels):
    quantiser = FSQ(levels)
    codes = torch.arange(math.prod(levels))[:, None]  # N images of one token
    values = quantiser.values(codes)
    assert torch.equal(quantiser._tokens(values), codes)
    assert values.abs().max() <= 1
    ramp = torch.linspace(-9, 9, 2001)
    for digit, count in enumerate(levels):
        z = torch.zeros(2001, len(levels), 1, 1)
        z[:, digit, 0, 0] = ramp
        assert len(quantiser(z).values[:, digit].unique()) == count


def test_zero_lies_within_a_level_and_gradients_pass_the_rounding():
    quantiser = FSQ((8, 5))
    z = torch.zeros(1, 2, 3, 3, requires_grad=True)
    quantised = quantiser(z)
    quantised.values.sum().backward()
    assert torch.equal(quantised.values, quantiser(z + 1e-3).values)  # on no edge of a level
    assert (z.grad > 0.1).all()
    assert quantised.loss == 0


def test_features_of_fsq_name_the_level_of_each_digit():
    features = FSQ((3, 4)).features()
    assert features.shape == (12, 7)
    assert (features.sum(1) == 2).all()
    assert len(features.unique(dim=0)) == 12
    neighbours = (features[0] * features[1]).sum()  # codes 0 and 1 differ in the first digit
    assert neighbours == 1


# --- VQ -------------------------------------------------------------------------------------------


def test_vq_takes_the_nearest_vector():
    quantiser, maps = VQ(24, 4), torch.randn(3, 4, 5, 5, generator=rng())
    quantised = quantiser(maps)
    rows = maps.permute(0, 2, 3, 1).reshape(-1, 4)
    nearest = torch.cdist(rows, quantiser.codebook).argmin(1).view(3, 25)
    assert torch.equal(quantised.tokens, nearest)
    torch.testing.assert_close(quantised.values, quantiser.values(nearest))


def test_gradients_pass_the_codebook_and_commit_the_encoder():
    quantiser = VQ(24, 4, commitment=0.5)
    z = torch.randn(2, 4, 5, 5, generator=rng(), requires_grad=True)
    quantised = quantiser(z)
    quantised.values.sum().backward(retain_graph=True)
    torch.testing.assert_close(z.grad, torch.ones_like(z))
    expected = 0.5 * (z - quantised.values).square().mean()
    torch.testing.assert_close(quantised.loss, expected)
    z.grad = None
    quantised.loss.backward()
    torch.testing.assert_close(z.grad, (z - quantised.values).detach() / z.numel())


def test_a_fresh_codebook_spreads_over_the_data_and_finds_its_clusters():
    torch.manual_seed(3)
    maps, places = blobs()
    quantiser = VQ(48, 4, decay=0.9)
    quantiser.codebook += 50.0  # far from all data: without restarts nothing would be used
    for step in range(30):
        quantiser.learn(maps, quantiser(maps).tokens, rng(step))
    usage = code_usage(code_shares(quantiser(maps).tokens, 48))
    assert usage["codes_used"] > 0.9
    found = torch.cdist(places, quantiser.codebook).min(1).values < 0.2
    assert found.sum() >= 18  # of 24; the rest share a code, as k-means may leave them


def test_statistics_follow_the_batch():
    quantiser = VQ(2, 1, decay=0.5)
    quantiser.codebook.copy_(torch.tensor([[-1.0], [1.0]]))
    maps = torch.tensor([-1.2, -0.8, 0.8, 1.6]).view(1, 1, 2, 2)
    quantiser.learn(maps, quantiser(maps).tokens, rng())
    torch.testing.assert_close(quantiser.codebook, torch.tensor([[-1.0], [1.2]]))
    torch.testing.assert_close(quantiser.counts, torch.tensor([1.0, 1.0]))


# --- the network ----------------------------------------------------------------------------------


@pytest.mark.parametrize("quantiser", [FSQ((4, 4)), VQ(16, 3)])
@pytest.mark.parametrize(("size_px", "factor"), [(32, 4), (64, 8), (64, 16)])
def test_shapes(quantiser, size_px, factor):
    tokenizer = Tokenizer(quantiser=quantiser, width=8, factor=factor)
    images = torch.randn(2, 3, size_px, size_px, generator=rng())
    coded = tokenizer(images)
    assert coded.images.shape == images.shape
    assert coded.tokens.shape == (2, (size_px // factor) ** 2)
    assert coded.tokens.max() < 16
    torch.testing.assert_close(tokenizer.decode(coded.tokens), coded.images)
    assert torch.equal(tokenizer.encode(images), coded.tokens)


def test_tokens_are_in_raster_order():
    quantiser = FSQ((4, 4))
    values = quantiser.values(torch.arange(4)[None])
    assert torch.equal(quantiser._tokens(values), torch.arange(4)[None])
    vectors = VQ(4, 3)
    maps = vectors.values(torch.arange(4)[None])
    assert torch.equal(maps[0, :, 0, 1], vectors.codebook[1])
    assert torch.equal(maps[0, :, 1, 0], vectors.codebook[2])


@pytest.mark.parametrize("upsampling", UPSAMPLING)
@pytest.mark.parametrize("norm", NORMS)
def test_every_variant_of_trace_can_be_built(upsampling, norm):
    settings = TokenizerSettings(**TINY, upsampling=upsampling, norm=norm)
    made = settings.build()(torch.randn(2, 3, 32, 32, generator=rng())).images
    assert made.shape == (2, 3, 32, 32)
    assert made.isfinite().all()


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"quantiser": "lfq"}, "fsq, vq"),
        ({"width": 12}, "multiple of 8"),
        ({"width": 80_000}, "width lies within"),
        ({"levels": (8, 2)}, "at least 3"),
        ({"levels": ("8", ",", "8")}, "whole numbers"),
        ({"levels": (256, 256, 256)}, "65536"),
        ({"codes": 1}, "codes lies within"),
        ({"factor": 5}, "4, 8, 16"),
        ({"norm": "layer"}, "group"),
        ({"adversarial": math.nan}, "finite"),
        ({"perceptual": -1.0}, "at least 0"),
        ({"rate": 0.0}, "learning rate"),
    ],
)
def test_settings_that_make_no_network_are_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        TokenizerSettings(**wrong)


def test_settings_survive_json():
    settings = TokenizerSettings(quantiser="vq", levels=(5, 5), perceptual=0.5)
    assert TokenizerSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings
    with pytest.raises(KeyError):
        TokenizerSettings.from_json({"quantiser": "vq"})


# --- training -------------------------------------------------------------------------------------


def trainer(folder, quantiser="fsq", images=None, progress=None, resume=False, **changes):
    settings = TokenizerSettings(**{**TINY, "quantiser": quantiser, **changes})
    images = stacked(24) if images is None else images
    context = FitContext(workdir=folder, seed=3, max_steps=6, resume=resume)
    if progress:
        context = FitContext(workdir=folder, seed=3, max_steps=6, progress=progress)
    return TokenizerTrainer(images, images[:4], settings, context, family="test", share=1.0)


def lines(folder):
    text = (folder / "tokenizer" / "log.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


class KilledError(Exception):
    pass


@pytest.mark.parametrize("quantiser", ["fsq", "vq"])
def test_a_killed_and_resumed_run_ends_with_the_same_weights(tmp_path, monkeypatch, quantiser):
    eager = functools.partial(TrainingLoop, checkpoint_every_s=0.0, log_every_s=0.0)
    monkeypatch.setattr("provenance_generators.tokenizers.train.TrainingLoop", eager)

    def kill(fraction, message):
        if "step 3 " in message:
            raise KilledError

    whole, steps = trainer(tmp_path / "whole", quantiser).run()
    with pytest.raises(KilledError):
        trainer(tmp_path / "halved", quantiser, progress=kill).run()
    halved, _ = trainer(tmp_path / "halved", quantiser, resume=True).run()
    assert steps == 6
    expected = whole.state_dict()
    for name, value in halved.state_dict().items():
        assert torch.equal(value, expected[name]), name


def test_weights_of_zero_leave_terms_out(tmp_path):
    trainer(tmp_path / "plain", adversarial=0.0).run()
    trainer(tmp_path / "perceptual", adversarial=0.0, perceptual=0.1).run()
    assert "critic_loss" not in lines(tmp_path / "plain")[0]
    assert "critic_loss" in lines(tmp_path / "perceptual")[0]


def test_the_last_line_describes_the_averaged_network(tmp_path):
    trainer(tmp_path, "vq").run()
    last = lines(tmp_path)[-1]
    assert 0 < last["codes_used"] <= 1 <= last["code_perplexity"] <= 24
    assert last["held_out_mse"] > 0
    assert len(list((tmp_path / "samples").iterdir())) == 2  # drawn at parts of the loop


def test_perceptual_error_is_zero_for_equal_images_and_has_a_gradient(tmp_path):
    critic = trainer(tmp_path).adversary.critic.eval()
    images = torch.randn(2, 3, 32, 32, generator=rng())
    assert perceptual_error(critic, images, images) == 0
    made = (images + 0.1).requires_grad_()
    perceptual_error(critic, made, images).backward()
    assert made.grad.abs().sum() > 0


def test_usage_of_codes():
    shares = code_shares(torch.tensor([[0, 1, 2, 3]]), 8)
    assert shares.dtype == torch.float32
    assert shares.tolist() == [0.25] * 4 + [0.0] * 4
    found = code_usage(shares)
    assert found["codes_used"] == pytest.approx(0.5)
    assert found["code_perplexity"] == pytest.approx(4.0)
