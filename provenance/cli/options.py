"""Options that several commands share, so that they read and mean the same everywhere."""

import os
from collections.abc import Sequence
from typing import Any

import click


class OptionByItsName(click.Option):
    """An option whose parameter has another name, but not its variable in the environment.

    ``--json`` is ``as_json`` in Python, where ``json`` is a module. Its variable is
    ``PROVENANCE_SCAN_JSON`` nonetheless, as the rule says; ``PROVENANCE_SCAN_AS_JSON``, which
    click would ask for, still counts where that is not set.
    """

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return the value of the variable that is named as the option is; None where unset."""
        word = self.opts[0].lstrip("-").replace("-", "_").upper()
        own = os.environ.get(f"{ctx.auto_envvar_prefix}_{word}") if ctx.auto_envvar_prefix else None
        return own or super().resolve_envvar_value(ctx)


seed_option = click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of everything random."
)
device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda|cuda:N",
    help="Where to compute.",
)
json_option = click.option(
    "--json", "as_json", cls=OptionByItsName, is_flag=True, help="Machine-readable, on stdout."
)
resume_option = click.option(
    "--resume", is_flag=True, help="Go on where an interrupted run stood, with the same options."
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would be done, and stop.")
jobs_option = click.option(
    "--jobs",
    "--workers",
    "jobs",
    type=click.IntRange(1),
    default=None,
    metavar="N",
    help="Worker processes of one thread each. [default: one per core; one on a GPU]",
)
trust_anchors_option = click.option(
    "--trust-anchors",
    multiple=True,
    metavar="PEM",
    type=click.Path(exists=True, dir_okay=False),
    help="Trust the roots in this file, and not this machine's CA and lists.",
)
settings_option = click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME.KEY=VALUE",
    help="A setting of a plugin's own, as timm.backbone=resnet18 or gan.width=16; several.",
)


def parse_settings(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Read ``NAME.KEY=VALUE``; a value that is JSON (a number, true, a list) is read as such.

    Args:
        texts: As the user wrote them; of two for one key the later wins.

    Raises:
        click.BadParameter: One is not of that form.
    """
    from provenance.corpora.request import read_setting

    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        name, dot, key = path.partition(".")
        if not (equals and dot and name and key):
            raise click.BadParameter(f"{text!r} is not NAME.KEY=VALUE.", param_hint="--option")
        found.setdefault(name, {})[key] = read_setting(value)
    return found


def parse_presets(texts: Sequence[str]) -> dict[str, str]:
    """Read ``NAME=PRESET``, or ``PRESET`` for everybody, which is kept under the name "".

    Raises:
        click.BadParameter: One is empty.
    """
    found: dict[str, str] = {}
    for text in texts:
        before, equals, after = text.partition("=")
        name, preset = (before, after) if equals else ("", before)
        if not preset or (equals and not name):
            raise click.BadParameter(f"{text!r} is not [NAME=]PRESET.", param_hint="--preset")
        found[name] = preset
    return found
