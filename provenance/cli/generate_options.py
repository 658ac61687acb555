"""The options of ``provenance generate``, in the groups in which people need them."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from provenance.cli.options import parse_presets, parse_settings, settings_option
from provenance.contracts import CollapsePolicy

if TYPE_CHECKING:
    from provenance.corpora.request import Request

_Function = TypeVar("_Function", bound=Callable[..., Any])
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


class NumbersOption(click.Option):
    """An option that takes all numbers that follow it, negative ones too: ``--amounts -3 0 3``."""

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Let the parser hand over the words that follow, as far as they are numbers."""
        super().add_to_parser(parser, ctx)
        added = parser._long_opt[self.opts[0]]  # click has no public way to a varying number
        process = added.process

        def take_all(value: str, state: Any) -> None:
            words = [value]
            while state.rargs and _NUMBER.fullmatch(state.rargs[0]):
                words.append(state.rargs.pop(0))
            process(" ".join(words), state)

        added.process = take_all

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Return a tuple of numbers, from words or from a list in the settings."""
        if value is None:
            return None
        words = value if isinstance(value, list | tuple) else value.replace(",", " ").split()
        try:
            return tuple(float(word) for word in words)
        except (TypeError, ValueError):
            raise click.BadParameter(f"{value!r} are no numbers.", ctx=ctx, param=self) from None


def _group(*options: Callable[[Any], Any]) -> Callable[[_Function], _Function]:
    """Return one decorator for several options, listed in their order."""

    def decorate(function: _Function) -> _Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


corpus_options = _group(
    click.option(
        "--real",
        default="photos",
        show_default=True,
        metavar="SOURCE",
        help="Source of real media: photos, folder:PATH, or another of 'provenance datasets'.",
    ),
    click.option(
        "--download", is_flag=True, help="Let the source fetch its data; nothing else ever does."
    ),
    click.option(
        "--count", type=click.IntRange(8), default=1000, show_default=True, help="Real items."
    ),
    click.option(
        "--size",
        type=click.IntRange(8, 1024),
        default=32,
        show_default=True,
        metavar="PX",
        help="Side of the images; 'provenance plugins' says who makes which.",
    ),
    click.option(
        "--out",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="FOLDER",
        help="Where it goes. [default: corpus; drawings where a checkpoint only draws]",
    ),
    click.option("--sign/--no-sign", default=True, help="Give synthetic files a C2PA manifest."),
    click.option(
        "--shards",
        type=click.IntRange(0, 1_000_000),
        default=0,
        metavar="N",
        help="Write WebDataset tar shards of N files each instead of loose files.",
    ),
    click.option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="Who samples, signs and writes: processes of this machine, or a Ray cluster.",
    ),
    click.option(
        "--address",
        metavar="HOST:PORT",
        help="Of a running Ray cluster. [default: one of this machine, for this run]",
    ),
)
training_options = _group(
    click.option(
        "--family",
        "families",
        multiple=True,
        metavar="NAME",
        help="Train this generator or family; may be repeated. [default: all that fit the size]",
    ),
    click.option(
        "--budget",
        type=click.FloatRange(0, min_open=True),
        default=120.0,
        show_default=True,
        metavar="SECONDS",
        help="Training time of each generator.",
    ),
    click.option(
        "--checkpoint",
        "checkpoints",
        multiple=True,
        metavar="FOLDER",
        help="Draw from this trained generator instead of training; may be repeated.",
    ),
    click.option(
        "--preset",
        "presets",
        multiple=True,
        metavar="[NAME=]PRESET",
        help="Train with this preset: all generators that have it, or the named one; several.",
    ),
    settings_option,
    click.option(
        "--diverse",
        is_flag=True,
        help="Draw variants of each generator by the seed, so that each leaves other traces.",
    ),
    click.option(
        "--copies",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        metavar="N",
        help="Train each generator N times, with other seeds.",
    ),
    click.option(
        "--ensemble",
        metavar="RULE",
        help="Combine all others in a further generator: mixture, by-class or best-of.",
    ),
    click.option(
        "--on-collapse",
        type=click.Choice(get_args(CollapsePolicy)),
        default="roll-back",
        show_default=True,
        help="What a training does when its samples turn out to be all alike.",
    ),
)
sampling_options = _group(
    click.option(
        "--class", "classes", multiple=True, metavar="NAME", help="Samples of this class only."
    ),
    click.option(
        "--truncation",
        type=click.FloatRange(0, 1),
        default=1.0,
        show_default=True,
        help="Of samples; below 1 they are more typical and less varied.",
    ),
    click.option(
        "--temperature",
        type=click.FloatRange(0, max=1e6),
        default=1.0,
        show_default=True,
        help="Of samples; scales what is random.",
    ),
    click.option("--top-k", type=click.IntRange(1), metavar="K", help="The K likeliest tokens."),
    click.option(
        "--top-p",
        type=click.FloatRange(0, 1, min_open=True),
        metavar="P",
        help="The likeliest tokens that together have this probability.",
    ),
)
drawing_options = _group(
    click.option(
        "--interpolate",
        nargs=2,
        type=click.IntRange(0),
        metavar="A B",
        help="Draw the way from the sample of seed A to that of seed B; no corpus is made.",
    ),
    click.option(
        "--steps",
        type=click.IntRange(2, 1000),
        default=9,
        show_default=True,
        help="Of an interpolation.",
    ),
    click.option(
        "--direction",
        metavar="NAME",
        help="Draw the sample of --seed moved along this direction; no corpus is made.",
    ),
    click.option(
        "--amounts",
        cls=NumbersOption,
        metavar="X ...",
        help="How far, in standard deviations. [default: -3 -1.5 0 1.5 3]",
    ),
    click.option(
        "--edit",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="PHOTO",
        help="Pass this photograph through the generator; no corpus is made.",
    ),
    click.option(
        "--mask",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="PNG",
        help="With --edit: draw anew what is not black here, and nothing else.",
    ),
    click.option(
        "--fraction",
        type=click.FloatRange(0, 1),
        help="With --edit: how much is drawn anew. [default: 1 with a mask, else 0]",
    ),
)


def request_of(asked: dict[str, Any]) -> "Request":
    """Return what the options ask for."""
    from provenance.corpora.request import Request

    same = (
        *("real", "count", "families", "checkpoints", "seed", "sign", "download", "diverse"),
        *("copies", "on_collapse", "ensemble", "classes", "truncation", "temperature"),
        *("top_k", "top_p", "shards"),
    )
    return Request(
        **{name: asked[name] for name in same},
        size_px=asked["size"],
        budget_s=asked["budget"],
        presets=parse_presets(asked["presets"]),
        options=parse_settings(asked["options"]),
    )


def chosen_drawing(asked: dict[str, Any]) -> str | None:
    """Return which drawing is asked for: ``interpolate``, ``direction``, ``edit``, or None.

    Raises:
        click.UsageError: Several are, or something that goes with another, or no checkpoint.
    """
    chosen = [name for name in ("interpolate", "direction", "edit") if asked[name] is not None]
    _check_company(asked, chosen)
    if not chosen:
        return None
    if len(chosen) > 1:
        raise click.UsageError(f"--{chosen[0]} and --{chosen[1]} are two drawings. Ask for one.")
    if len(asked["checkpoints"]) != 1:
        raise click.UsageError(
            f"--{chosen[0]} draws from one trained generator. Name it: --checkpoint "
            f"corpus/generators/vae."
        )
    return chosen[0]


def _check_company(asked: dict[str, Any], chosen: Sequence[str]) -> None:
    owners = {"mask": "edit", "fraction": "edit", "amounts": "direction"}
    for name, owner in owners.items():
        if asked[name] is not None and owner not in chosen:
            raise click.UsageError(f"--{name} goes with --{owner}. Add that, or leave it out.")
