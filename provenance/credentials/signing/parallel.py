"""Signs many files in parallel: workers sign and write aside, this process flushes and renames.

Flushing a file to the disk takes half as long as signing it, and is waiting. So a thread here
flushes what was written, while the workers sign on. A row is given only when its file has its
name; a killed run leaves temporary files, which :func:`remove_leftovers` removes.
"""

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from provenance.credentials.reading.sidecars import sidecar_of
from provenance.credentials.signing.outputs import SIGNED_PREFIX, Pending, discard, settle_all
from provenance.credentials.signing.sources import source_of_path
from provenance.errors import ProvenanceError, UnreadableError, UserError

if TYPE_CHECKING:
    from provenance.credentials.session import CredentialSession

State = Literal["signed", "skipped", "unsupported", "failed"]
ITEM_S = 600.0
_MOST_UNFLUSHED = 256
_FEW = 16  # so many are signed in this process: starting another takes longer


@dataclass(frozen=True, slots=True)
class SignedRow:
    """What became of one file.

    Attributes:
        path: The file.
        out: Where the signed file lies.
        state: ``signed``; ``skipped``: it was signed already; ``unsupported``: files of its type
            cannot be signed; ``failed``.
        reason: Why it was not signed.
        parent_kept: Whether it carried a credential, which is now its parent's.
        notes: What the user should hear: that a credential which is kept does not hold, say.
        pending: Files that are still to get their names; none in rows that are given.
    """

    path: Path
    out: Path
    state: State
    reason: str | None = None
    parent_kept: bool = False
    notes: tuple[str, ...] = ()
    pending: tuple[Pending, ...] = field(default=(), repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of the report."""
        return {
            "path": str(self.path),
            "out": str(self.out),
            "state": self.state,
            "reason": self.reason,
            "parent_kept": self.parent_kept,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class MakeSigner:
    """Called once in each worker; returns the function that signs one file and writes it aside.

    Attributes:
        session: Signer and recipe.
        resume: Whether files that are signed already are left out.
    """

    session: "CredentialSession"
    resume: bool = False

    def __call__(self) -> Callable[[tuple[Path, Path]], SignedRow]:
        """Build native objects now, so that a bad key ends the run and not each file."""
        self.session.signer.native()
        _ = self.session.ingredients
        return self.sign_one

    def sign_one(self, paths: tuple[Path, Path]) -> SignedRow:
        """Sign a file under a temporary name beside the one that it is to have.

        Args:
            paths: The file, and the name of the signed one.

        Returns:
            The row; its ``pending`` files are to be given their names by :func:`settle_all`.
        """
        path, out = paths
        try:
            if self.resume and _is_signed(out):
                return SignedRow(path, out, "skipped", "it is there already, with a credential")
            plan, pending = self.session.write_aside(path, out)
        except ProvenanceError as error:
            reason = str(error).removeprefix(str(path)).removeprefix(":").strip()
            return SignedRow(path, out, _state(path, error), reason)
        kept = plan.kept is not None
        return SignedRow(path, out, "signed", None, kept, plan.notes, pending)


def sign_many(
    files: Iterable[tuple[Path, Path]],
    session: "CredentialSession",
    *,
    jobs: int = 1,
    resume: bool = False,
) -> Generator[SignedRow, None, None]:
    """Sign files in parallel; yield a row for each, in order, once it lies under its name.

    What one file does costs that file alone. Memory stays flat over any number of files.

    Args:
        files: Pairs of a file and the name of the signed one; the same for signing in place.
        session: Signer and recipe.
        jobs: Number of worker processes; 1 signs in this one, where a file that crashes the
            library ends the run.
        resume: Leave out files whose signed one exists and carries a credential.

    Raises:
        ProvenanceError: The key or an ingredient cannot be used, or workers cannot be started.

    Example:
        >>> from provenance.credentials import CredentialSession
        >>> [row.state for row in sign_many([], CredentialSession())]
        []
    """
    make = MakeSigner(session, resume)
    items = _unshared(files, session)
    if jobs == 1:
        yield from _settled(map(make(), items))
        return
    from provenance.workers import map_in_workers

    rows = map_in_workers(
        make, items, jobs=jobs, lost=_lost, item_s=ITEM_S, worker_bytes=None, few=_FEW
    )
    with closing(rows):
        yield from _settled(rows)


def remove_leftovers(folder: Path) -> int:
    """Delete what a killed run wrote aside below ``folder``; return how many files.

    Only while nobody else signs into it.
    """
    found = [path for path in folder.rglob(f"{SIGNED_PREFIX}*") if path.is_file()]
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def _settled(rows: Iterable[SignedRow]) -> Iterator[SignedRow]:
    """Flush and rename behind the workers' back, all that came meanwhile at once; keep the order.

    A run that is stopped leaves each file signed or as it was.
    """
    waiting: list[SignedRow] = []
    flushing: Future[list[SignedRow]] | None = None
    with ThreadPoolExecutor(1) as thread:
        try:
            for row in rows:
                waiting.append(row)
                if flushing is None or flushing.done() or len(waiting) >= _MOST_UNFLUSHED:
                    yield from flushing.result() if flushing is not None else ()
                    flushing, waiting = thread.submit(_settle, waiting), []
            yield from flushing.result() if flushing is not None else ()
            waiting, last = [], waiting
            yield from _settle(last)
        finally:
            discard(one for row in waiting for one in row.pending)


def _settle(rows: list[SignedRow]) -> list[SignedRow]:
    faults = settle_all([row.pending for row in rows])
    return [
        replace(row, pending=())
        if fault is None
        else replace(row, state="failed", reason=str(fault), pending=())
        for row, fault in zip(rows, faults, strict=True)
    ]


def _unshared(
    files: Iterable[tuple[Path, Path]], session: "CredentialSession"
) -> Iterator[tuple[Path, Path]]:
    """Yield the files; refuse two that would get the same sidecar, as ``a.png`` and ``a.jpg``.

    Raises:
        UserError: There are such.
    """
    if not session.recipe.sidecar:
        yield from files
        return
    seen: dict[Path | None, Path] = {}
    for path, out in files:
        sidecar = sidecar_of(out)
        if sidecar in seen:
            raise UserError(
                f"{seen[sidecar]} and {path} would have the same sidecar, {sidecar}. Rename one of"
                f" them, or sign without 'sidecar'."
            )
        seen[sidecar] = path
        yield path, out


def _lost(paths: tuple[Path, Path], reason: str) -> SignedRow:
    return SignedRow(*paths, "failed", f"it {reason}" if reason[:1].islower() else reason)


def _state(path: Path, error: ProvenanceError) -> State:
    """Tell a file that cannot be signed by its type from one that could."""
    if not isinstance(error, UserError | UnreadableError):
        return "failed"
    try:
        source_of_path(path)
    except UserError:
        return "unsupported"
    except UnreadableError:
        pass
    return "failed"


def _is_signed(out: Path) -> bool:
    """Whether a file exists and carries a credential, inside or beside it."""
    if not os.path.lexists(out):
        return False
    try:
        return source_of_path(out).credential() is not None
    except ProvenanceError:
        return False
