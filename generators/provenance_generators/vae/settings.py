"""What shapes the network and its training; stored beside the weights."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from provenance import UserError
from provenance.training import override_settings
from provenance_generators.vae.model import VAE, LatentDensity


@dataclass(frozen=True, slots=True)
class Settings:
    """Plain values.

    Attributes:
        size_px: Side of the images.
        width: Channels at full resolution, a multiple of 8.
        latents: Latent units.
        components: Gaussians in the density that is sampled.
        adversarial: Weight of the critic's term; 0 leaves the critic out.
        batch: Images a step.
        learning_rate: Peak of the schedule.
    """

    size_px: int
    width: int
    latents: int
    components: int
    adversarial: float
    batch: int
    learning_rate: float

    @classmethod
    def build(cls, size_px: int, defaults: Mapping[str, Any], given: Mapping[str, Any]) -> Self:
        """Return ``defaults`` overridden by ``given``.

        Raises:
            UserError: A setting that does not exist, or a value that makes no network.
        """
        values = override_settings("vae", defaults, given)
        whole = ("width", "latents", "components", "batch")
        if any(values[name] < 1 for name in whole) or values["width"] % 8:
            raise UserError(f"{', '.join(whole)} must be at least 1, and width a multiple of 8.")
        return cls(size_px=size_px, **values)

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> Self:
        """Return what :meth:`to_json` gave; raises KeyError where a field is missing."""
        return cls(**{name: config[name] for name in cls.__slots__})

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the header of the weights."""
        return asdict(self)

    def network(self) -> VAE:
        """Build the network, untrained."""
        return VAE(size_px=self.size_px, width=self.width, latents=self.latents)

    def density(self) -> LatentDensity:
        """Build the density: the prior, until it is fitted."""
        return LatentDensity(components=self.components, units=self.network().units)
