"""A conformance kit for signers: one small check a promise.

Plugin authors call :func:`check_signer` in a test of their own, with settings of a key that works.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Literal

from provenance.contracts import SignerSpec, SigningKey
from provenance.testing.results import CheckResult, known_failures, run_checks
from provenance.testing.signer_promises import CHECKS, Subject


def check_signer(
    factory: Callable[[Mapping[str, str]], SigningKey],
    spec: SignerSpec,
    settings: Mapping[str, str],
    *,
    bad_settings: Sequence[Mapping[str, str]] = ({},),
    broken: Callable[[], AbstractContextManager[object]] | None = None,
    module: str | None = None,
    expected_failed_checks: Mapping[str, str] | None = None,
    on_fail: Literal["raise", "collect"] = "raise",
) -> list[CheckResult]:
    """Sign with a key and check that its plugin keeps its promises.

    The plugin must be installed, since other processes find it by its name.

    Args:
        factory: As registered.
        spec: As registered.
        settings: Of a key that can sign. Its certificates need not be trusted by anybody.
        bad_settings: Settings that must be refused, each with an error that says why.
        broken: Returns a context in which the key cannot sign although it is open: a device pulled
            out, a service stopped. None for keys to which that cannot happen.
        module: Name of the plugin's module, to check that its import is light.
        expected_failed_checks: Name of a check to the reason why it may fail; a reason is owed. A
            check that passes though it should have failed is a failure, too.
        on_fail: Raise when all checks have run, or only return the results.

    Returns:
        One result for each check, in order.

    Raises:
        AssertionError: A check failed, and ``on_fail`` is ``raise``.
        ValueError: A check that is expected to fail does not exist.
    """
    expected = known_failures(expected_failed_checks, CHECKS)
    subject = Subject(factory, spec, dict(settings), tuple(bad_settings), broken, module)
    return run_checks(CHECKS, subject, expected, on_fail)
