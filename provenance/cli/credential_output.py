"""Verified files on stdout, one after the other: a table for people, a JSON array for programs."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from provenance.cli import output
from provenance.cli.credential_details import detail_lines
from provenance.cli.credential_views import CredentialTable
from provenance.errors import ExitCode
from provenance.reports import CredentialItem
from provenance.reports.credential_words import trust_lines, version_line

if TYPE_CHECKING:
    from provenance.credentials import Credential


class Output(Protocol):
    """Where verified files go."""

    def begin(self) -> None:
        """Called once, before any file."""

    def file(self, item: CredentialItem) -> None:
        """Called with each file, in order."""

    def end(self) -> None:
        """Called once, when all went well."""


class TableOutput:
    """Rows with four axes and a conclusion, and below each row what else was asked for.

    Args:
        trust: JSON object of the trust anchors, named at the end with dates and hashes.
        versions: Software that the verdicts rest on.
        tree: Whether to draw ingredient trees.
        detailed: Whether to show everything; holds the tree, too.
    """

    def __init__(
        self,
        trust: Mapping[str, Any],
        versions: Mapping[str, str],
        *,
        tree: bool,
        detailed: bool,
    ) -> None:
        console = output.console()
        colour = console.is_terminal and not console.no_color
        self._table = CredentialTable(console.width, colour=colour)
        self._width = console.width
        self._footer = [*trust_lines(trust), version_line(versions)]
        self._tree, self._detailed = tree, detailed

    def begin(self) -> None:
        """Print the names of the columns."""
        output.echo_data(self._table.header())

    def file(self, item: CredentialItem) -> None:
        """Print one file."""
        credential = item.credential
        lines = list(self._table.row(item.shown, credential))
        if self._detailed:
            lines += detail_lines(credential, self._table, self._width)
        elif self._tree and credential.details is not None:
            lines += self._table.tree(credential.details.tree)
        output.echo_data("\n".join(lines))

    def end(self) -> None:
        """Print what the verdicts rest on."""
        output.echo_data("\n" + "\n".join(map(output.printable, self._footer)))


class JsonOutput:
    """An array of one object per file, which is never held as a whole.

    Args:
        trust: JSON object of the trust anchors; stands in every object, which may part ways.
        versions: Software that the verdicts rest on; likewise.
        tree: Whether each object holds ``tree``.
        detailed: Whether it also holds ``certificates`` and ``report``, the library's own.
    """

    def __init__(
        self,
        trust: Mapping[str, Any],
        versions: Mapping[str, str],
        *,
        tree: bool,
        detailed: bool,
    ) -> None:
        self._common = {"trust": dict(trust), "versions": dict(versions)}
        self._tree, self._detailed = tree or detailed, detailed
        self._waiting: str | None = None  # for the comma, of which nobody knows yet

    def begin(self) -> None:
        """Open the array."""
        output.echo_data("[")

    def file(self, item: CredentialItem) -> None:
        """Print one object, or rather the one before it."""
        row = {"path": item.shown, **item.credential.to_json(), **self._more(item.credential)}
        text = json.dumps(row | self._common, indent=2, allow_nan=False)
        if self._waiting is not None:
            output.echo_data(self._waiting + ",")
        self._waiting = "\n".join("  " + line for line in text.split("\n"))

    def end(self) -> None:
        """Close the array."""
        if self._waiting is not None:
            output.echo_data(self._waiting)
        output.echo_data("]")

    def _more(self, credential: "Credential") -> dict[str, Any]:
        details = credential.details
        if not self._tree:
            return {}
        if details is None:
            return {"tree": None} | ({"certificates": {}, "report": None} if self._detailed else {})
        more: dict[str, Any] = {"tree": details.tree.to_json()}
        if self._detailed:
            certificates = {name: one.to_json() for name, one in details.certificates.items()}
            more |= {"certificates": certificates, "report": dict(details.store)}
        return more


class Tally:
    """Counts what was found, for the exit code and a last line."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def count(self, credential: "Credential") -> None:
        """Count one file."""
        self._counts["files"] += 1
        if credential.is_broken:
            self._counts["broken"] += 1
        elif credential.error is not None:
            self._counts["unreadable"] += 1
        elif credential.integrity == "none":
            self._counts["without a credential"] += 1
        elif credential.signer == "trusted":
            self._counts["trusted"] += 1
        else:
            self._counts["not trusted"] += 1

    def exit_code(self, *, require_trusted: bool) -> ExitCode:
        """Return the exit code that the files together amount to."""
        if self._counts["broken"] or (require_trusted and self._counts["not trusted"]):
            return ExitCode.CREDENTIAL_INVALID
        if self._counts["without a credential"]:
            return ExitCode.NO_CREDENTIAL
        return ExitCode.UNREADABLE if self._counts["unreadable"] else ExitCode.OK

    def __str__(self) -> str:
        names = ("trusted", "not trusted", "broken", "without a credential", "unreadable")
        found = ", ".join(f"{self._counts[name]} {name}" for name in names if self._counts[name])
        return f"{self._counts['files']} files: {found}"
