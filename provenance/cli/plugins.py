"""``provenance plugins``: every plugin, what it offers, and what is wrong with it."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from provenance.cli import output
from provenance.cli.options import json_option
from provenance.errors import ExitCode
from provenance.plugins import registry

if TYPE_CHECKING:
    from provenance.plugins import PluginStatus


@click.command("plugins")
@json_option
@click.option("--strict", is_flag=True, help="Exit with 4 when a plugin has failed.")
def command(as_json: bool, strict: bool) -> int:
    """List the plugins: state, distribution, what each offers, seconds to import."""
    plugins = registry()
    plugins.ask_all()
    if as_json:
        output.echo_json([asdict(status) for status in plugins.statuses], indent=2)
    else:
        columns = ("plugin", "distribution", "state", "offers", "import ms", "error")
        output.console().print(output.table(columns, map(_cells, plugins.statuses)))
    failed = any(status.state == "failed" for status in plugins.statuses)
    return int(ExitCode.PLUGIN if strict and failed else ExitCode.OK)


def _cells(status: "PluginStatus") -> list[str]:
    state = f"{status.state} ({status.stage})" if status.stage else status.state
    return [
        status.name,
        f"{status.distribution} {status.version}",
        state,
        "\n".join(status.offers),
        f"{status.import_s * 1000:.0f}",
        status.error or "",
    ]
