"""Stacked digits as items: made, not read, from what scikit-learn's wheel carries."""

from collections.abc import Sequence

from provenance import InputSpec, Media, MediaKind, UserError
from provenance.quality import stack_digits
from provenance_datasets.patches import window_side_px

ALL = 25_600
"""Items where no count is asked for: about 26 of each mode."""
_LICENCE = "CC-BY-4.0"


class StackedDigits:
    """The source ``stacked-digits``.

    Args:
        argument: Empty.

    Raises:
        UserError: Something stands after the colon.
    """

    def __init__(self, argument: str = "") -> None:
        if argument:
            raise UserError(f"stacked-digits takes no argument, not {argument!r}.")

    def items(self, window: InputSpec, *, count: int | None, seed: int) -> Sequence[Media]:
        """Return ``count`` items, one of each fold of digits in turn.

        An id names the digits that are stacked. Classes are left out: a thousand of them would each
        have a handful of items, and whether a generator finds them by itself is the question.

        Args:
            window: A square crop whose side is a multiple of 8.
            count: None for 25,600.
            seed: Of the choice.

        Raises:
            UserError: The window is no such crop.
        """
        side_px = window_side_px(window, "stacked-digits")
        wanted = ALL if count is None else count
        images, digits, folds = stack_digits(wanted, size_px=side_px, seed=seed)
        return [
            Media(
                id=f"digits/{n:06d}/" + "-".join(f"{one:04d}" for one in which),
                kind=MediaKind.IMAGE,
                data=image,
                group=f"fold{fold}",
                licence=_LICENCE,
            )
            for n, (image, which, fold) in enumerate(zip(images, digits, folds, strict=True))
        ]
