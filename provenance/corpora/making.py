"""Writes the media files: real ones, and what each generator makes of them and on its own.

Files are written whole, signature included, under temporary names, and renamed a batch at a time.
So a file that exists is complete, and a resumed run makes what is missing.
"""

import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance.corpora import encoding
from provenance.corpora.artefacts import read_card
from provenance.corpora.fitting import artefact_folder
from provenance.corpora.outcome import Outcome, plugin_at_work
from provenance.corpora.plan import (
    BATCH_ITEMS,
    RESAMPLE_FRACTION,
    Batch,
    Plan,
    PlannedGenerator,
)
from provenance.corpora.writing import write_together
from provenance.errors import PluginError
from provenance.media import decode
from provenance.plugins import registry
from provenance.types import Media, Step

if TYPE_CHECKING:
    from provenance.credentials import GenerationClaim, Signer

_LOG = logging.getLogger(__name__)
Progress = Callable[[float, str], None]


def write_real(plan: Plan, pool: Sequence[Media], out: Path, progress: Progress) -> None:
    """Write the real files that are not there yet.

    Args:
        plan: Of the run.
        pool: Decoded items, those of the corpus first.
        out: The corpus.
        progress: Called with a fraction and a message.
    """
    pairs = list(zip(plan.items, pool, strict=False))
    for start in range(0, len(pairs), BATCH_ITEMS):
        missing = {
            path: encoding.encode(plan.kind, media.data)
            for item, media in pairs[start : start + BATCH_ITEMS]
            if not (path := out / plan.file_name(Step.REAL, item.number)).exists()
        }
        write_together(missing)
        done = min(start + BATCH_ITEMS, len(pairs))
        progress(done / len(pairs), f"{done} files")


def make_files(
    *,
    plan: Plan,
    generator: PlannedGenerator,
    out: Path,
    device: str,
    signer: "Signer | None",
    progress: Progress,
) -> Outcome:
    """Write all files of one generator that are not there yet. Runs in a worker process.

    Args:
        plan: Of the run.
        generator: Which; its artefact and the real files are there.
        out: The corpus.
        device: Resolved name.
        signer: Signs each file; None writes them unsigned.
        progress: Called with a fraction and a message.

    Returns:
        With an error where the plugin failed; its files are then removed, so that the corpus has
        no file that it does not list.
    """
    try:
        _Maker(plan, generator, out, device, signer).run(progress)
    except PluginError as error:
        shutil.rmtree(out / "synthetic" / generator.name, ignore_errors=True)
        return Outcome(generator.name, str(error))
    progress(1.0, "done")
    return Outcome(generator.name)


class _Maker:
    """One generator's files."""

    def __init__(
        self,
        plan: Plan,
        generator: PlannedGenerator,
        out: Path,
        device: str,
        signer: "Signer | None",
    ) -> None:
        self._plan, self._generator, self._out = plan, generator, out
        self._device, self._signer = device, signer
        self._model: Any = None
        self._card = read_card(artefact_folder(out, generator))

    def run(self, progress: Progress) -> None:
        batches = list(self._plan.batches(self._generator))
        for done, batch in enumerate(batches):
            progress(done / len(batches), f"{batch.step} {batch.numbers[0]}")
            missing = [n for n in batch.numbers if not self._path(batch.step, n).exists()]
            if missing:
                made = self._make(batch)
                write_together(
                    {self._path(batch.step, n): self._file(batch, n, made) for n in missing}
                )

    def _path(self, step: Step, number: int) -> Path:
        return self._out / self._plan.file_name(step, number, self._generator.name)

    def _make(self, batch: Batch) -> Any:
        # A batch is always made whole, and samples always in full batches: what one item looks like
        # may depend on its neighbours in the last bits of a float.
        count = BATCH_ITEMS if batch.step is Step.SAMPLE else len(batch.numbers)
        model = self._loaded()
        name = self._generator.plugin
        if batch.step is Step.SAMPLE:
            with plugin_at_work(name, "sample"):
                made = model.sample(count, seed=batch.seed)
        else:
            real = self._real(batch.numbers)
            with plugin_at_work(name, str(batch.step)):
                if batch.step is Step.RECONSTRUCTION:
                    made = model.reconstruct(real)
                else:
                    made = model.resample(real, RESAMPLE_FRACTION, seed=batch.seed)
        size_px = self._plan.request.size_px
        source = f"{name}: {batch.step}"
        return encoding.check_batch(
            self._plan.kind, made, count=count, size_px=size_px, source=source
        )

    def _loaded(self) -> Any:
        if self._model is None:
            with plugin_at_work(self._generator.plugin, "load"):
                self._model = registry().generator(self._generator.plugin).factory()
                self._model.load(artefact_folder(self._out, self._generator), self._device)
        return self._model

    def _real(self, numbers: Sequence[int]) -> Any:
        paths = [self._out / self._plan.file_name(Step.REAL, number) for number in numbers]
        return encoding.stack(self._plan.kind, [decode(path)[1] for path in paths])

    def _file(self, batch: Batch, number: int, made: Any) -> bytes:
        """Return the whole file of one item of a batch."""
        encoded = encoding.encode(self._plan.kind, made[number - batch.numbers[0]])
        if self._signer is None:
            return encoded
        from provenance.credentials import generation_manifest, sign_bytes

        manifest = generation_manifest(self._claim(batch, number))
        return sign_bytes(encoded, encoding.media_type(self._plan.kind), manifest, self._signer)

    def _claim(self, batch: Batch, number: int) -> "GenerationClaim":
        from provenance.credentials import GenerationClaim

        return GenerationClaim(
            title=self._path(batch.step, number).name,
            generator=self._generator.plugin,
            generator_version=self._generator.version,
            family=self._generator.family,
            model=str(self._card["name"]),
            checkpoint_sha256=str(self._card["weights_sha256"]),
            seed=batch.seed,
            step=str(batch.step),
            parent=None if batch.step is Step.SAMPLE else self._plan.items[number].id,
        )
