"""Causes and symptoms, as stories about a shop: checkout needs web-1, which needs db-1, which needs san-1."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.evaluation import Evaluation, Evaluator
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.policy import Evidence
from bsm_remediate.domain.run import RunEnd, RunState
from bsm_remediate.domain.state import State
from bsm_remediate.testing.builders import (
    NINE,
    alert,
    at_least_of,
    bundle,
    component,
    either,
    policy,
    run,
    service,
    situation,
)

DOWN = policy("restart", match={"alertname": "Down"})
GONE = policy("rebuild", match={"alertname": "Gone"}, evidence=Evidence.DIRECT)
SHOP = bundle(
    component("san-1"),
    component("db-1", requires=["san-1"]),
    component("web-1", requires=["db-1"]),
    component("web-2", requires=["db-1"]),
    component("cache-1"),
    service("checkout", requires=either("web-1", "web-2"), loss=100),
    service("search", requires=["cache-1"], loss=10),
    DOWN,
    GONE,
)


def seen(*alerts: Alert, shop: Bundle = SHOP) -> Evaluation:
    return Evaluator(shop).evaluate(situation(*alerts))


def down(node: str, *, severity: str = "critical", seconds_ago: float = 30) -> Alert:
    return alert("Down", instance=node, severity=severity, since=NINE - timedelta(seconds=seconds_ago))


def gone(node: str, *, severity: str = "critical") -> Alert:
    return alert("Gone", instance=node, severity=severity)


def causes(found: Evaluation) -> list[str]:
    return [str(cause.component) for cause in found.impact.root_causes]


def test_what_a_failing_requirement_explains_is_a_symptom() -> None:
    found = seen(down("db-1"), down("web-1"), down("web-2"))
    assert causes(found) == ["db-1"]
    assert found.impact.symptoms == {"web-1": ("db-1",), "web-2": ("db-1",)}
    assert {one.component: one.reason for one in found.plan.held} == {
        "web-1": "requires db-1, which is down",
        "web-2": "requires db-1, which is down",
    }
    assert [step.decision.component for step in found.plan.steps] == ["db-1"]


def test_it_is_a_symptom_through_a_silent_component_in_between() -> None:
    found = seen(down("san-1"), down("web-1"))
    assert found.impact.symptoms == {"web-1": ("db-1",)}
    assert causes(found) == ["san-1"]


def test_direct_evidence_is_never_a_symptom() -> None:
    found = seen(down("db-1"), gone("web-1"))
    assert found.impact.symptoms == {}
    assert set(causes(found)) == {"db-1", "web-1"}


def test_one_direct_signal_beside_indirect_ones_is_enough() -> None:
    assert seen(down("db-1"), down("web-1"), gone("web-1")).impact.symptoms == {}


def test_direct_evidence_that_changes_no_state_says_nothing_about_the_component() -> None:
    assert seen(down("db-1"), down("web-1"), gone("web-1", severity="info")).impact.symptoms == {"web-1": ("db-1",)}


def test_a_component_worse_than_what_it_requires_is_a_cause_of_its_own() -> None:
    found = seen(down("db-1", severity="warning"), down("web-1"))
    assert set(causes(found)) == {"db-1", "web-1"}
    assert seen(down("db-1"), down("web-1", severity="warning")).impact.symptoms == {"web-1": ("db-1",)}


def test_a_redundant_requirement_that_is_lost_explains_nothing() -> None:
    shop = bundle(
        component("a"),
        component("b"),
        component("web-1", requires=either("a", "b")),
        service("checkout", requires=["web-1"]),
        DOWN,
    )
    assert set(causes(seen(down("a"), down("web-1"), shop=shop))) == {"a", "web-1"}
    assert causes(seen(down("a"), down("b"), down("web-1"), shop=shop)) == ["a", "b"]


def test_the_members_of_a_failing_cycle_are_all_candidates() -> None:
    shop = bundle(component("a", requires=["b"]), component("b", requires=["a"]), service("s", requires=["a"]), DOWN)
    found = seen(down("a"), down("b"), shop=shop)
    assert set(causes(found)) == {"a", "b"}
    assert found.impact.symptoms == {}


def test_what_lies_below_a_cycle_explains_it_whole() -> None:
    shop = bundle(
        component("x"),
        component("a", requires=["b", "x"]),
        component("b", requires=["a"]),
        service("s", requires=["b"]),
        DOWN,
    )
    found = seen(down("x"), down("a"), shop=shop)
    assert causes(found) == ["x"]


def test_unknown_requirements_explain_nothing_that_is_known() -> None:
    found = Evaluator(SHOP).evaluate(situation(down("web-1"), stated={"db-1": State.UNKNOWN}))
    assert causes(found) == ["web-1"]


def test_a_requirement_in_maintenance_explains_the_outage_that_it_causes() -> None:
    found = Evaluator(SHOP).evaluate(situation(down("web-1"), stated={"db-1": State.MAINTENANCE}))
    assert found.impact.symptoms == {"web-1": ("db-1",)}


@pytest.mark.parametrize(("severity", "is_explained"), [("critical", False), ("warning", True)])
def test_maintenance_that_only_degrades_does_not_explain_an_outage(severity: str, *, is_explained: bool) -> None:
    shop = bundle(
        component("db-1"),
        component("db-2"),
        component("web-1", requires=at_least_of(1, "db-1", "db-2", comfortable=2)),
        service("checkout", requires=["web-1"]),
        DOWN,
    )
    found = Evaluator(shop).evaluate(situation(down("web-1", severity=severity), stated={"db-1": State.MAINTENANCE}))
    assert ("web-1" in found.impact.symptoms) is is_explained
    assert ("web-1" in causes(found)) is not is_explained


def test_a_silent_component_whose_dependants_all_fail_is_a_suspect_and_never_acted_on() -> None:
    found = seen(down("web-1"), down("web-2"))
    (suspect,) = [cause for cause in found.impact.root_causes if cause.suspect]
    assert suspect.component == "db-1"
    assert suspect.score < min(cause.score for cause in found.impact.root_causes if not cause.suspect)
    assert suspect.reason == "has no alert of its own, but all 2 that need it fail"
    assert {step.decision.component for step in found.plan.steps} == {"web-1", "web-2"}


def test_below_a_service_that_only_a_report_says_fails_suspects_are_what_would_alone_take_it_down() -> None:
    found = seen(alert("Down", service="checkout"))
    assert {(cause.component, cause.explains) for cause in found.impact.root_causes if cause.suspect} == {
        ("db-1", ("checkout",)),
        ("san-1", ("checkout",)),
    }
    assert sum(cause.score for cause in found.impact.root_causes) == pytest.approx(1)
    assert found.impact.services[NodeId("checkout")].causes == ("db-1", "san-1")
    assert not found.plan.steps


def test_beside_a_known_cause_they_come_last() -> None:
    found = seen(alert("Down", service="checkout"), down("cache-1"))
    assert causes(found) == ["cache-1", "db-1", "san-1"]
    assert sum(cause.score for cause in found.impact.root_causes) == pytest.approx(1)
    assert found.impact.services[NodeId("search")].causes == ("cache-1",)


def test_a_report_that_something_below_explains_makes_no_suspects() -> None:
    found = seen(alert("Down", service="checkout"), down("db-1"))
    assert causes(found) == ["db-1"]
    assert found.impact.services[NodeId("checkout")].causes == ("db-1",)


def test_one_failing_dependant_makes_nobody_a_suspect() -> None:
    assert not any(cause.suspect for cause in seen(down("web-1")).impact.root_causes)


def test_whoever_explains_more_loss_ranks_higher() -> None:
    found = seen(down("cache-1"), down("db-1"))
    assert causes(found) == ["db-1", "cache-1"]
    first, second = found.impact.root_causes
    assert 0 <= second.score < first.score <= 1
    assert first.explains == ("checkout", "web-1", "web-2")
    assert found.impact.services[NodeId("checkout")].causes == ("db-1",)
    assert found.impact.services[NodeId("search")].causes == ("cache-1",)


def test_of_two_alike_the_earlier_one_ranks_higher_unless_clocks_may_differ_that_much() -> None:
    shop = bundle(component("a"), component("b"), service("s", requires=["a", "b"]), DOWN)
    assert causes(seen(down("a", seconds_ago=10), down("b", seconds_ago=300), shop=shop)) == ["b", "a"]
    within_skew = seen(down("a", seconds_ago=10), down("b", seconds_ago=39), shop=shop)
    assert [cause.score for cause in within_skew.impact.root_causes] == [0.5, 0.5]


def test_a_redundant_member_is_at_risk_of_the_other() -> None:
    found = seen(down("web-1"))
    checkout = found.impact.services[NodeId("checkout")]
    assert checkout.state is State.OK
    assert checkout.at_risk == ("db-1", "san-1", "web-2")
    assert checkout.causes == ()


# --- once the cause is restored --------------------------------------------------------------------------------------


def restored_cause(seconds_ago: float, symptom: Alert) -> Evaluation:
    passed = NINE - timedelta(seconds=seconds_ago)
    mended = run(
        "db-1",
        "restart",
        RunState.SUCCEEDED,
        end=RunEnd.RESTORED,
        started_at=passed - timedelta(seconds=20),
        passed_at=passed,
        ended_at=passed,
    )
    return Evaluator(SHOP).evaluate(situation(symptom, runs=[mended]))


def test_a_former_symptom_waits_until_its_cause_has_settled() -> None:
    web = down("web-1", seconds_ago=60)
    (held,) = restored_cause(19, web).plan.held
    assert held.verdict == "symptom"
    assert held.reason == "web-1 requires db-1, restored 19s ago; it is looked at once 20s have passed"
    assert [step.decision.component for step in restored_cause(20, web).plan.steps] == ["web-1"]


def test_what_began_after_the_restoration_waits_for_nothing() -> None:
    assert restored_cause(10, down("web-1", seconds_ago=5)).plan.held == ()


def test_direct_evidence_does_not_wait_for_its_requirements_to_settle() -> None:
    assert restored_cause(5, gone("web-1")).plan.held == ()


def test_a_former_symptom_without_checks_waits_for_its_signal_as_long_as_resolves_take() -> None:
    unchecked = policy("restart", match={"alertname": "Down"}, verify=(), unchecked=True)
    shop = bundle(component("db-1"), component("web-1", requires=["db-1"]), service("s", requires=["web-1"]), unchecked)
    for seconds_ago, is_held in ((599, True), (600, False)):
        passed = NINE - timedelta(seconds=seconds_ago)
        mended = run("db-1", "restart", RunState.SUCCEEDED, end=RunEnd.RESTORED, passed_at=passed, ended_at=passed)
        found = Evaluator(shop).evaluate(situation(down("web-1", seconds_ago=700), runs=[mended]))
        assert bool(found.plan.held) is is_held
