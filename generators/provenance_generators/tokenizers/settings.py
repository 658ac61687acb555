"""What shapes a tokenizer and its training; a family stores it among its own settings."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from provenance_generators.tokenizers.model import FACTORS, Tokenizer
from provenance_generators.tokenizers.quantisers import FSQ, VQ, Quantiser
from provenance_generators.upsampling import NORMS, UPSAMPLING

QUANTISERS = ("fsq", "vq")
_MOST_CODES = 65536
_RANGES = {  # a damaged file must not make us allocate without bounds
    "codes": (2, _MOST_CODES),
    "code_dim": (1, 512),
    "width": (8, 1024),
    "blocks": (1, 64),
    "batch": (1, 65536),
}


@dataclass(frozen=True, slots=True)
class TokenizerSettings:
    """Plain values, checked where they are made.

    Attributes:
        quantiser: ``fsq`` or ``vq``.
        levels: FSQ: values that each digit of a code may take; their product is the number of
            codes.
        codes: VQ: how many.
        code_dim: VQ: numbers in a code's vector.
        width: Channels at half resolution, a multiple of 8.
        blocks: Residual blocks of the decoder.
        factor: Pixels a token along each side: 4, 8 or 16.
        upsampling: How the decoder enlarges; a name in ``upsampling.UPSAMPLING``.
        norm: Of the residual blocks; a name in ``upsampling.NORMS``.
        adversarial: Weight of the critic's hinge term; 0 leaves it out.
        perceptual: Weight of the distance between the critic's inner maps; 0 leaves it out.
        batch: Images a step.
        rate: Peak learning rate.

    Raises:
        ValueError: A value that makes no network.
    """

    quantiser: str = "fsq"
    levels: tuple[int, ...] = (6, 6, 6)
    codes: int = 512
    code_dim: int = 8
    width: int = 24
    blocks: int = 2
    factor: int = 4
    upsampling: str = "nearest"
    norm: str = "group"
    adversarial: float = 0.02
    perceptual: float = 0.0
    batch: int = 16
    rate: float = 3e-3

    def __post_init__(self) -> None:
        _one_of("quantiser", self.quantiser, QUANTISERS)
        _one_of("factor", self.factor, FACTORS)
        _one_of("upsampling", self.upsampling, UPSAMPLING)
        _one_of("norm", self.norm, NORMS)
        for name, (least, most) in _RANGES.items():
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} lies within {least}..{most}.")
        if self.width % 8:
            raise ValueError("width must be a multiple of 8.")
        if not all(type(level) is int for level in self.levels):
            raise ValueError("levels are whole numbers, given as a list such as [8,8,8].")
        if not self.levels or min(self.levels) < 3 or math.prod(self.levels) > _MOST_CODES:
            raise ValueError(f"levels must each be at least 3, with a product to {_MOST_CODES}.")
        if not all(0 <= value < math.inf for value in (self.adversarial, self.perceptual)):
            raise ValueError("adversarial and perceptual are weights: finite, and at least 0.")
        if not 0 < self.rate < math.inf:
            raise ValueError("a learning rate is finite and above 0.")

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> Self:
        """Return what :meth:`to_json` gave; raises KeyError or ValueError where it did not."""
        values = {name: config[name] for name in cls.__slots__}
        return cls(**{**values, "levels": tuple(values["levels"])})

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the header of the weights."""
        return asdict(self)

    def build(self) -> Tokenizer:
        """Build the tokenizer, untrained."""
        return Tokenizer(
            quantiser=self._build_quantiser(),
            width=self.width,
            factor=self.factor,
            upsampling=self.upsampling,
            norm=self.norm,
            blocks=self.blocks,
        )

    def _build_quantiser(self) -> Quantiser:
        return FSQ(self.levels) if self.quantiser == "fsq" else VQ(self.codes, self.code_dim)


def _one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} is one of {', '.join(map(str, allowed))}, not {value!r}.")
