"""What a service costs in a state, at a time, under a goal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from bsm_remediate.domain.calendar import Calendar, WeeklyHours
from bsm_remediate.domain.evaluation import Evaluator
from bsm_remediate.domain.importance import rank
from bsm_remediate.domain.loss import Prices, share
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.state import State
from bsm_remediate.testing.builders import NINE, alert, bundle, component, either, policy, service, situation

ALWAYS = frozenset(range(7))


def daily(name: str, since: time, until: time) -> Calendar:
    hours = WeeklyHours(weekdays=ALWAYS, since=since, until=until, timezone=ZoneInfo("UTC"))
    return Calendar(name=name, times=(hours,))


MORNING, LONG_DAY = daily("morning", time(8), time(12)), daily("long-day", time(6), time(22))
SHOP = bundle(
    component("db-1"),
    component("web-1", requires=["db-1"]),
    component("batch-1"),
    component("spare-1"),
    component("spare-2"),
    service(
        "checkout",
        requires=["web-1"],
        loss=40,
        by_calendar={"morning": 300, "long-day": 100},
        degraded=0.25,
        function="customer-service",
    ),
    service("reports", requires=["batch-1"], loss=10, function="back-office"),
    service("search", requires=either("spare-1", "spare-2"), loss=7),
    calendars=[MORNING, LONG_DAY],
    goals={"reports-first": {"back-office": 50}},
)
CALENDARS = SHOP.calendars
CHECKOUT = SHOP.service_map.services[next(iter(SHOP.service_map.services))]


@pytest.mark.parametrize(("hour", "rate"), [(5, 40), (6, 100), (8, 300), (11, 300), (12, 100), (22, 40)])
def test_of_overlapping_calendars_the_highest_loss_counts_and_else_the_default(hour: int, rate: float) -> None:
    assert Prices(CALENDARS, datetime(2026, 1, 5, hour, tzinfo=UTC)).full(CHECKOUT) == rate


@pytest.mark.parametrize(
    ("state", "part"),
    [(State.DOWN, 1), (State.DEGRADED, 0.25), (State.OK, 0), (State.MAINTENANCE, 0), (State.UNKNOWN, 0)],
)
def test_each_state_costs_its_share(state: State, part: float) -> None:
    assert share(CHECKOUT, state) == part


def test_people_see_money_and_the_order_is_decided_on_weighted_loss() -> None:
    found = Evaluator(SHOP).evaluate(situation(stated={"batch-1": State.DOWN}, goal="reports-first")).impact
    (reports,) = found.services.values()
    assert (reports.loss_per_minute, reports.weighted_loss_per_minute) == (10, 500)
    assert found.loss_per_minute == 10


def test_the_loss_of_an_unknown_service_is_a_range() -> None:
    found = Evaluator(SHOP).evaluate(situation(stated={"web-1": State.UNKNOWN})).impact
    (checkout,) = found.services.values()
    assert checkout.state is State.UNKNOWN
    assert checkout.loss_range == (0, 300)
    assert checkout.loss_per_minute == 0


def test_what_is_certain_while_a_service_is_unknown_is_the_lower_end_of_its_range() -> None:
    stated = {"web-1": State.UNKNOWN, "db-1": State.DEGRADED}
    (checkout,) = Evaluator(SHOP).evaluate(situation(stated=stated)).impact.services.values()
    assert checkout.state is State.UNKNOWN
    assert checkout.loss_range == (0.25 * 300, 300)
    assert checkout.loss_per_minute == 0.25 * 300


def test_an_alert_that_nobody_hears_of_any_more_costs_what_it_did_when_it_was_known() -> None:
    shop = replace(SHOP, policies={(down := policy("down", match={"alertname": "Down"})).id: down})
    silent = alert("Down", instance="web-1", since=NINE - timedelta(hours=25))
    (checkout,) = Evaluator(shop).evaluate(situation(silent)).impact.services.values()
    assert checkout.state is State.UNKNOWN
    assert (checkout.loss_per_minute, checkout.loss_range) == (300, (0, 300))


def test_a_degraded_service_costs_its_part_of_the_rate_in_force() -> None:
    found = Evaluator(SHOP).evaluate(situation(stated={"db-1": State.DEGRADED}, at=NINE + timedelta(hours=4))).impact
    assert found.loss_per_minute == 25


def test_importance_ranks_components_by_what_their_failure_alone_costs() -> None:
    ranked = rank(SHOP, RollUp(SHOP.service_map), at=NINE, goal="default")
    assert [(one.component, one.loss_per_minute) for one in ranked] == [
        ("db-1", 300),
        ("web-1", 300),
        ("batch-1", 10),
        ("spare-1", 0),
        ("spare-2", 0),
    ]
    assert [one.component for one in ranked if one.single_point_of_failure] == ["db-1", "web-1", "batch-1"]
    assert ranked[0].services == ("checkout",)


def test_importance_follows_the_goal() -> None:
    ranked = rank(SHOP, RollUp(SHOP.service_map), at=NINE, goal="reports-first")
    assert ranked[0].component == "batch-1"
    assert ranked[0].loss_per_minute == 10, "money stays money"
