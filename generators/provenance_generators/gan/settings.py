"""What a run can be told, checked once where it comes in and once where it is read from a file."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from torch import nn

from provenance import UserError
from provenance.training import resolve_options
from provenance_generators.gan import SPEC
from provenance_generators.gan.augment import AUGMENTATIONS
from provenance_generators.gan.critics import CRITICS, CriticShape
from provenance_generators.gan.networks import GENERATORS, Generator
from provenance_generators.gan.objectives import OBJECTIVES

_MOST = {"width": 256, "critic_width": 512, "batch": 4096, "critic_steps": 100}
"""A damaged file must not make us allocate without bounds."""
_MOST_CLASSES = 1000
_WORDS: Mapping[str, Mapping[str, Any]] = {
    "objective": OBJECTIVES,
    "network": GENERATORS,
    "critic": CRITICS,
    "augment": AUGMENTATIONS,
    "critic_norm": {"none": None, "spectral": None},
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Networks and schedule of a run; names as in ``SPEC.options``.

    Attributes:
        size_px: Side of the images.
        classes: Names of the classes that it is told; none where it is told none.
        preset: That the others come from.
        objective: What critic and generator strive for; a name in ``OBJECTIVES``.
        network: Kind of generator; a name in ``GENERATORS``.
        upsampling: How the generator enlarges.
        norm: How the generator normalises.
        width: Channels of the generator, in units of its table of widths.
        critic: Kind of critic, a name in ``CRITICS``; ``auto``: the objective's.
        critic_norm: ``none`` or ``spectral``, of the critic's weights; ``auto``: the objective's.
        critic_steps: For one step of the generator; 0: the objective's.
        critic_width: Channels of the critic at 16 px (plain), or in units of its table.
        full_resolution: Whether a plain critic has a layer before it halves the side.
        reconstruction: Weight of the error with which the critic restores real images.
        batch: Images a step and process.
        learning_rate: Of both Adam optimisers; 0: the objective's.
        penalty: Weight of the penalty on the critic's slope; -1: the objective's.
        average: Share of the old weights that stays in their average at each step.
        augment: How what the critic sees is changed; a name in ``AUGMENTATIONS``.
        conditional: Whether to learn classes where the source has some.
    """

    size_px: int
    classes: tuple[str, ...]
    preset: str
    objective: str
    network: str
    upsampling: str
    norm: str
    width: int
    critic: str
    critic_norm: str
    critic_steps: int
    critic_width: int
    full_resolution: bool
    reconstruction: float
    batch: int
    learning_rate: float
    penalty: float
    average: float
    augment: str
    conditional: bool

    @classmethod
    def build(cls, size_px: int, classes: tuple[str, ...], options: Mapping[str, Any]) -> Self:
        """Lay ``options`` over the spec's, and settle what goes with the objective.

        Args:
            size_px: Side of the images.
            classes: Of the source.
            options: As in ``FitContext.options``.

        Raises:
            UserError: An unknown name, or a value that does not suit.
        """
        values = resolve_options(SPEC, options)
        known = classes if values["conditional"] else ()
        settings = cls(size_px=size_px, classes=known, **values)
        if settings.objective in OBJECTIVES:  # else it is a problem, and named below
            settings = settings._settled()
        for problem in settings._problems():
            raise UserError(f"gan's setting {problem}.")
        return settings

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> Self:
        """Return what :meth:`to_json` gave.

        Raises:
            KeyError: A field is missing.
            ValueError: A value that no run could have had.
        """
        values = {name: config[name] for name in cls.__slots__}
        for name, default in {"size_px": 0, **SPEC.options}.items():
            if type(values[name]) is not type(default):
                raise ValueError(f"{name} is {values[name]!r}")
        if not isinstance(values["classes"], list):
            raise ValueError(f"classes are {values['classes']!r}")
        settings = cls(**{**values, "classes": tuple(values["classes"])})
        for problem in settings._problems():
            raise ValueError(problem)
        return settings

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the header of the weights."""
        return {**asdict(self), "classes": list(self.classes)}

    def generator(self) -> Generator:
        """Build the generator, untrained."""
        return GENERATORS[self.network](
            self.size_px,
            width=self.width,
            upsampling=self.upsampling,
            normalisation=self.norm,
            classes=len(self.classes),
        )

    def critic_network(self) -> nn.Module:
        """Build the critic, untrained."""
        shape = CriticShape(
            size_px=self.size_px,
            width=self.critic_width,
            classes=len(self.classes),
            is_spectral=self.critic_norm == "spectral",
            reconstructs=self.reconstruction > 0,
            full_resolution=self.full_resolution,
        )
        return CRITICS[self.critic](shape)

    def _settled(self) -> Self:
        """Return the settings with all values that were left to the objective."""
        own = OBJECTIVES[self.objective]
        return replace(
            self,
            critic=own.critic if self.critic == "auto" else self.critic,
            critic_norm=own.critic_norm if self.critic_norm == "auto" else self.critic_norm,
            critic_steps=self.critic_steps or own.critic_steps,
            learning_rate=self.learning_rate or own.learning_rate,
            penalty=own.penalty if self.penalty == -1 else self.penalty,
        )

    def _problems(self) -> Iterator[str]:
        """Yield what is wrong with settled settings, in words."""
        for name, known in {**_WORDS, **SPEC.variants}.items():
            if getattr(self, name) not in known:
                yield f"{name!r} is one of {', '.join(known)}, not {getattr(self, name)!r}"
        for name, most in _MOST.items():
            if not 1 <= getattr(self, name) <= most:
                yield f"{name!r} lies between 1 and {most}, not at {getattr(self, name)}"
        if not 0 < self.learning_rate < math.inf:
            yield f"'learning_rate' is a positive number, not {self.learning_rate}"
        for name in ("penalty", "reconstruction"):
            if not 0 <= getattr(self, name) < math.inf:
                yield f"{name!r} is at least 0 and finite, not {getattr(self, name)}"
        if not 0 <= self.average < 1:
            yield f"'average' lies between 0 and 1, not at {self.average}"
        yield from self._further_problems()

    def _further_problems(self) -> Iterator[str]:
        if self.objective == "began" and self.critic != "autoencoder":
            yield f"'objective' began compares errors: its critic is autoencoder, not {self.critic}"
        if self.size_px not in SPEC.sizes_px:
            yield f"'size_px' is one of {', '.join(map(str, SPEC.sizes_px))}, not {self.size_px}"
        if len(self.classes) > _MOST_CLASSES or not all(isinstance(c, str) for c in self.classes):
            yield f"'classes' are up to {_MOST_CLASSES} names"
