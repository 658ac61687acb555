"""Named trust lists in the user's config folder: imported once, checked then and at every use.

``trust/NAME.pem`` holds the certificates and ``trust/NAME.json`` what is known of them, with the
hash of the former. The JSON file is written last and removed first, so that a list is there wholly
or not at all. A list that changed since its import is an error where it is used, since it would
trust less, or more, than was said.
"""

import dataclasses
import datetime
import re
import stat
import time
from pathlib import Path

from provenance.credentials.keys import authority
from provenance.credentials.trust import roots
from provenance.credentials.trust.anchors import DEVELOPMENT, TrustList, make_list
from provenance.credentials.trust.records import FORMAT, Record, damaged_list, read_record
from provenance.credentials.trust.roots import Purpose, RootFile
from provenance.errors import CredentialError, UserError, did_you_mean
from provenance.files import folder_lock, sha256_bytes, write_atomic, write_json

FOLDER = "trust"
OFFICIAL_NAMES: dict[str, Purpose] = {"c2pa": "manifest", "c2pa-time": "time"}
"""Names that are kept for the C2PA's own lists."""
_NAME = re.compile(r"[a-z0-9-]{1,40}")
_FILE_NAME = re.compile(r"file-\d+")  # what lists given as files are called in reports
_LOCK_WAIT_S = 30.0
_RETRIES, _RETRY_S = 5, 0.05  # another process may be between the two files of a list
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS_ENTER = stat.S_IXGRP | stat.S_IXOTH


def add_list(
    config: Path,
    name: str,
    path: Path,
    purpose: Purpose,
    *,
    allow_expired: bool = False,
    replace: bool = False,
) -> TrustList:
    """Import a file of roots under a name.

    Args:
        config: The user's config folder.
        name: Lower case, digits and hyphens; at most 40.
        path: PEM, or a JSON list of trusted entities.
        purpose: What its roots vouch for.
        allow_expired: Take roots that have expired: they still vouch for files with a trusted
            time-stamp from when they were valid, and for nothing else.
        replace: Take the place of a list of this name.

    Raises:
        UserError: The name is taken, reserved or malformed, or the file is not wholly a list of
            roots that can vouch for ``purpose``.
        CredentialError: The list cannot be written.
    """
    check_name(name, purpose)
    found = roots.read_roots(path)
    refuse_flaws(found, purpose, str(path), allow_expired=allow_expired)
    return store_list(
        config,
        name,
        purpose,
        found,
        source=str(path.absolute()),
        allow_expired=allow_expired,
        replace=replace,
    )


def refuse_flaws(found: RootFile, purpose: Purpose, source: str, *, allow_expired: bool) -> None:
    """Raise for the first thing that keeps a file of roots from being imported.

    Raises:
        UserError: A certificate stands in it twice, cannot vouch for ``purpose``, or the file says
            itself that it is for something else.
    """
    if found.purpose not in (None, purpose):
        raise UserError(
            f"{source} says that it is for {found.purpose}, not {purpose}. Import it with --kind"
            f" {found.purpose}."
        )
    if found.repeated:
        raise UserError(
            f"{source} holds {found.repeated[0]} more than once. Remove one of the two, and look"
            " whether another certificate was meant to stand there."
        )
    for problem in roots.judge(found.certificates, purpose):
        if not (allow_expired and problem.is_expiry):
            raise UserError(f"{source}: {problem}. {problem.remedy}")


def store_list(
    config: Path,
    name: str,
    purpose: Purpose,
    found: RootFile,
    *,
    source: str,
    allow_expired: bool = False,
    replace: bool = False,
) -> TrustList:
    """Write a checked list; its certificates first, then what is known of them.

    Args:
        config: The user's config folder.
        name: As for :func:`add_list`.
        purpose: As for :func:`add_list`.
        found: With a date.
        source: File or address.
        allow_expired: As for :func:`add_list`.
        replace: As for :func:`add_list`.

    Raises:
        UserError: The name is taken and ``replace`` is not given, or another list of this purpose
            has the same roots.
        CredentialError: The folder cannot be written.
    """
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    one = make_list(name, purpose, found, source=source)
    record = Record(
        format=FORMAT,
        name=name,
        purpose=purpose,
        sha256=one.sha256,
        source=source,
        date=one.date,
        next_update=one.next_update,
        imported=now,
        allow_expired=allow_expired,
    )
    folder = config / FOLDER
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with folder_lock(folder, wait_s=_LOCK_WAIT_S):
            if not replace and name in list_names(config):
                raise UserError(
                    f"There is a trust list {name} already. Add --replace, or choose another name."
                )
            _refuse_taken(config, name, found, purpose)
            write_atomic(folder / f"{name}.pem", one.pem.encode(), mode=0o644)
            write_json(folder / f"{name}.json", dataclasses.asdict(record))
    except OSError as error:
        raise CredentialError(
            f"Cannot write to {folder}: {error.strerror or error}. Make it writable, or name"
            " another config folder with PROVENANCE_CONFIG_DIR."
        ) from error
    return one


def remove_list(config: Path, name: str) -> None:
    """Forget a list, damaged or not.

    Raises:
        UserError: There is none of this name.
        CredentialError: It cannot be removed.
    """
    folder = config / FOLDER
    if name not in {*list_names(config), *strays(config)}:
        raise unknown_list(config, name)
    try:
        with folder_lock(folder, wait_s=_LOCK_WAIT_S):
            for ending in ("json", "pem"):
                (folder / f"{name}.{ending}").unlink(missing_ok=True)
    except OSError as error:
        raise CredentialError(f"Cannot write to {folder}: {error.strerror or error}.") from error


def list_names(config: Path) -> list[str]:
    """Return the names of the imported lists, sorted.

    Raises:
        UserError: The folder is there and cannot be read, which must not pass for no lists.
    """
    return sorted(_stems(config, ".json"))


def strays(config: Path) -> list[str]:
    """Return names of certificates in the folder that were never imported, and are not used."""
    return sorted(_stems(config, ".pem") - {*list_names(config)})


def has_development(config: Path) -> bool:
    """Whether there is a development CA, whose roots are trusted here.

    Raises:
        UserError: The folder cannot be looked into.
    """
    try:
        authority.anchor_path(config).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _closed(config, error) from error
    return True


def _stems(config: Path, suffix: str) -> set[str]:
    try:
        return {path.stem for path in (config / FOLDER).iterdir() if path.suffix == suffix}
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise _closed(config / FOLDER, error) from error


def _closed(folder: Path, error: OSError) -> UserError:
    return UserError(
        f"Cannot tell whom you trust: {folder}: {error.strerror or error}. Make it readable, or"
        " name another config folder with PROVENANCE_CONFIG_DIR."
    )


def load_list(config: Path, name: str) -> TrustList:
    """Return an imported list, checked against what was imported.

    Raises:
        UserError: There is none of this name, it was damaged or changed since, others may write to
            it, or all of its roots have expired.
    """
    one, record, found = read_list_files(config, name)
    problems = roots.judge(found.certificates, record.purpose)
    has_ended = len(problems) == len(found.certificates) and all(p.is_expiry for p in problems)
    if has_ended and not record.allow_expired:
        raise UserError(
            f"All roots of the trust list {name} have expired ({problems[-1]})."
            f" Replace it, or run: provenance trust remove {name}"
        )
    return one


def check_name(name: str, purpose: Purpose) -> None:
    """Refuse a name that no list can have.

    Raises:
        UserError: It is malformed, or kept for something else.
    """
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{name!a} is no name of a list. Use 1 to 40 lower-case letters, digits and hyphens."
        )
    if name == DEVELOPMENT or _FILE_NAME.fullmatch(name):
        raise UserError(f"The name {name} is kept for this program. Choose another one.")
    if OFFICIAL_NAMES.get(name, purpose) != purpose:
        raise UserError(
            f"The name {name} is kept for the C2PA's list of kind {OFFICIAL_NAMES[name]}. Choose"
            " another one."
        )


def _refuse_taken(config: Path, name: str, found: RootFile, purpose: Purpose) -> None:
    """Refuse roots that are trusted already; their order does not matter."""
    for other in sorted(set(list_names(config)) - {name}):
        try:
            _, record, present = read_list_files(config, other)
        except UserError:
            continue  # damaged, which is said where it is used
        is_same = set(present.certificates) == set(found.certificates)
        if is_same and record.purpose == purpose:
            raise UserError(
                f"The same roots are trusted already, by the list {other}. Nothing is missing."
            )


def unknown_list(config: Path, name: str) -> UserError:
    """Return the error for a name that no list has, with what may have been meant."""
    names = list_names(config)
    if not names:
        return UserError(
            f"There is no trust list {name!a}, nor any other. Import one with: provenance trust add"
        )
    return UserError(f"There is no trust list {name!a}.{did_you_mean(name, [*names, DEVELOPMENT])}")


def read_list_files(config: Path, name: str) -> tuple[TrustList, Record, RootFile]:
    """Read both files of a list, and once more where another process may be replacing them.

    Raises:
        UserError: There is none of this name, or it is damaged.
    """
    if name not in list_names(config):
        raise unknown_list(config, name)
    folder = config / FOLDER
    refuse_writable(folder, folder / f"{name}.json", folder / f"{name}.pem")
    for attempt in range(_RETRIES):
        record = read_record(folder / f"{name}.json")
        pem = roots.read_bytes(folder / f"{name}.pem")
        if sha256_bytes(pem) == record.sha256:
            found = roots.parse_roots(pem, f"{name}.pem")
            found = dataclasses.replace(found, date=record.date, next_update=record.next_update)
            one = make_list(name, record.purpose, found, source=record.source)
            return one, record, found
        time.sleep(_RETRY_S if attempt + 1 < _RETRIES else 0)
    raise damaged_list(name, "its certificates are not those that were imported")


def refuse_writable(folder: Path, *files: Path) -> None:
    """Refuse roots that others may replace: in a folder, in its files, or the folder as a whole.

    Args:
        folder: Where they lie.
        files: That hold them. Their permissions count only where others may enter the folder.

    Raises:
        UserError: Others may write there.
    """
    mode = folder.stat().st_mode
    parent_mode = folder.parent.stat().st_mode
    if parent_mode & stat.S_IWOTH and not parent_mode & stat.S_ISVTX:
        raise _writable(folder.parent)
    if mode & _OTHERS_WRITE:
        raise _writable(folder)
    for path in files if mode & _OTHERS_ENTER else ():
        if path.exists() and path.stat().st_mode & _OTHERS_WRITE:
            raise _writable(path)


def _writable(path: Path) -> UserError:
    mode = stat.S_IMODE(path.stat().st_mode)
    return UserError(
        f"Others may write to {path} (mode {mode:04o}), and with it to whom you trust."
        f" Check the trust lists, then run: chmod go-w {path}"
    )
