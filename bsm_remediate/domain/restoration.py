"""Restoration: which repairs bring what back, and when, if they end at given times. Used by every way of ordering."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from bsm_remediate.domain.formula import Gate
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.state import Level

NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds until a node is no longer down, and until it is ok."""

    not_down: float
    ok: float


_AT_ONCE = Times(0.0, 0.0)


class Restoration:
    """The failing part of the map: everything that is not ok because of `own` (levels of components)."""

    def __init__(self, rollup: RollUp, own: Mapping[NodeId, Level]) -> None:
        self._rollup = rollup
        self.own = {node: level for node, level in own.items() if level}
        self.now = rollup.levels(self.own)
        self._order = rollup.in_order(self.now)

    def times(self, repaired: Mapping[NodeId, float]) -> dict[NodeId, Times]:
        """When each failing node is back, given when each own state is repaired (seconds); others stay as they are."""
        found: dict[NodeId, Times] = {}
        changed = True
        while changed:  # once, unless there are cycles: from "at once" times only grow, to the least fixed point
            changed = False
            for node in self._order:
                times = self._time(node, repaired, found)
                if times != found.get(node, _AT_ONCE):
                    found[node] = times
                    changed = bool(self._rollup.cycle_of(node)) or changed
        return {node: found.get(node, _AT_ONCE) for node in self._order}

    def _time(self, node: NodeId, repaired: Mapping[NodeId, float], found: Mapping[NodeId, Times]) -> Times:
        level = self.own.get(node, 0)
        mended = repaired.get(node, NEVER)
        own = Times(mended if level == 2 else 0.0, mended if level else 0.0)
        gate = self._rollup.service_map.requires(node)
        if gate is None:
            return own
        needs = _gate_times(gate, found)
        return Times(max(own.not_down, needs.not_down), max(own.ok, needs.ok))


def _gate_times(gate: Gate, found: Mapping[NodeId, Times]) -> Times:
    not_down: list[tuple[float, Fraction]] = []
    fine: list[tuple[float, Fraction]] = []
    for edge in gate.children:
        child = _gate_times(edge.child, found) if isinstance(edge.child, Gate) else found.get(edge.child, _AT_ONCE)
        weight = edge.weight
        impact = edge.impact
        not_down.append((_seen_below(child, impact.degraded, impact.down, 2), weight))
        fine.append((_seen_below(child, impact.degraded, impact.down, 1), weight))
    up = _reached(not_down, gate.need)
    return Times(up, max(up, _reached(fine, gate.comfortable)))


def _seen_below(child: Times, degraded: Level, down: Level, limit: Level) -> float:
    """When the dependant sees `child` at a level below `limit`."""
    if down < limit:
        return 0.0
    return child.not_down if degraded < limit else child.ok


def _reached(times: list[tuple[float, Fraction]], need: Fraction) -> float:
    times.sort()
    weight = Fraction(0)
    for time, one in times:
        weight += one
        if weight >= need:
            return time
    return NEVER
