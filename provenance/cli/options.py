"""Options that several commands share, so that they read and mean the same everywhere."""

import os

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
