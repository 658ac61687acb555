"""A small labelled corpus on disk, drawn from noise, for tests that need one and nothing else.

Real items are textures of 1/f noise; each generator leaves one plain trace in a copy of them, so
that a detector can learn it within seconds.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from provenance.files import sha256_bytes, write_atomic
from provenance.media import encode_png
from provenance.types import Label, LabelledMedia, Media, MediaKind, Split, Step

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHARES = {
    Split.TRAIN: 0.5,
    Split.VALIDATION: 0.15,
    Split.CALIBRATION: 0.15,
    Split.TEST: 0.2,
}


def tiny_items(count: int = 40, *, size_px: int = 32, seed: int = 0) -> list[LabelledMedia]:
    """Return ``count`` real images and a fake of each by each of two generators, in all splits.

    Args:
        count: Real images; 20 or more give every split some.
        size_px: Side.
        seed: Equal seeds give equal items.
    """
    random = np.random.default_rng(seed)
    items = []
    for index, split in enumerate(_splits(count)):
        pixels, name = _texture(random, size_px), f"texture-{index:04d}"
        media = Media(name, MediaKind.IMAGE, pixels, name)
        items.append(LabelledMedia(media, Label.REAL, Step.REAL, None, name, split))
        for generator, (trace, step) in _GENERATORS.items():
            fake = Media(f"{generator}/{name}", MediaKind.IMAGE, trace(pixels), name)
            parent = None if step is Step.SAMPLE else name
            items.append(LabelledMedia(fake, Label.SYNTHETIC, step, generator, parent, split))
    return items


def write_tiny_corpus(folder: Path, items: list[LabelledMedia]) -> Path:
    """Write items as a corpus that :func:`provenance.corpora.open_corpus` opens; return it.

    Args:
        folder: Made when missing.
        items: As :func:`tiny_items` returns them.
    """
    lines = []
    for item in items:
        name = f"{item.label}/{item.media.id}.png"
        data = encode_png(item.media.data)
        write_atomic(folder / name, data)
        lines.append(json.dumps(_row(item, name, data)))
    write_atomic(folder / "metadata.jsonl", ("\n".join(lines) + "\n").encode())
    write_atomic(folder / "corpus.json", json.dumps({"schema_version": 1}).encode())
    return folder


def _row(item: LabelledMedia, name: str, data: bytes) -> dict[str, object]:
    return {
        "file_name": name,
        "sha256": sha256_bytes(data),
        "kind": item.media.kind,
        "label": item.label,
        "generator": item.generator,
        "generator_version": item.generator and "1.0",
        "checkpoint": None,
        "seed": None,
        "class": None,
        "parent": item.parent,
        "step": item.step,
        "split": item.split,
        "manifest": None,
        "group": item.media.group,
    }


def _splits(count: int) -> Iterator[Split]:
    for split, end in zip(_SHARES, np.cumsum(list(_SHARES.values())), strict=True):
        start = end - _SHARES[split]
        yield from [split] * (round(end * count) - round(start * count))


def _texture(random: np.random.Generator, size_px: int) -> "NDArray[np.uint8]":
    """Return noise whose amplitude falls with frequency, as that of photographs does."""
    y, x = np.fft.fftfreq(size_px)[:, None], np.fft.rfftfreq(size_px)[None, :]
    slope = 1 / np.maximum(np.hypot(y, x), 1 / size_px)
    noise = np.fft.rfft2(random.normal(size=(3, size_px, size_px))) * slope
    planes = np.fft.irfft2(noise, (size_px, size_px)) + random.normal(0, 0.3, (3, size_px, size_px))
    scaled = 128 + 40 * (planes - planes.mean()) / planes.std()
    return np.ascontiguousarray(np.clip(scaled, 0, 255).astype(np.uint8).transpose(1, 2, 0))


def _chequered(pixels: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Add the chequerboard that transposed convolutions leave."""
    y, x = np.indices(pixels.shape[:2])
    board = np.where((x + y) % 2 == 0, 6, -6)[..., None]
    return np.asarray(np.clip(pixels.astype(int) + board, 0, 255), np.uint8)


def _smoothed(pixels: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Take the noise away, as decoders trained on a mean squared error do."""
    values = pixels.astype(float)
    for axis in (0, 1):
        values = (np.roll(values, 1, axis) + 2 * values + np.roll(values, -1, axis)) / 4
    return np.asarray(values.round(), np.uint8)


_Trace = Callable[["NDArray[np.uint8]"], "NDArray[np.uint8]"]
_GENERATORS: dict[str, tuple[_Trace, Step]] = {
    "chequered": (_chequered, Step.SAMPLE),
    "smoothed": (_smoothed, Step.RECONSTRUCTION),
}
