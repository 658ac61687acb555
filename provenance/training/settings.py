"""Settings of a plugin's training: its spec's options, and what the user would have otherwise."""

from collections.abc import Mapping
from typing import Any

from provenance.contracts import GeneratorSpec
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


def resolve_options(spec: GeneratorSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a run: the spec's defaults, then its preset's, then the user's.

    Args:
        spec: Of the generator; with presets it has the option ``preset``.
        given: As in ``FitContext.options``.

    Raises:
        UserError: A setting, preset or variant that does not exist, or a value of another type.
    """
    preset = str(given.get("preset", spec.options.get("preset", "")))
    if "preset" in given and preset not in spec.presets:
        known = ", ".join(spec.presets) or "none"
        raise UserError(f"{spec.name} has no preset {preset!r}. Known: {known}.")
    chosen = {**spec.options, **spec.presets.get(preset, {})}
    values = override_settings(spec.name, chosen, given)
    for name, allowed in spec.variants.items():
        if values[name] not in allowed:
            words = ", ".join(map(str, allowed))
            raise UserError(f"{spec.name}'s setting {name!r} is one of {words}, not {values[name]}")
    return values


def _as_type_of(default: Any, value: Any, what: str) -> Any:
    if isinstance(default, bool) and not isinstance(value, bool):
        raise UserError(f"{what} is {value!r}. Give true or false.")
    try:
        return type(default)(value)
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"{what} is {value!r}. Give a value such as {default!r}.") from None
