"""``provenance sign``: gives files C2PA manifests that say how they were made."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provenance.cli import output
from provenance.cli.asking import with_secrets
from provenance.cli.options import jobs_option, json_option, resume_option
from provenance.errors import ExitCode, UnreadableError, UserError
from provenance.files import is_same_file

if TYPE_CHECKING:
    from provenance.credentials import CredentialSession, Recipe

_PIPE = "-"
_MAX_STDIN_BYTES = 1 << 30
_UNKNOWN_SIGNER = (
    "No trust list of this machine vouches for the signer. Add its root (provenance trust add NAME"
    " FILE --kind manifest) or fetch the official lists (provenance trust update), and see that the"
    " signer's file of certificates holds those between it and the root."
)


@click.command("sign")
@click.argument("source", metavar="SOURCE", type=click.Path(exists=True, allow_dash=True))
@click.option(
    "--out",
    metavar="OUT",
    type=click.Path(allow_dash=True),
    help="Where the signed copy goes; replaced when it exists. A folder where SOURCE is one.",
)
@click.option("--in-place", is_flag=True, help="Replace SOURCE itself, atomically.")
@click.option("--recipe", metavar="FILE", type=click.Path(), help="TOML or JSON; options win.")
@click.option(
    "--source-type",
    metavar="NAME",
    help="How the media came to be: a term of IPTC's digital source types. [default:"
    " trainedAlgorithmicMedia; a composite where SOURCE is an edit]",
)
@click.option("--title", help="Shown by viewers. [default: name of the signed file]")
@click.option("--generator", metavar="NAME", help="Software that made it. [default: provenance]")
@click.option("--generator-version", metavar="VERSION", help="Of that software.")
@click.option("--model", help="Model that made the file, where one did.")
@click.option(
    "--action",
    multiple=True,
    metavar="NAME[,KEY=VALUE...]",
    help="What was done, as c2pa.cropped,source_type=humanEdits,description=TEXT; repeatable. In an"
    " edit, an action without a source_type takes the edit's.",
)
@click.option(
    "--ingredient",
    multiple=True,
    metavar="ROLE=FILE",
    help="What it was made from: parent=FILE, component=FILE or input=FILE; repeatable.",
)
@click.option("--claim", multiple=True, metavar="KEY=VALUE", help="A fact of yours; repeatable.")
@click.option(
    "--training-mining",
    multiple=True,
    metavar="USE|ENTRY=USE",
    help="May models learn from it: allowed, notAllowed, constrained; for all, or for an entry.",
)
@click.option("--update", is_flag=True, help="Add to the credential; the content is unchanged.")
@click.option(
    "--redact",
    multiple=True,
    metavar="LABEL|URI",
    help="Take this assertion out of the credential; repeatable.",
)
@click.option("--redact-reason", metavar="REASON", help="Why. [default: c2pa.PII.present]")
@click.option("--sidecar", is_flag=True, help="Lay the manifest beside the file, as NAME.c2pa.")
@click.option("--signer", metavar="NAME", help="Whose key. [default: this machine's own CA]")
@click.option(
    "--signer-option", multiple=True, metavar="KEY=VALUE", help="Of the signer; repeatable."
)
@click.option("--timestamp", metavar="URL", help="Ask this RFC 3161 authority for a time-stamp.")
@click.option(
    "--timestamp-policy",
    type=click.Choice(["require", "prefer"]),
    help="When it does not answer: fail, or sign without and say so. [default: require]",
)
@click.option("--dry-run", is_flag=True, help="Print what would be signed, and stop.")
@jobs_option
@resume_option
@json_option
def command(
    source: str,
    out: str | None,
    recipe: str | None,
    jobs: int | None,
    *,
    in_place: bool,
    dry_run: bool,
    resume: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Write a copy of SOURCE that says how it was made, signed.

    SOURCE is a file, a folder (signed in parallel, a row per file), or - for stdin. All that is to
    be said is checked before anything is signed.

    A credential that a file carries already is kept whole, as the parent of the new one: the new
    manifest then says "opened and edited" rather than "created". Where an editor dropped it, name
    the original: --ingredient parent=ORIGINAL.

    Signs with a development CA of this machine, which nobody else trusts, unless --signer names
    another key.

    \b
    Exit codes: 0; 1 when something is wrong with what was asked for;
    5 when the file cannot be read; 6 when files of a folder were not signed.
    """  # noqa: D301 - click wants the character itself
    from provenance.cli.sign_words import recipe_of

    _check(source, out, in_place=in_place, as_json=as_json, resume=resume)
    wanted = recipe_of(recipe, options)
    if dry_run:
        return _show_plan(source, wanted)
    from provenance.credentials import CredentialSession

    session = with_secrets(lambda: CredentialSession(wanted))
    if os.path.isdir(source):  # noqa: PTH112 - Path.is_dir raises for some names
        from provenance.cli.sign_folder import sign_folder

        target = None if in_place else Path(out or "")
        return sign_folder(Path(source), target, session, jobs, resume=resume, as_json=as_json)
    if out == _PIPE:
        return _sign_to_stdout(source, session)
    return _sign_file(source, out, session, as_json=as_json)


def _check(source: str, out: str | None, *, in_place: bool, as_json: bool, resume: bool) -> None:
    """Refuse combinations that mean nothing.

    Raises:
        click.UsageError: There are such.
        UserError: The output is the source.
    """
    is_folder = os.path.isdir(source)  # noqa: PTH112
    if source == _PIPE and out is None and not in_place:
        raise click.UsageError(
            "Say where the signed file goes: give --out - for stdout, or a name."
        )
    if (out is None) != in_place:
        raise click.UsageError("Give either --out or --in-place.")
    if in_place and source == _PIPE:
        raise click.UsageError("stdin cannot be signed in place. Give --out.")
    if out == _PIPE and (is_folder or as_json):
        raise click.UsageError("stdout takes one signed file, and then nothing else.")
    if resume and (not is_folder or in_place):
        raise click.UsageError("--resume is for a folder that is signed into another one.")
    if out is None or _PIPE in (source, out):
        return
    if not is_folder and os.path.isdir(out):  # noqa: PTH112
        raise click.UsageError(f"--out {out} is a folder. Name the signed file.")
    if is_same_file(Path(source), Path(out)):
        raise UserError(
            f"{out} is the source itself. Choose another name for the signed copy, or say"
            f" --in-place."
        )


def _show_plan(source: str, recipe: "Recipe") -> int:
    """Print the manifest that would be signed, or the recipe where many are."""
    if source == _PIPE or os.path.isdir(source):  # noqa: PTH112
        said = recipe.model_dump(mode="json", exclude_unset=True)
    else:
        from provenance.credentials.signing.ingredients import load_ingredients
        from provenance.credentials.signing.planning import plan
        from provenance.credentials.signing.sources import source_of_path

        path = Path(source)
        made = plan(
            source_of_path(path), recipe, title=path.name, ingredients=load_ingredients(recipe)
        )
        said = dict(made.job.manifest)
    output.echo_json(said, indent=2)
    return int(ExitCode.OK)


def _sign_to_stdout(source: str, session: "CredentialSession") -> int:
    if session.recipe.sidecar:
        raise UserError("A sidecar lies beside a file, and stdout is none. Give --out FILE.")
    if output.data_stream().isatty():
        raise UserError("A signed file is not for a terminal. Redirect it, or give --out FILE.")
    data = _stdin() if source == _PIPE else _content(Path(source))
    signed = session.sign_bytes(data, name="stdin" if source == _PIPE else Path(source).name)
    _say(signed.notes)
    output.echo_bytes(signed.data)
    return int(ExitCode.OK)


def _stdin() -> bytes:
    """Return what stdin holds.

    Raises:
        UnreadableError: It is larger than 1 GiB.
    """
    data = sys.stdin.buffer.read(_MAX_STDIN_BYTES + 1)
    if len(data) > _MAX_STDIN_BYTES:
        raise UnreadableError("stdin exceeds 1 GiB, the limit for a pipe. Sign it as a file.")
    return data


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror or error}") from error


def _sign_file(source: str, out: str | None, session: "CredentialSession", *, as_json: bool) -> int:
    from provenance.files import sha256_file

    target = Path(out) if out is not None else Path(os.path.realpath(source))  # a link stays one
    if source == _PIPE:
        made = session.write(_stdin(), target, name="stdin")
    else:
        made = session.write(Path(source), target)
    credential = session.verify(target)
    notes = (*made.notes, *([_UNKNOWN_SIGNER] if credential.signer == "untrusted" else []))
    if as_json:
        found = credential.to_json()
        extra = {
            "sha256": sha256_file(target),
            "parent_kept": made.kept is not None,
            "notes": [*notes, *found.pop("notes")],
        }
        output.echo_json({"path": out or source, **extra, **found}, indent=2)
    else:
        output.echo_data(output.printable(f"{out or source}: {credential.conclusion}"))
    _say(notes)
    return int(ExitCode.OK)


def _say(notes: tuple[str, ...]) -> None:
    for note in notes:
        output.say(f"Note: {output.printable(note)}")
