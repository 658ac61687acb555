"""The card of a trained detector: everything needed to use it, and to know what it is worth."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from provenance.contracts import InputSpec
from provenance.detection.calibration import Calibration, Threshold
from provenance.detection.metrics import Estimate
from provenance.errors import ArtefactError
from provenance.files import write_json
from provenance.types import MediaKind

CARD_FILE = "card.json"
SCHEMA_VERSION = 1


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CorpusFacts(_Part):
    """The corpus that a detector learned from.

    Attributes:
        name: Of its folder.
        sha256: Of its ``metadata.jsonl``, which holds the hash of each file.
        items: How many items each split has.
        generators: Those whose items were in it.
    """

    name: str
    sha256: str
    items: dict[str, int]
    generators: list[str]


class TrainingFacts(_Part):
    """How the weights came about.

    Attributes:
        created: Time of completion, ISO 8601, UTC.
        command_seed: The seed that the user gave.
        device: Where it was trained.
        budget_s: Seconds of training that were allowed.
        max_steps: Steps that were allowed, where steps were counted.
        took_s: Seconds from the start of the fit to the end of its test.
        options: The plugin's settings, defaults included.
    """

    created: str
    command_seed: int
    device: str
    budget_s: float
    max_steps: int | None
    took_s: float
    options: dict[str, Any]


class GoldenVector(_Part):
    """Inputs that are scored at every load, and what they must score.

    Attributes:
        sha256: Of ``golden.safetensors``, which holds the inputs.
        logits: What each input scored when the detector was trained.
        tolerance: Largest accepted difference, times ``max(1, |logit|)``. Wider than rounding on
            one machine, since another processor or a GPU sums in another order.
    """

    sha256: str
    logits: list[float]
    tolerance: float


class DetectorCard(_Part):
    """``card.json``, beside ``model.safetensors`` and ``golden.safetensors``.

    Attributes:
        schema_version: Of this file.
        name: Of the detector.
        version: Of the plugin's features and network.
        api_version: Of the plugin API.
        distribution: Name and version of the distribution that carries the plugin.
        suite_version: Of this suite.
        kinds: Media kinds that it scores.
        summary: One line.
        licence: Of the plugin's code and of any weights it carries.
        input: The windows that the host cuts.
        weights_sha256: Of ``model.safetensors``.
        calibration: From logit to probability.
        threshold_1pct: Above it: synthetic.
        threshold_5pct: Above it, and not above the other: inconclusive.
        golden: The golden vector.
        corpus: What it learned from.
        training: How it learned.
        metrics: On the test split, all generators together.
        auroc_per_generator: On the test split, seen in training.
        auroc_held_out: On the test split, by a detector that never saw this generator.
    """

    schema_version: int = SCHEMA_VERSION
    name: str
    version: str
    api_version: int
    distribution: str
    suite_version: str
    kinds: list[MediaKind]
    summary: str
    licence: str
    input: InputSpec
    weights_sha256: str
    calibration: Calibration
    threshold_1pct: Threshold
    threshold_5pct: Threshold
    golden: GoldenVector
    corpus: CorpusFacts
    training: TrainingFacts
    metrics: dict[str, Estimate]
    auroc_per_generator: dict[str, Estimate]
    auroc_held_out: dict[str, Estimate]

    def write(self, folder: Path) -> None:
        """Write ``folder/card.json`` atomically."""
        write_json(folder / CARD_FILE, self.model_dump(mode="json"))


def read_card(folder: Path) -> DetectorCard:
    """Read ``folder/card.json``.

    Raises:
        ArtefactError: It is missing, damaged, or of another schema.
    """
    path = folder / CARD_FILE
    try:
        card = DetectorCard.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ArtefactError(f"{path} is missing. Name a folder of train-detector.") from None
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        fact = f"{where:.80}: {first['msg']}" if where else first["msg"]
        raise ArtefactError(f"{path} is not a detector's card: {fact}. Train it anew.") from error
    if card.schema_version != SCHEMA_VERSION:
        raise ArtefactError(
            f"{path} has schema {card.schema_version}, this release reads {SCHEMA_VERSION}. "
            "Train the detector anew."
        )
    return card
