"""Settings of a plugin's training: its spec's options, and what the user would have otherwise."""

from collections.abc import Mapping
from typing import Any

from provenance.errors import UserError


def override_settings(
    name: str, defaults: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return ``defaults`` overridden by ``given``, each value of the type of its default.

    Args:
        name: Of the plugin.
        defaults: As in the ``options`` of its spec.
        given: As in ``FitContext.options``.

    Raises:
        UserError: A setting that does not exist, or a value that is none of its type.
    """
    if unknown := sorted(set(given) - set(defaults)):
        known = ", ".join(defaults)
        raise UserError(f"{name} has no setting {unknown[0]!r}. Known: {known}.")
    return {
        key: _as_type_of(default, given[key], f"{name}'s setting {key!r}")
        if key in given
        else default
        for key, default in defaults.items()
    }


def _as_type_of(default: Any, value: Any, what: str) -> Any:
    try:
        return type(default)(value)
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"{what} is {value!r}. Give a value such as {default!r}.") from None
