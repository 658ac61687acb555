"""What a run can be told, checked once where it comes in."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from provenance import UserError


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
    def build(cls, defaults: Mapping[str, Any], options: Mapping[str, Any]) -> "Settings":
        """Lay ``options`` over ``defaults``.

        Raises:
            UserError: An unknown name, or a value that is not a positive number.
        """
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(options) - set(known)):
            raise UserError(f"gan has no option {unknown[0]!r}. Known: {', '.join(known)}.")
        values = {**defaults, **options}
        for field in fields(cls):
            values[field.name] = _positive(field.name, values[field.name], whole=field.type is int)
        return cls(**values)


def _positive(name: str, value: Any, *, whole: bool) -> Any:
    try:
        number = int(value) if whole else float(value)
    except (TypeError, ValueError):
        number = 0
    if not 0 < number < float("inf"):
        what = "a positive whole number" if whole else "a positive number"
        raise UserError(f"gan's option {name!r} is {what}, not {value!r}.")
    return number
