"""Classes of samples: which one each is asked for, and whether anybody can make it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from provenance.errors import UserError, did_you_mean
from provenance.training.seeds import derive_seed

if TYPE_CHECKING:
    from provenance.corpora.plan import Plan, PlannedGenerator
    from provenance.types import Media


class SampleClasses:
    """The class that each free sample of one generator is asked for.

    Sample n has the class of the real item n, so that classes tell no more of the label than they
    do of the source; with ``--class`` those that were named take turns. Of an item whose class the
    generator has not learned, the sample has a drawn one.

    Args:
        plan: Of the run.
        generator: Name of the generator in the corpus.
        known: Classes that it has learned; with none, nothing is asked for.
    """

    def __init__(self, plan: "Plan", generator: str, known: Sequence[str]) -> None:
        self._plan, self._generator, self._known = plan, generator, tuple(known)
        self._asked = plan.request.classes if known else ()
        self._of_items = any(item.category in self._known for item in plan.items)

    def of(self, number: int) -> str | None:
        """Return the class of sample ``number``; None where the generator draws it, or has none."""
        if self._asked:
            return self._asked[number % len(self._asked)]
        if not self._of_items:
            return None
        own = self._plan.items[number % len(self._plan.items)].category
        if own in self._known:
            return own
        seed = derive_seed(self._plan.request.seed, self._generator, "class", number)
        return self._known[seed % len(self._known)]

    def of_batch(self, start: int, count: int) -> list[str] | None:
        """Return the classes of ``count`` samples from number ``start`` on; None where unasked.

        A batch that is drawn whole may reach beyond the last item; what lies there is not kept.
        """
        found = [self.of(number) for number in range(start, start + count)]
        return [name for name in found if name is not None] or None


def check_classes(plan: "Plan", items: "Sequence[Media]") -> None:
    """Check, before anything is trained, that each generator will know the classes asked for.

    Args:
        plan: With a request that may name classes.
        items: That generators are trained on.

    Raises:
        UserError: One will not.
    """
    if not plan.request.classes:
        return
    for generator in plan.generators:
        known = _known(generator, items)
        for name in plan.request.classes:
            if not known:
                raise UserError(
                    f"{generator.name} has no classes to choose from, so no {name!r}: not every "
                    f"item that it learns from has a class, or one has too few items. Leave "
                    f"--class out."
                )
            if name not in known:
                raise UserError(
                    f"{generator.name} knows no class {name!r}.{did_you_mean(name, list(known))}"
                )


def _known(generator: "PlannedGenerator", items: "Sequence[Media]") -> tuple[str, ...]:
    if generator.checkpoint is not None:
        return generator.classes
    from provenance.training import find_classes

    return find_classes(items)
