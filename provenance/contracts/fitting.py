"""What every ``fit`` is given, and how the host cuts items for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

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


CollapsePolicy = Literal["warn", "stop", "roll-back", "soften"]
"""What a run does about mode collapse; see :class:`FitContext`."""


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
        budget_clock: What ``budget_s`` counts: ``wall`` time, or ``cpu`` time of this process, by
            which runs on a shared machine can be compared.
        on_collapse: Generators: what to do when samples turn out to be all alike. ``warn`` only;
            ``stop`` with the best weights so far; ``roll-back`` to them and go on with gentler
            settings; ``soften`` the settings and go on from where the run stands.
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
    budget_clock: Literal["wall", "cpu"] = "wall"
    on_collapse: CollapsePolicy = "roll-back"
