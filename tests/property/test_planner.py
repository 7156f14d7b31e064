"""What must hold for the plan of any situation at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.decision import Verdict
from bsm_remediate.domain.evaluation import Evaluation, Evaluator
from bsm_remediate.domain.formula import Gate
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.policy import Evidence, GuardLimits, Mode
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.run import RunState
from bsm_remediate.domain.service_map import Component, Service
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
