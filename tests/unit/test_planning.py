"""The plan itself: what it says about times, losses and services, in small worlds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import time, timedelta
from zoneinfo import ZoneInfo

import pytest

from bsm_remediate.domain.calendar import Calendar, WeeklyHours
from bsm_remediate.domain.evaluation import Evaluator
from bsm_remediate.domain.formula import Gate
from bsm_remediate.domain.ids import NodeId, PolicyId
from bsm_remediate.domain.plan import Plan
from bsm_remediate.domain.policy import Evidence, Mode, Policy, Scope
from bsm_remediate.domain.run import RunState
from bsm_remediate.domain.service_map import Component, Service
from bsm_remediate.domain.situation import Situation
from bsm_remediate.domain.state import State
from bsm_remediate.testing.builders import (
    NINE,
    alert,
    alternative,
    at_least_of,
    bundle,
    child,
    component,
    either,
    every,
    policy,
    run,
    service,
    situation,
)

RESTART = policy("restart", match={"alertname": "Down"}, evidence=Evidence.DIRECT)


def plan(what: Situation, *parts: Component | Service, by: Policy = RESTART) -> Plan:
    return Evaluator(bundle(*parts, by)).evaluate(what).plan


def order(made: Plan) -> list[str]:
    return [str(step.decision.component) for step in made.steps]


def test_the_dearer_of_two_alike_is_restored_first_and_every_second_counts() -> None:
    what = situation(alert("Down", instance="a"), alert("Down", instance="b"), executors=1)
    made = plan(
        what, component("a"), component("b"), service("x", requires=["a"]), service("y", requires=["b"], loss=600)
    )
    assert order(made) == ["b", "a"]
    assert [step.start_s for step in made.steps] == [0, 20]
    assert [step.restores for step in made.steps] == [("y",), ("x",)]
    assert made.expected_loss == 600 * 20 / 60 + 60 * 40 / 60
    assert made.lower_bound == made.expected_loss
    assert made.is_proven
    assert made.steps[0].loss_stopped_per_minute_of_work == pytest.approx(600 / (20 / 60))
    assert made.steps[0].before_next == (
        "1800.00 EUR per minute of work against 180.00; the other way round loses 180.00 more"
    )
    assert made.steps[0].flips == "the next comes first once this takes over 200 s of work or stops under 60.00 EUR/min"
    assert made.unrestored_loss_per_minute == 0


def test_repairs_that_end_in_the_same_second_restore_each_their_own() -> None:
    """And what stops the most is told, and begun, first, though with an executor for each no order loses more."""
    what = situation(alert("Down", instance="a"), alert("Down", instance="b"), executors=2)
    made = plan(
        what, component("a"), component("b"), service("x", requires=["a"]), service("y", requires=["b"], loss=600)
    )
    assert order(made) == ["b", "a"]
    assert [step.start_s for step in made.steps] == [0, 0]
    assert [step.restores for step in made.steps] == [("y",), ("x",)]
    assert [step.reason for step in made.steps] == [
        "stops 600.00 EUR/min, the most per minute of work (y needs 20 s of work)",
        "stops 60.00 EUR/min, 180.00 per minute of work (x needs 20 s of work)",
    ]
    assert not made.steps[0].flips


def test_of_two_that_a_service_needs_the_one_that_ends_last_restores_it() -> None:
    for executors in (1, 2):
        what = situation(alert("Down", instance="a"), alert("Down", instance="b"), executors=executors)
        made = plan(what, component("a"), component("b"), service("x", requires=["a", "b"]))
        assert [step.restores for step in made.steps] == [(), ("x",)]


def test_a_repair_that_ends_after_the_shop_opens_is_judged_at_the_price_of_its_opening_hours() -> None:
    def first(opens: time) -> list[str]:
        hours = WeeklyHours(weekdays=frozenset(range(7)), since=opens, until=time(23), timezone=ZoneInfo("UTC"))
        shop = bundle(
            *(component("a"), component("b")),
            service("always", requires=["a"], loss=60),
            service("shop", requires=["b"], loss=0, by_calendar={"open": 600}),
            policy("slow", match={"alertname": "Down"}, evidence=Evidence.DIRECT, do=[alternative(seconds=900)]),
            calendars=[Calendar(name="open", times=(hours,))],
        )
        what = situation(alert("Down", instance="a"), alert("Down", instance="b"), executors=1)
        made = Evaluator(shop).evaluate(what).plan
        if opens == time(9, 10):  # 10 minutes after NINE: the shop is back after 15, what always counts after 30
            assert made.expected_money == pytest.approx(5 * 600 + 30 * 60)
        return order(made)

    assert first(time(9, 10)) == ["b", "a"]
    assert first(time(9, 40)) == ["a", "b"]


def test_a_repair_that_can_end_within_the_grace_of_an_outage_is_pulled_forward() -> None:
    parts: list[Component | Service] = [component("a"), component("b"), service("x", requires=["a"], loss=100)]
    shop = service("y", requires=["b"], loss=60)
    graced = replace(shop, grace=timedelta(seconds=70), per_outage=5000.0)
    early = [alert("Down", instance=one, since=NINE - timedelta(seconds=40)) for one in "ab"]
    made = plan(situation(*early, executors=1), *parts, graced)
    assert order(made) == ["b", "a"]
    assert made.expected_money == pytest.approx(40 * 100 / 60)
    late = [alert("Down", instance=one, since=NINE - timedelta(seconds=80)) for one in "ab"]
    assert order(plan(situation(*late, executors=1), *parts, graced)) == ["a", "b"]


def test_the_announced_order_stands_unless_another_saves_more_than_a_hundredth() -> None:
    def planned(loss: float) -> Plan:
        return plan(
            situation(alert("Down", instance="a"), alert("Down", instance="b"), executors=1, standing_order=announced),
            *(component("a"), component("b"), service("x", requires=["a"]), service("y", requires=["b"], loss=loss)),
        )

    announced = tuple((NodeId(one), PolicyId("restart"), "restart.yml") for one in "ab")
    little, much = planned(61), planned(90)
    assert order(little) == ["a", "b"]
    assert little.kept == ("the order stands as it was announced: another would save 0.33 of 60.67, less than 1%")
    assert "the most per minute of work" not in little.steps[0].reason
    assert order(much) == ["b", "a"]
    assert not much.kept


def test_a_new_failure_finds_its_place_in_the_announced_order() -> None:
    names = "abcdefg"
    alerts = [alert("Down", instance=one) for one in names]
    parts = [component(one) for one in names]
    sold = [service(f"s{one}", requires=[one], loss=600 if one == "d" else 60) for one in names]
    announced = tuple((NodeId(one), PolicyId("restart"), "restart.yml") for one in "gfecba")
    made = plan(situation(*alerts, executors=1, standing_order=announced), *parts, *sold)
    assert "".join(order(made)) == "dgfecba"


def test_the_goal_decides_the_order_and_money_stays_money() -> None:
    shop = bundle(
        component("a"),
        component("b"),
        service("x", requires=["a"], function="production"),
        service("y", requires=["b"], loss=100, function="office"),
        RESTART,
        goals={"production-first": {"production": 5}},
    )
    alerts = alert("Down", instance="a"), alert("Down", instance="b")
    made = Evaluator(shop).evaluate(situation(*alerts, executors=1, goal="production-first")).plan
    assert order(made) == ["a", "b"]
    assert made.expected_loss == pytest.approx((300 * 20 + 100 * 40) / 60)
    assert made.expected_money == pytest.approx((60 * 20 + 100 * 40) / 60)
    assert "weighted by goal production-first" in made.steps[0].reason


def test_of_redundant_members_the_quicker_one_is_repaired_first() -> None:
    slow = policy("slow", match={"alertname": "Gone"}, evidence=Evidence.DIRECT, do=[alternative(seconds=300)])
    shop = bundle(component("a"), component("b"), service("s", requires=either("a", "b")), RESTART, slow)
    what = situation(alert("Gone", instance="a"), alert("Down", instance="b"), executors=1)
    made = Evaluator(shop).evaluate(what).plan
    assert order(made) == ["b", "a"]
    assert made.expected_loss == 20
    assert made.steps[1].reason.startswith("stops no loss by itself")


def test_a_degraded_service_costs_its_share_until_it_is_ok() -> None:
    parts = (component("a"), component("b"), service("s", requires=at_least_of(1, "a", "b", comfortable=2)))
    what = situation(alert("Down", instance="a"), alert("Down", instance="b"), executors=1)
    assert plan(what, *parts).expected_loss == 60 * 20 / 60 + 30 * 20 / 60


def test_a_doubtful_repair_counts_as_long_as_it_takes_until_one_succeeds() -> None:
    doubtful = policy(
        "restart",
        match={"alertname": "Down"},
        do=[alternative(seconds=20, success=0.25), alternative("rebuild.yml", seconds=100)],
    )
    sure = policy("sure", match={"alertname": "Gone"}, evidence=Evidence.DIRECT, do=[alternative(seconds=60)])
    shop = bundle(
        *(component("a"), component("b"), service("x", requires=["a"]), service("y", requires=["b"])), doubtful, sure
    )
    what = situation(alert("Down", instance="a"), alert("Gone", instance="b"), executors=1)
    made = Evaluator(shop).evaluate(what).plan
    assert order(made) == ["b", "a"], "60 s for sure come before 20 s that help one time in four"
    assert made.expected_loss == pytest.approx(60 + 60 + 80)
    assert [(step.start_s, step.expected_duration_s) for step in made.steps] == [(0, 60), (60, 20)]


def test_components_on_one_host_wait_for_each_other() -> None:
    parts = (component("a", host="h"), component("b", host="h"), service("s", requires=["a", "b"]))
    made = plan(situation(alert("Down", instance="a"), alert("Down", instance="b"), executors=2), *parts)
    assert [step.start_s for step in made.steps] == [0, 20]
    assert made.steps[0].locks == ("component:a", "host:h")


def test_a_host_that_is_only_a_place_to_run_from_is_not_locked() -> None:
    parts = (
        component("a", host="localhost", lock_host=False),
        component("b", host="localhost", lock_host=False),
        service("s", requires=["a", "b"]),
    )
    made = plan(situation(alert("Down", instance="a"), alert("Down", instance="b"), executors=2), *parts)
    assert [step.start_s for step in made.steps] == [0, 0]


def test_a_run_of_scope_host_happens_once_and_restores_all_of_it() -> None:
    reboot = policy("reboot", match={"alertname": "Down"}, evidence=Evidence.DIRECT, scope=Scope.HOST)
    parts = (component("a", host="h"), component("b", host="h"), service("s", requires=["a", "b"]))
    made = plan(situation(alert("Down", instance="a"), alert("Down", instance="b")), *parts, by=reboot)
    assert order(made) == ["a"]
    assert made.steps[0].restores == ("s",)
    assert made.unrestored_loss_per_minute == 0


def test_a_run_under_way_keeps_its_executor_and_counts_as_a_repair() -> None:
    parts = (component("a"), component("b"), service("x", requires=["a"]), service("y", requires=["b"]))
    what = situation(
        alert("Down", instance="a"),
        alert("Down", instance="b"),
        runs=[run("a", "restart", RunState.RUNNING, started_at=NINE - timedelta(seconds=5))],
        executors=1,
    )
    made = plan(what, *parts)
    assert order(made) == ["b"]
    assert made.steps[0].start_s == 15
    assert made.expected_loss == 15 + 35
    assert made.unrestored_loss_per_minute == 0


def test_shadows_take_no_executor_and_delay_nothing() -> None:
    shadow = policy("new", match={"alertname": "Down"}, mode=Mode.SHADOW, do=[alternative(seconds=500)])
    shop = bundle(component("a"), service("s", requires=["a"]), RESTART, shadow)
    made = Evaluator(shop).evaluate(situation(alert("Down", instance="a"), executors=1)).plan
    assert made.expected_loss == 20
    assert [step.restores for step in made.shadow] == [("s",)]


def test_what_nobody_may_repair_goes_on_costing() -> None:
    made = plan(
        situation(alert("Down", instance="a"), stated={"b": State.DOWN}),
        component("a"),
        component("b"),
        service("s", requires=["a", "b"]),
    )
    assert made.unrestored_loss_per_minute == 60
    assert made.expected_loss == 0
    assert made.gap == 0


def test_a_member_in_maintenance_does_not_restore_anything() -> None:
    parts = (component("a"), component("b"), service("s", requires=either("a", "b")))
    made = plan(situation(alert("Down", instance="a"), stated={"b": State.MAINTENANCE}), *parts)
    assert order(made) == ["a"]
    assert made.expected_loss == 20
    assert made.unrestored_loss_per_minute == 0


def test_tenths_as_weights_are_exact_in_the_plan_too() -> None:
    gate = every(child("a", weight="0.7"), child("b", weight="0.1"))
    made = plan(situation(alert("Down", instance="a")), component("a"), component("b"), service("s", requires=gate))
    assert made.steps[0].restores == ("s",)
    assert made.unrestored_loss_per_minute == 0


def test_a_chain_of_three_thousand_is_planned_without_recursion() -> None:
    chain = [component("n0"), *(component(f"n{one}", requires=[f"n{one - 1}"]) for one in range(1, 3000))]
    made = plan(situation(alert("Down", instance="n0")), *chain, service("s", requires=["n2999"]))
    assert made.steps[0].restores == ("s",)


def forty(needed: Callable[[list[str]], Gate]) -> Plan:
    """The plan when the forty components fail that `needed` makes a service of."""
    names = [f"c{number:02}" for number in range(40)]
    alerts = [alert("Down", instance=name) for name in names]
    return plan(situation(*alerts), *(component(name) for name in names), service("x", requires=needed(names)))


@pytest.mark.parametrize(
    "needed",
    [
        pytest.param(lambda names: every(*names), id="all"),
        pytest.param(lambda names: at_least_of(20, *names), id="half, which twenty is open"),
        pytest.param(lambda names: at_least_of("100%", *(child(one, weight=2) for one in names)), id="all, weighed"),
        pytest.param(
            lambda names: at_least_of("50%", *(child(one, weight=number + 1) for number, one in enumerate(names))),
            id="half by weight",
        ),
    ],
)
def test_a_service_that_needs_many_of_what_fails_is_planned_at_once(needed: Callable[[list[str]], Gate]) -> None:
    """All choices of twenty of forty would take days."""
    assert len(forty(needed).steps) == 40
