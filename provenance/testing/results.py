"""What a conformance kit says: one result a check. Shared by the kits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

_Subject = TypeVar("_Subject")


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What became of one check.

    Attributes:
        name: Of the check.
        status: ``passed``, ``failed``, ``expected`` (failed, as was said it would) or ``surprise``
            (passed, though it was said that it would fail).
        message: Why it failed, or the reason for which it was expected to.
    """

    name: str
    status: Literal["passed", "failed", "expected", "surprise"]
    message: str = ""


def by_name(*checks: Callable[[_Subject], None]) -> Mapping[str, Callable[[_Subject], None]]:
    """Return checks by their names, as in :class:`CheckResult` and ``expected_failed_checks``."""
    return {check.__name__.removeprefix("_"): check for check in checks}


def known_failures(
    expected: Mapping[str, str] | None, checks: Mapping[str, object]
) -> dict[str, str]:
    """Return the expected failures; one that names no check raises :class:`ValueError`."""
    failures = dict(expected or {})
    if unknown := set(failures) - set(checks):
        raise ValueError(f"No such check: {', '.join(sorted(unknown))}.")
    return failures


def run_checks(
    checks: Mapping[str, Callable[[_Subject], None]],
    subject: _Subject,
    expected: Mapping[str, str],
    on_fail: Literal["raise", "collect"],
) -> list[CheckResult]:
    """Run every check and return the results in order.

    Raises:
        AssertionError: A check failed, or passed against expectation, and ``on_fail`` is ``raise``.
    """
    results = [_run(name, check, subject, expected.get(name)) for name, check in checks.items()]
    failed = [result for result in results if result.status in ("failed", "surprise")]
    if failed and on_fail == "raise":
        raise AssertionError("\n".join(f"{r.name}: {r.message}" for r in failed))
    return results


def _run(
    name: str, check: Callable[[_Subject], None], subject: _Subject, reason: str | None
) -> CheckResult:
    try:
        check(subject)
    except Exception as error:  # noqa: BLE001 - whatever a plugin raises is the result
        message = f"{type(error).__name__}: {error}"
        return CheckResult(name, "failed" if reason is None else "expected", reason or message)
    if reason is not None:
        return CheckResult(name, "surprise", f"passed, but was expected to fail: {reason}")
    return CheckResult(name, "passed")
