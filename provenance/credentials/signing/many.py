"""Signs many files in parallel: workers sign and write aside, this process flushes and renames.

Flushing a file to the disk takes a third of the time of signing it, and is waiting. So a few
threads here flush what the workers wrote, while they sign on. A row is given only when its file
has its name; a killed run leaves temporary files (``.tmp-*``), which the next one removes.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from provenance.credentials.reading.sidecars import sidecar_of
from provenance.credentials.signing.outputs import Pending, settle
from provenance.credentials.signing.sources import source_of_path
from provenance.errors import ProvenanceError, UnreadableError, UserError

if TYPE_CHECKING:
    from provenance.credentials.session import CredentialSession

State = Literal["signed", "skipped", "unsupported", "failed"]
ITEM_S = 600.0
_FLUSHING_THREADS = 4
_MOST_UNFLUSHED = 32
_FEW = 4  # so many are signed in this process: starting another takes longer


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
            The row; its ``pending`` files are to be given their names by :func:`settle`.
        """
        path, out = paths
        try:
            if self.resume and _is_signed(out):
                return SignedRow(path, out, "skipped", "it is there already, with a credential")
            plan, pending = self.session.write_aside(path, out)
        except ProvenanceError as error:
            return SignedRow(path, out, _state(path, error), str(error))
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
        jobs: Number of worker processes.
        resume: Leave out files whose signed one exists and carries a credential.

    Raises:
        ProvenanceError: The key or an ingredient cannot be used, or workers cannot be started.

    Example:
        >>> from provenance.credentials import CredentialSession
        >>> [row.state for row in sign_many([], CredentialSession())]
        []
    """
    from provenance.workers import map_in_workers

    rows = map_in_workers(
        MakeSigner(session, resume),
        _unshared(files, session),
        jobs=jobs,
        lost=_lost,
        item_s=ITEM_S,
        worker_bytes=None,
        few=_FEW,
    )
    with closing(rows):
        yield from _settled(rows)


def _settled(rows: Iterable[SignedRow]) -> Iterator[SignedRow]:
    """Flush and rename behind the workers' back; yield the rows in order."""
    waiting: deque[Future[SignedRow]] = deque()
    with ThreadPoolExecutor(_FLUSHING_THREADS) as threads:
        for row in rows:
            waiting.append(threads.submit(_settle, row))
            while waiting and (len(waiting) > _MOST_UNFLUSHED or waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _settle(row: SignedRow) -> SignedRow:
    if not row.pending:
        return row
    try:
        settle(row.pending)
    except ProvenanceError as error:
        return replace(row, state="failed", reason=str(error), pending=())
    return replace(row, pending=())


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
    from provenance.credentials.signing.embedding import signable_type

    try:
        signable_type(path)
    except UserError:
        return "unsupported"
    except UnreadableError:
        return "failed"
    return "failed"


def _is_signed(out: Path) -> bool:
    """Whether a file exists and carries a credential, inside or beside it."""
    if not os.path.lexists(out):
        return False
    try:
        return source_of_path(out).credential() is not None
    except ProvenanceError:
        return False
