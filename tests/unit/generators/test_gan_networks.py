"""Generators and critics: shapes, classes, and that every weight is used."""

import pytest
import torch

from provenance_generators.gan import SPEC
from provenance_generators.gan.blocks import ResidualBlock, SkipExcitation, scale_fixup
from provenance_generators.gan.critics import CRITICS, CriticShape
from provenance_generators.gan.networks import GENERATORS, LATENT_SIZE
from provenance_generators.upsampling import NORMS, UPSAMPLING


def generator(name, size_px=32, *, upsampling="nearest", norm="batch", classes=0):
    torch.manual_seed(0)
    return GENERATORS[name](
        size_px, width=2, upsampling=upsampling, normalisation=norm, classes=classes
    )


def critic(name, size_px=32, **changes):
    torch.manual_seed(0)
    return CRITICS[name](CriticShape(size_px, width=4, **changes))


def unused(network):
    return [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]


@pytest.mark.parametrize("size_px", SPEC.sizes_px)
@pytest.mark.parametrize("name", GENERATORS)
def test_shapes_at_every_size(name, size_px):
    classes = torch.tensor([0, 2])
    images = generator(name, size_px, classes=3)(torch.randn(2, LATENT_SIZE), classes)
    assert images.shape == (2, 3, size_px, size_px)
    assert images.abs().max() <= 1
    for kind in CRITICS:
        scores, errors = critic(kind, size_px, classes=3, reconstructs=True)(images, classes)
        assert scores.shape == (2, 1)
        assert errors.shape == (2,)


@pytest.mark.parametrize("upsampling", UPSAMPLING)
@pytest.mark.parametrize("name", GENERATORS)
def test_every_weight_of_a_generator_is_used(name, upsampling):
    network = generator(name, upsampling=upsampling, classes=2)
    if name == "residual":  # blocks begin at zero, so that nothing before their last layer counts
        for block in network.modules():
            if isinstance(block, ResidualBlock):
                torch.nn.init.ones_(block.narrow.weight)
    target = torch.randn(4, 3, 32, 32)
    made = network(torch.randn(4, LATENT_SIZE), torch.tensor([0, 1, 0, 1]))
    (made - target).square().sum().backward()
    assert unused(network) == [] or all("first.bias" in name for name in unused(network))


@pytest.mark.parametrize("norm", NORMS)
def test_signals_neither_fade_nor_grow_under_any_norm(norm):
    network = generator("fastgan", norm=norm)
    images = network(torch.randn(16, LATENT_SIZE), torch.zeros(16).long())
    assert 0.003 < images.std(0).mean() < 1, norm


@pytest.mark.parametrize("name", GENERATORS)
def test_classes_change_images_and_their_absence_does_not(name):
    latents = torch.randn(2, LATENT_SIZE)
    told, untold = generator(name, classes=2).eval(), generator(name).eval()
    zero, one = (torch.full((2,), k) for k in (0, 1))
    assert not torch.equal(told(latents, zero), told(latents, one))
    assert torch.equal(untold(latents, zero), untold(latents, one))
    assert told.first_weights().shape[1] == told.code_size > LATENT_SIZE
    assert untold.first_weights().shape[1] == LATENT_SIZE


@pytest.mark.parametrize("name", CRITICS)
def test_critics_judge_each_image_on_its_own_and_use_every_weight(name):
    network = critic(name, classes=2, reconstructs=True, full_resolution=True)
    images, classes = torch.randn(4, 3, 32, 32), torch.tensor([0, 1, 0, 1])
    for block in network.modules():
        if isinstance(block, ResidualBlock):
            torch.nn.init.ones_(block.narrow.weight)
    scores, errors = network(images, classes)
    torch.testing.assert_close(scores[1:2], network(images[1:2], classes[1:2])[0])
    (scores.sum() + errors.sum()).backward()
    assert unused(network) == []


@pytest.mark.parametrize("name", ["plain", "residual"])
def test_a_projection_critic_adds_the_inner_product_with_the_class(name):
    network = critic(name, classes=2).eval()
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        network.embedding.weight[1] = 1.0
        pooled = network.last(network.fine(images)).mean((2, 3)).sum()
        first, second = (network(images, torch.tensor([k]))[0].item() for k in (0, 1))
    assert second - first == pytest.approx(pooled.item(), abs=1e-4)


def test_scores_of_an_auto_encoder_are_its_errors():
    network, images = critic("autoencoder"), torch.randn(2, 3, 32, 32)
    scores, _ = network(images, torch.zeros(2).long())
    made = network.decode(network.begin(network.encode(images)).unflatten(1, (-1, 8, 8)))
    torch.testing.assert_close(scores[:, 0], -(made - images).abs().mean((1, 2, 3)))


def test_spectral_norm_bounds_the_weights():
    network, images = critic("plain", is_spectral=True), torch.randn(2, 3, 32, 32)
    for _ in range(30):  # each pass is one step of the power method
        network(images, torch.zeros(2).long())
    weight = network.score.weight
    assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1, rel=1e-3)


def test_excitation_scales_channels_and_nothing_else():
    fine, coarse = torch.randn(2, 4, 16, 16), torch.randn(2, 6, 4, 4)
    share = SkipExcitation(6, 4)(fine, coarse) / fine
    torch.testing.assert_close(share, share[..., :1, :1].expand_as(share))
    assert share.min() > 0
    assert share.max() < 1


def test_residual_blocks_begin_as_identities():
    layers = torch.nn.Sequential(*[ResidualBlock(16) for _ in range(3)])
    scale_fixup(layers)
    x = torch.randn(2, 16, 4, 4)
    torch.testing.assert_close(layers(x), x)
