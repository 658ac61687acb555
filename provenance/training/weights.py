"""Weights on disk: one safetensors file that holds arrays and plain settings, and never code."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance.errors import ArtefactError
from provenance.files import write_atomic

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

WEIGHTS_FILE = "model.safetensors"


def save_weights(folder: Path, arrays: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Write ``folder/model.safetensors`` atomically.

    Args:
        folder: Made when missing.
        arrays: Name to numpy array or torch tensor, of any shape and any plain number type.
        config: JSON-able settings needed to rebuild the model; kept in the file's header.
    """
    import numpy as np
    from safetensors.numpy import save

    plain = {name: np.asarray(_to_numpy(array), order="C") for name, array in arrays.items()}
    write_atomic(folder / WEIGHTS_FILE, save(plain, metadata={"config": json.dumps(config)}))


def load_weights(folder: Path) -> "tuple[dict[str, NDArray[np.generic]], dict[str, Any]]":
    """Read what :func:`save_weights` wrote.

    Returns:
        The arrays by name, and the settings.

    Raises:
        ArtefactError: The file is missing, damaged, or was not written by this suite.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / WEIGHTS_FILE
    try:
        with safe_open(path, framework="numpy") as stream:
            config = json.loads((stream.metadata() or {})["config"])
            arrays = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise ArtefactError(f"{path} is missing. Train the model, or name its folder.") from None
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ArtefactError(
            f"{path} is not a model of this suite: {error}. Train it anew."
        ) from error
    return arrays, config


@contextlib.contextmanager
def strict_weights(
    folder: Path, family: str
) -> "Iterator[tuple[dict[str, torch.Tensor], dict[str, Any]]]":
    """Give the tensors and the settings of a network that is rebuilt from them in the block.

    Usage::

        with strict_weights(folder, "vae") as (tensors, config):
            network = Network(config["width"])
            network.load_state_dict(tensors, strict=True)

    Raises:
        ArtefactError: The file is missing, damaged or of another ``family``, or the block raises
            what a missing setting, a senseless one or a strict ``load_state_dict`` do.
    """
    import torch

    arrays, config = load_weights(folder)
    if config.get("family") != family:
        raise ArtefactError(f"{folder} holds a {config.get('family')!r} model, not {family}.")
    try:
        yield {name: torch.from_numpy(array) for name, array in arrays.items()}, config
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ArtefactError(f"{folder} does not fit {family}: {error}. Train it anew.") from error


def _to_numpy(array: Any) -> Any:
    """Return a torch tensor as a numpy array on the host, and anything else as it is."""
    return array.detach().cpu().numpy() if hasattr(array, "detach") else array
