"""Layers that all families share: they double the side, and each leaves a trace of its own."""

import pytest
import torch
from torch import nn

from provenance_generators.upsampling import NORMS, UPSAMPLING, norm, upsample


@pytest.mark.parametrize("kernel_px", [1, 3, 5])
@pytest.mark.parametrize("kind", UPSAMPLING)
def test_the_side_is_doubled(kind, kernel_px):
    layer = upsample(kind, 6, 4, kernel_px=kernel_px)
    made = layer(torch.randn(2, 6, 5, 5))
    assert made.shape == (2, 4, 10, 10)
    made.square().sum().backward()
    assert all(weight.grad.abs().sum() > 0 for weight in layer.parameters())


def test_each_kind_leaves_another_trace():
    """Of one random map enlarged with equal weights, no two results are alike."""
    x, made = torch.randn(1, 1, 8, 8), {}
    for kind in UPSAMPLING:
        layer = upsample(kind, 1, 1)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.fill_(0.1)
            made[kind] = layer(x)
    for a in UPSAMPLING:
        for b in UPSAMPLING:
            assert (a == b) == torch.allclose(made[a], made[b])


def test_nearest_and_bilinear_keep_a_flat_map_flat():
    for kind in ("nearest", "bilinear"):
        layer = upsample(kind, 1, 1, kernel_px=1)
        made = layer(torch.full((1, 1, 4, 4), 3.0))
        torch.testing.assert_close(made, made[..., :1, :1].expand_as(made))


def test_a_small_convolution_before_enlarging_is_the_same_as_after_it():
    layer, x = upsample("bilinear", 3, 2, kernel_px=1), torch.randn(2, 3, 4, 4)
    convolution = next(module for module in layer.modules() if isinstance(module, nn.Conv2d))
    enlarged = nn.functional.interpolate(x, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(layer(x), convolution(enlarged))


def test_pixel_shuffle_begins_without_a_grid():
    made = upsample("pixel-shuffle", 3, 2)(torch.randn(1, 3, 4, 4))
    torch.testing.assert_close(made[..., ::2, ::2], made[..., 1::2, 1::2])
    torch.testing.assert_close(made[..., ::2, ::2], made[..., 1::2, ::2])


def test_transposed_convolution_covers_every_pixel_equally_often():
    """Of a flat map under equal weights, the inner pixels are equal: no grid by construction."""
    layer = upsample("transposed", 1, 1)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.bias.zero_()
    inner = layer(torch.ones(1, 1, 6, 6))[..., 2:-2, 2:-2]
    torch.testing.assert_close(inner, torch.full_like(inner, 4.0))


@pytest.mark.parametrize("channels", [4, 6, 8, 24])
@pytest.mark.parametrize("kind", NORMS)
def test_norms_keep_the_shape(kind, channels):
    x = 5 * torch.randn(3, channels, 4, 4) + 2
    made = norm(kind, channels)(x)
    assert made.shape == x.shape
    if kind == "none":
        torch.testing.assert_close(made, x)
    else:
        assert made.square().mean().item() == pytest.approx(1, rel=0.1)


def test_pixel_norm_scales_each_pixel():
    x = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)
    torch.testing.assert_close(norm("pixel", 2)(x).flatten(), torch.tensor([3.0, 4.0]) / 12.5**0.5)


def test_other_names_are_errors():
    with pytest.raises(ValueError, match="nearest, bilinear"):
        upsample("cubic", 1, 1)
    with pytest.raises(ValueError, match="batch, group"):
        norm("layer", 1)
    with pytest.raises(ValueError, match="odd"):
        upsample("nearest", 1, 1, kernel_px=4)
