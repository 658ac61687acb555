"""What a plugin fills in: import-light specs, and the protocols of the things behind them.

A *spec* is pure data and costs nothing to build. The *factory* registered beside it is called only
when the thing is used, so that a plugin's ``__init__`` never imports torch, cv2 or timm.

The host owns reading files, splits, geometry, calibration, thresholds and verdicts; a plugin owns
features, networks and scores. Nothing here assumes an image: a *batch* is a list of decoded items
(:class:`provenance.Media` ``.data``) of one media kind.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from provenance.types import Evidence, LabelledMedia, Media, MediaKind

API_VERSION = 1
"""Version of the plugin API. Hooks may gain arguments, and dataclasses fields with defaults;
anything else raises this number."""


@dataclass(frozen=True, slots=True)
class InputSpec:
    """How the host cuts a decoded file before a plugin sees it. Pure data, stored in the card.

    Detectors with equal specs share one decode. No geometry but ``resize`` ever interpolates, since
    interpolation erases the traces that detectors look for.

    Attributes:
        geometry: ``native`` (whole item), ``crop`` (one centred window), ``tiles`` (a grid of
            windows; the host averages their logits), ``resize`` (for plugins that insist).
        size_px: Images: side of the window.
        stride_px: Images: distance of tiles; equals ``size_px`` when None.
        max_tiles: At most so many tiles of one item, spread evenly.
        min_side_px: Images whose shorter side is below this are not applicable.
        sample_rate_hz: Audio: the rate to which the host resamples; None keeps the file's.
        duration_s: Audio: length of the window.
        max_characters: Text: longest piece that the plugin takes.
    """

    geometry: Literal["native", "crop", "tiles", "resize"] = "native"
    size_px: int | None = None
    stride_px: int | None = None
    max_tiles: int = 16
    min_side_px: int = 1
    sample_rate_hz: int | None = None
    duration_s: float | None = None
    max_characters: int | None = None


@dataclass(frozen=True, slots=True)
class FitContext:
    """Everything that a ``fit`` needs from outside; shared by generators and detectors.

    Attributes:
        workdir: Checkpoints, logs and pictures; survives a kill, so that ``resume`` can use it.
        seed: Of everything random in the run.
        device: ``cpu``, ``cuda`` or ``cuda:N``, resolved already.
        budget_s: Seconds of training, summed over resumed runs.
        max_steps: Stop after so many optimiser steps instead; makes a run repeatable.
        resume: Go on from the newest checkpoint in ``workdir`` where there is one.
        progress: Called with a fraction (0..1) and a few words.
        input: Detectors: the spec after the host has fitted it to the corpus.
        options: The plugin's own settings, by name (``preset``, ``backbone`` ...).
    """

    workdir: Path
    seed: int = 0
    device: str = "cpu"
    budget_s: float = 60.0
    max_steps: int | None = None
    resume: bool = False
    progress: Callable[[float, str], None] = lambda fraction, message: None
    input: InputSpec = field(default_factory=InputSpec)
    options: Mapping[str, Any] = field(default_factory=dict)


# --- detectors ------------------------------------------------------------------------------------


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


# --- generators -----------------------------------------------------------------------------------

Capability = Literal["reconstruct", "resample", "interpolate", "directions", "class-conditional"]


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
        label: str | None = None,
        truncation: float = 1.0,
        temperature: float = 1.0,
    ) -> Any:
        """Make ``n`` items. Equal arguments on one machine give equal output."""
        ...


@runtime_checkable
class Reconstructor(Protocol):
    """A generator that passes real items through itself: content-aligned fakes."""

    def reconstruct(self, batch: Any) -> Any:
        """Return the batch as the generator renders it, same shape and type."""
        ...


@runtime_checkable
class Resampler(Protocol):
    """A generator that makes part of a real item anew."""

    def resample(self, batch: Any, fraction: float, *, seed: int) -> Any:
        """Return the batch with ``fraction`` (0..1) of its content drawn from the model."""
        ...


# --- sources of real media ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """A source of real media, before anything is opened.

    Attributes:
        name: Lower case, unique among datasets; users write ``NAME`` or ``NAME:ARGUMENT``.
        kinds: Media kinds that it yields.
        summary: One line for listings.
        licence: SPDX name, or where to read the terms.
        argument: What stands after the colon (``FOLDER``), or "" where nothing may.
        api_version: The API that the plugin was written for.
    """

    name: str
    kinds: frozenset["MediaKind"]
    summary: str
    licence: str
    argument: str = ""
    api_version: int = API_VERSION


class Dataset(Protocol):
    """A source of real media; built by ``factory(argument)``."""

    def items(self, window: InputSpec, *, count: int | None, seed: int) -> "Sequence[Media]":
        """Return up to ``count`` items cut to ``window``, with stable ids, spread over groups.

        Equal arguments give equal items in equal order.
        """
        ...


# --- evidence -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EvidenceSpec:
    """A reader of what a file carries: credentials, metadata, watermarks, fingerprints.

    Attributes:
        name: Lower case, unique among evidence readers.
        version: Shown in every statement.
        kinds: Media kinds that it reads; None for files of every kind, unknown ones too.
        summary: One line for listings.
        licence: SPDX name of the plugin's code.
        api_version: The API that the plugin was written for.
    """

    name: str
    version: str
    kinds: frozenset["MediaKind"] | None
    summary: str
    licence: str
    api_version: int = API_VERSION


class EvidenceReader(Protocol):
    """Reads one file; built once per worker process by ``factory(settings)``.

    ``settings`` is a mapping of plain values from the command line, ``trust_anchors`` (list of
    paths, or None for the default) among them.
    """

    def read(self, path: Path, media_type: str) -> "list[Evidence]":
        """Return the statements of this file, none where it carries nothing.

        Args:
            path: The file. Hostile; never written.
            media_type: MIME type recognised from the content.
        """
        ...


# --- signers --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SignerSpec:
    """A place where a signing key may lie: a file, a hardware module, a key service.

    Attributes:
        name: Lower case, unique among signers; ``development`` is taken.
        version: Of the plugin.
        summary: One line for listings.
        licence: SPDX name of the plugin's code.
        settings: Names of the settings that the factory reads, each with a line of help. None of
            them is a secret: a setting names the environment variable that holds one.
        files: Those settings that are paths. The host makes them absolute, and has the key built
            anew when one of the files changes.
        api_version: The API that the plugin was written for.
    """

    name: str
    version: str
    summary: str
    licence: str
    settings: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    api_version: int = API_VERSION


class SigningKey(Protocol):
    """A key that signs; built once per process by ``factory(settings)``.

    ``settings`` holds what the user gave, under names of :attr:`SignerSpec.settings` and nothing
    else. The factory raises :class:`provenance.UserError` where something is missing or wrong.
    The host checks the certificates and each signature before they are used.
    """

    @property
    def algorithm(self) -> str:
        """One of ``es256 es384 es512 ps256 ps384 ps512 ed25519``."""
        ...

    @property
    def certificates_pem(self) -> bytes:
        """The certificate of the key and those above it, the key's own first."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Return the signature of ``data`` (about a kilobyte, not hashed yet).

        ECDSA as DER, or as ``r`` and ``s`` side by side; RSA with PSS, salt as long as the hash.
        Called from any thread, from several at once. Whatever it raises reaches the user.
        """
        ...
