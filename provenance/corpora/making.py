"""Writes the media files: real ones, and what each generator makes of them and on its own.

Files are written whole, signature included, under temporary names, and renamed a batch at a time.
So a file that exists is complete, and a resumed run makes what is missing.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance.corpora import encoding
from provenance.corpora.calling import Caller
from provenance.corpora.outcome import Outcome
from provenance.corpora.plan import BATCH_ITEMS, Batch, Plan, PlannedGenerator
from provenance.corpora.storage import Behind, storage_of
from provenance.errors import PluginError
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
    count, storage = len(plan.items), storage_of(plan, out)
    with Behind(storage) as behind:
        for start in range(0, count, BATCH_ITEMS):
            done = min(start + BATCH_ITEMS, count)
            numbers = {plan.file_name(Step.REAL, n): n for n in range(start, done)}
            missing = storage.missing(list(numbers))
            behind.write(
                {name: encoding.encode(plan.kind, pool[numbers[name]].data) for name in missing}
            )
            progress(done / count, f"{done} files")


def make_files(
    *,
    plan: Plan,
    generator: PlannedGenerator,
    out: Path,
    device: str,
    signer: "Signer | None",
    progress: Progress,
    part: tuple[int, int] = (0, 1),
) -> Outcome:
    """Write the files of one generator that are not there yet. Runs in a worker process.

    Args:
        plan: Of the run.
        generator: Which; its artefact and the real files are there.
        out: The corpus.
        device: Resolved name.
        signer: Signs each file; None writes them unsigned.
        progress: Called with a fraction and a message.
        part: Which of the generator's batches: its number, and of how many parts. Batches go to
            the parts in turn; who makes them changes nothing in them.

    Returns:
        With an error where the plugin failed. The caller then removes the generator's files, once
        nobody writes any more, so that the corpus has no file that it does not list.
    """
    try:
        _Maker(plan, generator, out, device, signer).run(progress, part)
    except PluginError as error:
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
        self._plan, self._generator, self._signer = plan, generator, signer
        self._storage = storage_of(plan, out)
        self._caller = Caller(plan, generator, out, device)

    def run(self, progress: Progress, part: tuple[int, int]) -> None:
        batches = list(self._plan.batches(self._generator))[part[0] :: part[1]]
        with Behind(self._storage) as behind:
            for done, batch in enumerate(batches):
                progress(done / len(batches), f"{batch.step} {batch.numbers[0]}")
                names = {self._name(batch.step, number): number for number in batch.numbers}
                missing = [names[name] for name in self._storage.missing(list(names))]
                if missing:
                    made, members = self._caller.make(batch)
                    behind.write(self._files(batch, missing, made, members))

    def _name(self, step: Step, number: int) -> str:
        return self._plan.file_name(step, number, self._generator.name)

    def _files(
        self, batch: Batch, numbers: Sequence[int], made: Any, members: list[str] | None
    ) -> dict[str, bytes]:
        """Return the whole files of some items of a batch, by name."""
        places = [number - batch.numbers[0] for number in numbers]
        files = [encoding.encode(self._plan.kind, made[place]) for place in places]
        if self._signer is not None:
            from provenance.credentials import sign_generated

            who = [None if members is None else members[place] for place in places]
            claims = [self._claim(batch, n, one) for n, one in zip(numbers, who, strict=True)]
            media_type = encoding.media_type(self._plan.kind)
            files = sign_generated(list(zip(files, claims, strict=True)), media_type, self._signer)
        names = [self._name(batch.step, number) for number in numbers]
        return dict(zip(names, files, strict=True))

    def _claim(self, batch: Batch, number: int, member: str | None) -> "GenerationClaim":
        from provenance.credentials import GenerationClaim

        is_sample, card = batch.step is Step.SAMPLE, self._caller.card
        return GenerationClaim(
            title=self._name(batch.step, number).rpartition("/")[2],
            generator=self._generator.plugin,
            generator_version=self._generator.version,
            family=self._generator.family,
            model=str(card["name"]),
            checkpoint_sha256=str(card["weights_sha256"]),
            seed=batch.seed,
            step=str(batch.step),
            parent=None if is_sample else self._plan.items[number].id,
            category=self._caller.classes.of(number) if is_sample else None,
            member=member,
        )
