"""``provenance strip``: takes the credential out of a file, for tests and experiments."""

from pathlib import Path

import click

from provenance.cli import output
from provenance.cli.options import json_option


@click.command("strip")
@click.argument("source", metavar="FILE", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--out",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Where the copy goes; replaced when it exists. Never FILE itself.",
)
@json_option
def command(source: str, out: str, *, as_json: bool) -> None:
    """Write a copy of a PNG or JPEG FILE without the credential inside it.

    This removes evidence of where the file comes from. It is for tests and experiments: every other
    byte stays, so that a file signed here becomes again what it was before. FILE itself, and a
    sidecar beside it, are left alone. So is the address of a credential on a server, which stands
    in the metadata (XMP); saving the file anew in an editor without metadata removes it.
    """
    from provenance.credentials import TrustAnchors, read_credential_bytes, strip_file

    found = strip_file(Path(source), Path(out))
    url = read_credential_bytes(found.data, None, TrustAnchors()).remote_url
    if as_json:
        facts = {"path": out, "parts": found.n_parts, "bytes_removed": found.n_bytes}
        output.echo_json({**facts, "remote_url": url}, indent=2)
        return
    if found.n_parts:
        parts = "1 part" if found.n_parts == 1 else f"{found.n_parts} parts"
        size = f"{found.n_bytes:,} bytes in {parts}"
        said = f"{size} taken out; evidence was removed."
    else:
        said = "there was no credential inside; a plain copy."
    if url is not None:
        said += f" It names a credential on a server ({url}), and that address stays in it."
    output.echo_data(output.printable(f"{out}: {said}"))
