"""Features of published networks, from weights that the user has fetched: nothing is downloaded.

Both go through torch-fidelity, so that figures are those of its users: its port of TensorFlow's
Inception of 2015 with its own resizing; and for DINOv2 its resizing to 224 px and normalisation.
DINOv2's network is timm's: torch-fidelity 0.4 would fetch code from GitHub for it and refuses a
file of weights. Its position embedding is fitted to 224 px by timm, which differs in the last
digits.
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from provenance.errors import ArtefactError, UserError
from provenance.quality.features import check_images_for_features

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

PretrainedName = Literal["inception", "dinov2"]
_IMAGES_AT_ONCE = 32
_SIDE_PX = 224
_WHERE = {
    "inception": "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth",
    "dinov2": "https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth",
}


class PretrainedFeatures:
    """A published network's features: 2,048 of Inception, 384 of DINOv2 ViT-S/14.

    Attributes:
        name: ``inception`` or ``dinov2``.

    Args:
        name: As above.
        network: Takes uint8 (n, 3, S, S), returns a tuple with float (n, D).
        device: Where it computes.
    """

    def __init__(self, name: str, network: "torch.nn.Module", device: str) -> None:
        self.name, self._network, self._device = name, network.to(device).eval(), device

    def __call__(self, images: "NDArray[np.uint8]") -> "NDArray[np.float32]":
        """Return float32 (N, D) of images uint8 (N, S, S, 3). About 0.1 s an image on a CPU."""
        import torch

        check_images_for_features(images)
        found = []
        with torch.inference_mode():
            for start in range(0, len(images), _IMAGES_AT_ONCE):
                some = np.ascontiguousarray(images[start : start + _IMAGES_AT_ONCE])
                batch = torch.from_numpy(some).permute(0, 3, 1, 2).to(self._device)
                found.append(self._network(batch)[0].float().cpu().numpy())
        return np.concatenate(found)


def pretrained_features(
    name: PretrainedName, weights: Path | None = None, *, device: str = "cpu"
) -> PretrainedFeatures:
    """Return the features of a published network.

    Args:
        name: ``inception`` (Heusel et al. 2017) or ``dinov2`` (ViT-S/14, Oquab et al. 2023).
        weights: File of weights, PyTorch or safetensors; read as tensors only, never as code.
        device: A resolved device name.

    Raises:
        UserError: No such features, no file, or torch-fidelity is not installed.
        ArtefactError: The file does not hold these weights.
    """
    if name not in _WHERE:
        raise UserError(f"No features are called {name!r}. Known: {', '.join(_WHERE)}.")
    if weights is None or not weights.is_file():
        what = f"{weights} is no file." if weights else "Nothing is downloaded here."
        raise UserError(f"{name} needs its weights. {what} Fetch {_WHERE[name]} and name the file.")
    try:
        import torch_fidelity  # noqa: F401
    except ImportError:
        raise UserError(
            f"{name} needs torch-fidelity. Run: pip install 'provenance-suite[fidelity]'"
        ) from None
    tensors = _read(weights)
    try:
        network = _inception(tensors) if name == "inception" else _dinov2(tensors)
    except (RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ArtefactError(f"{weights} is not {name}: {first} Fetch {_WHERE[name]}") from error
    return PretrainedFeatures(name, network, device)


def _read(path: Path) -> dict[str, Any]:
    """Return the tensors of a file; a pickle that holds anything else is refused."""
    import pickle

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        return _named(torch.load(path, map_location="cpu", weights_only=True))
    except pickle.UnpicklingError as error:  # PyTorch's own words advise to run what the file holds
        raise ArtefactError(
            f"{path} is damaged or holds more than tensors, and is not opened. Fetch it again."
        ) from error
    except (
        OSError,
        RuntimeError,
        ValueError,
        TypeError,
        EOFError,
        LookupError,  # a pickle that names what it has not made
        AttributeError,
        SafetensorError,
    ) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ArtefactError(f"{path} holds no weights: {first} Fetch it again.") from error


def _named(found: Any) -> dict[str, Any]:
    """Return what a file holds, where that is tensors by name; raises TypeError else."""
    import torch

    if not isinstance(found, dict):
        raise TypeError(f"a {type(found).__name__}, not tensors by name.")
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise TypeError(f"{str(name)[:40]!a} is no name of a tensor.")
    return found


def _inception(tensors: dict[str, Any]) -> "torch.nn.Module":
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    # it would unpickle the file with whatever code it holds: so it is given what was read above
    stream = io.BytesIO()
    torch.save(tensors, stream)
    stream.seek(0)
    network: torch.nn.Module = FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=stream
    )
    return network


def _dinov2(tensors: dict[str, Any]) -> "torch.nn.Module":
    import timm
    import torch
    from timm.models.vision_transformer import checkpoint_filter_fn
    from torch_fidelity.feature_extractor_base import FeatureExtractorBase
    from torch_fidelity.feature_extractor_dinov2 import FeatureExtractorDinoV2

    vit = timm.create_model(
        "vit_small_patch14_dinov2", pretrained=False, img_size=_SIDE_PX, num_classes=0
    )
    vit.load_state_dict(checkpoint_filter_fn(tensors, vit), strict=True)

    class Extractor(FeatureExtractorDinoV2):  # type: ignore[misc]
        """Its resizing and normalisation, about a network from a file."""

        def __init__(self) -> None:
            FeatureExtractorBase.__init__(self, "dinov2-vit-s-14", ["dinov2"])
            self.feature_extractor_internal_dtype = torch.float32
            self.model = vit

    network: torch.nn.Module = Extractor()
    return network
