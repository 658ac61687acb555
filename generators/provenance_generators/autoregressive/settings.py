"""What shapes the networks and their training; stored beside the weights."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from provenance import UserError
from provenance.training import override_settings
from provenance_generators.autoregressive.model import FACTOR, Prior, Tokenizer


@dataclass(frozen=True, slots=True)
class Settings:
    """Plain values.

    Attributes:
        size_px: Side of the images.
        levels: Values that each digit of a code may take; their product is the number of codes.
        width: Channels of the tokenizer at half resolution, a multiple of 8.
        embedding: Width of the transformer, a multiple of ``heads``.
        layers: Blocks of the transformer.
        heads: Of its attention.
        dropout: Share of its activations dropped in training.
        adversarial: Weight of the tokenizer's critic; 0 leaves it out.
        batch: Images a step.
        tokenizer_rate: Peak learning rate of the tokenizer.
        prior_rate: Peak learning rate of the transformer.
    """

    size_px: int
    levels: tuple[int, ...]
    width: int
    embedding: int
    layers: int
    heads: int
    dropout: float
    adversarial: float
    batch: int
    tokenizer_rate: float
    prior_rate: float

    @classmethod
    def build(cls, size_px: int, defaults: Mapping[str, Any], given: Mapping[str, Any]) -> Self:
        """Return ``defaults`` overridden by ``given``.

        Raises:
            UserError: A setting that does not exist, or a value that makes no network.
        """
        values = override_settings("autoregressive", defaults, given)
        whole = ("width", "embedding", "layers", "heads", "batch")
        if any(values[name] < 1 for name in whole) or values["width"] % 8:
            raise UserError(f"{', '.join(whole)} must be at least 1, and width a multiple of 8.")
        if values["embedding"] % values["heads"]:
            raise UserError("embedding must be a multiple of heads.")
        if not values["levels"] or min(values["levels"]) < 3 or math.prod(values["levels"]) > 65536:
            raise UserError("levels must each be at least 3, with a product of at most 65536.")
        return cls(size_px=size_px, **values)

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> Self:
        """Return what :meth:`to_json` gave; raises KeyError where a field is missing."""
        values = {name: config[name] for name in cls.__slots__}
        return cls(**{**values, "levels": tuple(values["levels"])})

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the header of the weights."""
        return asdict(self)

    def tokenizer(self) -> Tokenizer:
        """Build the tokenizer, untrained."""
        return Tokenizer(width=self.width, levels=self.levels)

    def prior(self) -> Prior:
        """Build the transformer, untrained."""
        return Prior(
            codes=math.prod(self.levels),
            grid=self.size_px // FACTOR,
            embedding=self.embedding,
            layers=self.layers,
            heads=self.heads,
            dropout=self.dropout,
        )
