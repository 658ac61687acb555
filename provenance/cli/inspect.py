"""``provenance inspect``: one page about one trained generator."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provenance import __version__
from provenance.cli import output
from provenance.cli.options import device_option, json_option, seed_option
from provenance.errors import ExitCode, ProvenanceError

if TYPE_CHECKING:
    from provenance.corpora.artefacts import TrainedGenerator
    from provenance.quality.inspection import Section, View
    from provenance.quality.reals import RealImages

_PAGE_FILE = "inspect.html"
_MOST_REALS = 2000


@click.command("inspect")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE.html",
    help=f"Where the page goes. [default: MODEL/{_PAGE_FILE}]",
)
@click.option(
    "--real",
    metavar="SOURCE",
    help="Source of real images. [default: the one that the generator learned from]",
)
@click.option(
    "--samples",
    type=click.IntRange(16, 5000),
    default=256,
    show_default=True,
    metavar="N",
    help="That figures rest on; 48 of them are shown.",
)
@seed_option
@device_option
@json_option
def command(
    model: Path,
    out: Path | None,
    real: str | None,
    samples: int,
    seed: int,
    device: str,
    as_json: bool,
) -> int:
    """Write a page about MODEL, a folder such as corpus/generators/gan.

    It shows the card, training curves, samples, ways between samples, directions, real images as
    the generator renders them, and the training images nearest to samples, each with a sentence on
    what would be bad. What the generator cannot do is left out. The page loads nothing and opens
    anywhere.

    Where real images cannot be read, the page is written without them and says so. Where the
    generator fails at something, the page says that, too, and the exit code is 4.
    """
    from provenance.corpora.artefacts import load_generator
    from provenance.quality.inspection import inspect_generator
    from provenance.quality.looks import all_looks
    from provenance.reports.generator_page import (
        check_page_destination,
        render_generator_page,
        write_page,
    )
    from provenance.training import resolve_device, use_threads

    page = out or model / _PAGE_FILE
    check_page_destination(page)
    resolved = resolve_device(device)
    if resolved == "cpu":
        use_threads(1)
    trained = load_generator(model, device=resolved)
    with output.Progress() as progress:
        view = _view(trained, real, seed, samples)
        sections = inspect_generator(view, all_looks(), progress.of("inspect"))
    about = _about(trained, real, seed, samples)
    write_page(page, render_generator_page(trained.card, trained.folder, sections, about))
    _show(sections, page, about, as_json=as_json)
    return ExitCode.PLUGIN if any(one.error for one in sections) else ExitCode.OK


def _view(trained: "TrainedGenerator", real: str | None, seed: int, samples: int) -> "View":
    from provenance.quality.inspection import View

    view = View(trained, None, seed=seed, samples=samples)  # refuses what cannot be shown
    view.reals, view.no_reals = _reals(trained, real, seed)
    return view


def _reals(
    trained: "TrainedGenerator", real: str | None, seed: int
) -> "tuple[RealImages | None, str]":
    """Return real images, or None and why there are none: the page does without."""
    from provenance.quality.reals import read_reals

    try:
        return read_reals(trained, real, count=_MOST_REALS, seed=seed), ""
    except ProvenanceError as error:
        why = f"There are no real images to compare with: {error}"
        output.say(output.printable(why))
        return None, why


def _about(
    trained: "TrainedGenerator", real: str | None, seed: int, samples: int
) -> dict[str, str]:
    data: Any = trained.card.get("data")
    source = data.get("source") if isinstance(data, dict) else None
    return {
        "Real images": str(real or source or "none"),
        "Seed": str(seed),
        "Samples": str(samples),
        "Weights (SHA-256)": str(trained.card.get("weights_sha256")),
        "Written by": f"provenance {__version__}",
    }


def _show(sections: "list[Section]", page: Path, about: dict[str, str], *, as_json: bool) -> None:
    from provenance.reports.generator_words import TITLES, findings

    if as_json:
        found = {section.key: section.to_json() for section in sections}
        output.echo_json({"page": str(page), "about": about, "sections": found}, indent=2)
        return
    for section in sections:
        rows = [{"title": strip.title, **strip.figures} for strip in section.strips]
        told = section.error or section.missing
        sentences = [told] if told else findings(section.key, section.figures, rows)
        for sentence in sentences:
            output.echo_data(output.printable(f"{TITLES[section.key]}: {sentence}"))
    output.say(output.printable(f"Written: {page}"))
