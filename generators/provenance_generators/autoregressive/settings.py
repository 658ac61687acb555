"""What shapes the networks and their training; stored beside the weights."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from torch import Tensor

from provenance import UserError
from provenance.training import resolve_options
from provenance_generators.autoregressive import SPEC
from provenance_generators.autoregressive.model import Prior
from provenance_generators.tokenizers import TokenizerSettings

_OF_TOKENIZER = (
    "quantiser", "levels", "codes", "code_dim", "width", "blocks", "upsampling", "norm",
    "adversarial", "perceptual",
)  # fmt: skip
_RANGES = {  # a damaged file must not make us allocate without bounds
    "embedding": (1, 8192),
    "layers": (1, 128),
    "heads": (1, 256),
    "batch": (1, 65536),
}
_FINE_PX = 64  # up to this side a token stands for 4 x 4 pixels, above for 8 x 8 or more
_COARSEST = 16


@dataclass(frozen=True, slots=True)
class Settings:
    """Plain values, checked where they are made.

    Attributes:
        size_px: Side of the images.
        classes: Names of the source's classes.
        tokenizer: Shape and schedule of the tokenizer.
        tokenizer_share: Part of the budget that the tokenizer learns for, above 0, below 1.
        embedding: Width of the transformer, a multiple of ``heads``.
        layers: Blocks of the transformer.
        heads: Of its attention.
        dropout: Share of its activations dropped in training.
        guidance: How strongly samples follow their class; 1 as in the source, and then sampling
            costs half.
        batch: Images a step of the transformer.
        prior_rate: Its peak learning rate.

    Raises:
        ValueError: A value that makes no network.
    """

    size_px: int
    classes: tuple[str, ...]
    tokenizer: TokenizerSettings
    tokenizer_share: float
    embedding: int
    layers: int
    heads: int
    dropout: float
    guidance: float
    batch: int
    prior_rate: float

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} lies within {least}..{most}.")
        if self.embedding % self.heads:
            raise ValueError("embedding must be a multiple of heads.")
        if not 0 < self.tokenizer_share < 1:
            raise ValueError("tokenizer_share lies above 0 and below 1.")
        if not 0 <= self.dropout < 1:
            raise ValueError("dropout is at least 0 and below 1.")
        if not 0 < self.prior_rate < math.inf:
            raise ValueError("a learning rate is finite and above 0.")
        if not 1 <= self.guidance < math.inf:
            raise ValueError("guidance is finite and at least 1.")

    @classmethod
    def build(cls, size_px: int, classes: tuple[str, ...], given: Mapping[str, Any]) -> Self:
        """Return the settings of a run: defaults, preset, and what the user gave.

        Raises:
            UserError: A setting that does not exist, or a value that makes no network.
        """
        values = resolve_options(SPEC, given)
        del values["preset"]
        try:
            of_tokenizer = TokenizerSettings(
                **{name: values.pop(name) for name in _OF_TOKENIZER},
                factor=choose_factor(size_px, values.pop("most_tokens")),
                batch=values.pop("tokenizer_batch"),
                rate=values.pop("tokenizer_rate"),
            )
            return cls(size_px=size_px, classes=classes, tokenizer=of_tokenizer, **values)
        except ValueError as error:
            raise UserError(f"{SPEC.name}: {error}") from None

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> Self:
        """Return what :meth:`to_json` gave; raises KeyError or ValueError where it did not."""
        values = {name: config[name] for name in cls.__slots__}
        of_tokenizer = TokenizerSettings.from_json(values.pop("tokenizer"))
        return cls(**{**values, "classes": tuple(values["classes"])}, tokenizer=of_tokenizer)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the header of the weights."""
        return asdict(self)

    def prior(self, features: Tensor) -> Prior:
        """Build the transformer, untrained, for codes with features (V, F)."""
        return Prior(
            features,
            classes=len(self.classes),
            grid=self.size_px // self.tokenizer.factor,
            width=self.embedding,
            layers=self.layers,
            heads=self.heads,
            dropout=self.dropout,
        )


def choose_factor(size_px: int, most_tokens: int) -> int:
    """Return how many pixels a token stands for along each side: 4, 8 or 16.

    Args:
        size_px: Side of the images.
        most_tokens: An image has at most so many tokens, as far as a factor of 16 allows.
    """
    factor = 4 if size_px <= _FINE_PX else 8
    while (size_px // factor) ** 2 > most_tokens and factor < _COARSEST:
        factor *= 2
    return factor
