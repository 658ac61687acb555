"""What the checks of the generator kit look at: one generator, trained and saved."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from provenance.contracts import FitContext, Generator, GeneratorSpec
from provenance.types import Media, MediaKind


@dataclass(frozen=True, slots=True)
class Subject:
    """A generator that was trained and saved, and the data at hand.

    Attributes:
        factory: As registered.
        spec: As registered.
        source: What it was trained on.
        make_source: For images: side in pixels to a source of that size.
        context: Of the training.
        folder: What ``save`` wrote.
        module: Name of the plugin's module, where known.
        trained: Samples of the trained generator, before it was saved.
        printed: What the training and saving wrote to stdout.
        source_kept: Whether the source is as it was before the training.
        settings_kept: Whether torch's global settings are as they were before the training.
        steps: Optimiser steps of the training that torch counted.
        scratch: A folder for further runs.
    """

    factory: Callable[[], Generator]
    spec: GeneratorSpec
    source: Sequence[Media]
    make_source: Callable[[int], Sequence[Media]] | None
    context: FitContext
    folder: Path
    module: str | None
    scratch: Path
    trained: Any = field(repr=False)
    printed: str = ""
    source_kept: bool = True
    settings_kept: bool = True
    steps: int = 0

    def fresh(self) -> Any:
        """Return a newly loaded generator, so that no check sees another's traces."""
        generator = self.factory()
        generator.load(self.folder, "cpu")
        return generator

    def items(self) -> Any:
        """Return three real items as a batch, copied: no check sees what another did."""
        items = [item.data for item in self.source[:3]]
        return np.stack(items) if self.spec.kind is MediaKind.IMAGE else list(items)

    def run(self, source: Sequence[Media], name: str, **changes: Any) -> Any:
        """Train anew in a folder of its own and return the generator."""
        generator = self.factory()
        generator.fit(source, replace(self.context, workdir=self.scratch / name, **changes))
        return generator

    def offers(self, capability: str) -> bool:
        """Whether the spec declares a capability."""
        return capability in self.spec.capabilities

    def uses(self, generator: Any) -> None:
        """Call everything that makes items, as declared."""
        generator.sample(2, seed=5)
        if self.offers("reconstruct"):
            generator.reconstruct(self.items())
        if self.offers("resample"):
            generator.resample(self.items(), 0.5, seed=5)
        if self.offers("interpolate"):
            generator.interpolate(5, 6, 3)
