"""``provenance keys``: this machine's development CA, and requests for real certificates."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from provenance.cli import output
from provenance.cli.groups import Subcommands
from provenance.cli.options import json_option
from provenance.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provenance.credentials.keys.listing import CertificateEntry

# literals, so that help imports no cryptography; a test compares them with the originals
_ALGORITHMS = ("es256", "es384", "ps256", "ed25519")
_USAGES = ("c2pa", "document", "email")
_COLUMNS = ("role", "name", "algorithm", "valid until", "days left", "file")
_Function = TypeVar("_Function", bound=Callable[..., Any])


def _algorithm_option(default: str | None, words: str) -> Callable[[_Function], _Function]:
    return click.option(
        "--algorithm",
        type=click.Choice(_ALGORITHMS, case_sensitive=False),
        default=default,
        show_default=default is not None,
        help=words,
    )


@click.group("keys", cls=Subcommands)
def command() -> None:
    """Make, list and renew signing keys, and request certificates that others trust.

    The development CA of this machine signs what is made here. It is made at first use; nobody
    else trusts it until you hand out its trust anchor (keys show --export FILE). For files that
    the public should trust, get a certificate from a real CA (keys request).

    \b
    Examples:
      provenance keys list
      provenance keys rotate
      provenance keys request --out key.pem --csr request.csr \\
          --organisation "Example News" --common-name "Example News Studio"
    """  # noqa: D301 - \b keeps lines apart in help


@command.command("init", short_help="Make the development CA.")
@_algorithm_option("es256", "Of the signing key.")
@click.option(
    "--intermediate",
    is_flag=True,
    help="Put an authority between root and signing key, so that root.pem can be kept elsewhere.",
)
@json_option
def init(algorithm: str, *, intermediate: bool, as_json: bool) -> None:
    """Make the development CA: a root, perhaps an intermediate, and a signing key.

    Validity: root 20 years, intermediate 5 years, signing key 364 days, renewed by itself when half
    of them are over.

    \b
    Example:
      provenance keys init --algorithm es384 --intermediate
    """  # noqa: D301 - \b keeps lines apart in help
    from provenance.credentials import config_folder
    from provenance.credentials.keys.authority import create_authority

    folder = create_authority(config_folder(), algorithm=algorithm, intermediate=intermediate)
    output.say(output.printable(f"Made a development CA in {folder}."))
    _show_all(as_json=as_json)


@command.command("list", short_help="List the keys, until when they are good, and what ends soon.")
@json_option
def list_(*, as_json: bool) -> None:
    """List the keys of the development CA, until when they are good, and what ends soon.

    A warning goes to stderr 30 days before a certificate ends. Makes nothing.
    """
    _show_all(as_json=as_json)


@command.command("show", short_help="Show a chain of certificates; copy the trust anchor.")
@click.argument("file", required=False, type=click.Path(dir_okay=False))
@click.option(
    "--export",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Copy the trust anchor, which holds no secret, for whoever should trust what you sign.",
)
@json_option
def show(file: str | None, export: str | None, *, as_json: bool) -> None:
    """Show the chain of certificates of the signing key, or of any PEM FILE.

    \b
    Examples:
      provenance keys show
      provenance keys show --export anchor.pem      then, elsewhere:
      provenance trust add studio anchor.pem --kind manifest
    """  # noqa: D301 - \b keeps lines apart in help
    from provenance.credentials import config_folder
    from provenance.credentials.keys import listing
    from provenance.credentials.keys.authority import anchor_path

    if file and export:
        raise click.UsageError("--export copies the anchor of the development CA; leave FILE out.")
    entries = listing.list_certificates(Path(file)) if file else listing.list_keys(config_folder())
    if not entries:
        raise UserError("There is no development CA yet. Run: provenance keys init")
    if export:
        _export(anchor_path(config_folder()), Path(export))
    if as_json:
        output.echo_json([entry.to_json() for entry in entries], indent=2)
        return
    for entry in entries:
        _show_one(entry)
    if not file:
        anchor = anchor_path(config_folder())
        output.say(output.printable(f"To be trusted by others, give them {anchor}"))
    _warn(entries)


@command.command("rotate", short_help="Replace the signing key, or all keys.")
@click.option("--root", is_flag=True, help="Also make a new root (and intermediate).")
@_algorithm_option(None, "Of the new signing key. [default: as the present one]")
@click.option(
    "--intermediate/--no-intermediate",
    default=None,
    help="Add or remove the authority between root and signing key. [default: as it is]",
)
@click.option(
    "--forget",
    is_flag=True,
    help="Stop trusting former roots: their keys were, or may have been, stolen.",
)
@json_option
def rotate(
    algorithm: str | None, *, root: bool, intermediate: bool | None, forget: bool, as_json: bool
) -> None:
    """Replace the signing key, or with --root all keys. Replaced keys are destroyed.

    Former roots stay among the trust anchors, so that files signed under them keep verifying:
    here at once, elsewhere with the new trust anchor (keys show --export FILE).

    \b
    Examples:
      provenance keys rotate                      a new signing key under the same root
      provenance keys rotate --root               a new root; old files stay trusted
      provenance keys rotate --root --forget      the old root's key was stolen
    """  # noqa: D301 - \b keeps lines apart in help
    from provenance.credentials import config_folder
    from provenance.credentials.keys.authority import rotate_authority

    folder = rotate_authority(
        config_folder(), root=root, algorithm=algorithm, intermediate=intermediate, forget=forget
    )
    output.say(output.printable(f"Replaced the keys in {folder}."))
    _show_all(as_json=as_json)


@command.command("request", short_help="Make a key and a request for a certificate of a real CA.")
@click.option(
    "--out",
    required=True,
    metavar="KEY.pem",
    type=click.Path(dir_okay=False),
    help="Where the private key goes; only you can read it. Never overwritten.",
)
@click.option(
    "--csr",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Where the request goes; send it to the CA. Never overwritten.",
)
@click.option("--organisation", required=True, help="Legal name; the CA checks it.")
@click.option("--common-name", required=True, help="Name of the product or service that signs.")
@click.option("--country", default=None, metavar="XX", help="Two letters; C2PA's CAs ask for it.")
@click.option("--unit", default=None, help="Part of the organisation.")
@_algorithm_option("es256", "Of the key.")
@click.option(
    "--usage",
    "usages",
    multiple=True,
    type=click.Choice(_USAGES),
    default=("c2pa", "document"),
    show_default=True,
    help="What the certificate is to be for; may be repeated.",
)
@click.option("--passphrase", is_flag=True, help="Ask for a passphrase that encrypts the key.")
@click.option("--passphrase-env", metavar="VAR", help="Take it from this environment variable.")
@json_option
def request(
    out: str,
    csr: str,
    organisation: str,
    common_name: str,
    country: str | None,
    unit: str | None,
    algorithm: str,
    usages: tuple[str, ...],
    passphrase_env: str | None,
    *,
    passphrase: bool,
    as_json: bool,
) -> None:
    """Make a private key and a request (CSR) for a certificate of a real CA.

    A certificate from a CA on the C2PA trust list makes what you sign trusted everywhere. The
    request asks for the two extended key usages that the programme prescribes: c2pa (claim
    signing, 1.3.6.1.4.1.62558.2.1) and document (documentSigning, 1.3.6.1.5.5.7.3.36). For a CA of
    your own organisation that cannot issue them, ask for email alone: every verifier takes it, but
    trusts it only where your root was added.

    The CA sends back your certificate and intermediates: keep them in one PEM file, yours first,
    and sign with both. Without a passphrase the key is as safe as the file.

    \b
    Example:
      provenance keys request --out key.pem --csr request.csr --country DE \\
          --organisation "Example News" --common-name "Example News Studio" --passphrase
      provenance sign photo.jpg --out signed.jpg --signer pem \\
          --signer-option key=key.pem --signer-option certificates=chain.pem
    """  # noqa: D301 - \b keeps lines apart in help
    from provenance.credentials.keys.requests import Subject, request_certificate

    secret = _passphrase(passphrase_env, ask=passphrase)
    request_certificate(
        Path(out),
        Path(csr),
        Subject(organisation, common_name, country, unit),
        algorithm=algorithm,
        usages=usages,
        passphrase=secret,
    )
    made = {"key": out, "request": csr, "algorithm": algorithm, "encrypted": secret is not None}
    if as_json:
        output.echo_json(made, indent=2)
        return
    kept = "encrypted" if secret else "NOT encrypted"
    output.echo_data(output.printable(f"Private key, {kept}: {out}. Nobody else may have it."))
    output.echo_data(output.printable(f"Certificate request: {csr}. Send it to the CA."))


def _passphrase(variable: str | None, *, ask: bool) -> bytes | None:
    if variable and ask:
        raise click.UsageError("--passphrase and --passphrase-env exclude each other.")
    if variable:
        value = os.environ.get(variable, "")
        if not value:
            raise UserError(f"The environment variable {variable} is not set, or empty. Set it.")
        return value.encode()
    if ask:
        return _asked().encode()
    return None


def _asked() -> str:
    """Return a passphrase from the terminal.

    Raises:
        UserError: There is none.
    """
    try:
        text: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise  # Ctrl-C
        raise UserError(
            "There is no terminal to ask for a passphrase on. Put it into an environment variable,"
            " and name that with --passphrase-env."
        ) from None
    return text


def _export(anchor: Path, out: Path) -> None:
    from provenance.credentials.keys.files import write_new

    try:
        data = anchor.read_bytes()
    except OSError as error:
        raise UserError(
            f"Cannot read {anchor}: {error.strerror}. Run: provenance keys rotate"
        ) from error
    write_new(out, data, mode=0o644)
    output.say(output.printable(f"Wrote the trust anchor to {out}."))


def _show_all(*, as_json: bool) -> None:
    from provenance.credentials import config_folder
    from provenance.credentials.keys.listing import list_keys

    entries = list_keys(config_folder())
    if as_json:
        output.echo_json([entry.to_json() for entry in entries], indent=2)
        return
    if not entries:
        output.say("There is no development CA yet; signing makes one, and so does: keys init")
        return
    output.console().print(output.table(_COLUMNS, map(_cells, entries)))
    _warn(entries)


def _cells(entry: "CertificateEntry") -> tuple[str, ...]:
    return (
        entry.role,
        entry.name,
        entry.algorithm,
        entry.not_after[:10],
        str(entry.days_left),
        Path(entry.path).name if entry.has_key else f"{Path(entry.path).name} (no key)",
    )


def _show_one(entry: "CertificateEntry") -> None:
    lines = (
        ("Subject", entry.subject),
        ("Issuer", entry.issuer),
        ("Valid", f"{entry.not_before} to {entry.not_after} ({entry.days_left} days left)"),
        ("Key", f"{entry.algorithm}{', with its private key' if entry.has_key else ''}"),
        ("May sign", "certificates" if entry.is_authority else "media"),
        ("Usages", ", ".join(entry.usages) or "not limited"),
        ("Serial", entry.serial),
        ("SHA-256", entry.sha256),
        ("File", entry.path),
    )
    output.echo_data(entry.role)
    for name, value in lines:
        output.echo_data(f"  {name:<9}{output.printable(value)}")


def _warn(entries: "Sequence[CertificateEntry]") -> None:
    for entry in entries:
        if entry.warning and entry.role != "former root":
            output.say(output.printable(f"Warning: {entry.warning}"))
