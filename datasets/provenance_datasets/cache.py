"""Where sources keep what they fetch."""

import os
from pathlib import Path


def cache_folder(source: str) -> Path:
    """Return the folder of a source in the user's cache (XDG base directories); not made here."""
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(root).expanduser() / "provenance" / source
