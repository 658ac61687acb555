"""Sources of real media."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from provenance.contracts.fitting import API_VERSION, InputSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provenance.types import Media, MediaKind


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """A source of real media, before anything is opened.

    Attributes:
        name: Lower case, unique among datasets; users write ``NAME`` or ``NAME:ARGUMENT``.
        kinds: Media kinds that it yields.
        summary: One line for listings.
        licence: SPDX name, or where to read the terms.
        argument: What stands after the colon (``FOLDER``), or "" where nothing may.
        downloads: Whether it can be fetched: it then has ``download()``, which is called before
            ``items`` where the user asked for that (``--download``), and never else.
        api_version: The API that the plugin was written for.
    """

    name: str
    kinds: frozenset["MediaKind"]
    summary: str
    licence: str
    argument: str = ""
    downloads: bool = False
    api_version: int = API_VERSION


class Dataset(Protocol):
    """A source of real media; built by ``factory(argument)``."""

    def items(self, window: InputSpec, *, count: int | None, seed: int) -> "Sequence[Media]":
        """Return up to ``count`` items cut to ``window``, with stable ids, spread over groups.

        Equal arguments give equal items in equal order. Nothing is fetched: where the data are not
        on this machine, a :class:`provenance.UserError` says what to do.
        """
        ...


@runtime_checkable
class Downloadable(Protocol):
    """A source that can be fetched; the network is off unless the user asks for it."""

    def download(self) -> None:
        """Fetch what :meth:`Dataset.items` reads, once; show where it goes."""
        ...
