"""The network: a timm backbone that looks at a window and at what is left of it after smoothing.

Notation: N windows of C x H x W.
"""

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

import timm
import torch
from timm.data import resolve_model_data_config
from torch import Tensor, nn

from provenance import UserError

_DENSE_BELOW_PX = 128  # smaller windows would leave the backbone with a single place to look at
_PATCH_PX = 8  # a first kernel this large cuts patches for a transformer: its stride is no choice
_NEAR = 3  # names offered for one that does not exist


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """All that is needed to build the network again; stored beside the weights.

    Attributes:
        backbone: Name in timm.
        size_px: Side of the windows.
        residual: Whether the high-pass residual of each colour is given beside it.
        dense: Whether the backbone's first convolution keeps the resolution.
        mean: Of each colour, subtracted; 0..1.
        std: Of each colour, divided by; 0..1.
    """

    backbone: str
    size_px: int
    residual: bool
    dense: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "NetworkConfig":
        """Rebuild what :meth:`to_json` made plain."""
        return cls(**{**value, "mean": tuple(value["mean"]), "std": tuple(value["std"])})


class Network(nn.Module):
    """uint8 windows to logits."""

    mean: Tensor
    std: Tensor
    kernel: Tensor

    def __init__(self, config: NetworkConfig, backbone: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.backbone = backbone
        # fixed by the config, so they are no weights
        self.register_buffer("mean", _per_channel(config.mean), persistent=False)
        self.register_buffer("std", _per_channel(config.std), persistent=False)
        self.register_buffer("kernel", _high_pass().repeat(3, 1, 1, 1), persistent=False)

    def forward(self, windows: Tensor) -> Tensor:
        """Return logits (N,) of windows (N, 3, H, W), float, 0..255."""
        colours = (windows / 255 - self.mean) / self.std
        if self.config.residual:
            smooth = nn.functional.pad(windows, (1, 1, 1, 1), mode="reflect")
            noise = nn.functional.conv2d(smooth, self.kernel, groups=3)
            # large residuals are edges, small ones are noise: compress, so that both are seen
            colours = torch.cat([colours, torch.asinh(noise / 2)], dim=1)  # (N, 6, H, W)
        return cast("Tensor", self.backbone(colours)).squeeze(1)


def new_network(options: Mapping[str, Any], size_px: int) -> Network:
    """Build an untrained network, its backbone pretrained where the options say so.

    Args:
        options: ``backbone``, ``residual``, ``pretrained`` (fetches weights through timm, which
            opens the network unless they are cached) and ``weights`` (a local file of them).
        size_px: Side of the windows.

    Raises:
        UserError: timm has no such backbone, or its weights cannot be had.
    """
    name, residual = str(options["backbone"]), bool(options["residual"])
    weights = options["weights"]
    settings: dict[str, Any] = {"pretrained": bool(options["pretrained"]) or weights is not None}
    if weights is not None:
        settings["pretrained_cfg_overlay"] = {"file": str(weights)}
    try:
        backbone = _backbone(name, residual, size_px, settings)
    except (RuntimeError, OSError, ValueError) as error:
        raise UserError(_remedy(name, settings["pretrained"], error)) from error
    data = resolve_model_data_config(backbone)
    dense = size_px < _DENSE_BELOW_PX
    config = NetworkConfig(name, size_px, residual, dense, data["mean"], data["std"])
    return _network(config, backbone)


def same_network(config: NetworkConfig) -> Network:
    """Build the network of a config, for weights that are loaded next."""
    return _network(config, _backbone(config.backbone, config.residual, config.size_px, {}))


def _network(config: NetworkConfig, backbone: nn.Module) -> Network:
    if config.dense:
        _keep_resolution(backbone)
    return Network(config, backbone)


def _backbone(name: str, residual: bool, size_px: int, settings: Mapping[str, Any]) -> nn.Module:
    common = {"in_chans": 6 if residual else 3, "num_classes": 1, **settings}
    try:  # transformers have a place for each patch of one size of image
        backbone = timm.create_model(name, img_size=size_px, **common)
    except TypeError:  # convolutions take any size, and no such argument
        backbone = timm.create_model(name, **common)
    return cast("nn.Module", backbone)


def _keep_resolution(backbone: nn.Module) -> None:
    """Halve the stride of the first convolution.

    Backbones for 224 px shrink a 32 px window to one place, and first of all where the traces of
    up-sampling are: between neighbouring pixels. Gragnaniello et al., "Are GAN generated images
    easy to detect?" (ICME 2021), show what is lost by that.
    """
    first = next((m for m in backbone.modules() if isinstance(m, nn.Conv2d)), None)
    if first is not None and first.kernel_size[0] < _PATCH_PX:
        first.stride = (max(1, first.stride[0] // 2), max(1, first.stride[1] // 2))


def _remedy(name: str, pretrained: bool, error: Exception) -> str:
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=_NEAR)
        hint = f" Did you mean {', '.join(near)}?" if near else " See timm.list_models()."
        return f"timm has no backbone {name!r}.{hint}"
    if pretrained:
        return f"No weights for {name}: {error}. Name a file with timm.weights, or train without."
    return f"{name} cannot be built for these windows: {error}"


def _per_channel(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values).reshape(1, -1, 1, 1)


def _high_pass() -> Tensor:
    """Return the 3x3 kernel of Ker & Boehme (2008), which SRM calls "square": (1, 1, 3, 3)."""
    return torch.tensor([[-1.0, 2, -1], [2, -4, 2], [-1, 2, -1]]).reshape(1, 1, 3, 3)
