"""What a run of ``generate`` will do, decided before it starts, and kept for ``--resume``.

Nothing random happens after the plan: it holds the items, their splits, the batches and their
seeds. So a run that was killed goes on to the same files, and two runs agree.
"""

import datetime
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from provenance.corpora.encoding import suffix
from provenance.corpora.labels import check_classes
from provenance.corpora.request import Request
from provenance.corpora.splits import assign_splits
from provenance.errors import UserError
from provenance.files import write_json
from provenance.training.seeds import derive_seed
from provenance.types import Media, MediaKind, Split, Step

PLAN_VERSION = 2
BATCH_ITEMS = 64
TRAINING_ITEMS = 4000
RESAMPLE_FRACTION = 0.5
WORK_FOLDER = ".work"
_PLAN_FILE = "plan.json"


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
        given: Settings that its training is told, beyond the defaults of its spec.
        options: All settings, as they are resolved: defaults, preset, variant, the user's.
        variant: Those of them that were drawn, for ``--diverse``.
        members: Names of the planned generators that it combines: it is trained after them, and
            its setting ``members`` is the folders of their artefacts.
        classes: That the checkpoint knows; what a training finds stands in its card.
    """

    name: str
    plugin: str
    family: str
    version: str
    licence: str
    steps: tuple[Step, ...]
    checkpoint: str | None = None
    trained_on: tuple[str, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    variant: Mapping[str, Any] = field(default_factory=dict)
    members: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


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
        UserError: Too few groups, or a class that no item has.
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
    plan = Plan(request, created, kind, hash_items(pool), items, groups, tuple(generators))
    check_classes(plan, training_items(plan, pool))
    return plan


def training_items(plan: Plan, pool: Sequence[Media]) -> list[Media]:
    """Return the items that generators learn from: of the train split, at most 4,000."""
    return [media for media in pool if plan.groups[media.group] is Split.TRAIN][:TRAINING_ITEMS]


def training_stages(generators: Sequence[PlannedGenerator]) -> list[list[PlannedGenerator]]:
    """Return those that learn from items alone, then those that combine them."""
    alone = [generator for generator in generators if not generator.members]
    return [stage for stage in (alone, [g for g in generators if g.members]) if stage]


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
        _check_version(path, value)
        return TypeAdapter(Plan).validate_python(value)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, ValidationError) as error:
        raise UserError(f"{path} is not a plan: {error}. Start anew with another --out.") from None


def _check_version(path: Path, value: Any) -> None:
    version = value.get("version") if isinstance(value, dict) else None
    if isinstance(version, int) and version != PLAN_VERSION:
        raise UserError(f"{path} is of version {version}. Start anew with another --out.")


def check_same(plan: Plan, request: Request) -> None:
    """Refuse to go on with other options than the plan's.

    Raises:
        UserError: Names the options that differ.
    """
    before, now = (json.loads(json.dumps(asdict(one))) for one in (plan.request, request))
    before.pop("download")  # whether the source is still the same is seen from its items
    differ = [name for name in before if before[name] != now[name]]
    if differ:
        raise UserError(
            f"--resume goes on with the options of the interrupted run; these differ: "
            f"{', '.join(differ)}. It was: {plan.request.command()}"
        )
