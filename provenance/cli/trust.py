"""``provenance trust``: named lists of roots, checked when they are imported and at every use."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provenance.cli import output
from provenance.cli.groups import Subcommands
from provenance.cli.options import dry_run_option, json_option
from provenance.errors import ExitCode, UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from provenance.credentials.trust.checking import Examination
    from provenance.credentials.trust.official import Change
    from provenance.credentials.trust.roots import Purpose
    from provenance.credentials.trust.selftest import SelfTest

_KINDS = ("manifest", "time", "tsa")
_COLUMNS = ("list", "kind", "roots", "date", "newer due", "sha256", "state")
_KIND_HELP = "What its roots vouch for: signers of manifests, or time-stamps (tsa is another word)."


@click.group("trust", cls=Subcommands)
def command() -> None:
    """Say whom you trust: named lists of root certificates.

    A credential is trusted where a root that you trust vouches for its signer. Without any list,
    only the development CA of this machine counts. Lists of kind manifest vouch for signers, lists
    of kind time for time-stamps, and never the one for the other. "provenance verify" uses all of
    them, and names list, date and hash in its reports.

    \b
    Examples:
      provenance trust update                                   the C2PA's lists, from the network
      provenance trust add studio roots.pem --kind manifest     your own
      provenance trust list
      provenance trust check
    """  # noqa: D301 - \b keeps lines apart in help


@command.command("add", short_help="Import a list of roots under a name.")
@click.argument("name")
@click.argument("file", type=click.Path(dir_okay=False))
@click.option(
    "--kind", required=True, type=click.Choice(_KINDS, case_sensitive=False), help=_KIND_HELP
)
@click.option(
    "--allow-expired",
    is_flag=True,
    help="Take roots that have expired, for old files with trusted time-stamps.",
)
@click.option("--replace", is_flag=True, help="Take the place of a list of this name.")
@json_option
def add(
    name: str, file: str, kind: str, *, allow_expired: bool, replace: bool, as_json: bool
) -> None:
    """Import FILE, a PEM file or a JSON list of trusted entities, under NAME.

    All of the file must be certificates of authorities that are valid now, with keys that C2PA
    takes. A damaged or repeated certificate, a private key or a signer's certificate is an error,
    and nothing is imported. An expired root vouches for nothing that is signed today, but an
    archive needs it for files with a trusted time-stamp from when it was valid, hence
    --allow-expired.

    \b
    Examples:
      provenance trust add studio anchor.pem --kind manifest
      provenance trust add c2pa C2PA-TRUST-LIST.json --kind manifest
      provenance trust add c2pa-time C2PA-TSA-TRUST-LIST.json --kind time
    """  # noqa: D301 - \b keeps lines apart in help
    from provenance.credentials import config_folder
    from provenance.credentials.trust.checking import examine_list
    from provenance.credentials.trust.lists import add_list

    purpose = _purpose(kind)
    add_list(
        config_folder(), name, Path(file), purpose, allow_expired=allow_expired, replace=replace
    )
    _show([examine_list(config_folder(), name)], as_json=as_json)


@command.command("list", short_help="List whom you trust, and what is wrong with it.")
@json_option
def list_(*, as_json: bool) -> None:
    """List whom "provenance verify" trusts on this machine, and what should be looked at."""
    _show(_all(), as_json=as_json)
    _name_strays()


@command.command("remove", short_help="Forget a list.")
@click.argument("name")
def remove(name: str) -> None:
    """Forget the list NAME, damaged or not."""
    from provenance.credentials import config_folder
    from provenance.credentials.trust.lists import remove_list

    remove_list(config_folder(), name)
    output.say(f"Removed the trust list {output.printable(name)}.")


@command.command("check", short_help="Check lists and files of roots, and the library itself.")
@click.argument("names", nargs=-1, metavar="[NAME|FILE]...")
@click.option(
    "--kind",
    type=click.Choice(_KINDS, case_sensitive=False),
    default=None,
    help="Of files that were not imported. [default: what the file says, else manifest]",
)
@json_option
def check(names: tuple[str, ...], kind: str | None, *, as_json: bool) -> int:
    """Check imported lists, or files before you import them; without names, all lists.

    Also signs a picture with a throwaway key in memory and reads it under lists that must and must
    not vouch for it, since the C2PA library takes a setting that it does not understand for none.

    Exit code: 0, also with warnings; 1 when a list cannot be used as it is, or the library does
    not keep to its part.

    \b
    Examples:
      provenance trust check
      provenance trust check roots.pem --kind time
    """  # noqa: D301 - \b keeps lines apart in help
    from provenance.credentials.trust.selftest import run_selftest

    found = [_examine(name, kind) for name in names] if names else _all()
    test = run_selftest()
    if as_json:
        lists = [one.to_json() for one in found]
        output.echo_json({"lists": lists, "selftest": test.to_json()}, indent=2)
    else:
        _show(found, as_json=False)
        _show_test(test)
    if not names:
        _name_strays()
    is_ok = test.is_ok and not any(one.errors for one in found)
    return int(ExitCode.OK if is_ok else ExitCode.USER_ERROR)


@command.command("update", short_help="Fetch the C2PA's lists; show what changed.")
@click.argument("names", nargs=-1, metavar="[c2pa|c2pa-time]...")
@click.option("--url", default=None, help="Fetch one list from this https address instead.")
@dry_run_option
@json_option
def update(names: tuple[str, ...], url: str | None, *, dry_run: bool, as_json: bool) -> None:
    """Fetch the C2PA's trust list (c2pa) and time-stamping list (c2pa-time), and replace yours.

    The only command that asks the network for trust, and only now. The lists come from the
    repository c2pa-org/conformance-public on GitHub. A list that cannot be read as a whole, or is
    older than the one here, changes nothing. Where there is no network, download the two JSON files
    elsewhere and use "provenance trust add".

    \b
    Examples:
      provenance trust update --dry-run
      provenance trust update
      provenance trust update c2pa --url https://mirror.example.org/C2PA-TRUST-LIST.json
    """  # noqa: D301 - \b keeps lines apart in help
    from provenance.credentials import config_folder
    from provenance.credentials.trust.official import URLS, update_list

    wanted = names or tuple(URLS)
    if url and len(wanted) != 1:
        raise click.UsageError("--url is the address of one list: name it, c2pa or c2pa-time.")
    changes = [update_list(config_folder(), name, url=url, dry_run=dry_run) for name in wanted]
    if as_json:
        output.echo_json([change.to_json() for change in changes], indent=2)
        return
    for change in changes:
        _show_change(change, dry_run=dry_run)


def _purpose(kind: str) -> "Purpose":
    return "manifest" if kind == "manifest" else "time"


def _all() -> "list[Examination]":
    """Examine what is trusted by default: the development CA, then the imported lists."""
    from provenance.credentials import config_folder
    from provenance.credentials.trust.checking import examine_development, examine_list
    from provenance.credentials.trust.lists import has_development, list_names

    config = config_folder()
    own = [examine_development(config)] if has_development(config) else []
    return own + [examine_list(config, name) for name in list_names(config)]


def _examine(name: str, kind: str | None) -> "Examination":
    from provenance.credentials import config_folder
    from provenance.credentials.trust.checking import examine_file, examine_list
    from provenance.credentials.trust.lists import list_names, unknown_list

    config = config_folder()
    if name in list_names(config):
        return examine_list(config, name)
    if not Path(name).exists():
        raise UserError(f"{unknown_list(config, name)} Nor is there a file of this name.")
    return examine_file(Path(name), _purpose(kind) if kind else None)


def _show(found: "Iterable[Examination]", *, as_json: bool) -> None:
    examined = list(found)
    if as_json:
        output.echo_json([one.to_json() for one in examined], indent=2)
        return
    if not examined:
        output.say("Nobody is trusted here yet. See: provenance trust --help")
        return
    output.console().print(output.table(_COLUMNS, map(_cells, examined)))
    for one in examined:
        for kind, texts in (("Error", one.errors), ("Warning", one.warnings)):
            for text in texts:
                output.say(output.printable(f"{kind}: {one.name}: {text}"))


def _cells(one: "Examination") -> list[str]:
    state = "error" if one.errors else "warning" if one.warnings else "ok"
    if one.found is None:
        return [one.name, "", "", "", "", "", state]
    about: dict[str, Any] = one.found.to_json()
    due = about["next_update"] or ""
    return [
        one.name,
        about["purpose"],
        str(about["anchors"]),
        about["date"][:10],
        due[:10],
        about["sha256"][:12],
        state,
    ]


def _show_test(test: "SelfTest") -> None:
    versions = ", ".join(f"{name} {version}" for name, version in test.versions.items())
    if test.is_ok:
        output.say(f"The library ({versions}) trusts whom it is told to, and nobody else.")
    for problem in test.problems:
        output.say(output.printable(f"Error: the library ({versions}): {problem}"))


def _show_change(change: "Change", *, dry_run: bool) -> None:
    verb = "would become" if dry_run else "is now"
    former = f" (before: {change.former_date[:10]})" if change.former_date else ""
    lines = [f"{change.name} {verb} the list of {change.date[:10]}{former}, from {change.url}"]
    lines += [f"  + {subject}" for subject in change.added]
    lines += [f"  - {subject}" for subject in change.removed]
    lines += [f"  withdrawn: {name}" for name in change.withdrawn]
    lines += [f"  warning: {text}" for text in change.expired]
    lines.append(f"  {len(change.added)} added, {len(change.removed)} removed, {change.kept} kept")
    for line in lines:
        output.echo_data(output.printable(line))


def _name_strays() -> None:
    from provenance.credentials import config_folder
    from provenance.credentials.trust.lists import strays

    for name in strays(config_folder()):
        text = f"Warning: trust/{name}.pem was never imported and is not used. Add or remove it."
        output.say(output.printable(text))
