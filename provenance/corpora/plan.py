"""What a run of ``generate`` will do, decided before it starts, and kept for ``--resume``.

Nothing random happens after the plan: it holds the items, their splits, the batches and their
seeds. So a run that was killed goes on to the same files, and two runs agree.
"""

import datetime
import hashlib
import json
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from provenance.corpora.encoding import suffix
from provenance.corpora.splits import assign_splits
from provenance.errors import UserError
from provenance.files import write_json
from provenance.training.seeds import derive_seed
from provenance.types import Media, MediaKind, Split, Step

PLAN_VERSION = 1
BATCH_ITEMS = 64
TRAINING_ITEMS = 4000
RESAMPLE_FRACTION = 0.5
WORK_FOLDER = ".work"
_PLAN_FILE = "plan.json"


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for; a resumed run must ask for the same.

    Attributes:
        real: Source of real media: ``photos``, ``folder:PATH`` ...
        count: Real items wanted.
        size_px: Side of the images.
        families: Generators or families to train; empty for all, or none with ``checkpoints``.
        checkpoints: Folders of trained generators to draw from.
        budget_s: Seconds of training per generator.
        seed: Of everything random.
        sign: Whether synthetic files carry a C2PA manifest.
    """

    real: str = "photos"
    count: int = 1000
    size_px: int = 32
    families: tuple[str, ...] = ()
    checkpoints: tuple[str, ...] = ()
    budget_s: float = 120.0
    seed: int = 0
    sign: bool = True

    def command(self) -> str:
        """Return the command line that asks for this, quoted for a shell."""
        budget = repr(self.budget_s).removesuffix(".0")  # exact
        words = ["provenance", "generate", "--real", self.real, "--count", str(self.count)]
        words += ["--size", str(self.size_px), "--budget", budget, "--seed", str(self.seed)]
        for name in self.families:
            words += ["--family", name]
        for folder in self.checkpoints:
            words += ["--checkpoint", folder]
        return shlex.join(words + ([] if self.sign else ["--no-sign"]))


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """One real item: its number in the corpus, where it comes from, its split."""

    number: int
    id: str
    group: str
    category: str | None
    licence: str | None
    split: Split


@dataclass(frozen=True, slots=True)
class PlannedGenerator:
    """One generator of the corpus.

    Attributes:
        name: In the corpus; the plugin's, with a number where a name comes twice.
        plugin: Name under which the plugin registered it.
        family: Its family.
        version: Of the plugin.
        licence: Of the plugin's code.
        steps: Rungs of the ladder that it can make.
        checkpoint: Folder of the trained artefact, or None to train one.
        trained_on: Groups that the checkpoint has learned from.
    """

    name: str
    plugin: str
    family: str
    version: str
    licence: str
    steps: tuple[Step, ...]
    checkpoint: str | None = None
    trained_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """Items that are made in one call of a generator.

    Attributes:
        step: What is made.
        numbers: Of the items.
        seed: Of the call, 0..2**32-1; None where nothing is drawn.
    """

    step: Step
    numbers: tuple[int, ...]
    seed: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run will do.

    Attributes:
        request: What was asked for.
        created: UTC, ISO 8601.
        kind: Media kind of all files.
        data_sha256: Of the real items' ids and content, those for training included.
        items: The real items of the corpus, by number.
        groups: Split of every group, also of those only used in training.
        generators: In order.
        version: Of this structure.
    """

    request: Request
    created: str
    kind: MediaKind
    data_sha256: str
    items: tuple[PlannedItem, ...]
    groups: Mapping[str, Split]
    generators: tuple[PlannedGenerator, ...]
    version: int = PLAN_VERSION

    def file_name(self, step: Step, number: int, generator: str | None = None) -> str:
        """Return where a file goes, relative to the corpus.

        Numbers only: a photograph's own name could hold ``test`` or ``train``, from which readers
        of image folders would guess a split.
        """
        folder = "real" if generator is None else f"synthetic/{generator}/{step}"
        return f"{folder}/{number:05d}{suffix(self.kind)}"

    def batches(self, generator: PlannedGenerator) -> Iterator[Batch]:
        """Yield all that one generator makes."""
        numbers = range(len(self.items))
        for step in generator.steps:
            for start in numbers[::BATCH_ITEMS]:
                seed = self.seed_of(generator.name, step, start)
                yield Batch(step, tuple(numbers[start : start + BATCH_ITEMS]), seed)

    def seed_of(self, generator: str, step: Step, number: int) -> int | None:
        """Return the seed of the batch that holds an item, or None where nothing is drawn."""
        if step is Step.RECONSTRUCTION:
            return None
        seed = derive_seed(self.request.seed, generator, step, number // BATCH_ITEMS)
        return seed % 2**32  # fits whatever reads it: JavaScript, numpy, a manifest

    def files(self) -> Iterator[tuple[Step, int, PlannedGenerator | None]]:
        """Yield every file of the corpus: the real ones, then generator by generator."""
        for item in self.items:
            yield Step.REAL, item.number, None
        for generator in self.generators:
            for step in generator.steps:
                for item in self.items:
                    yield step, item.number, generator


def make_plan(
    request: Request,
    pool: Sequence[Media],
    generators: Sequence[PlannedGenerator],
) -> Plan:
    """Decide everything.

    Args:
        request: What the user asked for.
        pool: Real items, spread over groups: the first ``request.count`` go into the corpus, and
            all that lie in groups of the train split may train generators.
        generators: To train, or to draw from.

    Raises:
        UserError: Too few groups.
    """
    counts = Counter(media.group for media in pool[: request.count])
    trained_on = {group for generator in generators for group in generator.trained_on}
    groups = assign_splits(counts, request.seed, trained_on=trained_on)
    for media in pool[request.count :]:  # groups with no item in the corpus may only train
        groups.setdefault(media.group, Split.TRAIN)
    items = tuple(
        PlannedItem(n, m.id, m.group, m.category, m.licence, groups[m.group])
        for n, m in enumerate(pool[: request.count])
    )
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    kind = pool[0].kind
    suffix(kind)  # refuses kinds that cannot be written, before anything is trained
    return Plan(request, created, kind, hash_items(pool), items, groups, tuple(generators))


def training_items(plan: Plan, pool: Sequence[Media]) -> list[Media]:
    """Return the items that generators learn from: of the train split, at most 4,000."""
    return [media for media in pool if plan.groups[media.group] is Split.TRAIN][:TRAINING_ITEMS]


def hash_items(items: Sequence[Media]) -> str:
    """Return the SHA-256 of ids and content."""
    digest = hashlib.sha256()
    for media in items:
        digest.update(media.id.encode(errors="surrogateescape") + b"\0")
        digest.update(media.data.encode() if isinstance(media.data, str) else media.data.tobytes())
    return digest.hexdigest()


def save_plan(plan: Plan, out: Path) -> None:
    """Write the plan into the corpus's work folder, atomically."""
    write_json(out / WORK_FOLDER / _PLAN_FILE, asdict(plan))


def load_plan(out: Path) -> Plan | None:
    """Return the plan that a run left, or None where there is none.

    Raises:
        UserError: It cannot be read, or another version of this suite wrote it.
    """
    path = out / WORK_FOLDER / _PLAN_FILE
    try:
        value: Any = json.loads(path.read_text(encoding="utf-8"))
        plan = TypeAdapter(Plan).validate_python(value)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, ValidationError) as error:
        raise UserError(f"{path} is not a plan: {error}. Start anew with another --out.") from None
    if plan.version != PLAN_VERSION:
        raise UserError(f"{path} is of version {plan.version}. Start anew with another --out.")
    return plan


def check_same(plan: Plan, request: Request) -> None:
    """Refuse to go on with other options than the plan's.

    Raises:
        UserError: Names the options that differ.
    """
    before, now = asdict(plan.request), asdict(request)
    differ = [name for name in before if before[name] != now[name]]
    if differ:
        raise UserError(
            f"--resume goes on with the options of the interrupted run; these differ: "
            f"{', '.join(differ)}. It was: {plan.request.command()}"
        )
