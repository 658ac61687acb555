"""What every ``sample`` does before its network comes in: check arguments, draw by seed."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from provenance.errors import UserError


def check_sample_arguments(
    name: str,
    n: int,
    label: str | Sequence[str] | None,
    truncation: float,
    temperature: float,
    *,
    classes: Sequence[str] = (),
) -> None:
    """Check the arguments of ``sample``; labels of known classes are :func:`choose_classes`'s.

    Args:
        name: Of the generator.
        n: At least 0.
        label: Must be None where there are no classes.
        truncation: 0..1.
        temperature: At least 0, finite.
        classes: That the generator knows.

    Raises:
        UserError: One is out of its range.
    """
    if n < 0:
        raise UserError(f"{name} cannot make {n} images. Ask for 0 or more.")
    if label is not None and not classes:
        raise UserError(f"{name} knows no classes, so not {label!r}. Leave the label out.")
    if not 0 <= truncation <= 1:
        raise UserError(f"Truncation lies between 0 and 1, not at {truncation}.")
    if not 0 <= temperature < float("inf"):
        raise UserError(f"Temperature is finite and at least 0, not {temperature}.")


def draw_rows(n: int, seed: int, draw: Callable[[torch.Generator], Tensor]) -> Tensor:
    """Return ``n`` draws as one tensor (n, ...), row i from a generator seeded ``seed + i``.

    So an item depends on its own seed alone. Drawn on the CPU, so that a seed means the same on
    every device.

    Args:
        n: How many, at least 0.
        seed: Of the first row.
        draw: Returns one row, of the same shape each time.

    Example:
        >>> rows = draw_rows(3, 7, lambda rng: torch.randn(5, generator=rng))
        >>> torch.equal(rows[1:2], draw_rows(1, 8, lambda rng: torch.randn(5, generator=rng)))
        True
    """
    rows = [draw(torch.Generator().manual_seed(seed + i)) for i in range(max(n, 1))]
    return torch.stack(rows)[:n]  # of no rows, too, the shape is known
