"""The command line: a lazy click group, one file per command."""

from provenance.cli.main import main

__all__ = ["main"]
