"""``provenance generate``: from real media to trained generators and a labelled, signed corpus."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provenance.cli import output
from provenance.cli.generate_options import (
    chosen_drawing,
    corpus_options,
    drawing_options,
    request_of,
    sampling_options,
    training_options,
)
from provenance.cli.generate_output import show_drawing, show_plan, show_summary
from provenance.cli.options import (
    device_option,
    dry_run_option,
    jobs_option,
    json_option,
    resume_option,
    seed_option,
)
from provenance.errors import ExitCode
from provenance.workers import default_jobs

if TYPE_CHECKING:
    from provenance.corpora.drawing import Drawing, Studio

_AMOUNTS = (-3.0, -1.5, 0.0, 1.5, 3.0)


@click.command("generate")
@corpus_options
@training_options
@sampling_options
@drawing_options
@seed_option
@device_option
@jobs_option
@resume_option
@dry_run_option
@json_option
def command(**asked: Any) -> int:
    """Train generators on real media, and write a labelled corpus of real and synthetic files.

    Writes real files, reconstructions, resamples and samples through one encoder, in splits made by
    photograph before any training, with corpus.json, metadata.jsonl (Hugging Face imagefolder),
    croissant.json and a contact sheet per generator. Synthetic files are signed with this machine's
    development CA.

    A generator that fails costs only itself: the corpus of the others is written, and the exit code
    is 4. A run that was killed goes on with the same options and --resume.

    With --checkpoint and one of --interpolate, --direction and --edit no corpus is made: the
    pictures, a contact sheet and items.jsonl go to --out.

    On several GPUs: torchrun --nproc-per-node N -m provenance generate ...
    """
    drawing = chosen_drawing(asked)
    if drawing is not None:
        return _draw(drawing, asked)
    return _make_corpus(asked, asked["out"] or Path("corpus"))


def _make_corpus(asked: dict[str, Any], out: Path) -> int:
    from provenance.corpora.engines import engine_of
    from provenance.corpora.generation import assist, generate, prepare
    from provenance.training import resolve_device
    from provenance.training.distributed import process_rank

    request, as_json = request_of(asked), asked["as_json"]
    engine = engine_of(asked["engine"], asked["address"])
    if asked["dry_run"]:
        show_plan(prepare(request)[0], out, as_json=as_json)
        return ExitCode.OK
    resolved = resolve_device(asked["device"])
    if process_rank() > 0:
        assist(request, out, device=resolved)
        return ExitCode.OK
    workers = asked["jobs"] or (1 if resolved.startswith("cuda") else default_jobs())
    with output.Progress() as progress:
        summary = generate(
            request,
            out,
            device=resolved,
            jobs=workers,
            resume=asked["resume"],
            engine=engine,
            progress=progress,
        )
    show_summary(summary, as_json=as_json)
    return ExitCode.PLUGIN if summary.failed else ExitCode.OK


def _draw(drawing: str, asked: dict[str, Any]) -> int:
    from provenance.corpora.drawing import open_studio

    out = asked["out"] or Path("drawings")
    with output.Progress() as progress:
        studio = open_studio(
            asked["checkpoints"][0],
            out,
            device=asked["device"],
            sign=asked["sign"],
            progress=progress.of(drawing),
        )
        made = _drawn(studio, drawing, asked)
    show_drawing(made, as_json=asked["as_json"])
    return ExitCode.OK


def _drawn(studio: "Studio", drawing: str, asked: dict[str, Any]) -> "Drawing":
    if drawing == "interpolate":
        return studio.interpolate(*asked["interpolate"], steps=asked["steps"])
    if drawing == "direction":
        amounts = asked["amounts"] or _AMOUNTS
        return studio.traverse(asked["direction"], amounts, seed=asked["seed"])
    from provenance.corpora.edits import edit_photograph

    return edit_photograph(
        studio, asked["edit"], mask=asked["mask"], fraction=asked["fraction"], seed=asked["seed"]
    )
