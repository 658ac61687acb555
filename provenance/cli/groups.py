"""A command that has commands of its own, as ``provenance keys list``."""

import click

from provenance.errors import did_you_mean


class Subcommands(click.Group):
    """Commands in the order in which they were written, and a suggestion for a misspelt one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which people meet them."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one may have been meant."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0]!r}.{did_you_mean(args[0], list(self.commands))}")
        return super().resolve_command(ctx, args)
