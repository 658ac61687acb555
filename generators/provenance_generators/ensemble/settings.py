"""What an ensemble is told, checked once where it comes in."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, cast, get_args

from provenance import UserError
from provenance.training import resolve_options
from provenance_generators.ensemble import SPEC

Rule = Literal["mixture", "by-class", "best-of"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Names as in ``SPEC.options``.

    Attributes:
        members: Folders of trained generators, at least two.
        rule: ``mixture``: each item is one member's, drawn by weight. ``by-class``: each class is
            made by the member that covers it best. ``best-of``: of several candidates of the
            mixture the one that a critic finds most real.
        weights: Of the members, at least 0; found by coverage of the source where empty.
        candidates: Of an item, with ``best-of``.
        critic_width: Channels of the critic at full resolution.
        critic_share: Part of the budget that its training may take.
    """

    members: tuple[str, ...]
    rule: Rule
    weights: tuple[float, ...]
    candidates: int
    critic_width: int
    critic_share: float

    @classmethod
    def build(cls, given: Mapping[str, Any]) -> Self:
        """Return the spec's defaults overridden by ``given``.

        Raises:
            UserError: Fewer than two members, or weights that do not fit them.
        """
        values = resolve_options(SPEC, given)
        if values["rule"] not in get_args(Rule):
            known = ", ".join(get_args(Rule))
            raise UserError(f"ensemble's rule is one of {known}, not {values['rule']!r}.")
        members = tuple(map(str, values["members"]))
        if len(members) < 2:
            raise UserError(
                "An ensemble needs two members or more: generate --ensemble takes the generators of"
                " the corpus; in Python, the option members lists folders of trained generators."
            )
        weights = tuple(map(float, values["weights"]))
        if weights and (
            len(weights) != len(members)
            or not all(0 <= weight < float("inf") for weight in weights)
            or sum(weights) <= 0
        ):
            raise UserError(
                f"Weights are one number of at least 0 a member ({len(members)}), and not all 0."
            )
        for name in ("candidates", "critic_width"):
            if values[name] < 1:
                raise UserError(f"ensemble's setting {name!r} is at least 1, not {values[name]}.")
        if not 0 < values["critic_share"] <= 1:
            raise UserError("ensemble's setting 'critic_share' lies above 0, up to 1.")
        own = {**values, "members": members, "weights": weights}
        return cls(**{**own, "rule": cast("Rule", values["rule"])})

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)
