"""``provenance verify``: the credentials of files on four axes, and an exit code for scripts."""

import contextlib
import functools
from operator import methodcaller
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provenance.cli import output
from provenance.cli.credential_files import (
    STDIN,
    Item,
    find_items,
    lost,
    make_reader,
    spooled_stdin,
)
from provenance.cli.credential_output import JsonOutput, Output, TableOutput, Tally
from provenance.cli.options import jobs_option, json_option, trust_anchors_option
from provenance.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from provenance.credentials import TrustAnchors
    from provenance.reports import CredentialItem

# verifying was measured to take up to 560 MiB, of a file of any size; and files of up to 4 GiB are
# mapped, which takes address space, though no memory
_WORKER_BYTES = 6 << 30
_MANY_FILES = 100  # from here on progress is worth a line
_MAX_HOST = 253  # RFC 1035, 2.3.4


@click.command("verify")
@click.argument(
    "paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(readable=False)
)
@trust_anchors_option
@click.option(
    "--time-anchors",
    multiple=True,
    metavar="PEM",
    type=click.Path(exists=True, dir_okay=False),
    help="Trust the time-stamps of authorities under the roots in this file.",
)
@click.option(
    "--trust-list",
    "trust_lists",
    multiple=True,
    metavar="NAME",
    help="Trust only this list of 'provenance trust list'. Repeatable. [default: all of them]",
)
@click.option("--no-trust-anchors", is_flag=True, help="Trust nobody: check integrity only.")
@click.option(
    "--require-trusted", is_flag=True, help="Exit with 11 unless every signer is trusted."
)
@click.option(
    "--allow-remote",
    multiple=True,
    metavar="HOST",
    help="Fetch manifests that files name on this server. Repeatable. [default: none is fetched]",
)
@click.option("--no-sidecars", is_flag=True, help="Do not look for x.c2pa beside x.jpg.")
@click.option(
    "--init",
    metavar="MP4",
    type=click.Path(exists=True, dir_okay=False),
    help="The PATHs are segments of a fragmented MP4, of which this is the init segment.",
)
@click.option("--tree", is_flag=True, help="Draw what each file was made from.")
@click.option("--detailed", is_flag=True, help="Show codes, manifests, certificates and signals.")
@click.option(
    "--report",
    metavar="FOLDER",
    type=click.Path(file_okay=False),
    help="Write an index.html and a page per file, with pictures, into a new folder.",
)
@jobs_option
@click.option(
    "--time-limit",
    type=click.FloatRange(0.1),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Per file; what takes longer is an error of that file.",
)
@json_option
def command(
    paths: tuple[str, ...],
    trust_anchors: tuple[str, ...],
    time_anchors: tuple[str, ...],
    trust_lists: tuple[str, ...],
    allow_remote: tuple[str, ...],
    init: str | None,
    report: str | None,
    jobs: int | None,
    time_limit: float,
    *,
    no_trust_anchors: bool,
    require_trusted: bool,
    no_sidecars: bool,
    tree: bool,
    detailed: bool,
    as_json: bool,
) -> int:
    """Check the C2PA credentials of files, and of all files below folders; - is stdin.

    Four questions are answered one by one, because the answers are independent: a file that
    nobody touched may be signed by nobody you know, and a trusted signer may have signed over
    something that was changed before.

    \b
    integrity  Is the file, and its credential, what was signed?
               ok, failed, none
    signer     Does a trust list of yours vouch for who signed? Otherwise names are mere claims.
               trusted, untrusted, expired, revoked, none
    time       Does a trusted clock vouch for when?
               trusted, untrusted, none
    ancestors  The worst of everything that the file was made from, at any depth.
               ok, failed, untrusted, none

    "none" means that there is nothing to check, which says nothing about how a file was made.

    Trusted are this machine's development CA and the lists of "provenance trust", unless you name
    others. No network connection is opened without --allow-remote, and nothing is written but
    --report. Symbolic links below folders are not followed.

    \b
    Examples:
      provenance verify photo.jpg --tree
      provenance verify archive/ --require-trusted --json > archive.json
      provenance verify archive/ --report archive-report
      provenance verify segment*.m4s --init init.mp4
      curl -s https://example.org/photo.jpg | provenance verify -

    \b
    Exit code, the first that applies:
    11  the integrity or an ancestor of a file failed, or its signer is revoked;
        with --require-trusted, also when a signer is not trusted
    12  a file carries no credential that can be checked
    5   a file could not be examined
    0   otherwise: an untrusted or expired signer alone is no failure
    """  # noqa: D301 - click wants the character itself
    from provenance.credentials import ReadingOptions, load_trust_anchors

    if no_trust_anchors and (trust_anchors or trust_lists):
        raise click.UsageError("--no-trust-anchors excludes --trust-anchors and --trust-list.")
    if init is not None and STDIN in paths:
        raise click.UsageError("--init goes with segments in files, not with stdin.")
    given = [Path(path) for path in trust_anchors]
    trust = load_trust_anchors(
        [] if no_trust_anchors else given or None,
        [Path(path) for path in time_anchors],
        lists=trust_lists or None,
    )
    options = ReadingOptions(
        sidecars=not no_sidecars,
        remote_hosts=frozenset(map(_host, allow_remote)),
        detailed=tree or detailed or report is not None,
        thumbnails=report is not None,
    )
    outputs = _outputs(trust, report, as_json=as_json, tree=tree, detailed=detailed)
    tally = Tally()
    with spooled_stdin(paths) as stdin:
        items = _items(paths, stdin, pair_sidecars=options.sidecars)
        make = functools.partial(make_reader, trust, options, Path(init) if init else None)
        with contextlib.closing(_read_all(items, make, jobs, time_limit)) as results:
            _tell(outputs, methodcaller("begin"))
            for read in _with_progress(results, len(items)):
                tally.count(read.credential)
                _tell(outputs, methodcaller("file", read))
            _tell(outputs, methodcaller("end"))
    if len(items) > 1:
        output.say(str(tally))
    return int(tally.exit_code(require_trusted=require_trusted))


def _tell(outputs: list[Output], what: "Callable[[Output], None]") -> None:
    """Tell all outputs. A reader of stdout that went away ends a run of which nothing else is left.

    A report is still to be written whole.
    """
    ends = (click.exceptions.Exit,) if len(outputs) > 1 else ()
    for one in outputs:
        with contextlib.suppress(*ends):
            what(one)


def _items(paths: tuple[str, ...], stdin: Item | None, *, pair_sidecars: bool) -> list[Item]:
    found = find_items((path for path in paths if path != STDIN), pair_sidecars=pair_sidecars)
    items = found if stdin is None else [stdin, *found]
    if not items:
        raise UserError("There are no files below the given folders.")
    return items


def _outputs(
    trust: "TrustAnchors", report: str | None, *, as_json: bool, tree: bool, detailed: bool
) -> list[Output]:
    from provenance import __version__
    from provenance.credentials import library_versions

    said = trust.to_json()
    versions = {"provenance": __version__, **library_versions()}
    form = JsonOutput if as_json else TableOutput
    outputs: list[Output] = [form(said, versions, tree=tree, detailed=detailed)]
    if report is not None:
        from provenance.reports import CredentialReport

        outputs.insert(0, CredentialReport(Path(report), said, versions))
    return outputs


def _host(text: str) -> str:
    """Return a server's name as the fetcher compares it.

    Raises:
        UsageError: It is an address of a page, has a port, or is no name at all.
    """
    name = text.lower().strip("[]").rstrip(".")
    refused = "/@ *" if name.count(":") > 1 else "/@ *:"  # an address of IPv6, or a port
    if not name or len(name) > _MAX_HOST or any(c in name for c in refused):
        raise click.UsageError(
            f"--allow-remote {text!r}: name a server without a port, such as example.org."
        )
    return name


def _read_all(
    items: list[Item],
    make: "Callable[[], Callable[[Item], CredentialItem]]",
    jobs: int | None,
    time_limit_s: float,
) -> "Generator[CredentialItem, None, None]":
    from provenance.workers import default_jobs, map_in_workers

    return map_in_workers(
        make,
        items,
        jobs=min(jobs or default_jobs(), len(items)),
        lost=lost,
        item_s=time_limit_s,
        worker_bytes=_WORKER_BYTES,
    )


def _with_progress(results: "Iterator[CredentialItem]", total: int) -> "Iterator[CredentialItem]":
    """Pass results on, telling how far they are where nobody sees the rows themselves."""
    if total < _MANY_FILES or output.data_stream().isatty():
        yield from results
        return
    with output.Progress() as progress:
        for n, read in enumerate(results, 1):
            progress("verify", n / total, f"{n} of {total} files")
            yield read
