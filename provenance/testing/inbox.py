"""A folder as people receive it, made from a corpus: for the demo, and for trying ``scan`` on.

``python -m provenance.testing.inbox CORPUS FOLDER`` writes photographs that no generator and no
detector was trained on, signed synthetic files, the same with their credentials stripped, and one
that was edited after it was signed.
"""

import argparse
import shutil
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from provenance.contracts import InputSpec
from provenance.corpora import open_corpus
from provenance.files import write_atomic
from provenance.media import decode_image, encode_png
from provenance.plugins import registry
from provenance.types import Label, Split, Step

if TYPE_CHECKING:
    from provenance.corpora import Corpus, Row

PHOTOGRAPH_SIDE_PX = 96
_PNG_SIGNATURE_BYTES = 8
_MANIFEST_CHUNK = b"caBX"  # C2PA 2.4, section on embedding manifests into PNG


def make_inbox(corpus: "Corpus", folder: Path, *, each: int = 4) -> None:
    """Write the inbox; what was in ``folder`` before goes away.

    Args:
        corpus: A signed corpus of images made from ``photos``.
        folder: Made anew.
        each: How many files of each sort: per photograph, per generator.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, data in _photographs(corpus, each):
        write_atomic(folder / name, data)
    generators = sorted({row.generator for row in corpus.rows if row.generator})
    for generator in generators:
        for i, row in enumerate(_samples(corpus, generator)[:each]):
            data = corpus.read(row)
            write_atomic(folder / f"signed-{generator}-{i}.png", data)
            write_atomic(folder / f"stripped-{generator}-{i}.png", encode_png(decode_image(data)))
    first = corpus.read(_samples(corpus, generators[0])[0])
    write_atomic(folder / "edited-after-signing.png", edit_signed_png(first))


def _photographs(corpus: "Corpus", each: int) -> list[tuple[str, bytes]]:
    """Return windows of the photographs of the test split, larger than the corpus's own."""
    parents = {
        str(row.parent).partition("/")[0]
        for row in corpus.rows
        if row.split is Split.TEST and row.label is Label.REAL
    }
    window = InputSpec(geometry="crop", size_px=PHOTOGRAPH_SIDE_PX)
    items = registry().dataset("photos").factory("").items(window, count=None, seed=0)
    chosen = []
    for photograph in sorted(parents):
        mine = [item for item in items if item.id.partition("/")[0] == photograph]
        step = max(1, len(mine) // each)
        for i, item in enumerate(mine[::step][:each]):
            chosen.append((f"photograph-{photograph}-{i}.png", encode_png(item.data)))
    return chosen


def _samples(corpus: "Corpus", generator: str) -> "list[Row]":
    return [
        row
        for row in corpus.rows
        if row.generator == generator and row.step is Step.SAMPLE and row.split is Split.TEST
    ]


def edit_signed_png(data: bytes) -> bytes:
    """Invert a square of a signed PNG and put its old manifest back, as a forger would.

    Args:
        data: A PNG file with an embedded C2PA manifest.
    """
    pixels = decode_image(data).copy()
    side = min(pixels.shape[:2]) // 4
    pixels[:side, :side] = 255 - pixels[:side, :side]
    plain = encode_png(pixels)
    header_end = _PNG_SIGNATURE_BYTES + _chunk_bytes(plain, _PNG_SIGNATURE_BYTES)
    return plain[:header_end] + _manifest_chunk(data) + plain[header_end:]


def _manifest_chunk(data: bytes) -> bytes:
    start = _PNG_SIGNATURE_BYTES
    while data[start + 4 : start + 8] != _MANIFEST_CHUNK:
        start += _chunk_bytes(data, start)
    return data[start : start + _chunk_bytes(data, start)]


def _chunk_bytes(data: bytes, start: int) -> int:
    """Return the size of the chunk at ``start``: length, type, content and checksum."""
    (length,) = struct.unpack_from(">I", data, start)
    return int(length) + 12


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Write a folder to try `provenance scan` on.")
    parser.add_argument("corpus", type=Path, help="a corpus made by `provenance generate`")
    parser.add_argument("folder", type=Path, help="where to write; made anew")
    arguments = parser.parse_args()
    make_inbox(open_corpus(arguments.corpus), arguments.folder)


if __name__ == "__main__":
    main()
