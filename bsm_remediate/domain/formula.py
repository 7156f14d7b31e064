"""Formulas: what a component or service requires (DESIGN 5.1, shared semantics of the roll-up).

Everything is one primitive, a gate with a threshold: `all` is `at_least 100%`, `any` is `at_least 1`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor

from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.state import Level


@dataclass(frozen=True, kw_only=True, slots=True)
class Impact:
    """Edge map: the level that the dependant sees for a degraded and for a down child; ok is always seen as ok."""

    degraded: Level = 1
    down: Level = 2

    def __post_init__(self) -> None:
        if not 0 <= self.degraded <= self.down <= 2:
            raise ValueError("a degraded child cannot look worse than a down one")

    def seen(self, level: Level) -> Level:
        return (0, self.degraded, self.down)[level]


AS_IT_IS = Impact()
CAPPED = Impact(degraded=1, down=1)
SHOWN_ONLY = Impact(degraded=0, down=0)
STRICT = Impact(degraded=2, down=2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Edge:
    """One child of a gate: a node by its id or a nested gate."""

    child: NodeId | Gate
    weight: Fraction = Fraction(1)
    impact: Impact = AS_IT_IS


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """Down when the weight of children not down is below `need`, else degraded when the weight of ok children is
    below `comfortable`, else ok. Children seen through `SHOWN_ONLY` are not among `children` counted: they are kept in
    `shown` for people and leave every count (DESIGN 5.1).
    """

    children: tuple[Edge, ...]
    need: Fraction
    comfortable: Fraction
    shown: tuple[NodeId, ...] = ()

    def nodes(self) -> Iterator[NodeId]:
        """Ids of all nodes that the gate counts, nested ones included, each as often as it is written."""
        walk = [iter(self.children)]  # formulas may nest deeper than Python's own calls
        while walk:
            edge = next(walk[-1], None)
            if edge is None:
                walk.pop()
            elif isinstance(edge.child, Gate):
                walk.append(iter(edge.child.children))
            else:
                yield edge.child


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantity:
    """How many children: a number (or weight) or a percentage, negative ones counted from the total.

    Exact: 58 % of 50 is 29. Source: the roll-up rules, "Numbers k and n".
    """

    value: Fraction
    is_percentage: bool = False

    @classmethod
    def parse(cls, text: str | float) -> Quantity:
        """The quantity that `text` means: `2`, `-1`, `60%`, `-20%`, `1.5` (a weight). Raises `ValueError`."""
        written = str(text).strip()
        is_percentage = written.endswith("%")
        found = _NUMBER.fullmatch(written[:-1].strip() if is_percentage else written)
        if found is None or isinstance(text, bool):
            raise ValueError(f"'{text}' is no number like 2 or -1 and no percentage like 60%")
        value = Fraction(found[0])
        if value == 0 or (is_percentage and abs(value) > _WHOLE):
            raise ValueError(f"'{text}' must lie between 1 and 100%" if is_percentage else "0 would always be reached")
        return cls(value=value, is_percentage=is_percentage)

    def of(self, total: Fraction) -> Fraction:
        """The weight it means of `total`; may be below 1, which `resolve` lifts."""
        share = abs(self.value) * total / _WHOLE if self.is_percentage else abs(self.value)
        if self.value < 0:
            return total - (Fraction(floor(share)) if self.is_percentage else share)
        return Fraction(ceil(share)) if self.is_percentage else share


_NUMBER = re.compile(r"-?\d{1,9}(\.\d{1,9})?", re.ASCII)
_WHOLE = 100


def all_of(edges: Sequence[Edge]) -> Gate:
    """The worst child."""
    counted, shown, total = _counted(edges, counting_ok=False)
    return Gate(children=counted, need=total, comfortable=total, shown=shown)


def any_of(edges: Sequence[Edge], *, counting_ok: bool = False) -> Gate:
    """The best child; weights play no part."""
    counted, shown, _ = _counted([replace(edge, weight=Fraction(1)) for edge in edges], counting_ok=counting_ok)
    return Gate(children=counted, need=Fraction(1), comfortable=Fraction(1), shown=shown)


def at_least(
    number: Quantity, edges: Sequence[Edge], *, comfortable: Quantity | None = None, counting_ok: bool = False
) -> Gate:
    """Down below `number`, degraded below `comfortable` (default `number`) ok ones. Raises `ValueError`."""
    counted, shown, total = _counted(edges, counting_ok=counting_ok)
    need = _reachable(number.of(total), total)
    return Gate(
        children=counted,
        need=need,
        comfortable=need if comfortable is None else _reachable(comfortable.of(total), total),
        shown=shown,
    )


def more_than(
    share: Quantity, edges: Sequence[Edge], *, comfortable: Quantity | None = None, counting_ok: bool = False
) -> Gate:
    """At least one more than `share`: a majority is `more_than: 50%`. Raises `ValueError`."""
    counted, shown, total = _counted(edges, counting_ok=counting_ok)
    limit = abs(share.value) * total / _WHOLE if share.is_percentage else abs(share.value)
    need = _reachable(Fraction(floor(limit) + 1), total)
    return Gate(
        children=counted,
        need=need,
        comfortable=need if comfortable is None else _reachable(comfortable.of(total), total),
        shown=shown,
    )


def _counted(edges: Sequence[Edge], *, counting_ok: bool) -> tuple[tuple[Edge, ...], tuple[NodeId, ...], Fraction]:
    counted = [edge for edge in edges if edge.impact != SHOWN_ONLY]
    shown = tuple(edge.child for edge in edges if edge.impact == SHOWN_ONLY and not isinstance(edge.child, Gate))
    if not counted:
        raise ValueError("a formula without children that count would always be ok")
    if counting_ok:
        counted = [replace(edge, impact=Impact(degraded=edge.impact.down, down=edge.impact.down)) for edge in counted]
    return tuple(counted), shown, sum((edge.weight for edge in counted), Fraction(0))


def _reachable(number: Fraction, total: Fraction) -> Fraction:
    need = max(number, Fraction(1))  # below 1 it would always be up
    if need > total:
        raise ValueError(f"{float(need):g} can never be reached: there are only {float(total):g}")
    return need
