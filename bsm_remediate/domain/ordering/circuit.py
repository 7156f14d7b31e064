"""The circuit: an outage reduced to what the order of repairs can change.

Every formula is monotone, so "not down" and "ok" of each node are true from some second on, and a formula is a gate:
true once children of enough weight are (`all`: the last, `any`: the first, `at_least`: the k-th). What is true already,
what no job can mend, and gates with one child left drop out; equal gates are one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import gcd
from typing import NamedTuple

from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.loss_curve import LossCurve
from bsm_remediate.domain.ordering.job import RepairJob, Worth
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.state import Level

Var = int
ALWAYS: Var = -1
NEVER_TRUE: Var = -2
_ROUNDS_OF_A_CYCLE = 64
"""How often a cycle is unrolled at most: exact for as many members in a row, each of which waits for the next."""


class Threshold(NamedTuple):
    """True once children that weigh `need` together are."""

    need: int
    children: tuple[Var, ...]
    weights: tuple[int, ...]

    @property
    def is_all(self) -> bool:
        return self.need == sum(self.weights)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Circuit:
    """Variables are numbered: first the jobs, then the runs under way, then the gates, children before parents."""

    jobs: tuple[RepairJob, ...]
    """Variable i is true when job i ends."""
    under_way: tuple[float, ...]
    """Seconds until each run under way has mended its component."""
    gates: tuple[Threshold, ...]
    valued: tuple[tuple[Var, LossCurve], ...]
    """What is lost until that variable is true."""
    not_down: Mapping[NodeId, Var]
    """Failing service → the variable that it is no longer down (`ALWAYS` when it isn't, `NEVER_TRUE` if nothing helps).
    """
    ok: Mapping[NodeId, Var]

    @property
    def first_gate(self) -> Var:
        return len(self.jobs) + len(self.under_way)


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
    builder = _Builder(rollup, own, jobs, under_way)
    builder.settle()
    not_down = {node: builder.var(node, 2) for node in worth}
    ok = {node: builder.var(node, 1) for node in worth}
    values: dict[Var, LossCurve] = {}
    for node, one in worth.items():
        for var, curve in ((not_down[node], one.down), (ok[node], one.degraded)):
            if var >= 0 and not curve.is_nothing:
                values[var] = values[var].plus(curve) if var in values else curve
    return builder.circuit(values, not_down, ok)


class _Builder:
    """Gates by what they say, so that equal ones are one."""

    def __init__(
        self, rollup: RollUp, own: Mapping[NodeId, Level], jobs: Sequence[RepairJob], under_way: Mapping[NodeId, float]
    ) -> None:
        self._compact = rollup.compact
        self._jobs = tuple(jobs)
        self._ends = tuple(under_way[node] for node in sorted(under_way))
        self._first_gate = len(jobs) + len(self._ends)
        self._gates: list[Threshold] = []
        self._known: dict[Threshold, Var] = {}
        menders: dict[NodeId, list[Var]] = {}
        for number, job in enumerate(jobs):
            for node in job.fixes:
                menders.setdefault(node, []).append(number)
        for number, node in enumerate(sorted(under_way), start=len(jobs)):
            menders[node] = [number]  # it is being mended: no other run comes in between
        number_of = self._compact.number_of
        self._menders = {number_of[node]: found for node, found in menders.items() if node in number_of}
        live = rollup.live()
        live.follow(own)
        self._own, self._level = live.own.tobytes(), live.level.tobytes()
        self._starts = self._compact.children.quick[0]
        self._failing: list[int] = live.level.nonzero()[0].tolist()
        self._vars: tuple[dict[int, Var], dict[int, Var]] = ({}, {})
        """By limit (1: ok, 2: not down) less one: vertex → variable."""

    def var(self, node: NodeId, limit: Level) -> Var:
        """When `node` is below level `limit`."""
        return self._vars[limit - 1].get(self._compact.number_of[node], ALWAYS)

    def settle(self) -> None:
        """The variables of all vertices that fail; their numbers rise from requirements to dependants."""
        failing = self._failing
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
        gate = self._gates[var - self._first_gate]
        return gate.children if gate.is_all else (var,)

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
        capped = [min(weight, need) for _, weight in pairs]
        if capped.count(capped[0]) == len(capped):  # all alike: count them
            need, capped = -(-need // capped[0]), [1] * len(capped)
        else:
            divisor = reduce(gcd, capped, need)
            need, capped = need // divisor, [weight // divisor for weight in capped]
        gate = Threshold(need, tuple(var for var, _ in pairs), tuple(capped))
        known = self._known.get(gate)
        if known is None:
            known = self._known[gate] = self._first_gate + len(self._gates)
            self._gates.append(gate)
        return known

    # --- the result ------------------------------------------------------------------------------------------------

    def circuit(
        self, values: Mapping[Var, LossCurve], not_down: Mapping[NodeId, Var], ok: Mapping[NodeId, Var]
    ) -> Circuit:
        """Only the gates below a service, numbered anew."""
        wanted = {var for var in (*not_down.values(), *ok.values()) if var >= self._first_gate}
        for var in range(self._first_gate + len(self._gates) - 1, self._first_gate - 1, -1):
            if var in wanted:
                wanted.update(self._gates[var - self._first_gate].children)
        kept = sorted(var for var in wanted if var >= self._first_gate)
        new = {var: number for number, var in enumerate(kept, start=self._first_gate)}
        gates = [self._gates[var - self._first_gate] for var in kept]
        return Circuit(
            jobs=self._jobs,
            under_way=self._ends,
            gates=tuple(
                Threshold(gate.need, tuple(new.get(child, child) for child in gate.children), gate.weights)
                for gate in gates
            ),
            valued=tuple(sorted(((new.get(var, var), curve) for var, curve in values.items()), key=lambda one: one[0])),
            not_down={node: new.get(var, var) for node, var in not_down.items()},
            ok={node: new.get(var, var) for node, var in ok.items()},
        )
