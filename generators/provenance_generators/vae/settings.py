"""What shapes the network and its training; stored beside the weights."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from provenance import UserError
from provenance.training import resolve_options
from provenance_generators.tokenizers import TokenizerSettings
from provenance_generators.vae import SPEC
from provenance_generators.vae.model import VAE, CodedAutoencoder

_CHOICES = {
    "bottleneck": ("gaussian", "fsq", "vq"),
    "density": ("none", "gaussian", "mixture"),
    "colours": ("auto", "kept", "exchanged"),
    **SPEC.variants,
}
_RANGES = {  # a damaged file must not make us allocate without bounds
    "width": (8, 1024),
    "blocks": (1, 64),
    "latents": (1, 512),
    "components": (1, 1024),
    "rank": (1, 4096),
    "batch": (1, 65536),
}
_WEIGHTS = ("beta", "free_bits", "adversarial", "perceptual")


@dataclass(frozen=True, slots=True)
class Settings:
    """Plain values, checked where they are made.

    Attributes:
        size_px: Side of the images.
        bottleneck: ``gaussian``, or ``fsq`` or ``vq`` for codes.
        width: Channels at full resolution (codes: at half of it), a multiple of 8.
        blocks: Residual blocks of the encoder; the decoder has twice as many.
        latents: ``gaussian``: latent units of a cell of 8 x 8 pixels.
        levels: ``fsq``: values of each digit of a code.
        codes: ``vq``: how many.
        upsampling: How the decoder enlarges.
        norm: What normalises its maps.
        beta: Weight of the divergence.
        free_bits: Bits a latent unit before it costs.
        adversarial: Weight of the critic's term against squared error; 0 leaves the critic out.
        perceptual: Weight of the distance in random features against squared error.
        density: What is sampled: the prior (``none``), a ``gaussian`` or a ``mixture``.
        components: Most Gaussians of the mixture; each class has one at least.
        rank: Most principal axes of the density.
        colours: Whether half of the images have their channels ``exchanged`` in training;
            ``auto``: where there are fewer than 100 photographs.
        batch: Images a step.
        learning_rate: Peak of the schedule.

    Raises:
        ValueError: A value that makes no network.
    """

    size_px: int
    bottleneck: str
    width: int
    blocks: int
    latents: int
    levels: tuple[int, ...]
    codes: int
    upsampling: str
    norm: str
    beta: float
    free_bits: float
    adversarial: float
    perceptual: float
    density: str
    components: int
    rank: int
    colours: str
    batch: int
    learning_rate: float

    def __post_init__(self) -> None:
        if self.size_px not in SPEC.sizes_px:
            raise ValueError(f"no side of {self.size_px!r} px can be learned.")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                words = ", ".join(allowed)
                raise ValueError(f"{name} is one of {words}, not {getattr(self, name)!r}.")
        for name, (least, most) in _RANGES.items():
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} lies within {least}..{most}.")
        if self.width % 8:
            raise ValueError("width must be a multiple of 8.")
        if not all(0 <= getattr(self, name) < math.inf for name in _WEIGHTS):
            raise ValueError(f"{', '.join(_WEIGHTS)} are finite, and at least 0.")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError("a learning rate is finite and above 0.")

    @classmethod
    def build(cls, size_px: int, given: Mapping[str, Any]) -> Self:
        """Return the settings of a run: defaults, preset, ``given``.

        Raises:
            UserError: A setting that does not exist, or a value that makes no network.
        """
        values = resolve_options(SPEC, given)
        del values["preset"]
        try:
            settings = cls(size_px=size_px, **values)
            if settings.is_coded:
                settings.tokenizer()
        except (TypeError, ValueError) as error:
            raise UserError(f"{SPEC.name}: {error}") from None
        return settings

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> Self:
        """Return what :meth:`to_json` gave; raises KeyError or ValueError where it did not."""
        values = {name: config[name] for name in cls.__slots__}
        return cls(**{**values, "levels": tuple(values["levels"])})

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the header of the weights."""
        return asdict(self)

    @property
    def is_coded(self) -> bool:
        """Whether the bottleneck is one of codes."""
        return self.bottleneck != "gaussian"

    def network(self) -> VAE | CodedAutoencoder:
        """Build the network, untrained."""
        if self.is_coded:
            return CodedAutoencoder(self.tokenizer().build(), self.size_px)
        return VAE(
            size_px=self.size_px,
            width=self.width,
            latents=self.latents,
            blocks=self.blocks,
            upsampling=self.upsampling,
            norm=self.norm,
        )

    def tokenizer(self) -> TokenizerSettings:
        """Return the settings of the shared tokenizer."""
        return TokenizerSettings(
            quantiser=self.bottleneck,
            levels=self.levels,
            codes=self.codes,
            width=self.width,
            blocks=2 * self.blocks,
            upsampling=self.upsampling,
            norm=self.norm,
            adversarial=self.adversarial,
            perceptual=self.perceptual,
            batch=self.batch,
            rate=self.learning_rate,
        )
