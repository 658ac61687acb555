"""Generators: their spec, what they do, and what some can do beside sampling."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from provenance.contracts.fitting import API_VERSION, FitContext

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from provenance.types import Media, MediaKind


Capability = Literal[
    "reconstruct",
    "resample",
    "inpaint",
    "interpolate",
    "directions",
    "class-conditional",
    "likelihood",
    "members",
]
"""What a generator can do beside sampling; the protocols below say how."""

Control = Literal["top_k", "top_p"]
"""Further keyword arguments of ``sample``: ``top_k`` (at least 1) keeps the likeliest tokens only,
``top_p`` (0..1] the likeliest ones that together have this probability."""


@dataclass(frozen=True, slots=True)
class GeneratorSpec:
    """A generator, before anything heavy is imported.

    Attributes:
        name: Lower case, unique among generators.
        family: ``gan``, ``vae``, ``autoregressive`` ...
        version: Of the network and its sampling.
        kind: Media kind that it makes.
        capabilities: Optional methods that it has; the conformance kit checks that this is honest.
        summary: One line for listings.
        licence: SPDX name of the plugin's code.
        sizes_px: Image sides that it can learn; empty for other kinds.
        api_version: The API that the plugin was written for.
        options: Names of the settings that ``fit`` reads from ``context.options``, with defaults.
        presets: Name to settings that it overrides; the option ``preset``, where there are any,
            names one. What the user sets by name wins over the preset.
        variants: Name of a setting to its values that leave other traces in the images: how maps
            are enlarged, normalised, compared. ``generate --diverse`` draws one of each.
        controls: Keyword arguments that ``sample`` takes beside those of the protocol.
        is_default: Whether ``generate`` trains it where the user names no generator.
    """

    name: str
    family: str
    version: str
    kind: "MediaKind"
    capabilities: frozenset[Capability]
    summary: str
    licence: str
    sizes_px: tuple[int, ...] = ()
    api_version: int = API_VERSION
    options: Mapping[str, Any] = field(default_factory=dict)
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    variants: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    controls: frozenset[Control] = frozenset()
    is_default: bool = True


class Generator(Protocol):
    """A generator that learns. Images travel as uint8 (N, H, W, 3), sRGB, 0..255."""

    def fit(self, source: "Sequence[Media]", context: FitContext) -> None:
        """Learn from items of one kind and, for images, of one square size."""
        ...

    def save(self, folder: Path) -> None:
        """Write ``folder/model.safetensors`` with :func:`provenance.training.save_weights`."""
        ...

    def load(self, folder: Path, device: str) -> None:
        """Read what ``save`` wrote. Strict: anything missing or left over raises."""
        ...

    def sample(
        self,
        n: int,
        *,
        seed: int,
        label: "str | Sequence[str] | None" = None,
        truncation: float = 1.0,
        temperature: float = 1.0,
    ) -> Any:
        """Make ``n`` items. Equal arguments on one machine give equal output.

        Args:
            n: At least 0.
            seed: Item i depends on ``seed + i`` alone.
            label: Class of all items, or of each; None draws classes as often as they were in the
                source. An error where the generator knows no classes.
            truncation: 0..1; below 1, items are more typical and less varied.
            temperature: At least 0; scales what is random.
        """
        ...


@runtime_checkable
class ClassConditional(Protocol):
    """A generator that may be told what to make: capability ``class-conditional``."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names that ``label`` may have; empty where the source had no classes."""
        ...


@runtime_checkable
class Reconstructor(Protocol):
    """A generator that passes real items through itself: content-aligned fakes."""

    def reconstruct(self, batch: Any) -> Any:
        """Return the batch as the generator renders it, same shape and type."""
        ...


@runtime_checkable
class Resampler(Protocol):
    """A generator that makes part of a real item anew; ``inpaint`` says that it takes a mask."""

    def resample(
        self,
        batch: Any,
        fraction: float,
        *,
        seed: int,
        mask: "NDArray[np.bool_] | None" = None,
    ) -> Any:
        """Return the batch with part of its content drawn from the model.

        Args:
            batch: N items.
            fraction: 0..1 of the content, spread over the item or, with a mask, over its true part.
            seed: Item i depends on ``seed + i`` alone.
            mask: Capability ``inpaint``: bool (N, H, W), true where content may be drawn anew. What
                is false may still change in its last details, as in ``reconstruct``.
        """
        ...


@runtime_checkable
class Interpolator(Protocol):
    """A generator that goes from one sample to another: capability ``interpolate``."""

    def interpolate(self, seed_a: int, seed_b: int, steps: int) -> Any:
        """Return ``steps`` (at least 2) items; the ends are the samples of the seeds."""
        ...


@dataclass(frozen=True, slots=True)
class Direction:
    """A direction in a latent space, along which samples change in one way.

    Attributes:
        name: Unique in its generator: ``sefa-1``, ``pca-2``, ``class-cat``.
        how: Found in the weights (``sefa``, arXiv 2007.06600), in latents (``pca``, arXiv
            2004.02546), or from labelled items (``label``).
        strength: How much it changes, relative to others found in the same way; 0..1.
    """

    name: str
    how: Literal["sefa", "pca", "label"]
    strength: float


@runtime_checkable
class Steerable(Protocol):
    """A generator whose samples can be moved along directions: capability ``directions``."""

    def directions(self) -> Sequence[Direction]:
        """Return the directions, strongest first of each kind; equal calls, equal answers."""
        ...

    def move(self, seed: int, direction: str, amounts: Sequence[float]) -> Any:
        """Return one item an amount: the sample of ``seed`` moved along a direction.

        Args:
            seed: Of the sample.
            direction: A name among :meth:`directions`; others raise :class:`UserError`.
            amounts: In standard deviations of the latents; 0 is the sample itself.
        """
        ...


@runtime_checkable
class Scorable(Protocol):
    """A generator that knows how likely an item is: capability ``likelihood``."""

    def bits_per_dim(self, batch: Any) -> "NDArray[np.float32]":
        """Return float32 (N,): exact negative log2-likelihood of each item a value (0..255)."""
        ...


@runtime_checkable
class Ensemble(Protocol):
    """A generator that lets others do the work: capability ``members``."""

    def members(
        self, n: int, *, seed: int, label: "str | Sequence[str] | None" = None
    ) -> Sequence[str]:
        """Return the name of the member that makes each item of the equal call of ``sample``."""
        ...
