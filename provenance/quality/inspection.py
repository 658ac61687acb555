"""What a look into a trained generator finds: pictures and figures, before a page is made of them.

Each look is one function from a :class:`View` to a :class:`Section`; ``LOOKS`` says which there
are, and what a generator must be able to do for each. Notation: N images of side S.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from provenance.corpora.artefacts import TrainedGenerator
from provenance.corpora.encoding import check_batch
from provenance.corpora.outcome import plugin_at_work
from provenance.errors import PluginError, UserError
from provenance.training.seeds import derive_seed
from provenance.types import MediaKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from provenance.quality.reals import RealImages

SAMPLES_AT_ONCE = 64
NO_REALS = "There are no real images to compare with."


@dataclass(frozen=True, slots=True)
class Strip:
    """A row of pictures.

    Attributes:
        title: Of the row.
        images: uint8 (N, S, S, 3).
        captions: One a picture, or none.
        figures: About the row, by name.
    """

    title: str
    images: "NDArray[np.uint8]" = field(repr=False)
    captions: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Section:
    """What one look found.

    Attributes:
        key: Of the look, as in ``LOOKS``.
        strips: Pictures.
        figures: Numbers, as JSON holds them.
        missing: Why there is nothing to see; None where there is.
        error: What the plugin did wrong; None where all went well.
    """

    key: str
    strips: tuple[Strip, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    missing: str | None = None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return figures, and those of the rows by title, without pictures."""
        rows = [{"title": strip.title, **strip.figures} for strip in self.strips if strip.figures]
        found: dict[str, Any] = {**self.figures}
        if rows:
            found["rows"] = rows
        if self.missing is not None:
            found["missing"] = self.missing
        if self.error is not None:
            found["error"] = self.error
        return found


Convert = Callable[[Any], Any]


def _as_it_is(found: Any) -> Any:
    return found


class View:
    """A trained generator whose answers are checked, beside real images.

    Attributes:
        trained: The generator.
        reals: Real images; None where there are none to be had.
        no_reals: Why, where there are none.
        seed: Of everything drawn.
        samples_wanted: How many samples figures rest on.

    Raises:
        UserError: It makes no images, or its card does not say of which size.
    """

    def __init__(
        self,
        trained: TrainedGenerator,
        reals: "RealImages | None",
        *,
        no_reals: str = NO_REALS,
        seed: int = 0,
        samples: int = 256,
    ) -> None:
        self.trained, self.reals, self.no_reals = trained, reals, no_reals
        self.seed, self.samples_wanted = seed, samples
        self._size_px = trained.card.get("size_px")
        if trained.spec.kind is not MediaKind.IMAGE:
            raise UserError(f"{self.name} makes {trained.spec.kind}; only images can be shown.")
        if not isinstance(self._size_px, int):
            raise UserError(f"{trained.folder}: its card names no size_px. Train it anew.")

    @property
    def name(self) -> str:
        """Of the plugin."""
        return self.trained.spec.name

    @property
    def first_seed(self) -> int:
        """Seed of the first sample; item i has this plus i."""
        return derive_seed(self.seed, "inspect", self.name) % 2**31

    @property
    def real_images(self) -> "RealImages":
        """Real images, for looks that need them.

        Raises:
            UserError: There are none.
        """
        if self.reals is None:
            raise UserError(self.no_reals)
        return self.reals

    @functools.cached_property
    def samples(self) -> "NDArray[np.uint8]":
        """All samples that figures rest on, (N, S, S, 3)."""
        import numpy as np

        parts = []
        for start in range(0, self.samples_wanted, SAMPLES_AT_ONCE):
            count = min(SAMPLES_AT_ONCE, self.samples_wanted - start)
            parts.append(self.images("sample", count, count, seed=self.first_seed + start))
        return np.concatenate(parts)

    def images(self, method: str, count: int, *arguments: Any, **named: Any) -> Any:
        """Call a method that makes ``count`` images, and check that it did: uint8 (N, S, S, 3).

        Raises:
            PluginError: It failed, or gave something else.
        """
        made = self.call(method, *arguments, **named)
        return check_batch(
            MediaKind.IMAGE,
            made,
            count=count,
            size_px=int(self._size_px or 0),
            source=f"{self.name}: {method}",
        )

    def call(self, method: str, *arguments: Any, convert: Convert = _as_it_is, **named: Any) -> Any:
        """Call a method of the generator.

        Args:
            method: Its name.
            arguments: Its arguments.
            convert: Turns the answer into something known; what is wrong is the plugin's fault.
            named: Further arguments.

        Raises:
            PluginError: It failed, there is none, or the answer is of another kind.
        """
        with plugin_at_work(self.name, method):
            return convert(getattr(self.trained.model, method)(*arguments, **named))

    def attribute(self, name: str, *, convert: Convert = _as_it_is) -> Any:
        """Return an attribute of the generator.

        Args:
            name: Of the attribute.
            convert: As for :meth:`call`.

        Raises:
            PluginError: It failed, there is none, or it is of another kind.
        """
        with plugin_at_work(self.name, name):
            return convert(getattr(self.trained.model, name))


@dataclass(frozen=True, slots=True)
class Look:
    """One way of looking.

    Attributes:
        key: Names the section.
        see: Does it.
        capability: That the spec must declare; None where every generator will do.
        method: That the object must have, where no capability names it.
        needs_reals: Whether it compares with real images.
    """

    key: str
    see: Callable[[View], Section]
    capability: str | None = None
    method: str | None = None
    needs_reals: bool = False

    def applies(self, view: View) -> bool:
        """Whether this generator can be looked at in this way."""
        spec, model = view.trained.spec, view.trained.model
        able = self.capability is None or self.capability in spec.capabilities
        return able and (self.method is None or callable(getattr(model, self.method, None)))


def inspect_generator(
    view: View,
    looks: Sequence[Look],
    progress: Callable[[float, str], None] = lambda fraction, message: None,
) -> list[Section]:
    """Look at a generator in every way that it allows; a fault costs the one look only.

    Args:
        view: The generator and real images.
        looks: In this order; see :func:`provenance.quality.looks.all_looks`.
        progress: Called with a fraction (0..1) and the section at work.
    """
    chosen = [look for look in looks if look.applies(view)]
    sections = []
    for number, look in enumerate(chosen):
        progress(number / len(chosen), look.key)
        sections.append(_see(look, view))
    progress(1.0, "seen")
    return sections


def _see(look: Look, view: View) -> Section:
    if look.needs_reals and view.reals is None:
        return Section(look.key, missing=view.no_reals)
    try:
        return replace(look.see(view), key=look.key)
    except PluginError as error:
        return Section(look.key, error=str(error))
