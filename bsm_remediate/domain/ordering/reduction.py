"""The reduction: from a map with what fails in it to the circuit of what repairs can change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from itertools import repeat
from math import gcd
from operator import itemgetter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bsm_remediate.domain.compact import CompactMap
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.live_levels import LiveLevels
from bsm_remediate.domain.loss_curve import LossCurve
from bsm_remediate.domain.ordering.circuit import ALWAYS, NEVER_TRUE, Circuit, Threshold, Var
from bsm_remediate.domain.ordering.job import RepairJob, Worth
from bsm_remediate.domain.ordering.wide import WideOutage
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.state import Level

Numbers = NDArray[np.int64]
_ROUNDS_OF_A_CYCLE = 64
"""How often a cycle is unrolled at most: exact for as many members in a row, each of which waits for the next."""


class Found(Protocol):
    """The variables of all vertices that fail."""

    def variables(self, vertices: Numbers, limit: Level) -> Numbers:
        """When each of `vertices` is below level `limit`."""

    def below(self, wanted: Numbers) -> tuple[tuple[Threshold, ...], Numbers]:
        """The gates below the variables `wanted`, numbered anew, and by old gate the new variable (-1: left out)."""


def reduced(
    rollup: RollUp,
    *,
    own: Mapping[NodeId, Level],
    jobs: Sequence[RepairJob],
    under_way: Mapping[NodeId, float],
    worth: Mapping[NodeId, Worth],
) -> Circuit:
    """The circuit of the services in `worth` when `own` levels fail, `jobs` may be done, and runs under way mend
    components in so many seconds.
    """
    menders: dict[NodeId, list[Var]] = {}
    for number, job in enumerate(jobs):
        for node in job.fixes:
            menders.setdefault(node, []).append(number)
    for number, node in enumerate(sorted(under_way), start=len(jobs)):
        menders[node] = [number]  # it is being mended: no other run comes in between
    compact, live = rollup.compact, rollup.at(own)
    by_vertex = {compact.number_of[node]: some for node, some in menders.items() if node in compact.number_of}
    first_gate = len(jobs) + len(under_way)
    found: Found = WideOutage.of(compact, live, by_vertex, first_gate) or SmallOutage(
        compact, live, by_vertex, first_gate
    )
    # All at once: in a loop each look-up would wait for memory.
    vertices = np.array(itemgetter(*worth)(compact.number_of) if worth else [], np.int64).reshape(-1)
    old = np.array([found.variables(vertices, 2), found.variables(vertices, 1)], np.int64).reshape(2, -1)
    gates, new = found.below(old.ravel())
    is_gate = old >= first_gate
    old[is_gate] = new[old[is_gate] - first_gate]
    not_down, ok = old.tolist()
    return Circuit(
        jobs=tuple(jobs),
        under_way=tuple(under_way[node] for node in sorted(under_way)),
        gates=gates,
        valued=_valued(worth.values(), old),
        services=tuple(worth),
        not_down=tuple(not_down),
        ok=tuple(ok),
    )


def _valued(worth: Iterable[Worth], variables: Numbers) -> tuple[tuple[Var, LossCurve], ...]:
    """`variables`: in two rows, not down and ok, by service."""
    curves = list(worth)
    rates, until_up, until_ok, bent = [], [], [], []
    for place, one in enumerate(curves):  # once through what may be tens of thousands, far apart in memory
        rate, seconds, lost = one.full
        if len(seconds) == 1 and not lost[0]:
            rates.append(rate)
        else:  # few
            bent.append(place)
            rates.append(0.0)
        until_up.append(1 - one.degraded if one.is_down else 0.0)
        until_ok.append(one.degraded)
    parts = np.array([until_up, until_ok]) * np.array(rates)
    is_meant = (variables >= 0) & (parts > 0)
    sums = np.bincount(variables[is_meant], parts[is_meant])
    straight = zip(sums[sums > 0].tolist(), repeat((0.0,)), repeat((0.0,)))
    found = dict(zip(sums.nonzero()[0].tolist(), map(LossCurve._make, straight), strict=True))
    for place in bent:
        for var, curve in zip(variables[:, place].tolist(), curves[place].parts, strict=True):
            if var >= 0 and not curve.is_nothing:
                found[var] = found[var].plus(curve) if var in found else curve
    return tuple(sorted(found.items(), key=itemgetter(0)))


class SmallOutage:
    """Gates by what they say, so that equal ones are one."""

    def __init__(
        self, compact: CompactMap, live: LiveLevels, menders: Mapping[int, Sequence[Var]], first_gate: Var
    ) -> None:
        self._compact = compact
        self._menders = menders
        self._first_gate = first_gate
        self._gates: list[Threshold] = []
        self._known: dict[Threshold, Var] = {}
        self._own, self._level = live.own.tobytes(), live.level.tobytes()
        self._starts = compact.children.quick[0]
        self._vars: tuple[dict[int, Var], dict[int, Var]] = ({}, {})
        """By limit (1: ok, 2: not down) less one: vertex → variable."""
        for vertex, some in menders.items():
            if len(some) > 1:  # first of all, as in wide outages: so the gates have the same numbers
                self._mended(vertex)
        self._settle(live.level.nonzero()[0].tolist())

    def variables(self, vertices: Numbers, limit: Level) -> Numbers:
        """When each of `vertices` is below level `limit`."""
        found = self._vars[limit - 1]
        return np.array([found.get(vertex, ALWAYS) for vertex in vertices.tolist()], np.int64)

    def below(self, wanted: Numbers) -> tuple[tuple[Threshold, ...], Numbers]:
        """The gates below the variables `wanted`, numbered anew, and by old gate the new variable (-1: left out)."""
        first = self._first_gate
        kept = {var for var in wanted.tolist() if var >= first}
        for var in range(first + len(self._gates) - 1, first - 1, -1):
            if var in kept:
                kept.update(child for child in self._gates[var - first].children if child >= first)
        new = {var: number for number, var in enumerate(sorted(kept), start=first)}
        gates = tuple(
            gate._replace(children=tuple(new.get(child, child) for child in gate.children))
            for gate in map(self._gates.__getitem__, (var - first for var in new))
        )
        return gates, np.array([new.get(var, -1) for var in range(first, first + len(self._gates))], np.int64)

    def _settle(self, failing: Sequence[int]) -> None:
        """The variables of `failing`; their numbers rise from requirements to dependants."""
        circle_end = self._compact.circle_end[self._compact.circle_of[failing]].tolist()
        place = 0
        while place < len(failing):
            vertex = failing[place]
            end = circle_end[place]
            if not end:
                self._take(self._of(vertex, is_flat=False))
                place += 1
                continue
            members = []
            while place < len(failing) and failing[place] < end:
                members.append(failing[place])
                place += 1
            self._settle_circle(members)

    def _settle_circle(self, members: Sequence[int]) -> None:
        """From "always" on, each round adds what waits for one more member: the greatest fixed point."""
        for _ in range(min(2 * len(members), _ROUNDS_OF_A_CYCLE)):
            found = [one for vertex in members for one in self._of(vertex, is_flat=True)]
            if all(self._vars[limit - 1].get(vertex, ALWAYS) == var for vertex, limit, var in found):
                return
            self._take(found)

    def _take(self, found: Iterable[tuple[int, Level, Var]]) -> None:
        for vertex, limit, var in found:
            self._vars[limit - 1][vertex] = var

    def _of(self, vertex: int, *, is_flat: bool) -> list[tuple[int, Level, Var]]:
        """When `vertex` is below each of the levels that it is not below now."""
        compact = self._compact
        begin, end = self._starts[vertex], self._starts[vertex + 1]
        if begin == end:  # nothing is required: it is its own state alone
            mended = self._mended(vertex)
            return [(vertex, limit, mended) for limit in range(self._level[vertex], 0, -1)]
        children = compact.children.ends[begin:end].tolist()
        kinds = [compact.kinds[kind] for kind in compact.edge_kind[begin:end].tolist()]
        need, comfortable = int(compact.need[vertex]), int(compact.comfortable[vertex])
        not_down = self._enough(children, kinds, 2, need)
        found = []
        for limit in range(self._level[vertex], 0, -1):
            parts = [not_down]
            if limit == 1:
                fine = self._enough(children, kinds, 1, comfortable)
                # Enough fine ones are enough that are not down, unless fewer are asked for.
                parts = [fine] if comfortable >= need else [fine, not_down]
            if self._own[vertex] >= limit:
                parts.append(self._mended(vertex))
            found.append((vertex, limit, self._all(parts, is_flat=is_flat)))
        return found

    def _enough(self, children: Sequence[int], kinds: Sequence[tuple[int, int, int]], limit: Level, enough: int) -> Var:
        """When children that weigh `enough` are seen below level `limit`."""
        not_down, fine = self._vars[1], self._vars[0]
        return self._threshold(
            [
                # Seen below the limit: always, once it isn't down, or once it is ok.
                (
                    ALWAYS if down < limit else (not_down if degraded < limit else fine).get(child, ALWAYS),
                    weight,
                )
                for child, (weight, degraded, down) in zip(children, kinds, strict=True)
            ],
            enough,
        )

    def _mended(self, vertex: int) -> Var:
        menders = self._menders.get(vertex, ())
        return self._threshold([(var, 1) for var in menders], 1) if menders else NEVER_TRUE

    # --- gates -----------------------------------------------------------------------------------------------------

    def _all(self, parts: Iterable[Var], *, is_flat: bool) -> Var:
        """True once all are; `is_flat` takes the parts of parts, so that equal sets are found equal in circles."""
        if is_flat:
            parts = [inner for part in parts for inner in self._parts(part)]
        distinct = set(parts)
        return self._threshold([(var, 1) for var in distinct], len(distinct))

    def _parts(self, var: Var) -> Sequence[Var]:
        if var < self._first_gate:
            return (var,)
        need, children, weights = self._gates[var - self._first_gate]
        return children if need == len(children) and not weights else (var,)

    def _threshold(self, pairs: Sequence[tuple[Var, int]], need: int) -> Var:
        weights: dict[Var, int] = {}
        for var, weight in pairs:
            if var == ALWAYS:
                need -= weight
            elif var != NEVER_TRUE:
                weights[var] = weights.get(var, 0) + weight
        if need <= 0:
            return ALWAYS
        if sum(weights.values()) < need:
            return NEVER_TRUE
        if len(weights) == 1:
            return next(iter(weights))
        return self._gate(sorted(weights.items()), need)

    def _gate(self, pairs: Sequence[tuple[Var, int]], need: int) -> Var:
        weights = [min(weight, need) for _, weight in pairs]
        if sum(weights) == need:  # all
            need, weights = len(weights), []
        elif weights.count(weights[0]) == len(weights):  # all alike: count them
            need, weights = -(-need // weights[0]), []
        else:
            divisor = reduce(gcd, weights, need)
            need, weights = need // divisor, [weight // divisor for weight in weights]
        gate = Threshold(need, tuple(var for var, _ in pairs), tuple(weights))
        known = self._known.get(gate)
        if known is None:
            known = self._known[gate] = self._first_gate + len(self._gates)
            self._gates.append(gate)
        return known
