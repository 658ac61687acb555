"""Exit codes and the exceptions that carry them. One class per code; a message says what to do."""

import enum


class ExitCode(enum.IntEnum):
    """What the process tells its caller; documented in the README, tested in ``tests/cli``."""

    OK = 0
    USER_ERROR = 1
    USAGE = 2
    BUG = 3
    PLUGIN = 4
    UNREADABLE = 5
    INCOMPLETE = 6
    SYNTHETIC_FOUND = 10
    CREDENTIAL_INVALID = 11
    NO_CREDENTIAL = 12
    INTERRUPTED = 130


class ProvenanceError(Exception):
    """Base of every error that we raise on purpose. ``str(error)`` is a fact and a remedy."""

    exit_code = ExitCode.USER_ERROR


class UserError(ProvenanceError):
    """Something that the user can mend: a wrong name, a missing folder, a bad combination."""

    exit_code = ExitCode.USER_ERROR


class PluginError(ProvenanceError):
    """A plugin broke its contract, or could not be loaded under ``PROVENANCE_STRICT_PLUGINS``."""

    exit_code = ExitCode.PLUGIN


class UnreadableError(ProvenanceError):
    """A file cannot be read or decoded: damaged, too large, not permitted, of no known kind."""

    exit_code = ExitCode.UNREADABLE


class CredentialError(ProvenanceError):
    """A credential could not be made or stored, or a key is not safe to use."""

    exit_code = ExitCode.USER_ERROR


class ArtefactError(ProvenanceError):
    """A trained model is incomplete, damaged, or does not reproduce its golden vector."""

    exit_code = ExitCode.USER_ERROR


class BudgetError(ProvenanceError):
    """A file exceeded its limit of size, memory or time."""

    exit_code = ExitCode.UNREADABLE


def did_you_mean(name: str, known: list[str]) -> str:
    """Return " Did you mean 'x'?" for the closest known name, or the list of known names.

    Args:
        name: What the user wrote.
        known: The names that exist.
    """
    import difflib  # kept out of start-up: needed only when something is already wrong

    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f" Did you mean {close[0]!r}?"
    return f" Known: {', '.join(sorted(known)) or 'none'}."
