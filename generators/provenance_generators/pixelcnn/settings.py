"""What shapes the network and its training; stored beside the weights."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from provenance import UserError
from provenance.training import resolve_options
from provenance_generators.pixelcnn import SPEC
from provenance_generators.pixelcnn.model import PixelCNN


@dataclass(frozen=True, slots=True)
class Settings:
    """Plain values.

    Attributes:
        size_px: Side of the images.
        classes: Names of classes, in order; empty where the source had none.
        preset: Where the others come from.
        width: Channels.
        layers: Gated blocks; each sees one pixel further.
        components: Logistics in the mixture of a pixel.
        batch: Images a step.
        learning_rate: Peak of the schedule.
    """

    size_px: int
    classes: tuple[str, ...]
    preset: str
    width: int
    layers: int
    components: int
    batch: int
    learning_rate: float

    @classmethod
    def build(cls, size_px: int, classes: tuple[str, ...], given: Mapping[str, Any]) -> Self:
        """Return the spec's defaults overridden by preset and user.

        Raises:
            UserError: A setting that does not exist, or a value that makes no network.
        """
        values = resolve_options(SPEC, given)
        for name in ("width", "layers", "components", "batch"):
            if values[name] < 1:
                raise UserError(f"pixelcnn's setting {name!r} is at least 1, not {values[name]}.")
        if not 0 < values["learning_rate"] < 1:
            raise UserError("pixelcnn's setting 'learning_rate' lies between 0 and 1.")
        return cls(size_px=size_px, classes=classes, **values)

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> Self:
        """Return what :meth:`to_json` gave; raises KeyError where a field is missing."""
        values = {name: config[name] for name in cls.__slots__}
        return cls(**{**values, "classes": tuple(values["classes"])})

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the header of the weights."""
        return asdict(self)

    def network(self) -> PixelCNN:
        """Build the network, untrained."""
        return PixelCNN(
            width=self.width,
            layers=self.layers,
            components=self.components,
            classes=max(1, len(self.classes)),
        )
