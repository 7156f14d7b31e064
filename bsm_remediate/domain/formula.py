"""Formulas: what a component or service requires (DESIGN 5.1, shared semantics of the roll-up).

Everything is one primitive, a gate with a threshold: `all` is `at_least 100%`, `any` is `at_least 1`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.state import Level


@dataclass(frozen=True, kw_only=True, slots=True)
class Impact:
    """Edge map: the level that the dependant sees for a degraded and for a down child; ok is always seen as ok."""

    degraded: Level = 1
    down: Level = 2

    def __post_init__(self) -> None:
        if not 0 <= self.degraded <= self.down <= 2:  # noqa: PLR2004 - the three levels
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
    `shown` for people and leave every count (DESIGN 5.1)."""

    children: tuple[Edge, ...]
    need: Fraction
    comfortable: Fraction
    shown: tuple[NodeId, ...] = ()

    def nodes(self) -> Iterator[NodeId]:
        """Ids of all nodes that the gate counts, nested ones included, each as often as it is written."""
        for edge in self.children:
            if isinstance(edge.child, Gate):
                yield from edge.child.nodes()
            else:
                yield edge.child
