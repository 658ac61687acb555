"""Makes a corpus: plan, train, write, describe. Each stage takes up where a killed run stood."""

import contextlib
import functools
import itertools
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from provenance.corpora.choosing import choose_generators
from provenance.corpora.engines import Engine, LocalEngine
from provenance.corpora.fitting import fit, is_trained, obtain_generator
from provenance.corpora.index import made_already, write_index
from provenance.corpora.making import make_files, write_real
from provenance.corpora.outcome import Outcome
from provenance.corpora.plan import (
    Plan,
    PlannedGenerator,
    check_same,
    hash_items,
    load_plan,
    make_plan,
    save_plan,
    training_items,
    training_stages,
)
from provenance.corpora.request import Request
from provenance.corpora.sheets import write_sheet
from provenance.corpora.sources import read_pool
from provenance.corpora.storage import Batched, clean, storage_of
from provenance.errors import PluginError, UserError
from provenance.files import folder_lock
from provenance.training.distributed import Workers, process_count
from provenance.training.jobs import Job
from provenance.types import Media

Progress = Callable[[str, float, str], None]
_OURS = {".lock", ".work"}
_PART_BATCHES = 4  # at least, in a part of a generator's files: each part loads the model


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run of ``generate`` has made.

    Attributes:
        corpus: Its folder.
        counts: Files by label, split, step and generator, as in ``corpus.json``.
        sheets: Contact sheets.
        failed: Generator to what went wrong; these are not in the corpus.
        seconds: Wall time of this run.
    """

    corpus: Path
    counts: dict[str, Any]
    sheets: tuple[Path, ...]
    failed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that the command prints."""
        return {
            "corpus": str(self.corpus),
            **self.counts,
            "sheets": [str(path) for path in self.sheets],
            "failed": self.failed,
            "seconds": round(self.seconds, 1),
        }


def prepare(request: Request) -> tuple[Plan, list[Media]]:
    """Read the source and decide everything; nothing is written.

    Returns:
        The plan, and the real items that it speaks of.

    Raises:
        UserError: The request cannot be met.
    """
    generators = choose_generators(request)  # first: it costs nothing and is often misspelt
    pool = read_pool(request)
    return make_plan(request, pool, generators), pool


def generate(
    request: Request,
    out: Path,
    *,
    device: str,
    jobs: int,
    resume: bool = False,
    engine: Engine | None = None,
    progress: Progress = lambda name, fraction, message: None,
) -> Summary:
    """Make the corpus that ``request`` asks for in ``out``.

    Args:
        request: What is wanted.
        out: Made when missing; must be empty unless ``resume``.
        device: Resolved name.
        jobs: At most so many worker processes, of one thread each.
        resume: Go on with the plan that an interrupted run left in ``out``.
        engine: Who samples, signs and writes; worker processes of this machine when None.
        progress: Called with a job's name, a fraction and a few words.

    Raises:
        UserError: The request cannot be met, ``out`` is not empty, or a resumed run differs.
        PluginError: No generator is left.
    """
    started = time.monotonic()
    with _writable(out), folder_lock(out):
        plan, pool = _plan(request, out, resume=resume)
        clean(out)
        run = _Run(plan, pool, out, device, jobs, progress)
        if (made := made_already(plan, out)) is not None:
            return run.summary(made, started)
        run.train()
        run.write(engine or LocalEngine())
        return run.describe(started)


def assist(request: Request, out: Path, *, device: str) -> None:
    """Take part in the training of :func:`generate` as a further process of a ``torchrun``.

    Args:
        request: The same as the first process's.
        out: The same; only read.
        device: Resolved name.

    Raises:
        UserError: The request cannot be met.
        PluginError: A generator failed; torchrun then ends all processes.
    """
    plan, pool = prepare(request)
    items = training_items(plan, pool)
    missing = Workers(device).share([g.name for g in plan.generators])
    for generator in itertools.chain(*training_stages(plan.generators)):
        if generator.name in missing and generator.checkpoint is None:
            fit(plan, generator, items, out, device, lambda fraction, message: None)


def _plan(request: Request, out: Path, *, resume: bool) -> tuple[Plan, list[Media]]:
    """Return the plan of an interrupted run, or make one; see :func:`generate`."""
    found = load_plan(out) if resume else None
    if found is None:
        _refuse_full(out, resume=resume)
        shutil.rmtree(out / ".work", ignore_errors=True)
        plan, pool = prepare(request)
        save_plan(plan, out)
        return plan, pool
    check_same(found, request)
    pool = read_pool(request)
    if hash_items(pool) != found.data_sha256:
        raise UserError(f"{request.real} has changed since {out} was begun. Use another --out.")
    return found, pool


def _refuse_full(out: Path, *, resume: bool) -> None:
    names = sorted({path.name for path in out.iterdir()} - _OURS)
    if not names and (resume or load_plan(out) is None):
        return
    if resume:
        raise UserError(
            f"{out} holds {names[0]!r} but no plan of an interrupted run. Use another --out."
        )
    raise UserError(
        f"{out} is not empty. Add --resume to go on with the run that began it, or use another "
        f"--out."
    )


@contextlib.contextmanager
def _writable(out: Path) -> Iterator[None]:
    """Say what to do when the disk is full or a worker was killed."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"Cannot write to {out}: {error.strerror or error}. Mend that, then run the same "
            f"command with --resume."
        ) from error
    except BrokenProcessPool as error:
        raise PluginError(
            "A worker process was killed, perhaps for want of memory. Run the same command with "
            "--resume and --jobs 1."
        ) from error


class _Run:
    """One run: which generators are still with us, and the stages that they pass."""

    def __init__(
        self,
        plan: Plan,
        pool: Sequence[Media],
        out: Path,
        device: str,
        jobs: int,
        progress: Progress,
    ) -> None:
        self._plan, self._pool, self._out = plan, pool, out
        self._device, self._jobs, self._progress = device, jobs, progress
        self._generators = list(plan.generators)
        self._failed: dict[str, str] = {}

    def train(self) -> None:
        """Obtain the generators that are not there yet."""
        items = training_items(self._plan, self._pool)
        missing = [g for g in self._generators if not is_trained(self._out, g)]
        if process_count() > 1:
            Workers(self._device).share([g.name for g in missing])  # see assist
        for stage in training_stages(missing):
            self._each("train", stage, obtain_generator, items=items)

    def write(self, engine: Engine) -> None:
        """Write the media files."""
        real = functools.partial(self._progress, "write real")
        write_real(self._plan, self._pool, self._out, real)
        signer = None
        if self._plan.request.sign:
            from provenance.credentials import development_signer

            signer = development_signer()
        self._each("write", self._generators, make_files, engine=engine, signer=signer)
        for name in self._failed:  # nobody writes any more
            storage_of(self._plan, self._out).remove(f"synthetic/{name}")

    def describe(self, started: float) -> Summary:
        """Write the sheets and the index, and sum up a run that began at ``started``."""
        for generator in self._generators:
            write_sheet(self._plan, generator, self._out)
        header = write_index(self._plan, self._generators, self._out)
        clean(self._out)  # of workers that outlived a killed run for a moment
        if self._plan.request.shards and not self._failed:  # else they are needed once more
            Batched(self._out).remove_all()
        return self.summary(header, started)

    def summary(self, header: Mapping[str, Any], started: float) -> Summary:
        """Sum up a run that began at ``started``."""
        paths = (self._out / "sheets" / f"{g.name}.png" for g in self._generators)
        sheets = tuple(path for path in paths if path.exists())
        seconds = time.monotonic() - started
        return Summary(self._out, header["counts"], sheets, self._failed, seconds)

    def _each(
        self,
        stage: str,
        generators: Sequence[PlannedGenerator],
        function: Callable[..., Outcome],
        *,
        engine: Engine | None = None,
        **arguments: Any,
    ) -> None:
        # processes of a torchrun train together, and so one generator at a time
        workers = 1 if stage == "train" and process_count() > 1 else self._jobs
        shared = {"plan": self._plan, "out": self._out, "device": self._device, **arguments}
        work = [
            Job(f"{stage} {g.name}{mark}", function, {"generator": g, **shared, **part})
            for g in generators
            for mark, part in (_parts(self._plan, g, workers) if engine else [("", {})])
        ]
        run = engine or LocalEngine()
        for outcome in run.run(work, workers=workers, progress=self._progress):
            if outcome.error is not None:
                self._failed.setdefault(outcome.generator, outcome.error)
        self._generators = [g for g in self._generators if g.name not in self._failed]
        if not self._generators:
            raise PluginError("No generator is left: " + "; ".join(self._failed.values()))


def _parts(
    plan: Plan, generator: PlannedGenerator, workers: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield how a generator's files are shared out: a mark for the name, and an argument."""
    batches = sum(1 for _ in plan.batches(generator))
    count = max(1, min(workers, batches // _PART_BATCHES))
    for number in range(count):
        yield f" {number + 1}/{count}" if count > 1 else "", {"part": (number, count)}
