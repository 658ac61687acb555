"""How work on one generator ended, and the border at which a plugin's faults are caught."""

import contextlib
import errno
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from provenance.errors import PluginError, ProvenanceError

_LOG = logging.getLogger(__name__)
_DISK_IS_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How work on one generator ended.

    Attributes:
        generator: Its name in the corpus.
        error: One line, or None where all went well.
    """

    generator: str
    error: str | None = None


@contextlib.contextmanager
def plugin_at_work(
    name: str, doing: str, *, passing: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Turn whatever a plugin raises into a :class:`PluginError`; a full disk is not its fault.

    Args:
        name: Of the plugin.
        doing: What it was asked to do, for the message.
        passing: Errors that it may raise, and that are let through.
    """
    try:
        yield
    except passing:
        raise
    except ProvenanceError as error:
        raise PluginError(f"{name}: {doing} failed: {error}") from error
    except (Exception, SystemExit) as error:
        if isinstance(error, OSError) and error.errno in _DISK_IS_FULL:
            raise
        _LOG.debug("Plugin %s failed", name, exc_info=error)
        raise PluginError(f"{name}: {doing} failed: {type(error).__name__}: {error}") from error
