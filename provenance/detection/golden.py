"""The golden vector: real inputs kept beside the weights, scored again at every load.

A hash shows that the weights are the same bytes. Only this shows that the code, the libraries and
the machine still turn them into the same scores.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from provenance.detection.card import GoldenVector
from provenance.detection.scoring import score_items
from provenance.errors import ArtefactError, PluginError
from provenance.files import sha256_file, write_atomic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from provenance.contracts import Detector

GOLDEN_FILE = "golden.safetensors"
_TOLERANCE = 0.01
_TEXT = "text."


def write_golden(folder: Path, detector: "Detector", inputs: Sequence[Any]) -> GoldenVector:
    """Store ``inputs`` as ``folder/golden.safetensors`` and return their scores.

    Args:
        folder: The artefact.
        detector: Trained.
        inputs: Windows: arrays of any number type, or text.

    Raises:
        PluginError: The detector abstains on all of them.
    """
    from safetensors.numpy import save

    scores = score_items(detector, inputs)
    kept = [item for item, applies in zip(inputs, scores.applicable, strict=True) if applies]
    if not kept:
        raise PluginError("The detector abstains on every item of the test split.")
    arrays = dict(_to_array(index, item) for index, item in enumerate(kept))
    write_atomic(folder / GOLDEN_FILE, save(arrays))
    logits = [float(logit) for logit in scores.logit[scores.applicable]]
    digest = sha256_file(folder / GOLDEN_FILE)
    return GoldenVector(sha256=digest, logits=logits, tolerance=_TOLERANCE)


def replay_golden(folder: Path, detector: "Detector", golden: GoldenVector) -> None:
    """Score the golden inputs again.

    Raises:
        ArtefactError: The inputs are damaged or none, or a score is off by more than the tolerance.
    """
    inputs = _read_inputs(folder / GOLDEN_FILE, golden)
    scores = score_items(detector, inputs)
    expected = np.array(golden.logits)
    if not inputs:
        raise ArtefactError(f"{folder} has no golden inputs to check it with. Train it anew.")
    if len(inputs) != len(expected) or not scores.applicable.all():
        reason = next(filter(None, scores.reason), f"{len(inputs)} inputs")
        raise ArtefactError(f"{folder} does not score its golden inputs: {reason}.")
    difference = np.abs(scores.logit - expected) / np.maximum(1, np.abs(expected))
    if not np.all(difference <= golden.tolerance):  # NaN must fail, too
        raise ArtefactError(
            f"{folder} does not reproduce its golden scores (off by {difference.max():.3g}). "
            "The plugin or a library has changed: train the detector anew."
        )


def _read_inputs(path: Path, golden: GoldenVector) -> list[Any]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        data = path.read_bytes()
        if sha256_file(path) != golden.sha256:
            raise ArtefactError(f"{path} is not the file that the card names. Train it anew.")
        arrays = load(data)
        return [_from_array(name, arrays[name]) for name in sorted(arrays, key=_index)]
    except (OSError, SafetensorError, ValueError) as error:
        raise ArtefactError(f"{path} cannot be read: {error}. Train the detector anew.") from error


def _to_array(index: int, item: Any) -> "tuple[str, NDArray[Any]]":
    if isinstance(item, str):
        return f"{_TEXT}{index}", np.frombuffer(item.encode("utf-8", "surrogatepass"), np.uint8)
    return f"array.{index}", np.ascontiguousarray(item)


def _from_array(name: str, array: "NDArray[Any]") -> Any:
    if name.startswith(_TEXT):
        return array.tobytes().decode("utf-8", "surrogatepass")
    return array


def _index(name: str) -> int:
    return int(name.rpartition(".")[2])
