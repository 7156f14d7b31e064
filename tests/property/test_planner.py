"""The plan against all orders there are, and what must hold for any situation at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from math import isclose

from hypothesis import given, settings
from hypothesis import strategies as st

from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.decision import Verdict
from bsm_remediate.domain.evaluation import Evaluation, Evaluator
from bsm_remediate.domain.formula import Gate
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.planner import RepairJob, Worth, finite_loss, lower_bound, order, schedule
from bsm_remediate.domain.policy import Evidence, GuardLimits, Mode
from bsm_remediate.domain.restoration import NEVER, Restoration
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.run import RunState
from bsm_remediate.domain.service_map import Component, Service, ServiceMap
from bsm_remediate.domain.state import AT_BEST, Level, State
from bsm_remediate.testing.builders import (
    alert,
    alternative,
    at_least_of,
    bundle,
    component,
    either,
    every,
    policy,
    run,
    service,
    service_map,
    situation,
)

MODERATELY = settings(max_examples=80, deadline=None)


@st.composite
def gates(draw: st.DrawFn, ids: Sequence[str]) -> Gate:
    children = draw(st.lists(st.sampled_from(ids), min_size=1, max_size=3, unique=True))
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return either(*children)
    if kind == 1:
        return at_least_of(draw(st.integers(1, len(children))), *children, comfortable=len(children))
    if kind == 2:
        return every(either(*children), children[0])
    return every(*children)


@st.composite
def maps(draw: st.DrawFn, most: int = 5) -> list[Component | Service]:
    number = draw(st.integers(1, most))
    components = [f"c{one}" for one in range(number)]
    nodes: list[Component | Service] = []
    for place, name in enumerate(components):
        acyclic = draw(st.integers(0, 3)) > 0
        others = components[:place] if acyclic else [one for one in components if one != name]
        requires = draw(gates(others)) if others and place % 2 else None
        shared = draw(st.integers(0, 3)) == 0
        nodes.append(component(name, requires=requires, host="shared" if shared else name))
    nodes.extend(
        service(
            f"s{one}",
            requires=draw(gates([*components, *(f"s{earlier}" for earlier in range(one))])),
            loss=draw(st.sampled_from([1.0, 10.0, 60.0])),
            degraded=draw(st.sampled_from([0.0, 0.5, 1.0])),
        )
        for one in range(draw(st.integers(1, 3)))
    )
    return nodes


# --- the order -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outage:
    """What fails, what may be done about it, and with how many executors."""

    map: ServiceMap
    own: dict[NodeId, Level]
    jobs: list[RepairJob]
    executors: int

    @property
    def worth(self) -> dict[NodeId, Worth]:
        now = RollUp(self.map).levels(self.own)
        found = {}
        for one in self.map.services.values():
            level = now.get(one.id, 0)
            if level:
                full = one.loss_per_minute.default
                mild = full * one.degraded
                found[one.id] = Worth(down=full - mild if level == 2 else 0.0, degraded=mild)
        return found

    def loss(self, jobs: Sequence[RepairJob]) -> float:
        """Slow and obvious: the loss rate between any two repairs that end, by a roll-up of its own each time."""
        slots = schedule(jobs, executors=dict.fromkeys(range(self.executors), 0.0), locked={})
        rollup, worth = RollUp(self.map), self.worth
        moments = sorted({0.0, *(slot.end_s for slot in slots.values())})
        states = []
        for moment in moments:
            done = {node for job in jobs if slots[job.id].end_s <= moment for node in job.fixes}
            states.append(rollup.levels({node: level for node, level in self.own.items() if node not in done}))
        lost = 0.0
        for node, one in worth.items():
            if states[-1].get(node, 0):
                continue  # never restored: that is a rate, no sum
            for begin, end, levels in zip(moments, moments[1:], states, strict=False):
                level = levels.get(node, 0)
                rate = (one.down if level == 2 else 0.0) + (one.degraded if level else 0.0)
                lost += rate * (end - begin) / 60
        return lost


@st.composite
def outages(draw: st.DrawFn) -> Outage:
    nodes = draw(maps())
    map_ = service_map(*nodes)
    own = draw(st.dictionaries(st.sampled_from(sorted(map_.components)), st.integers(1, 2), min_size=1))
    jobs = [
        RepairJob(
            id=number,
            fixes=frozenset({node}),
            work_s=float(draw(st.integers(1, 100))),
            locks=frozenset({f"host:{map_.components[node].host}"}),
        )
        for number, node in enumerate(sorted(own))
        if draw(st.integers(0, 5))
    ]
    return Outage(map=map_, own=own, jobs=jobs, executors=draw(st.integers(1, 3)))


@MODERATELY
@given(outages())
def test_the_best_order_there_is_lies_between_the_bound_and_the_plan(outage: Outage) -> None:
    rollup = RollUp(outage.map)
    ordered = [one.job for one in order(rollup, outage.jobs, outage.own, outage.worth)]
    assert sorted(job.id for job in ordered) == [job.id for job in outage.jobs], "each exactly once"
    made = outage.loss(ordered)
    best = min(outage.loss(one) for one in permutations(outage.jobs))
    bound = lower_bound(outage.jobs, Restoration(rollup, outage.own), outage.worth)
    assert bound <= best + 1e-9
    assert best <= made + 1e-9


@MODERATELY
@given(outages())
def test_times_of_restoration_are_those_of_rolling_up_after_every_repair(outage: Outage) -> None:
    slots = schedule(outage.jobs, executors=dict.fromkeys(range(outage.executors), 0.0), locked={})
    repaired = {node: slots[job.id].end_s for job in outage.jobs for node in job.fixes}
    restoration = Restoration(RollUp(outage.map), outage.own)
    assert isclose(finite_loss(outage.worth, restoration.times(repaired)), outage.loss(outage.jobs), abs_tol=1e-6)
    final = RollUp(outage.map).levels({node: level for node, level in outage.own.items() if node not in repaired})
    for node, times in restoration.times(repaired).items():
        assert (times.not_down == NEVER) is (final.get(node, 0) == 2)
        assert (times.ok == NEVER) is (final.get(node, 0) > 0)


@MODERATELY
@given(outages())
def test_no_lock_and_no_executor_is_used_twice_at_a_time(outage: Outage) -> None:
    slots = schedule(outage.jobs, executors=dict.fromkeys(range(outage.executors), 0.0), locked={})
    for one in outage.jobs:
        for other in outage.jobs:
            first, second = slots[one.id], slots[other.id]
            overlap = first.start_s < second.end_s and second.start_s < first.end_s
            if one.id != other.id and overlap:
                assert first.executor != second.executor
                assert not one.locks & other.locks


def test_the_greedy_takes_what_stops_most_per_minute_of_work_first() -> None:
    nodes = [component(f"c{one}") for one in range(3)]
    map_ = service_map(
        *nodes,
        service("slow-and-dear", requires=["c0"], loss=100),
        service("quick", requires=["c1"], loss=50),
        service("cheap", requires=["c2"], loss=1),
    )
    jobs = [
        RepairJob(id=number, fixes=frozenset({NodeId(f"c{number}")}), work_s=work, locks=frozenset())
        for number, work in enumerate([600.0, 60.0, 60.0])
    ]
    outage = Outage(map=map_, own={NodeId(f"c{one}"): 2 for one in range(3)}, jobs=jobs, executors=1)
    assert [one.job.id for one in order(RollUp(map_), jobs, outage.own, outage.worth)] == [1, 0, 2]


def test_a_cycle_is_restored_only_with_all_its_members() -> None:
    map_ = service_map(
        component("a", requires=["b"]),
        component("b", requires=["a"]),
        component("c"),
        service("ring", requires=["a"], loss=100),
        service("other", requires=["c"], loss=60),
    )
    own: dict[NodeId, Level] = {NodeId(one): 2 for one in "abc"}
    jobs = [
        RepairJob(id=number, fixes=frozenset({NodeId(one)}), work_s=60, locks=frozenset())
        for number, one in enumerate("abc")
    ]
    outage = Outage(map=map_, own=own, jobs=jobs, executors=1)
    ordered = order(RollUp(map_), jobs, own, outage.worth)
    assert [one.service for one in ordered] == ["other", "ring", "ring"], "100 for two minutes is less than 60 for one"


# --- the whole evaluation --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Day:
    bundle: Bundle
    alerts: list[Alert]
    stated: dict[str, State]
    executors: int


@st.composite
def days(draw: st.DrawFn, *, calm: bool = False) -> Day:
    """On a calm day all acts by itself, and nothing is down yet: there is much that a run could take down."""
    nodes = draw(maps())
    names = [str(one.id) for one in nodes if isinstance(one, Component)]
    modes = [Mode.AUTO] if calm else [Mode.AUTO, Mode.AUTO, Mode.APPROVE, Mode.SHADOW]
    parts = [
        policy(
            name,
            match={"alertname": name},
            do=[alternative(seconds=draw(st.integers(1, 100)), success=0.5), alternative("rebuild.yml", seconds=200)],
            evidence=Evidence.DIRECT if calm else draw(st.sampled_from(list(Evidence))),
            mode=draw(st.sampled_from(modes)),
            guard=GuardLimits(max_runs_per_component=None),
        )
        for name in ("Down", "Slow")
    ]
    severities = st.just("warning") if calm else st.sampled_from(["critical", "warning"])
    places = st.sampled_from(names if calm else [*names, "elsewhere", "s0"])
    drawn = draw(st.lists(st.tuples(st.sampled_from(["Down", "Slow"]), severities, places), max_size=6))
    alerts = [alert(name, instance=place, severity=severity) for name, severity, place in drawn]
    states = st.dictionaries(st.sampled_from(names), st.sampled_from(list(State)), max_size=3)
    return Day(
        bundle=bundle(*nodes, *parts),
        alerts=list({one.key: one for one in alerts}.values()),
        stated={} if calm else draw(states),
        executors=draw(st.integers(1, 3)),
    )


def seen(day: Day, alerts: Sequence[Alert] | None = None) -> Evaluation:
    what = situation(*(day.alerts if alerts is None else alerts), stated=day.stated, executors=day.executors)
    return Evaluator(day.bundle).evaluate(what)


@MODERATELY
@given(days())
def test_every_situation_has_a_plan_whose_loss_is_not_below_its_bound(day: Day) -> None:
    plan = seen(day).plan
    assert plan.lower_bound <= plan.expected_loss + 1e-9
    assert plan.unrestored_loss_per_minute >= 0
    assert [step.order for step in plan.steps] == list(range(1, len(plan.steps) + 1))
    assert [step.start_s for step in plan.steps] == sorted(step.start_s for step in plan.steps)
    assert all(step.executor < day.executors for step in plan.steps)


@MODERATELY
@given(days())
def test_the_order_of_alerts_and_their_repetition_play_no_part(day: Day) -> None:
    evaluator = Evaluator(day.bundle)
    first = seen(day)
    turned = list(reversed(day.alerts))
    for alerts in (turned, day.alerts, turned):
        what = situation(*alerts, stated=day.stated, executors=day.executors)
        again = evaluator.evaluate(what)
        assert again.impact == first.impact
        assert again.plan.steps == first.plan.steps
        assert again.plan.expected_loss == first.plan.expected_loss
        assert sorted(map(repr, again.decisions)) == sorted(map(repr, first.decisions))


@MODERATELY
@given(days())
def test_each_alert_is_accounted_for(day: Day) -> None:
    found = seen(day)
    decided = {key for one in found.decisions for key in one.alerts}
    reported = {one.key for one in day.alerts if one.labels["instance"] == "s0"}
    assert decided | reported == {one.key for one in day.alerts}


@settings(max_examples=200, deadline=None)
@given(st.booleans().flatmap(lambda calm: days(calm=calm)))
def test_run_after_run_no_service_that_is_up_is_taken_down(day: Day) -> None:
    """As the engine does it: one start at a time, each decided while the runs before it are under way."""
    evaluator = Evaluator(day.bundle)
    what = situation(*day.alerts, stated=day.stated, executors=day.executors)
    rollup = RollUp(day.bundle.service_map)

    def down(own: Mapping[NodeId, Level], busy: Iterable[NodeId]) -> set[NodeId]:
        levels = rollup.levels({**own, **dict.fromkeys(busy, 2)})
        return {node for node, level in levels.items() if level == 2 and node in day.bundle.service_map.services}

    for _ in day.bundle.service_map.components:
        found = evaluator.evaluate(what)
        step = next((one for one in found.plan.steps if one.decision.verdict is Verdict.RUN), None)
        if step is None or step.decision.component is None or step.decision.policy is None:
            return
        node = step.decision.component
        own = {one: AT_BEST[state] for one, state in found.impact.own.items()}
        busy = {one.component for one in what.runs}
        assert down(own, {node}) == down(own, ())
        assert down(own, busy | {node}) == down(own, busy)
        started = run(node, step.decision.policy, RunState.RUNNING, host=step.host, locks=step.locks)
        what = replace(what, runs=(*what.runs, started))
