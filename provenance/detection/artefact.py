"""Trained detectors on disk, and the one object with which the rest of the suite uses them."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance.detection.card import CARD_FILE, DetectorCard, read_card
from provenance.detection.golden import replay_golden
from provenance.detection.opinion import Opinion, abstention, opinion
from provenance.detection.scoring import score_files
from provenance.errors import ArtefactError, ProvenanceError
from provenance.files import sha256_file
from provenance.plugins import registry

if TYPE_CHECKING:
    from provenance.contracts import Detector, InputSpec

_LOG = logging.getLogger(__name__)
WEIGHTS_FILE = "model.safetensors"


class TrainedDetector:
    """A detector with its calibration and thresholds; built by :func:`load_artefact`.

    Attributes:
        name: Of the detector.
        version: Of the plugin that made its weights.
        input: The windows that the caller must cut.
        kinds: Media kinds that it scores.
        card: Everything that is known of it.
    """

    def __init__(self, card: DetectorCard, detector: "Detector") -> None:
        self.card = card
        self.name = card.name
        self.version = card.version
        self.input: InputSpec = card.input
        self.kinds = frozenset(card.kinds)
        self._detector = detector

    def judge(self, windows: Sequence[Sequence[Any]]) -> list[Opinion]:
        """Say what this detector makes of each file; never raises for one bad item.

        Args:
            windows: One inner sequence a file: its windows, already cut to ``input``. The logits
                of the windows are averaged. A file without windows is abstained on.
        """
        scores = score_files(self._detector, windows)
        card = self.card
        return [
            opinion(float(logit), card.calibration, card.threshold_1pct, card.threshold_5pct)
            if applies
            else abstention(reason)
            for logit, applies, reason in zip(
                scores.logit, scores.applicable, scores.reason, strict=True
            )
        ]


def find_artefacts(folder: Path) -> list[Path]:
    """Return the folders of trained detectors in ``folder``, by name; [] where it is missing.

    A folder that is an artefact itself is returned as the only one.
    """
    if not folder.is_dir():
        return []
    if _is_artefact(folder):
        return [folder]
    return sorted(
        path for path in folder.iterdir() if not path.name.startswith(".") and _is_artefact(path)
    )


def _is_artefact(folder: Path) -> bool:
    return (folder / CARD_FILE).is_file() and (folder / WEIGHTS_FILE).is_file()


def load_artefact(folder: Path, device: str) -> TrainedDetector:
    """Load a trained detector, and replay its golden vector.

    Args:
        folder: What ``train-detector`` wrote.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        ArtefactError: A file is missing or was changed, the plugin has another version than the one
            that was trained, its strict load fails, or it no longer reproduces its scores.
        UserError: No installed plugin offers this detector, or the device does not exist.
    """
    card = read_card(folder)
    offer = registry().detector(card.name)
    if offer.spec.version != card.version:
        raise ArtefactError(
            f"{folder} was trained with {card.name} {card.version}, installed is "
            f"{offer.spec.version}. Train it anew, or install the matching release."
        )
    _check_weights(folder, card)
    detector = offer.factory()
    try:
        detector.load(folder, _resolve(device))
    except ProvenanceError:
        raise
    except Exception as error:  # a plugin may raise anything; a failed load is never gone past
        raise ArtefactError(
            f"{folder} cannot be loaded: {type(error).__name__}: {error}. Train it anew."
        ) from error
    replay_golden(folder, detector, card.golden)
    _LOG.info("Loaded %s %s from %s", card.name, card.version, folder)
    return TrainedDetector(card, detector)


def _check_weights(folder: Path, card: DetectorCard) -> None:
    try:
        digest = sha256_file(folder / WEIGHTS_FILE)
    except OSError as error:
        raise ArtefactError(f"{folder / WEIGHTS_FILE} cannot be read: {error.strerror}.") from error
    if digest != card.weights_sha256:
        raise ArtefactError(
            f"{folder / WEIGHTS_FILE} is not the file that the card names (its SHA-256 differs). "
            "Copy the whole folder, or train the detector anew."
        )


def _resolve(device: str) -> str:
    if device == "cpu":  # spares the import of torch to those who need none
        return device
    from provenance.training import resolve_device

    return resolve_device(device)
