"""Trains one generator and writes its artefact: weights, card, log, pictures.

Runs in a worker process. The card is written last, so that a card means a whole artefact.
"""

import json
import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from provenance import __version__
from provenance.contracts import FitContext, Generator
from provenance.corpora.artefacts import CARD_FILE, WEIGHTS_FILE, read_card
from provenance.corpora.outcome import Outcome, plugin_at_work
from provenance.corpora.plan import WORK_FOLDER, Plan, PlannedGenerator, hash_items
from provenance.errors import PluginError, UserError
from provenance.files import sha256_file, write_atomic, write_json
from provenance.plugins import registry
from provenance.training.seeds import derive_seed
from provenance.types import Media

_LOG = logging.getLogger(__name__)


def artefact_folder(out: Path, generator: PlannedGenerator) -> Path:
    """Return where the corpus keeps a generator."""
    return out / "generators" / generator.name


def is_trained(out: Path, generator: PlannedGenerator) -> bool:
    """Whether the corpus has this generator's whole artefact already."""
    try:
        read_card(artefact_folder(out, generator))
    except UserError:
        return False
    return True


def obtain_generator(
    *,
    plan: Plan,
    generator: PlannedGenerator,
    items: Sequence[Media],
    out: Path,
    device: str,
    progress: Callable[[float, str], None],
) -> Outcome:
    """Train a generator, or copy its checkpoint, into ``out/generators/<name>``.

    Args:
        plan: Of the run.
        generator: Which.
        items: Real items of the train split.
        out: The corpus.
        device: Resolved name.
        progress: Called with a fraction and a message.

    Returns:
        With an error where the plugin failed: that costs this generator only.
    """
    try:
        if generator.checkpoint is not None:
            _copy_checkpoint(Path(generator.checkpoint), artefact_folder(out, generator))
        else:
            _train(plan, generator, items, out, device, progress)
    except PluginError as error:
        return Outcome(generator.name, str(error))
    progress(1.0, "ready")
    return Outcome(generator.name)


def _copy_checkpoint(source: Path, folder: Path) -> None:
    card = read_card(source)
    write_atomic(folder / WEIGHTS_FILE, (source / WEIGHTS_FILE).read_bytes())
    write_json(folder / CARD_FILE, card)


def _train(
    plan: Plan,
    generator: PlannedGenerator,
    items: Sequence[Media],
    out: Path,
    device: str,
    progress: Callable[[float, str], None],
) -> None:
    folder = artefact_folder(out, generator)
    model, context = fit(plan, generator, items, out, device, progress)
    with plugin_at_work(generator.plugin, "training"):
        folder.mkdir(parents=True, exist_ok=True)
        model.save(folder)
    if not (folder / WEIGHTS_FILE).is_file():
        raise PluginError(f"{generator.plugin}: save wrote no {WEIGHTS_FILE}")
    write_json(folder / CARD_FILE, _card(plan, generator, model, items, context, folder))
    for checkpoint in context.workdir.rglob("*.pt"):  # many times as large as the weights
        checkpoint.unlink()


def fit(
    plan: Plan,
    generator: PlannedGenerator,
    items: Sequence[Media],
    out: Path,
    device: str,
    progress: Callable[[float, str], None],
) -> tuple[Generator, FitContext]:
    """Train a generator and return it with its context; arguments as :func:`obtain_generator`.

    Every process of a ``torchrun`` calls this; only the first writes.

    Raises:
        PluginError: The plugin failed.
    """
    context = FitContext(
        workdir=out / WORK_FOLDER / "generators" / generator.name,
        seed=derive_seed(plan.request.seed, generator.name, "fit") % 2**32,
        device=device,
        budget_s=plan.request.budget_s,
        resume=True,  # takes up a checkpoint where there is one; a fresh run has none
        progress=progress,
        options=_options(plan, generator, out),
        on_collapse=plan.request.on_collapse,
    )
    with plugin_at_work(generator.plugin, "training"):
        model = registry().generator(generator.plugin).factory()
        model.fit(items, context)
    return model, context


def _options(plan: Plan, generator: PlannedGenerator, out: Path) -> dict[str, Any]:
    """Return what the training is told: for an ensemble, where its members lie."""
    if not generator.members:
        return dict(generator.given)
    members = members_of(plan, generator, out)
    if len(members) < 2:
        raise PluginError(
            f"{generator.plugin}: combines at least two generators, and {len(members)} of its "
            f"members is there"
        )
    return {**generator.given, "members": [str(artefact_folder(out, one)) for one in members]}


def members_of(plan: Plan, generator: PlannedGenerator, out: Path) -> list[PlannedGenerator]:
    """Return the members of an ensemble that could be trained; none for other generators."""
    planned = [one for one in plan.generators if one.name in generator.members]
    return [one for one in planned if is_trained(out, one)]


def _card(
    plan: Plan,
    generator: PlannedGenerator,
    model: Generator,
    items: Sequence[Media],
    context: FitContext,
    folder: Path,
) -> dict[str, Any]:
    logs = _keep_records(context.workdir, folder)
    members = members_of(plan, generator, folder.parents[1])
    return {
        "name": f"{generator.name}-{plan.request.size_px}",
        "generator": generator.plugin,
        "family": generator.family,
        "version": generator.version,
        "code_version": __version__,
        "kind": str(plan.kind),
        "size_px": plan.request.size_px,
        "licence": generator.licence,
        "created": plan.created,
        "seed": context.seed,
        "device": context.device.partition(":")[0],
        "budget_s": context.budget_s,
        "preset": generator.options.get("preset"),
        "options": _told(generator, members),
        "variant": dict(generator.variant),
        "on_collapse": context.on_collapse,
        "watch": _watched(context.workdir),
        "classes": list(getattr(model, "classes", ())),
        "members": {
            one.name: read_card(artefact_folder(folder.parents[1], one))["weights_sha256"]
            for one in members
        },
        "steps": {name: line.get("step") for name, line in logs.items()},
        "metrics": logs,
        "data": {
            "source": plan.request.real,
            "items": len(items),
            "groups": sorted({media.group for media in items} | set(generator.trained_on)),
            "sha256": hash_items(items),
            "licences": sorted({media.licence for media in items if media.licence}),
        },
        "weights_sha256": sha256_file(folder / WEIGHTS_FILE),
    }


def _told(generator: PlannedGenerator, members: Sequence[PlannedGenerator]) -> dict[str, Any]:
    """Return the settings as resolved; members by name, since folders differ by machine."""
    options = dict(generator.options)
    return {**options, "members": [one.name for one in members]} if members else options


def _keep_records(workdir: Path, folder: Path) -> dict[str, dict[str, Any]]:
    """Copy logs and pictures beside the weights; return the latest figures of each loop.

    They are copied flat. A folder called ``train`` below the corpus would make readers of image
    folders take it for the only split.
    """
    latest: dict[str, dict[str, Any]] = {}
    for loop, path in _logs(workdir):
        for line in _lines(path):  # lines differ in what they hold: losses, or looks at samples
            latest.setdefault(loop, {}).update({k: v for k, v in line.items() if k != "time_s"})
        shutil.copyfile(path, folder / f"log{_mark(loop)}.jsonl")
    for path in sorted(workdir.rglob("*.png")):
        pictures = folder / "samples"
        pictures.mkdir(exist_ok=True)
        loop = path.relative_to(workdir).parts[0]
        shutil.copyfile(path, pictures / f"{path.stem}{_mark(loop)}{path.suffix}")
    return latest


def _watched(workdir: Path) -> dict[str, Any]:
    """Return what the watch saw and did, as :class:`provenance.quality.CollapseWatch` logs it."""
    looks = [line for _, path in _logs(workdir) for line in _lines(path) if "collapse" in line]
    seen = [line for line in looks if line["collapse"] != "none"]
    facts = [{key: line.get(key) for key in ("step", "collapse", "action")} for line in seen]
    return {"looks": len(looks), "collapses": facts}


def _logs(workdir: Path) -> list[tuple[str, Path]]:
    """Return the name of each training loop and its log."""
    paths = sorted(workdir.rglob("log.jsonl"))
    return [(path.relative_to(workdir).parts[0], path) for path in paths]


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _mark(loop: str) -> str:
    return "" if loop == "train" else f"-{loop}"
