"""What is to be said of a list of roots: why it cannot be used, and what should be looked at."""

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provenance.credentials.keys import authority
from provenance.credentials.trust import roots
from provenance.credentials.trust.anchors import DEVELOPMENT, TrustList, make_list, read_list
from provenance.credentials.trust.lists import (
    list_names,
    load_list,
    read_list_files,
    refuse_writable,
    unknown_list,
)
from provenance.credentials.trust.roots import Purpose
from provenance.errors import UserError


@dataclass(frozen=True, slots=True)
class Examination:
    """What is to be said of a list or a file of roots.

    Attributes:
        name: Of the list, or the path of the file.
        found: The list; None where it cannot be read.
        errors: Why it cannot be used as it is.
        warnings: What should be looked at.
    """

    name: str
    found: TrustList | None
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the examination as JSON."""
        about = self.found.to_json() if self.found else {}
        texts = {"errors": list(self.errors), "warnings": list(self.warnings)}
        return {**about, "name": self.name, **texts}


def examine_list(config: Path, name: str, now: datetime.datetime | None = None) -> Examination:
    """Return all that is to be said of an imported list; raises for no damage of it.

    Args:
        config: The user's config folder.
        name: Of the list.
        now: For tests.

    Raises:
        UserError: There is none of this name.
    """
    if name not in list_names(config):
        raise unknown_list(config, name)
    try:
        one, record, found = read_list_files(config, name)
    except UserError as error:
        return Examination(name, None, errors=(str(error),))
    errors = []
    try:
        load_list(config, name)
    except UserError as error:
        errors.append(str(error))
    problems = roots.judge(found.certificates, record.purpose, now)
    warnings = [f"{one}." for one in problems] if not errors else []
    return Examination(name, one, tuple(errors), (*warnings, *stale(one.next_update, now)))


def examine_development(config: Path, now: datetime.datetime | None = None) -> Examination:
    """Return what is to be said of the trust anchors of this machine's development CA.

    Args:
        config: The user's config folder, which has one.
        now: For tests.
    """
    path = authority.anchor_path(config)
    try:
        refuse_writable(path.parent, path)
    except UserError as error:
        return Examination(DEVELOPMENT, None, errors=(str(error),))
    try:
        one = read_list(DEVELOPMENT, path, "manifest")
    except UserError as error:
        text = f"{error} Make it anew with: provenance keys rotate"
        return Examination(DEVELOPMENT, None, errors=(text,))
    found = roots.parse_roots(one.pem.encode(), str(path))
    problems = roots.judge(found.certificates, "manifest", now)
    return Examination(DEVELOPMENT, one, warnings=tuple(f"{problem}." for problem in problems))


def examine_file(path: Path, purpose: Purpose | None) -> Examination:
    """Return what an import of a file would say.

    Args:
        path: PEM, or a JSON list of trusted entities.
        purpose: What its roots should vouch for; None takes what the file says, else ``manifest``.
    """
    try:
        found = roots.read_roots(path)
    except UserError as error:
        return Examination(str(path), None, errors=(str(error),))
    wanted = purpose or found.purpose or "manifest"
    one = make_list("file-1", wanted, found, source=str(path))
    problems = roots.judge(found.certificates, wanted)
    errors = [f"{problem}. {problem.remedy}" for problem in problems]
    errors += [f"{subject} stands in it more than once." for subject in found.repeated]
    if found.purpose not in (None, wanted):
        errors.append(f"It says that it is for {found.purpose}, not {wanted}.")
    left_out = [f"{subject} is withdrawn by the list and left out." for subject in found.withdrawn]
    return Examination(str(path), one, tuple(errors), (*left_out, *stale(found.next_update)))


def stale(next_update: str | None, now: datetime.datetime | None = None) -> tuple[str, ...]:
    """Return a warning where a newer list has been due.

    Args:
        next_update: ISO 8601 with a zone; None where the list does not say.
        now: For tests.
    """
    if next_update is None:
        return ()
    moment = now or datetime.datetime.now(datetime.UTC)
    if datetime.datetime.fromisoformat(next_update) >= moment:
        return ()
    return (f"It is stale: a newer list was due on {next_update[:10]}. Get it.",)
