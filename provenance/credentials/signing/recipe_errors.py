"""Turns what pydantic says of a recipe into one line per fault: the field, the fact, the remedy."""

from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from provenance.errors import did_you_mean

_MOST_FAULTS = 5
_WORDS = {
    "missing": "It is missing. Give it.",
    "string_type": "It is a text.",
    "bool_type": "It is true or false.",
    "bool_parsing": "It is true or false.",
    "tuple_type": "It is a list: [...].",
    "dict_type": "It is a table: {name = value}.",
    "model_type": "It is a table: {name = value}.",
    "path_type": "It is the path of a file.",
}


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the faults, one a line, at most five."""
    faults = [_fault(one, model) for one in error.errors(include_url=False)]
    lines = list(dict.fromkeys(faults))
    more = [f"(and {len(lines) - _MOST_FAULTS} more)"] if len(lines) > _MOST_FAULTS else []
    return "\n".join(lines[:_MOST_FAULTS] + more)


def _fault(fault: Any, model: type[BaseModel]) -> str:
    path = fault["loc"]
    if fault["type"] == "extra_forbidden":
        fields = list(_model_at(model, path[:-1]).model_fields)
        within = f"{_field(path[:-1])} has" if path[:-1] else "A recipe has"
        return f"{within} no field {str(path[-1])[:80]!r}.{did_you_mean(str(path[-1]), fields)}"
    words = _words(fault)
    return f"{_field(path)}: {words}" if path else words


def _words(fault: Any) -> str:
    context = fault.get("ctx") or {}
    if isinstance(context.get("error"), Exception):
        return str(context["error"])
    kind = fault["type"]
    if kind in _WORDS:
        return _WORDS[kind]
    limit = context.get("max_length") or context.get("min_length")
    if kind == "string_too_short":
        return "It is empty. Write something, or leave it out."
    if kind in ("string_too_long", "too_long", "too_short"):
        return f"It has a length of {'at most' if 'long' in kind else 'at least'} {limit}."
    if kind == "string_pattern_mismatch":
        return f"{str(fault['input'])[:80]!r} is malformed; it matches {context['pattern']}."
    return f"{fault['msg']}."


def _field(path: tuple[Any, ...]) -> str:
    """Write a place as people do: ``actions[1].when``.

    Example:
        >>> _field(("actions", 1, "when"))
        'actions[1].when'
    """
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{str(step)[:80]}" if text else step
    return text


def _model_at(model: type[BaseModel], path: tuple[Any, ...]) -> type[BaseModel]:
    """Return the model at a place, found by the annotations of the fields that lead there."""
    for step in path:
        if step in model.model_fields:
            model = _first_model(model.model_fields[step].annotation) or model
    return model


def _first_model(annotation: Any) -> type[BaseModel] | None:
    """Return the first model that an annotation names, however deeply: ``tuple[Action, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_first_model, get_args(annotation))), None)
