"""The order of restoration against all orders there are, judged by rolling up after every repair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, repeat
from math import isclose

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bsm_remediate.domain.formula import Gate
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.loss_curve import LossCurve
from bsm_remediate.domain.ordering.bound import lower_bound
from bsm_remediate.domain.ordering.circuit import Circuit
from bsm_remediate.domain.ordering.course import Courses
from bsm_remediate.domain.ordering.job import Crew, RepairJob, Slot, Worth
from bsm_remediate.domain.ordering.order import Ordering
from bsm_remediate.domain.ordering.planner import best_order, proven_order
from bsm_remediate.domain.ordering.reduction import SmallOutage, reduced
from bsm_remediate.domain.ordering.search import improved
from bsm_remediate.domain.ordering.together import Together
from bsm_remediate.domain.ordering.ways import ways_of
from bsm_remediate.domain.ordering.wide import WideOutage, compiled, keep, reduce
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.service_map import Component, Service, ServiceMap
from bsm_remediate.domain.state import Level
from bsm_remediate.testing.builders import at_least_of, child, component, either, every, service, service_map

MODERATELY = settings(max_examples=150, deadline=None)
CURVES = (
    LossCurve(1.0),
    LossCurve(10.0),
    LossCurve(0.5, (0.0, 60.0, 120.0), (0.0, 0.0, 600.0)),  # free for a minute, then dear, then cheap
    LossCurve(0.0, (0.0, 30.0, 30.0), (0.0, 0.0, 500.0)),  # 500 at once after half a minute
)


@st.composite
def gates(draw: st.DrawFn, ids: Sequence[str]) -> Gate:
    children = draw(st.lists(st.sampled_from(ids), min_size=1, max_size=4, unique=True))
    kind = draw(st.integers(0, 4))
    if kind == 4:
        weighed = [child(one, weight=draw(st.integers(1, 3))) for one in children]
        return at_least_of(f"{draw(st.integers(1, 100))}%", *weighed)
    if kind == 0:
        return either(*children)
    if kind == 1:
        return at_least_of(draw(st.integers(1, len(children))), *children, comfortable=len(children))
    if kind == 2:
        return every(either(*children), children[0])
    return every(*children)


@dataclass(frozen=True)
class Outage:
    """What fails, what may be done about it, what it costs, and who works on it."""

    map: ServiceMap
    own: dict[NodeId, Level]
    jobs: list[RepairJob]
    under_way: dict[NodeId, float]
    curves: dict[NodeId, LossCurve]
    crew: Crew

    @property
    def worth(self) -> dict[NodeId, Worth]:
        now = RollUp(self.map).levels(self.own)
        found = {}
        for node, curve in self.curves.items():
            level = now.get(node, 0)
            if level:
                found[node] = Worth(full=curve, degraded=self.map.services[node].degraded, is_down=level == 2)
        return found

    @property
    def circuit(self) -> Circuit:
        return reduced(RollUp(self.map), own=self.own, jobs=self.jobs, under_way=self.under_way, worth=self.worth)

    def loss(self, slots: Mapping[int, Slot]) -> float:
        """Slow and obvious: rolled up after every repair; what never comes back is a rate, no sum."""
        ends: dict[NodeId, float] = {}
        for job in self.jobs:
            for node in job.fixes - self.under_way.keys():
                ends[node] = min(ends.get(node, slots[job.id].end_s), slots[job.id].end_s)
        ends |= self.under_way
        moments = sorted({0.0, *ends.values()})
        rollup = RollUp(self.map)
        states = [
            rollup.levels({node: level for node, level in self.own.items() if ends.get(node, 1e9) > moment})
            for moment in moments
        ]
        lost = 0.0
        for node, one in self.worth.items():
            for limit, curve in zip((2, 1), one.parts, strict=True):
                back = next((at for at, state in zip(moments, states, strict=True) if state.get(node, 0) < limit), None)
                lost += curve.until(back) if back else 0.0
        return lost


@st.composite
def outages(draw: st.DrawFn) -> Outage:
    number = draw(st.integers(1, 6))
    names = [f"c{one}" for one in range(number)]
    nodes: list[Component | Service] = []
    for place, name in enumerate(names):
        others = names[:place] if draw(st.integers(0, 3)) else [one for one in names if one != name]
        requires = draw(gates(others)) if others and place % 2 else None
        nodes.append(component(name, requires=requires))
    services = [f"s{one}" for one in range(draw(st.integers(1, 3)))]
    nodes += [
        service(
            name, requires=draw(gates([*names, *services[:place]])), degraded=draw(st.sampled_from([0.0, 0.5, 1.0]))
        )
        for place, name in enumerate(services)
    ]
    map_ = service_map(*nodes)
    own = draw(st.dictionaries(st.sampled_from(sorted(map_.components)), st.integers(1, 2), min_size=1))
    jobs = [
        RepairJob(
            id=100 + place,
            fixes=frozenset({node, draw(st.sampled_from(sorted(own)))} if draw(st.integers(0, 4)) == 0 else {node}),
            work_s=float(draw(st.integers(1, 100))),
            duration_s=1.0,
            locks=frozenset({draw(st.sampled_from(["host:a", "host:b", f"host:{node}"]))}),
        )
        for place, node in enumerate(sorted(own))
        if draw(st.integers(0, 5))
    ]
    free = [node for node in sorted(own) if draw(st.integers(0, 9)) == 0]
    return Outage(
        map=map_,
        own=own,
        jobs=jobs,
        under_way={node: float(draw(st.integers(1, 50))) for node in free},
        curves={node: draw(st.sampled_from(CURVES)) for node in map_.services},
        crew=Crew(
            executors={one: float(draw(st.sampled_from([0, 0, 20]))) for one in range(draw(st.integers(1, 3)))},
            locked=draw(st.dictionaries(st.just("host:a"), st.just(15.0))),
        ),
    )


@MODERATELY
@given(outages())
def test_wide_outages_have_the_same_gates_in_the_same_order(outage: Outage) -> None:
    """As plain Python and as machine code."""
    rollup = RollUp(outage.map)
    compact, live = rollup.compact, rollup.at(outage.own)
    assume(not compact.circle_end[compact.circle_of[live.level.nonzero()[0]]].any())
    menders = {
        compact.number_of[node]: [number for number, job in enumerate(outage.jobs) if node in job.fixes]
        for node in {node for job in outage.jobs for node in job.fixes}
    }
    first_gate = len(outage.jobs)
    slow = SmallOutage(compact, live, menders, first_gate)
    loops = compiled()
    assert loops is not None, "numba is there wherever the tests run"
    vertices = np.arange(len(compact))
    for one in ((reduce, keep), loops):
        fast = WideOutage(compact, live, menders, first_gate, one)
        wanted = np.concatenate([fast.variables(vertices, limit) for limit in (1, 2)])
        assert wanted.tolist() == [var for limit in (1, 2) for var in slow.variables(vertices, limit).tolist()]
        assert fast.below(wanted)[0] == slow.below(wanted)[0]
        assert fast.below(wanted)[1].tolist() == slow.below(wanted)[1].tolist()
        few = fast.variables(vertices[-2:], 1)  # what isn't below them is left out
        assert fast.below(few)[0] == slow.below(few)[0]


@MODERATELY
@given(outages(), st.randoms(use_true_random=False))
def test_what_an_order_loses_is_what_rolling_up_after_every_repair_says(outage: Outage, chance: object) -> None:
    courses = Courses(outage.circuit, outage.crew)
    order = list(range(len(outage.jobs)))
    chance.shuffle(order)  # type: ignore[attr-defined]
    assert isclose(courses.loss(order), outage.loss(courses.slots(order)), abs_tol=1e-6)


@MODERATELY
@given(outages())
def test_the_best_order_there_is_lies_between_the_bound_and_the_plan(outage: Outage) -> None:
    circuit = outage.circuit
    courses = Courses(circuit, outage.crew)
    least = min(outage.loss(courses.slots(order)) for order in permutations(range(len(outage.jobs))))
    found = best_order(circuit, outage.crew)
    assert sorted(found.order) == list(range(len(outage.jobs))), "each exactly once"
    assert lower_bound(Courses(circuit, outage.crew), outage.crew) <= least + 1e-6
    assert found.lower_bound <= found.loss + 1e-9
    assert isclose(found.loss, courses.loss(found.order), abs_tol=1e-6)
    assert found.loss >= least - 1e-6
    if found.is_proven:
        assert found.loss <= least + 1e-6 or any(not job.locks for job in outage.jobs)


@MODERATELY
@given(outages())
def test_the_exact_mode_finds_the_best_order_there_is(outage: Outage) -> None:
    circuit, crew = outage.circuit, outage.crew
    courses = Courses(circuit, crew)
    least = min(courses.loss(order) for order in permutations(range(len(outage.jobs))))
    worst = tuple(range(len(outage.jobs)))
    to_beat = Ordering(order=worst, loss=courses.loss(worst), lower_bound=0.0, is_proven=False)
    found = proven_order(circuit, crew, to_beat, looks=10_000)
    assert isclose(found.loss, least, abs_tol=1e-6)
    assert found.is_proven or not circuit.valued
    few = proven_order(circuit, crew, to_beat, looks=1)
    assert few.lower_bound <= least + 1e-6
    assert few.loss >= least - 1e-6
    ways = ways_of(circuit)
    assert ways is not None
    both = [Together(circuit, crew, one).improved(to_beat, 10_000).loss for one in (ways, None)]
    assert all(isclose(one, least, abs_tol=1e-6) for one in both)


@MODERATELY
@given(outages())
def test_ways_are_the_smallest_sets_of_jobs_that_suffice(outage: Outage) -> None:
    circuit = outage.circuit
    ways = ways_of(circuit)
    assert ways is not None
    for (var, _), found in zip(circuit.valued, ways, strict=True):
        enough = [done for done in range(1 << len(circuit.jobs)) if _is_true(circuit, var, done)]
        assert found == [one for one in enough if not any(other != one and other & one == other for other in enough)]


def _is_true(circuit: Circuit, var: int, done: int) -> bool:
    """Slow and obvious: whether `var` is, once the jobs in `done` and all that is under way have ended."""
    if var < circuit.first_gate:
        return var >= len(circuit.jobs) or bool(done >> var & 1)
    gate = circuit.gates[var - circuit.first_gate]
    weighed = zip(gate.children, gate.weights or repeat(1), strict=bool(gate.weights))
    return sum(weight for one, weight in weighed if _is_true(circuit, one, done)) >= gate.need


@MODERATELY
@given(outages(), st.randoms(use_true_random=False))
def test_the_announced_order_gives_way_only_to_one_that_is_clearly_better(outage: Outage, chance: object) -> None:
    circuit, crew = outage.circuit, outage.crew
    courses = Courses(circuit, crew)
    standing = list(range(len(outage.jobs)))
    chance.shuffle(standing)  # type: ignore[attr-defined]
    found = best_order(circuit, crew, standing=standing)
    free = best_order(circuit, crew)
    assert sorted(found.order) == sorted(standing)
    assert found.loss <= free.loss * 1.01 + 1e-6
    if courses.loss(standing) <= free.loss * 1.0099:
        assert list(found.order) == standing


@MODERATELY
@given(outages())
def test_no_lock_and_no_executor_is_used_twice_at_a_time(outage: Outage) -> None:
    slots = Courses(outage.circuit, outage.crew).slots(range(len(outage.jobs)))
    for one in outage.jobs:
        first = slots[one.id]
        assert first.start_s >= max([outage.crew.locked.get(lock, 0.0) for lock in one.locks])
        assert first.start_s >= outage.crew.executors[first.executor]
        for other in outage.jobs:
            second = slots[other.id]
            overlap = first.start_s < second.end_s and second.start_s < first.end_s
            if one is not other and overlap:
                assert not one.locks & other.locks
                assert first.executor != second.executor


@MODERATELY
@given(outages())
def test_the_search_never_loses_what_it_began_with_and_repeats_itself(outage: Outage) -> None:
    courses = Courses(outage.circuit, outage.crew)
    order = list(range(len(outage.jobs)))
    found, loss = improved(courses, order, looks=40, seed=1)
    assert sorted(found) == order
    assert loss <= courses.loss(order)
    assert (found, loss) == improved(courses, order, looks=40, seed=1)
