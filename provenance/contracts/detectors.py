"""Detectors: their spec, their scores, and what they do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from provenance.contracts.fitting import API_VERSION, FitContext, InputSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from provenance.types import LabelledMedia, MediaKind


@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """A detector, before anything heavy is imported.

    Attributes:
        name: Lower case, unique among detectors.
        version: Of the plugin's features and network; scores of equal versions agree.
        kinds: Media kinds that it scores.
        summary: One line for listings.
        licence: SPDX name of the plugin's code and of any weights it carries.
        input: The window it wants; the host may shrink it to the corpus it is trained on.
        api_version: The API that the plugin was written for.
        options: Names of the settings that ``fit`` reads from ``context.options``, with defaults.
    """

    name: str
    version: str
    kinds: frozenset["MediaKind"]
    summary: str
    licence: str
    input: InputSpec
    api_version: int = API_VERSION
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scores:
    """What a detector says of a batch of N items.

    Attributes:
        logit: float32 (N,), higher = more likely synthetic; finite where applicable.
        applicable: bool (N,); False abstains on that item.
        reason: N sentences; empty where applicable.
    """

    logit: "NDArray[np.float32]"
    applicable: "NDArray[np.bool_]"
    reason: tuple[str, ...]


class Detector(Protocol):
    """A detector that learns. The constructor reads nothing and allocates nothing heavy."""

    def fit(
        self,
        train: "Sequence[LabelledMedia]",
        validation: "Sequence[LabelledMedia]",
        context: FitContext,
    ) -> None:
        """Learn from ``train``; choose settings on ``validation``, never on anything else."""
        ...

    def save(self, folder: Path) -> None:
        """Write ``folder/model.safetensors`` with :func:`provenance.training.save_weights`."""
        ...

    def load(self, folder: Path, device: str) -> None:
        """Read what ``save`` wrote. Strict: anything missing or left over raises."""
        ...

    def score(self, batch: "Sequence[Any]") -> Scores:
        """Score N decoded items, each already cut to the card's :class:`InputSpec`."""
        ...
