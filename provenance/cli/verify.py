"""``provenance verify``: the credentials of files on four axes, and an exit code for scripts."""

import functools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provenance.cli import output
from provenance.cli.options import jobs_option, json_option, trust_anchors_option
from provenance.errors import ExitCode, UserError

if TYPE_CHECKING:
    from provenance.credentials import Credential, TrustAnchors

_MANY_FILES = 500  # below this, starting processes costs more than they bring
_CHUNK_FILES = 64
_NAMES_SHOWN = 3
_COLUMNS = ("file", "integrity", "signer", "time", "ancestors", "conclusion")


@click.command("verify")
@click.argument("paths", nargs=-1, required=True, metavar="FILE...", type=click.Path())
@trust_anchors_option
@click.option(
    "--time-anchors",
    multiple=True,
    metavar="PEM",
    type=click.Path(exists=True, dir_okay=False),
    help="Trust the time-stamps of authorities under the roots in this file.",
)
@click.option("--no-trust-anchors", is_flag=True, help="Trust nobody: check integrity only.")
@click.option(
    "--require-trusted", is_flag=True, help="Exit with 11 unless every signer is trusted."
)
@jobs_option
@json_option
def command(
    paths: tuple[str, ...],
    trust_anchors: tuple[str, ...],
    time_anchors: tuple[str, ...],
    jobs: int | None,
    *,
    no_trust_anchors: bool,
    require_trusted: bool,
    as_json: bool,
) -> int:
    r"""Check the C2PA credentials of files, and of all files below folders.

    \b
    integrity  ok, failed, none   is the file what was signed?
    signer     trusted, untrusted, expired, revoked, none
    time       trusted, untrusted, none   does a trusted clock vouch for the date?
    ancestors  ok, failed, untrusted, none   the worst of what the file was made from

    No network connection is opened. Symbolic links below folders are not followed.

    \b
    Exit code, the first that applies:
    11  the integrity or an ancestor of a file failed, or its signer is revoked;
        with --require-trusted, also when a signer is not trusted
    12  a file carries no credential that can be checked
    5   a file could not be examined
    0   otherwise: an untrusted or expired signer alone is no failure
    """
    from provenance.credentials import load_trust_anchors

    if no_trust_anchors and trust_anchors:
        raise click.UsageError("--trust-anchors and --no-trust-anchors exclude each other.")
    given = [Path(path) for path in trust_anchors]
    trust = load_trust_anchors(
        [] if no_trust_anchors else given or None, [Path(path) for path in time_anchors]
    )
    files = list(_files(map(Path, paths)))
    if not files:
        raise UserError("There are no files below the given folders.")
    credentials = _read_all(files, trust, jobs)
    _show(files, credentials, trust, as_json=as_json)
    return int(_exit_code(credentials, require_trusted=require_trusted))


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield files, and the files below folders in order; each path once.

    ``Path.is_dir`` raises for a name that is too long or in a closed folder; ``os.path`` says no.
    """
    seen: set[Path] = set()
    for path in paths:
        for file in _walk(path) if os.path.isdir(path) else (path,):  # noqa: PTH112
            if file not in seen:
                seen.add(file)
                yield file


def _walk(folder: Path) -> Iterator[Path]:
    unreadable: list[Path] = []

    def remember(error: OSError) -> None:
        unreadable.append(Path(error.filename))  # becomes a row, and exit code 5

    for root, folders, names in os.walk(folder, onerror=remember, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(root, name)
            if not os.path.islink(path):  # noqa: PTH114
                yield path
    yield from unreadable


def _read_all(files: Sequence[Path], trust: "TrustAnchors", jobs: int | None) -> "list[Credential]":
    from provenance.credentials import read_credential

    jobs = jobs or (os.cpu_count() or 1)
    if jobs == 1 or len(files) < _MANY_FILES:
        return [read_credential(file, None, trust) for file in files]
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    # processes, not threads: two threads were measured to be no faster than one
    context = multiprocessing.get_context("spawn")
    read = functools.partial(read_credential, media_type=None, trust=trust)
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        return list(pool.map(read, files, chunksize=_CHUNK_FILES))


def _show(
    files: Sequence[Path],
    credentials: "Sequence[Credential]",
    trust: "TrustAnchors",
    *,
    as_json: bool,
) -> None:
    if as_json:
        output.echo_json(_report(files, credentials, trust), indent=2)
        return
    rows = (
        (str(file), c.integrity, c.signer, c.time, c.ancestors, _conclusion(c))
        for file, c in zip(files, credentials, strict=True)
    )
    output.console().print(output.table(_COLUMNS, rows))
    output.say(f"Trusting {_names(trust)} (list {trust.sha256[:12]}).")


def _conclusion(credential: "Credential") -> str:
    """Add what the signer declares of the origin: the question that most people came with."""
    declared = credential.source_type
    return f"{credential.conclusion} Declares {declared}." if declared else credential.conclusion


def _names(trust: "TrustAnchors") -> str:
    names = list(dict.fromkeys(map(output.printable, trust.names)))
    shown = "; ".join(names[:_NAMES_SHOWN]) or "nobody"
    return f"{shown}; and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else shown


def _report(
    files: Sequence[Path], credentials: "Sequence[Credential]", trust: "TrustAnchors"
) -> list[dict[str, Any]]:
    from provenance.credentials import library_versions

    common = {"trust": trust.to_json(), "versions": dict(library_versions())}
    return [
        {"path": str(file), **credential.to_json(), **common}
        for file, credential in zip(files, credentials, strict=True)
    ]


def _exit_code(credentials: "Sequence[Credential]", *, require_trusted: bool) -> ExitCode:
    def is_refused(credential: "Credential") -> bool:
        distrusted = credential.integrity != "none" and credential.signer != "trusted"
        return credential.is_broken or (require_trusted and distrusted)

    if any(map(is_refused, credentials)):
        return ExitCode.CREDENTIAL_INVALID
    if any(c.integrity == "none" and c.error is None for c in credentials):
        return ExitCode.NO_CREDENTIAL
    if any(c.error for c in credentials):
        return ExitCode.UNREADABLE
    return ExitCode.OK
