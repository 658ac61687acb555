"""Calls a trained generator for one batch of a corpus, and says of each item what was asked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from provenance.corpora import encoding
from provenance.corpora.artefacts import read_card
from provenance.corpora.fitting import artefact_folder
from provenance.corpora.labels import SampleClasses
from provenance.corpora.members import check_members, record_members
from provenance.corpora.outcome import plugin_at_work
from provenance.corpora.plan import (
    BATCH_ITEMS,
    RESAMPLE_FRACTION,
    Batch,
    Plan,
    PlannedGenerator,
)
from provenance.corpora.storage import storage_of
from provenance.media import decode_bytes
from provenance.plugins import registry
from provenance.types import Step


class Caller:
    """One generator of a corpus, loaded when it is first needed.

    Attributes:
        card: Of its artefact.
        classes: Of its samples.

    Args:
        plan: Of the run.
        generator: Which; its artefact and the real files are there.
        out: The corpus.
        device: Resolved name.
    """

    def __init__(self, plan: Plan, generator: PlannedGenerator, out: Path, device: str) -> None:
        self._plan, self._generator, self._out, self._device = plan, generator, out, device
        self._storage = storage_of(plan, out)
        self._spec = registry().generator(generator.plugin).spec
        self._model: Any = None
        self.card = read_card(artefact_folder(out, generator))
        self.classes = SampleClasses(plan, generator.name, self.card.get("classes", ()))

    def make(self, batch: Batch) -> tuple[Any, list[str] | None]:
        """Return a batch, and the member that made each item where it is an ensemble's samples.

        A batch is always made whole, and samples always in full batches: what one item looks like
        may depend on its neighbours in the last bits of a float.

        Raises:
            PluginError: The plugin failed, or gave something other than asked for.
        """
        members = None
        if batch.step is Step.SAMPLE:
            count = BATCH_ITEMS
            made, members = self._sample(batch)
        else:
            count = len(batch.numbers)
            made = self._pass_through(batch)
        source = f"{self._generator.plugin}: {batch.step}"
        size_px = self._plan.request.size_px
        checked = encoding.check_batch(
            self._plan.kind, made, count=count, size_px=size_px, source=source
        )
        return checked, members

    def _sample(self, batch: Batch) -> tuple[Any, list[str] | None]:
        """Return a full batch of samples and their members, which are kept for the rows."""
        name, model = self._generator.plugin, self._loaded()
        labels = self.classes.of_batch(batch.numbers[0], BATCH_ITEMS)
        asked: dict[str, Any] = {"seed": batch.seed}
        if labels is not None:
            asked["label"] = labels
        with plugin_at_work(name, "sample"):
            made = model.sample(BATCH_ITEMS, **asked, **self._controls())
            if "members" not in self._spec.capabilities:
                return made, None
            names = check_members(name, model.members(BATCH_ITEMS, **asked), BATCH_ITEMS)
        record_members(self._out, self._generator.name, batch, names)
        return made, names

    def _controls(self) -> dict[str, Any]:
        """Return what was asked for of samples, as far as this generator takes it."""
        taken = {"truncation", "temperature", *self._spec.controls}
        asked = self._plan.request.controls()
        return {name: value for name, value in asked.items() if name in taken}

    def _pass_through(self, batch: Batch) -> Any:
        name, model = self._generator.plugin, self._loaded()
        real = self._real(batch.numbers)
        with plugin_at_work(name, str(batch.step)):
            if batch.step is Step.RECONSTRUCTION:
                return model.reconstruct(real)
            return model.resample(real, RESAMPLE_FRACTION, seed=batch.seed)

    def _loaded(self) -> Any:
        if self._model is None:
            with plugin_at_work(self._generator.plugin, "load"):
                self._model = registry().generator(self._generator.plugin).factory()
                self._model.load(artefact_folder(self._out, self._generator), self._device)
        return self._model

    def _real(self, numbers: Sequence[int]) -> Any:
        names = [self._plan.file_name(Step.REAL, number) for number in numbers]
        files = map(self._storage.read, names)
        return encoding.stack(self._plan.kind, [decode_bytes(data)[1] for data in files])
