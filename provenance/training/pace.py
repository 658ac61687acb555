"""How fast a run is, and when it will be done: by the clock on the wall, whatever it counts."""

import time

_TOO_SHORT_S = 0.5  # before, a guess is worth nothing


class Pace:
    """Measures steps from where this process took up the run.

    Args:
        step: Steps taken before.
        fraction: Share of the budget (0..1) spent before.
    """

    def __init__(self, step: int, fraction: float) -> None:
        self._began_s = time.perf_counter()
        self._step, self._fraction = step, fraction

    def describe(self, step: int, fraction: float) -> str:
        """Return, say, `` (34 s left, 12 steps/s)``; nothing at the very start and at the end.

        Args:
            step: Steps taken.
            fraction: Share of the budget (0..1) spent.
        """
        spent_s = time.perf_counter() - self._began_s
        done = fraction - self._fraction
        if spent_s < _TOO_SHORT_S or done <= 0 or fraction >= 1:
            return ""
        left_s = spent_s * (1 - fraction) / done
        return f" ({duration(left_s)} left, {(step - self._step) / spent_s:.3g} steps/s)"


def duration(seconds: float) -> str:
    """Return a duration as a person would say it.

    Example:
        >>> duration(34.2), duration(600.0), duration(9000.0)
        ('34 s', '10 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
