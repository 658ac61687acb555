"""``provenance sign FOLDER``: every file below it, in parallel, with a row for each."""

import contextlib
import fcntl
import itertools
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from provenance.cli import output
from provenance.errors import ExitCode, UserError
from provenance.files import TEMPORARY_PREFIX

if TYPE_CHECKING:
    from provenance.credentials import CredentialSession, SignedRow


def sign_folder(
    folder: Path,
    out: Path | None,
    session: "CredentialSession",
    jobs: int | None,
    *,
    resume: bool,
    as_json: bool,
) -> int:
    """Sign all files below a folder into another one, or where they lie.

    Args:
        folder: Read only, unless ``out`` is None.
        out: Gets the same tree of names; made when missing. None: in place.
        session: Signer and recipe.
        jobs: Number of workers; one per core when None.
        resume: Leave out what is signed already.
        as_json: A JSON object per line, instead of a line of text.

    Returns:
        The exit code: 6 when a file was not signed.

    Raises:
        UserError: There is nothing to sign, or the recipe is for a single file.
    """
    from provenance.credentials import sign_many
    from provenance.workers import default_jobs, keep_freed_memory

    _check(folder, out, session)
    target = folder if out is None else out
    problems: list[SignedRow] = []
    pairs = _pairs(folder, target, problems)
    states: Counter[str] = Counter()
    keep_freed_memory()  # one job signs here
    with _alone_in(target), _without_leftovers(target):
        rows = sign_many(pairs, session, jobs=jobs or default_jobs(), resume=resume)
        with contextlib.closing(rows):
            for row in itertools.chain(rows, problems):  # what lies in "problems" when rows end
                states[row.state] += 1
                _show(row, as_json=as_json)
    if not states:
        raise UserError(f"There are no files below {folder}.")
    output.say(", ".join(f"{n} {state}" for state, n in sorted(states.items())))
    return int(ExitCode.INCOMPLETE if states["failed"] + states["unsupported"] else ExitCode.OK)


def _check(folder: Path, out: Path | None, session: "CredentialSession") -> None:
    if any(one.relationship == "parent" for one in session.recipe.ingredients):
        raise UserError(
            "The files of a folder are not all edits of one parent. Sign them one by one, or make"
            " it a component."
        )
    if session.recipe.title is not None:
        output.say("Note: all files get the same title.")
    if out is None:
        return
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file. Name a folder.")
    here, there = Path(os.path.realpath(folder)), Path(os.path.realpath(out))
    if here in there.parents or there in here.parents:
        raise UserError(
            f"{out} and {folder} lie one in the other, so that what is signed would be signed"
            f" again. Choose another folder."
        )


def _pairs(folder: Path, target: Path, problems: "list[SignedRow]") -> Iterator[tuple[Path, Path]]:
    """Yield each file and its signed name; sidecars belong to their files and are left out.

    What is no file that can be read, such as a symbolic link, goes to ``problems``.
    """
    from provenance.credentials import SignedRow
    from provenance.credentials.reading.sidecars import SIDECAR_SUFFIX
    from provenance.scanning.walking import walk

    root = Path(os.path.realpath(folder))
    for found in walk([root]):
        relative = Path(os.path.relpath(found.path, root))
        if relative.name.startswith(TEMPORARY_PREFIX) or relative.suffix == SIDECAR_SUFFIX:
            continue
        pair = (folder / relative, target / relative)
        if found.problem is None:
            yield pair
        else:
            problems.append(SignedRow(*pair, "failed", found.problem))


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold a folder for one run, by a lock on the folder itself: nothing is left in it.

    Raises:
        UserError: It cannot be made, or another run signs into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise UserError(f"Cannot write to {folder}: {error.strerror or error}.") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise UserError(
            f"Another run signs into {folder}. Wait for it, or stop it first."
        ) from None
    finally:
        os.close(handle)


@contextlib.contextmanager
def _without_leftovers(folder: Path) -> Iterator[None]:
    """Remove what killed runs wrote aside, and, where this one is stopped, what its workers did."""
    from provenance.credentials.signing.parallel import remove_leftovers

    remove_leftovers(folder)
    try:
        yield
    except BaseException:
        remove_leftovers(folder)
        raise


def _show(row: "SignedRow", *, as_json: bool) -> None:
    if as_json:
        output.echo_json(row.to_json())
        return
    end = f": {row.reason}" if row.reason and row.state != "skipped" else ""
    output.echo_data(output.printable(f"{row.state:<11} {row.path}{end}"))
    for note in row.notes:
        output.say(f"Note: {output.printable(note)}")
