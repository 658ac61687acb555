"""``provenance sign``: gives a file a C2PA manifest, signed by this machine's development CA."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provenance.cli import output
from provenance.cli.options import json_option
from provenance.errors import UnreadableError, UserError

if TYPE_CHECKING:
    from provenance.credentials import Credential


@click.command("sign")
@click.argument("source", metavar="FILE", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--out",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Where the signed copy goes; replaced when it exists. Never FILE itself.",
)
@click.option(
    "--source-type",
    default="trainedAlgorithmicMedia",
    show_default=True,
    metavar="NAME",
    help="How the media came to be: a term of IPTC's digital source types.",
)
@click.option("--title", default=None, help="Shown by viewers. [default: name of the signed file]")
@click.option(
    "--generator", default="provenance", show_default=True, help="Software that made the file."
)
@click.option("--model", default=None, help="Model that made the file, where one did.")
@json_option
def command(
    source: str,
    out: str,
    source_type: str,
    title: str | None,
    generator: str,
    model: str | None,
    *,
    as_json: bool,
) -> None:
    """Write a copy of FILE that says how it was made, signed.

    A credential that FILE already carries is kept whole, as the parent of the new one: the new
    manifest then says "opened and edited" rather than "created".

    Signs with a development CA of this machine, which nobody else trusts.
    """
    from provenance import credentials

    before = _present(Path(source))
    words: dict[str, Any] = {
        "title": title or Path(out).name,
        "source_type": source_type,
        "generator": generator,
        "model": model,
    }
    if before is None:
        manifest, parent = credentials.created_manifest(**words), None
    else:
        manifest = credentials.edited_manifest(**words)
        parent = credentials.parent_ingredient(before.statements.title or Path(source).name)
    signer = credentials.development_signer()
    credentials.sign_file(Path(source), Path(out), manifest, signer, parent=parent)
    _show(Path(out), kept=before, as_json=as_json)


def _present(source: Path) -> "Credential | None":
    """Return the credential that the file carries and that must not be lost, if any.

    Raises:
        UserError: It lies on a server, or is of a form that nothing reads any more: it cannot be
            taken along.
        UnreadableError: The file cannot be examined, so that it might carry one.
    """
    from provenance.credentials import load_trust_anchors, read_credential

    found = read_credential(source, None, load_trust_anchors([]))
    if found.remote_url:
        raise UserError(
            f"{source} names a credential on a server ({output.printable(found.remote_url)})."
            " Signing would cut that tie; remove it from the file first if you mean to."
        )
    if found.error is not None:
        raise UnreadableError(f"{source}: {found.error}")
    if found.integrity != "none":
        return found
    if found.is_present:
        raise UserError(
            f"The credential of {source} cannot be kept: {found.conclusion} Remove it from the file"
            f" first if you mean to."
        )
    return None


def _show(out: Path, *, kept: "Credential | None", as_json: bool) -> None:
    from provenance.credentials import load_trust_anchors, read_credential
    from provenance.files import sha256_file

    credential = read_credential(out, None, load_trust_anchors(None))
    if as_json:
        extra = {"sha256": sha256_file(out), "parent_kept": kept is not None}
        output.echo_json({"path": str(out), **extra, **credential.to_json()}, indent=2)
        return
    output.echo_data(output.printable(f"{out}: {credential.conclusion}"))
    if kept is not None and kept.is_broken:
        output.say("Note: the credential that the file carried before does not hold; it is kept.")
