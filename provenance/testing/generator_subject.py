"""What the checks of the generator kit look at: one generator, trained and saved."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from provenance.contracts import FitContext, Generator, GeneratorSpec
from provenance.types import Media, MediaKind

_ROUNDING = 1.0  # levels of 0..255: kernels may round otherwise for other batches


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

    def classed(self) -> Any:
        """Return a generator that learned items of two classes, saved and loaded; made once."""
        folder = self.scratch / "classed-model"
        if not folder.exists():
            self.run(in_two_classes(self.source), "classed").save(folder)
        generator = self.factory()
        generator.load(folder, "cpu")
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


CLASSES = ("dark", "light")


def in_two_classes(source: Sequence[Media]) -> list[Media]:
    """Return items in turn of two classes; images are darker or lighter by it.

    Each class has more than the fewest items that make a class (16).
    """
    items = []
    for number in range(max(40, len(source))):
        media, name = source[number % len(source)], CLASSES[number % 2]
        shade = 2 * (number % 2) - 1
        data = media.data
        if media.kind is MediaKind.IMAGE:
            data = np.clip(data.astype(np.int16) + 60 * shade, 0, 255).astype(np.uint8)
        item = replace(media, id=f"{name}/{number}", group=f"group-{number}", category=name)
        items.append(replace(item, data=data))
    return items


# --- parts of checks ------------------------------------------------------------------------------


def side_px(subject: Subject) -> int | None:
    """Return the side of the images that the subject learned; None for other kinds."""
    image = subject.spec.kind is MediaKind.IMAGE
    return int(subject.source[0].data.shape[0]) if image else None


def assert_batch(subject: Subject, batch: Any, count: int, size_px: int | None) -> None:
    """Check that a generator gave so many items, images of one side and of the type agreed on."""
    assert len(batch) == count, f"{len(batch)} items instead of {count}"
    if size_px is None:
        return
    wanted = (count, size_px, size_px, 3)
    assert isinstance(batch, np.ndarray), f"images come as {type(batch).__name__}, not an array"
    assert batch.shape == wanted, f"images have shape {batch.shape}, not {wanted}"
    assert batch.dtype == np.uint8, f"images are {batch.dtype}, not uint8"
    assert count == 0 or batch.max() > 1, "images lie in 0..1, or are black: the range is 0..255"


def equal(a: Any, b: Any) -> bool:
    """Whether two batches hold the same items."""
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def assert_close(a: Any, b: Any, how: str) -> None:
    """Check that two items are the same but for rounding; of other kinds than images, exactly."""
    if not isinstance(a, np.ndarray):
        assert equal(a, b), f"items differ {how}"
        return
    apart = float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max(initial=0.0))
    assert apart <= _ROUNDING, f"values differ by {apart:.3g} {how}"
