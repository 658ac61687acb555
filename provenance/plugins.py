"""Finds plugins and keeps their faults to themselves.

pluggy's own loader lets one broken plugin stop the program and silently skips a misspelt hook or a
second plugin of the same name. Here each plugin is imported, registered and asked on its own, and
whatever it does wrong is recorded against its (distribution, entry point).
"""

import contextlib
import functools
import importlib.metadata
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import pluggy

from provenance import hookspecs
from provenance.contracts import API_VERSION
from provenance.errors import PluginError, UserError, did_you_mean

if TYPE_CHECKING:
    from types import ModuleType

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

GROUP = "provenance"
_BUILT_IN = "provenance-suite"
_MOST_CHARACTERS = 300  # of an error in a listing; the debug log has all of it
_LOG = logging.getLogger(__name__)
_Spec = TypeVar("_Spec")
_Made = TypeVar("_Made")

Offers = Literal["datasets", "generators", "detectors", "evidence", "signers"]
_OFFERS: tuple[Offers, ...] = ("datasets", "generators", "detectors", "evidence", "signers")
_FAULTS = (Exception, SystemExit)  # a plugin may raise anything, and may call sys.exit


@dataclass(slots=True)
class PluginStatus:
    """What became of one entry point.

    Attributes:
        name: Entry-point name.
        distribution: Name of the distribution that carries it.
        version: Of that distribution.
        target: ``module`` that the entry point names.
        state: ``loaded``, ``disabled`` or ``failed``.
        stage: Where it failed: ``import``, ``register`` or ``hook``; None otherwise.
        error: One line; the traceback is in the debug log.
        offers: What it registered, as ``detectors: spectral``.
        import_s: Seconds that its import took.
    """

    name: str
    distribution: str
    version: str
    target: str
    state: Literal["loaded", "disabled", "failed"] = "loaded"
    stage: Literal["import", "register", "hook"] | None = None
    error: str | None = None
    offers: list[str] = field(default_factory=list)
    import_s: float = 0.0

    @property
    def key(self) -> str:
        """Unique among plugins: distributions may reuse an entry-point name."""
        return f"{self.distribution}:{self.name}"


@dataclass(frozen=True, slots=True)
class Offer(Generic[_Spec, _Made]):
    """One registered thing: its spec, its factory, and the plugin that owns it."""

    spec: _Spec
    factory: Callable[..., _Made]
    owner: PluginStatus


class Registry:
    """The plugins of this process, and everything that they offer.

    Args:
        environment: Where ``PROVENANCE_DISABLE_PLUGINS``, ``PROVENANCE_LOAD_PLUGINS`` (names of
            entry points or distributions, comma-separated) and ``PROVENANCE_STRICT_PLUGINS`` are
            looked up.

    Raises:
        PluginError: A plugin is at fault and ``PROVENANCE_STRICT_PLUGINS`` is set.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._strict = environment.get("PROVENANCE_STRICT_PLUGINS", "") not in ("", "0")
        self._disabled = _names(environment.get("PROVENANCE_DISABLE_PLUGINS", ""))
        self._only = _names(environment.get("PROVENANCE_LOAD_PLUGINS", ""))
        self._modules: dict[str, ModuleType] = {}
        self._offered: dict[Offers, dict[str, Offer[Any, Any]]] = {}
        self.statuses: list[PluginStatus] = []
        for entry_point in _entry_points():
            self._load(entry_point)
        self._warn_of_unknown_names()

    # -- what plugins offer ------------------------------------------------------------------------

    @property
    def detectors(self) -> "Mapping[str, Offer[DetectorSpec, Detector]]":
        """Detectors by name, in order of registration."""
        return self._offers("detectors")

    @property
    def generators(self) -> "Mapping[str, Offer[GeneratorSpec, Generator]]":
        """Generators by name, in order of registration."""
        return self._offers("generators")

    @property
    def datasets(self) -> "Mapping[str, Offer[DatasetSpec, Dataset]]":
        """Sources of real media by name, in order of registration."""
        return self._offers("datasets")

    @property
    def evidence(self) -> "Mapping[str, Offer[EvidenceSpec, EvidenceReader]]":
        """Evidence readers by name, in order of registration."""
        return self._offers("evidence")

    @property
    def signers(self) -> "Mapping[str, Offer[SignerSpec, SigningKey]]":
        """Signers by name, in order of registration."""
        return self._offers("signers")

    def detector(self, name: str) -> "Offer[DetectorSpec, Detector]":
        """Return the detector of this name; unknown names raise :class:`UserError`."""
        return _pick("detector", name, self.detectors)

    def generator(self, name: str) -> "Offer[GeneratorSpec, Generator]":
        """Return the generator of this name; unknown names raise :class:`UserError`."""
        return _pick("generator", name, self.generators)

    def dataset(self, name: str) -> "Offer[DatasetSpec, Dataset]":
        """Return the source of this name; unknown names raise :class:`UserError`."""
        return _pick("dataset", name, self.datasets)

    def signer(self, name: str) -> "Offer[SignerSpec, SigningKey]":
        """Return the signer of this name; unknown names raise :class:`UserError`."""
        return _pick("signer", name, self.signers)

    def ask_all(self) -> None:
        """Call every hook once, so that ``statuses`` tells all there is to tell."""
        for what in _OFFERS:
            self._offers(what)

    # -- loading -----------------------------------------------------------------------------------

    def _load(self, entry_point: importlib.metadata.EntryPoint) -> None:
        status = _status(entry_point)
        self.statuses.append(status)
        names = {status.name, status.distribution}
        if names & self._disabled or (self._only and not names & self._only):
            status.state = "disabled"
            return
        start = time.perf_counter()
        module = self._import(entry_point, status)
        status.import_s = time.perf_counter() - start
        if module is not None:
            self._register(module, status)

    def _warn_of_unknown_names(self) -> None:
        known = sorted({name for s in self.statuses for name in (s.name, s.distribution)})
        for name in sorted((self._disabled | self._only) - set(known)):
            _LOG.warning("No plugin is called %r.%s", name, did_you_mean(name, known))

    def _import(
        self, entry_point: importlib.metadata.EntryPoint, status: PluginStatus
    ) -> "ModuleType | None":
        try:
            with _quiet():
                module: ModuleType = entry_point.load()
        except _FAULTS as error:
            self._fail(status, "import", error)
            return None
        return module

    def _register(self, module: "ModuleType", status: PluginStatus) -> None:
        try:
            self._refuse_second(status)
            self._manager.register(module, name=status.key)
            self._modules[status.key] = module
            self._manager.check_pending()
        except _FAULTS as error:
            self._drop(module, status)
            self._fail(status, "register", error)

    def _refuse_second(self, status: PluginStatus) -> None:
        for other in self.statuses[:-1]:
            if other.name == status.name and other.state == "loaded":
                raise PluginError(
                    f"The name {status.name!r} is taken by {other.distribution} {other.version}. "
                    f"Rename the entry point, or disable one of the two distributions."
                )

    def _drop(self, module: "ModuleType", status: PluginStatus) -> None:
        self._modules.pop(status.key, None)
        if self._manager.get_name(module) == status.key:  # not when another plugin owns it
            self._manager.unregister(module)

    # -- asking ------------------------------------------------------------------------------------

    def _offers(self, what: Offers) -> dict[str, Offer[Any, Any]]:
        if what not in self._offered:
            self._offered[what] = {}
            for status in self.statuses:
                if status.state == "loaded":
                    self._ask(status, what)
        return self._offered[what]

    def _ask(self, status: PluginStatus, what: Offers) -> None:
        """Call one hook of one plugin, so that its errors and its offers are its own."""
        module = self._modules[status.key]
        others = [other for other in self._modules.values() if other is not module]
        hook = self._manager.subset_hook_caller(f"register_{what}", others)
        taken: dict[str, Offer[Any, Any]] = {}
        try:
            with _quiet():
                hook(register=functools.partial(self._accept, status, what, taken))
        except _FAULTS as error:
            self._drop(module, status)
            self._withdraw(status)
            self._fail(status, "hook", error)
            return
        self._offered[what].update(taken)
        status.offers += [f"{what}: {name}" for name in taken]

    def _accept(
        self,
        status: PluginStatus,
        what: Offers,
        taken: dict[str, Offer[Any, Any]],
        spec: Any,
        factory: Callable[..., Any],
    ) -> None:
        if spec.api_version != API_VERSION:
            raise PluginError(
                f"{spec.name!r} was written for plugin API {spec.api_version}, this is "
                f"{API_VERSION}. Install a matching release of {status.distribution}."
            )
        other = self._offered[what].get(spec.name) or taken.get(spec.name)
        if other is not None:
            raise PluginError(f"{what}: {spec.name!r} is offered already by {other.owner.key}.")
        taken[spec.name] = Offer(spec, factory, status)

    def _withdraw(self, status: PluginStatus) -> None:
        """Take back what a plugin offered before it failed: half a plugin is not trusted."""
        for offers in self._offered.values():
            for name in [name for name, offer in offers.items() if offer.owner is status]:
                del offers[name]
        status.offers.clear()

    def _fail(
        self,
        status: PluginStatus,
        stage: Literal["import", "register", "hook"],
        error: BaseException,
    ) -> None:
        status.state, status.stage = "failed", stage
        status.error = _one_line(error)
        message = f"Plugin {status.name} ({status.distribution} {status.version}) left out: "
        message += f"{stage} failed, {status.error}"
        _LOG.debug("%s", message, exc_info=error)
        if self._strict:
            raise PluginError(message) from error
        _LOG.warning("%s", message)


@functools.cache
def registry() -> Registry:
    """Return the registry of this process, built at first need."""
    return Registry()


def _entry_points() -> list[importlib.metadata.EntryPoint]:
    """Return the entry points, built-ins first, then by distribution and name."""
    found = importlib.metadata.entry_points(group=GROUP)
    unique = {(_distribution(point), point.name, point.value): point for point in found}
    return sorted(
        unique.values(),
        key=lambda point: (_distribution(point) != _BUILT_IN, _distribution(point), point.name),
    )


def _distribution(entry_point: importlib.metadata.EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist else "unknown"


def _status(entry_point: importlib.metadata.EntryPoint) -> PluginStatus:
    version = entry_point.dist.version if entry_point.dist else "unknown"
    return PluginStatus(entry_point.name, _distribution(entry_point), version, entry_point.value)


def _one_line(error: BaseException) -> str:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}..."


def _names(value: str) -> set[str]:
    return {name.strip() for name in value.split(",") if name.strip()}


def _pick(what: str, name: str, offers: Mapping[str, Offer[_Spec, _Made]]) -> Offer[_Spec, _Made]:
    if name not in offers:
        raise UserError(f"No {what} is called {name!r}.{did_you_mean(name, list(offers))}")
    return offers[name]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Send a plugin's prints to stderr: stdout carries data only."""
    with contextlib.redirect_stdout(sys.stderr):
        yield
