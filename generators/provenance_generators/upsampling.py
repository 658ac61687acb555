"""Ways to enlarge and to normalise maps, which all families share: each leaves another trace.

Doubling the side writes copies of the spectrum into the frequencies that it adds, and each way
attenuates those copies otherwise (Durall et al. 2020, arXiv 2003.01826; Odena et al. 2016,
doi 10.23915/distill.00003): detectors that have seen one way only do not know the others. So
families have the settings ``upsampling`` and ``norm``, from which ``generate --diverse`` draws.

Shapes: N images, C channels, S side in pixels.
"""

import math

import torch
from torch import Tensor, nn

UPSAMPLING = ("nearest", "bilinear", "transposed", "pixel-shuffle")
"""``nearest`` repeats pixels and ``bilinear`` draws lines between them, then both convolve;
``transposed`` convolution (DCGAN, arXiv 1511.06434); ``pixel-shuffle`` convolves to four times the
channels and interleaves them (Shi et al. 2016, arXiv 1609.05158)."""

NORMS = ("batch", "group", "instance", "pixel", "none")
"""Over the batch (arXiv 1502.03167), over groups of up to 8 channels of one image (1803.08494),
over each channel of one image (1607.08022), over the channels of one pixel (1710.10196, 4.2)."""

_GROUPS = 8


def upsample(kind: str, channels_in: int, channels_out: int, *, kernel_px: int = 3) -> nn.Module:
    """Return a layer (N, C_in, S, S) -> (N, C_out, 2S, 2S), without norm or activation.

    Args:
        kind: One of :data:`UPSAMPLING`.
        channels_in: C_in.
        channels_out: C_out.
        kernel_px: Odd; side of the convolution's kernel. That of a transposed convolution is one
            larger, so that it covers every pixel equally often.

    Raises:
        ValueError: Another kind, or an even kernel.

    Example:
        >>> upsample("pixel-shuffle", 8, 4)(torch.zeros(1, 8, 16, 16)).shape
        torch.Size([1, 4, 32, 32])
    """
    if kernel_px < 1 or kernel_px % 2 == 0:
        raise ValueError(f"a kernel has an odd side, not {kernel_px}")
    padding = kernel_px // 2
    if kind == "transposed":
        return nn.ConvTranspose2d(
            channels_in, channels_out, kernel_px + 1, stride=2, padding=padding
        )
    if kind == "pixel-shuffle":
        interleaved = nn.Conv2d(channels_in, 4 * channels_out, kernel_px, padding=padding)
        _begin_as_nearest(interleaved)
        return nn.Sequential(interleaved, nn.PixelShuffle(2))
    convolution = nn.Conv2d(channels_in, channels_out, kernel_px, padding=padding)
    # a 1 x 1 convolution commutes with both ways to enlarge, and costs a fourth before them
    layers = [_enlarge(kind), convolution]
    return nn.Sequential(*(layers if kernel_px > 1 else reversed(layers)))


def norm(kind: str, channels: int) -> nn.Module:
    """Return a layer that normalises maps (N, C, S, S) with C = ``channels``.

    Args:
        kind: One of :data:`NORMS`.
        channels: C.

    Raises:
        ValueError: Another kind.
    """
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind == "group":
        return nn.GroupNorm(math.gcd(_GROUPS, channels), channels)
    if kind == "instance":
        return nn.InstanceNorm2d(channels, affine=True)
    if kind == "pixel":
        return PixelNorm()
    if kind == "none":
        return nn.Identity()
    raise ValueError(f"there is no norm {kind!r}; there are {', '.join(NORMS)}")


class PixelNorm(nn.Module):
    """Scales the channels of each pixel to a mean square of 1; nothing is learned."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` (N, C, S, S), scaled."""
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


def _enlarge(kind: str) -> nn.Module:
    if kind == "nearest":
        return nn.Upsample(scale_factor=2, mode="nearest")
    if kind == "bilinear":
        return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
    raise ValueError(f"there is no up-sampling {kind!r}; there are {', '.join(UPSAMPLING)}")


def _begin_as_nearest(interleaved: nn.Conv2d) -> None:
    """Let the four sub-pixels begin with equal weights, so that no grid is there to unlearn.

    Aitken et al. 2017 (arXiv 1707.02937), section 3.
    """
    with torch.no_grad():
        for parameter in (interleaved.weight, interleaved.bias):
            if parameter is not None:
                parameter.copy_(parameter[::4].repeat_interleave(4, dim=0))
