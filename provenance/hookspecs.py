"""Every extension point, on one page.

A plugin is a module named in the entry-point group ``provenance``. It offers things by implementing
hooks and calling the ``register`` function that it is handed. A hook ships only together with a
plugin that uses it, so this list grows as they come. Hooks run in the main process at first need,
and again in each worker process.

Example:
    >>> import provenance
    >>> @provenance.hookimpl
    ... def register_detectors(register):
    ...     register(spec, factory)   # spec: DetectorSpec; factory: () -> Detector
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

if TYPE_CHECKING:
    from provenance.contracts import (
        Dataset,
        DatasetSpec,
        Detector,
        DetectorSpec,
        EvidenceReader,
        EvidenceSpec,
        Generator,
        GeneratorSpec,
        SignerSpec,
        SigningKey,
    )

__all__ = [
    "RegisterDataset",
    "RegisterDetector",
    "RegisterEvidence",
    "RegisterGenerator",
    "RegisterSigner",
    "hookimpl",
]

PROJECT = "provenance"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class RegisterDetector(Protocol):
    """``register(spec, factory)`` of a detector; ``factory()`` builds it untrained."""

    def __call__(self, spec: "DetectorSpec", factory: Callable[[], "Detector"], /) -> None:
        """Offer one detector."""


class RegisterGenerator(Protocol):
    """``register(spec, factory)`` of a generator; ``factory()`` builds it untrained."""

    def __call__(self, spec: "GeneratorSpec", factory: Callable[[], "Generator"], /) -> None:
        """Offer one generator."""


class RegisterDataset(Protocol):
    """``register(spec, factory)`` of a source; ``factory(argument)`` opens it."""

    def __call__(self, spec: "DatasetSpec", factory: Callable[[str], "Dataset"], /) -> None:
        """Offer one source of real media."""


class RegisterEvidence(Protocol):
    """``register(spec, factory)`` of a reader; ``factory(settings)`` builds it in each worker."""

    def __call__(
        self, spec: "EvidenceSpec", factory: Callable[[Mapping[str, Any]], "EvidenceReader"], /
    ) -> None:
        """Offer one evidence reader."""


class RegisterSigner(Protocol):
    """``register(spec, factory)`` of a signer; ``factory(settings)`` opens the key."""

    def __call__(
        self, spec: "SignerSpec", factory: Callable[[Mapping[str, str]], "SigningKey"], /
    ) -> None:
        """Offer one signer."""


@hookspec
def register_detectors(register: RegisterDetector) -> None:
    """Offer detectors. Called once per process, at first need of any detector."""


@hookspec
def register_generators(register: RegisterGenerator) -> None:
    """Offer generators. Called once per process, at first need of any generator."""


@hookspec
def register_datasets(register: RegisterDataset) -> None:
    """Offer sources of real media. Called once per process, at first need of any source."""


@hookspec
def register_evidence(register: RegisterEvidence) -> None:
    """Offer evidence readers. Called once per process, in scan workers too."""


@hookspec
def register_signers(register: RegisterSigner) -> None:
    """Offer signers. Called once per process, in signing workers too."""
