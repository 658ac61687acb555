"""``provenance audit``: do containers and sizes alone give a corpus's labels away?"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from provenance.cli import output
from provenance.cli.options import json_option, seed_option
from provenance.errors import ExitCode

if TYPE_CHECKING:
    from provenance.corpora import AuditResult

_SHOWN = 8


@click.command("audit")
@click.argument("corpus", type=click.Path(path_type=Path), default=Path("corpus"))
@seed_option
@json_option
def command(corpus: Path, seed: int, as_json: bool) -> int:
    """Test whether container and size features alone tell the classes of CORPUS apart.

    Fits a booster on file sizes, dimensions, formats, chunks and tables, never on content, and
    tests it on photographs that it has not seen. Exit code 1 where its AUC reaches 0.55. C2PA
    manifests are taken out first: synthetic files carry them by design, detectors never see them.
    """
    from provenance.corpora import audit_corpus, open_corpus

    result = audit_corpus(open_corpus(corpus), seed=seed)
    if as_json:
        output.echo_json(result.to_json(), indent=2)
    else:
        _show(result)
    return ExitCode.OK if result.passed else ExitCode.USER_ERROR


def _show(result: "AuditResult") -> None:
    low, high = result.interval
    verdict = "passed" if result.passed else "FAILED: the containers give the labels away"
    rows = [
        ["verdict", verdict],
        ["AUC of containers alone", f"{result.auc:.3f} (95 % interval {low:.3f} to {high:.3f})"],
        ["files, groups", f"{result.files}, {result.groups}"],
    ]
    telling = list(result.features.items())[:_SHOWN]
    rows += [[f"AUC of {name!r} alone", f"{auc:.3f}"] for name, auc in telling]
    rows += [
        [f"{label} files with a credential", f"{share:.0%}"]
        for label, share in result.credentials.items()
    ]
    rows.append(["AUC with credentials left in", f"{result.auc_with_credential:.3f}"])
    output.console().print(output.table(("shortcut audit", ""), rows))
    output.say("Credentials bear the label by design; detectors never see them.")
