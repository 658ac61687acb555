"""What a run can be told, checked once where it comes in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from provenance import UserError
from provenance.training import override_settings


@dataclass(frozen=True, slots=True)
class Settings:
    """Shape and schedule of a run; names as in ``SPEC.options``.

    Attributes:
        width: Channels of the generator, in units of its table of widths.
        critic_width: Channels of the critic at a side of 32 px.
        batch: Images a step and process.
        learning_rate: Of both Adam optimisers.
        penalty: Weight gamma of both gradient penalties.
    """

    width: int
    critic_width: int
    batch: int
    learning_rate: float
    penalty: float

    @classmethod
    def build(cls, defaults: Mapping[str, Any], options: Mapping[str, Any]) -> Self:
        """Lay ``options`` over ``defaults``.

        Raises:
            UserError: An unknown name, or a value that is not a positive number.
        """
        values = override_settings("gan", defaults, options)
        for name, value in values.items():
            if not 0 < value < float("inf"):
                raise UserError(f"gan's setting {name!r} is a positive number, not {value!r}.")
        return cls(**values)
