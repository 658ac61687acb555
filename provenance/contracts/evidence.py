"""Readers of what a file carries."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from provenance.contracts.fitting import API_VERSION

if TYPE_CHECKING:
    from provenance.types import Evidence, MediaKind


@dataclass(frozen=True, slots=True)
class EvidenceSpec:
    """A reader of what a file carries: credentials, metadata, watermarks, fingerprints.

    Attributes:
        name: Lower case, unique among evidence readers.
        version: Shown in every statement.
        kinds: Media kinds that it reads; None for files of every kind, unknown ones too.
        summary: One line for listings.
        licence: SPDX name of the plugin's code.
        api_version: The API that the plugin was written for.
    """

    name: str
    version: str
    kinds: frozenset["MediaKind"] | None
    summary: str
    licence: str
    api_version: int = API_VERSION


class EvidenceReader(Protocol):
    """Reads one file; built once per worker process by ``factory(settings)``.

    ``settings`` is a mapping of plain values from the command line, ``trust_anchors`` (list of
    paths, or None for the default) among them.
    """

    def read(self, path: Path, media_type: str) -> "list[Evidence]":
        """Return the statements of this file, none where it carries nothing.

        Args:
            path: The file. Hostile; never written.
            media_type: MIME type recognised from the content.
        """
        ...
