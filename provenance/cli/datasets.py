"""``provenance datasets``: the sources of real media that ``generate --real`` takes."""

from typing import Any

import click

from provenance.cli import output
from provenance.cli.options import json_option
from provenance.plugins import registry


@click.command("datasets")
@json_option
def command(as_json: bool) -> None:
    """List the sources of real media."""
    rows = [_row(name) for name in registry().datasets]
    if as_json:
        output.echo_json(rows, indent=2)
        return
    columns = ("name", "kinds", "summary", "licence")
    cells = ([r["usage"], ", ".join(r["kinds"]), r["summary"], r["licence"]] for r in rows)
    output.console().print(output.table(columns, cells))


def _row(name: str) -> dict[str, Any]:
    offer = registry().datasets[name]
    spec = offer.spec
    return {
        "name": name,
        "usage": f"{name}:{spec.argument}" if spec.argument else name,
        "kinds": sorted(map(str, spec.kinds)),
        "summary": spec.summary,
        "licence": spec.licence,
        "distribution": offer.owner.distribution,
    }
