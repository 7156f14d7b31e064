"""Every guard has stories that try to get past it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.bundle import Settings, StormLimit
from bsm_remediate.domain.decision import Decision
from bsm_remediate.domain.evaluation import Evaluation, Evaluator
from bsm_remediate.domain.guard import GUARDS
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.policy import Alternative, Check, CheckKind, Evidence, GuardLimits, Mode, Policy, Rate, Scope
from bsm_remediate.domain.run import Run, RunEnd, RunState
from bsm_remediate.domain.service_map import Component, Service
from bsm_remediate.domain.situation import Hold, Pause, Situation
from bsm_remediate.domain.state import State
from bsm_remediate.testing.builders import (
    NINE,
    TCP_CHECK,
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

MATCH = {"alertname": "Down"}
PARTS: tuple[Component | Service, ...] = (
    component("a", host="host-1"),
    component("b"),
    service("s", requires=["a", "b"], loss=60),
)
DOWN = alert("Down", instance="a")
SLOW = alert("Down", instance="a", severity="warning")
MINUTE = timedelta(minutes=1)


def restart(
    *,
    guard: GuardLimits | None = None,
    mode: Mode = Mode.AUTO,
    do: tuple[Alternative, ...] = (alternative(),),
    verify: tuple[Check, ...] = (TCP_CHECK,),
    unchecked: bool = False,
    scope: Scope = Scope.COMPONENT,
    evidence: Evidence = Evidence.DIRECT,
) -> Policy:
    return policy(
        "restart",
        match=MATCH,
        guard=guard,
        mode=mode,
        do=do,
        verify=verify,
        unchecked=unchecked,
        scope=scope,
        evidence=evidence,
    )


def seen(
    what: Situation | Alert,
    *parts: Component | Service,
    by: Policy | None = None,
    settings: Settings | None = None,
) -> Evaluation:
    shop = bundle(*(parts or PARTS), by or restart(), settings=settings)
    return Evaluator(shop).evaluate(what if isinstance(what, Situation) else situation(what))


def about(found: Evaluation, node: str = "a") -> Decision:
    (decision,) = [one for one in found.decisions if one.component == node]
    return decision


def finished(node: str, *, ago: timedelta, by: str = "restart", end: RunEnd = RunEnd.RESTORED) -> Run:
    state = RunState.SUCCEEDED if end is RunEnd.RESTORED else RunState.FAILED
    when = NINE - ago
    return run(node, by, state, end=end, started_at=when - timedelta(seconds=20), passed_at=None, ended_at=when)


def test_nothing_stands_in_the_way_of_an_ordinary_repair() -> None:
    decision = about(seen(DOWN))
    assert (decision.verdict, decision.reason) == ("run", "permitted")
    assert decision.alerts == (DOWN.key,)


def test_the_guards_speak_in_the_order_of_the_design() -> None:
    assert [type(guard).__name__ for guard in GUARDS] == [
        "AlreadyRunning",
        "Silenced",
        "HeldByPerson",
        "AwaitingResolve",
        "Quarantined",
        "TooOld",
        "Maintenance",
        "Paused",
        "Frozen",
        "Storm",
        "Symptom",
        "Flapping",
        "CoolingDown",
        "BudgetSpent",
        "Quorum",
        "BreakerOpen",
        "Canary",
        "Shadow",
        "NeedsApproval",
    ]


def test_what_is_silenced_at_its_source_is_left_alone_unless_another_alert_speaks() -> None:
    other = alert("Down", instance="a", severity="error")
    both = situation(DOWN, other)
    silenced = about(seen(replace(both, suppressed={DOWN.key: "silenced by ana", other.key: "silenced by li"})))
    assert (silenced.verdict, silenced.reason) == ("silenced", "silenced by ana")
    assert about(seen(replace(both, suppressed={DOWN.key: "silenced by ana"}))).verdict == "run"


def test_while_monitoring_is_in_doubt_a_person_approves_what_would_start_by_itself() -> None:
    doubtful = replace(situation(DOWN), doubt="the heartbeat is missing for 6m")
    decision = about(seen(doubtful))
    assert (decision.verdict, decision.reason) == (
        "await_approval",
        "the heartbeat is missing for 6m: waits for approval",
    )
    assert about(seen(doubtful, by=restart(mode=Mode.SHADOW))).verdict == "shadow"


def test_what_one_policy_has_handed_to_a_person_no_other_policy_acts_on() -> None:
    escalated = run("a", "another", RunState.ESCALATED, end=RunEnd.NOT_VERIFIED, ended_at=NINE - timedelta(seconds=5))
    at_work = replace(situation(DOWN), runs=(escalated,))
    assert about(seen(at_work)).verdict == "held_by"
    assert about(seen(replace(at_work, released={NodeId("a"): NINE}))).verdict == "run"
    broke_again = alert("Down", instance="a", since=NINE - timedelta(seconds=1))
    assert about(seen(replace(situation(broke_again), runs=(escalated,)))).verdict == "run"


# --- people ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["a", "host-1"])
def test_where_a_person_works_nothing_is_run(target: str) -> None:
    hold = Hold(target=target, who="ana", reason="new disk", since=NINE - MINUTE, until=NINE + MINUTE)
    decision = about(seen(situation(DOWN, holds=[hold])))
    assert decision.verdict == "held_by"
    assert decision.reason == f"ana works on {target} until 09:01: new disk"


def test_a_hold_ends_at_its_end_and_holds_nothing_else() -> None:
    over = Hold(target="a", who="ana", reason="", since=NINE - MINUTE, until=NINE)
    elsewhere = Hold(target="b", who="ana", reason="", since=NINE - MINUTE)
    assert about(seen(situation(DOWN, holds=[over, elsewhere]))).verdict == "run"


def test_a_run_on_the_whole_host_does_not_disturb_what_a_person_holds_there() -> None:
    parts = (component("a", host="h"), component("b", host="h"), service("s", requires=["a", "b"]))
    hold = Hold(target="b", who="ana", reason="", since=NINE - MINUTE)
    found = seen(situation(DOWN, holds=[hold]), *parts, by=restart(scope=Scope.HOST))
    assert about(found).verdict == "held_by"


def test_a_run_does_not_disturb_what_a_person_holds_through_what_it_affects() -> None:
    hold = Hold(target="b", who="ana", reason="", since=NINE - MINUTE)
    found = seen(situation(DOWN, holds=[hold]), by=restart(do=(alternative(affects=["b"]),)))
    assert about(found).verdict == "held_by"


def test_a_pause_stops_all_new_runs_until_it_ends() -> None:
    pause = Pause(who="li", reason="stocktaking", since=NINE - MINUTE, until=NINE + MINUTE)
    decision = about(seen(situation(DOWN, pauses=[pause])))
    assert (decision.verdict, decision.reason) == ("paused", "paused by li until 09:01: stocktaking")
    over = Pause(who="li", reason="", since=NINE - MINUTE, until=NINE)
    assert about(seen(situation(DOWN, pauses=[over]))).verdict == "run"
    endless = Pause(who="li", reason="", since=NINE - MINUTE)
    assert about(seen(situation(DOWN, pauses=[over, endless]))).reason == "paused by li"


def test_a_component_in_maintenance_is_left_alone() -> None:
    decision = about(seen(situation(DOWN, stated={"a": State.MAINTENANCE})))
    assert (decision.verdict, decision.reason) == ("maintenance", "a is in maintenance")


# --- age -------------------------------------------------------------------------------------------------------------


def since(ago: timedelta) -> Alert:
    return alert("Down", instance="a", since=NINE - ago)


def test_what_began_before_the_policy_acted_waits_for_a_person() -> None:
    found = seen(situation(since(2 * MINUTE), active_since={"restart": NINE - MINUTE}))
    assert about(found).verdict == "too_old"
    assert about(found).reason == "began 1m before the policy became active; `adopt restart` lets it act"
    adopted = situation(since(2 * MINUTE), active_since={"restart": NINE - MINUTE}, adopted={"restart": NINE})
    assert about(seen(adopted)).verdict == "run"


def test_what_is_older_than_max_age_waits_for_a_person() -> None:
    hour = timedelta(hours=1)
    active = {"restart": NINE - timedelta(days=1)}
    assert about(seen(situation(since(hour), active_since=active))).verdict == "run"
    decision = about(seen(situation(since(hour + MINUTE), active_since=active)))
    assert decision.verdict == "too_old"
    assert decision.reason == "is 1h1m old, max_age is 1h; `adopt restart` lets it act"


def test_a_plan_on_a_file_asks_no_age() -> None:
    assert about(seen(since(timedelta(hours=5)))).verdict == "run"


def test_an_episode_that_has_begun_goes_on_however_old_its_signal_becomes() -> None:
    two = (alternative(), alternative("rebuild.yml"))
    failed = finished("a", ago=MINUTE, end=RunEnd.NOT_VERIFIED)
    old = situation(since(timedelta(hours=2)), runs=[failed], active_since={"restart": NINE - timedelta(days=1)})
    assert about(seen(old, by=restart(do=two))).verdict == "run"


# --- cooldown and budgets --------------------------------------------------------------------------------------------


def test_after_a_remediation_a_new_signal_waits_for_the_cooldown_to_the_second() -> None:
    fresh = alert("Down", instance="a", since=NINE - timedelta(seconds=1))
    decision = about(seen(situation(fresh, runs=[finished("a", ago=timedelta(seconds=599))])))
    assert decision.verdict == "cooling_down"
    assert decision.reason == "ran 9m59s ago, cooldown is 10m"
    assert about(seen(situation(fresh, runs=[finished("a", ago=timedelta(seconds=600))]))).verdict == "run"


def test_another_component_or_policy_does_not_cool_down_this_one() -> None:
    others = [finished("b", ago=MINUTE), finished("a", ago=MINUTE, by="another")]
    fresh = alert("Down", instance="a", since=NINE - timedelta(seconds=1))
    assert about(seen(situation(fresh, runs=others))).verdict == "run"


NO_COOLDOWN = GuardLimits(cooldown=timedelta(0))


def test_three_runs_an_hour_on_a_component_are_enough() -> None:
    runs = [finished("a", ago=ago * MINUTE) for ago in (50, 30, 10)]
    fresh = alert("Down", instance="a", since=NINE - timedelta(seconds=1))
    decision = about(seen(situation(fresh, runs=runs), by=restart(guard=NO_COOLDOWN)))
    assert (decision.verdict, decision.reason) == ("budget_spent", "3 runs on a, the limit is 3 in 1h")
    earlier = [finished("a", ago=ago * MINUTE) for ago in (60, 30, 10)]
    assert about(seen(situation(fresh, runs=earlier), by=restart(guard=NO_COOLDOWN))).verdict == "run"


def test_runs_of_the_policy_are_counted_across_components() -> None:
    limits = GuardLimits(max_runs_per_component=None, max_runs_per_policy=Rate(count=2, window=timedelta(hours=1)))
    both = [finished("b", ago=20 * MINUTE), finished("b", ago=30 * MINUTE)]
    decision = about(seen(situation(DOWN, runs=both), by=restart(guard=limits)))
    assert decision.reason == "2 runs of restart, the limit is 2 in 1h"
    foreign = [finished("b", ago=20 * MINUTE, by="another"), finished("b", ago=30 * MINUTE)]
    assert about(seen(situation(DOWN, runs=foreign), by=restart(guard=limits))).verdict == "run"


def test_runs_of_the_engine_are_counted_across_policies() -> None:
    settings = Settings(max_runs=Rate(count=2, window=timedelta(hours=1)))
    runs = [finished("b", ago=20 * MINUTE, by="one"), finished("b", ago=30 * MINUTE, by="two")]
    decision = about(seen(situation(DOWN, runs=runs), settings=settings))
    assert decision.reason == "2 runs of this engine, the limit is 2 in 1h"


@pytest.mark.parametrize("state", [RunState.QUEUED, RunState.RUNNING, RunState.VERIFYING])
def test_unfinished_runs_spend_the_budget_also_before_their_playbook_starts(state: RunState) -> None:
    limits = GuardLimits(max_runs_per_policy=Rate(count=1, window=timedelta(hours=1)))
    begun = None if state is RunState.QUEUED else NINE - MINUTE
    found = seen(situation(DOWN, runs=[run("b", "restart", state, started_at=begun)]), by=restart(guard=limits))
    assert about(found).verdict == "budget_spent"


def test_what_waits_for_approval_or_was_refused_spends_nothing() -> None:
    limits = GuardLimits(max_runs_per_policy=Rate(count=1, window=timedelta(hours=1)))
    waiting = run("b", "restart", RunState.AWAITING_APPROVAL, started_at=None)
    refused = run("b", "restart", RunState.REJECTED, started_at=None, ended_at=NINE - MINUTE)
    found = seen(situation(DOWN, runs=[waiting, refused]), by=restart(guard=limits))
    assert about(found).verdict == "run"


# --- quorum ----------------------------------------------------------------------------------------------------------

PAIR = (component("a"), component("b"), service("s", requires=either("a", "b"), loss=60))


def test_the_last_healthy_member_is_never_worked_on() -> None:
    found = seen(situation(SLOW, stated={"b": State.DOWN}), *PAIR)
    decision = about(found)
    assert (decision.verdict, decision.reason) == ("quorum", "s would go down while a is worked on")
    assert about(seen(SLOW, *PAIR)).verdict == "run"


def test_a_member_in_maintenance_does_not_count_as_healthy() -> None:
    assert about(seen(situation(SLOW, stated={"b": State.MAINTENANCE}), *PAIR)).verdict == "quorum"


def test_what_is_down_already_may_be_repaired() -> None:
    assert about(seen(situation(DOWN, stated={"b": State.DOWN}), *PAIR)).verdict == "run"
    assert about(seen(situation(DOWN, stated={"b": State.MAINTENANCE}), *PAIR)).verdict == "run"


def test_components_that_unfinished_runs_disturb_count_as_down() -> None:
    busy = situation(SLOW, runs=[run("b", "other", RunState.RUNNING)])
    assert about(seen(busy, *PAIR)).verdict == "quorum"
    waiting = situation(SLOW, runs=[run("b", "other", RunState.AWAITING_APPROVAL, started_at=None)])
    assert about(seen(waiting, *PAIR)).verdict == "run", "nothing is disturbed yet"


def test_a_run_on_a_host_that_holds_both_members_is_held() -> None:
    both = (component("a", host="h"), component("b", host="h"), service("s", requires=either("a", "b")))
    assert about(seen(SLOW, *both, by=restart(scope=Scope.HOST))).verdict == "quorum"
    assert about(seen(SLOW, *both, by=restart())).verdict == "run"


def test_what_an_alternative_affects_counts_as_down() -> None:
    found = seen(SLOW, *PAIR, by=restart(do=(alternative(affects=["b"]),)))
    assert about(found).verdict == "quorum"


def test_a_service_above_a_service_is_protected_too() -> None:
    parts = (
        component("a"),
        component("b"),
        service("inner", requires=at_least_of(1, "a", "b")),
        service("outer", requires=every("inner")),
    )
    found = seen(situation(SLOW, stated={"b": State.DOWN}), *parts)
    assert about(found).reason == "inner, outer would go down while a is worked on"


def test_a_run_answers_only_for_what_it_takes_down_itself() -> None:
    """b was repaired and is in its hold; that says nothing against a repair of a that b's service doesn't need."""
    parts = (
        component("a"),
        component("b"),
        service("of-a", requires=["a"], loss=60),
        service("of-b", requires=["b"], loss=60),
    )
    holding = run("b", "other", RunState.VERIFYING, passed_at=NINE)
    assert about(seen(situation(DOWN, runs=[holding]), *parts)).verdict == "run"


def test_two_that_are_up_again_are_not_both_disturbed() -> None:
    """b has passed its checks and is in its hold; s lives off a and b, so a must stay."""
    parts = (component("a"), component("b"), service("s", requires=["a", "b"], loss=60))
    holding = run("b", "other", RunState.VERIFYING, passed_at=NINE)
    assert about(seen(situation(SLOW, runs=[holding]), *parts)).verdict == "quorum"


TRIO = (component("a"), component("b"), component("c"), service("s", requires=at_least_of(1, "a", "b", "c")))


@pytest.mark.parametrize(("limit", "verdict"), [("1", "quorum"), ("34%", "quorum"), ("2", "run"), ("67%", "run")])
def test_no_more_siblings_are_worked_on_than_max_unavailable(limit: str, verdict: str) -> None:
    busy = situation(SLOW, runs=[run("b", "other", RunState.RUNNING)])
    found = seen(busy, *TRIO, by=restart(guard=GuardLimits(max_unavailable=limit)))
    assert about(found).verdict == verdict


def test_max_unavailable_always_lets_one_be_repaired() -> None:
    found = seen(DOWN, *TRIO, by=restart(guard=GuardLimits(max_unavailable="1%")))
    assert about(found).verdict == "run"


# --- storm -----------------------------------------------------------------------------------------------------------

MANY = tuple(component(f"c{one}") for one in range(20))
STORM = Settings(storm=StormLimit(share=0.3, at_least=5, within=timedelta(minutes=5)))


def burst(number: int, *, apart: timedelta = timedelta(seconds=1)) -> list[Alert]:
    return [alert("Down", instance=f"c{one}", since=NINE - MINUTE - one * apart) for one in range(number)]


def test_when_too_much_begins_to_signal_at_once_auto_becomes_approve() -> None:
    found = seen(situation(*burst(7)), *MANY, settings=STORM)
    decision = about(found, "c0")
    assert decision.verdict == "storm"
    assert decision.reason == ("7 of 20 components began to signal within 5m, the limit is 30%; a person must approve")
    assert len(found.plan.steps) == 7, "they stay in the plan, for approval"
    assert all(step.decision.verdict == "storm" for step in found.plan.steps)


def test_exactly_the_share_is_no_storm() -> None:
    assert about(seen(situation(*burst(6)), *MANY, settings=STORM), "c0").verdict == "run"


def test_a_few_components_of_few_are_no_storm() -> None:
    assert about(seen(situation(*burst(4)), *MANY[:4], settings=STORM), "c0").verdict == "run"


def test_a_slow_trickle_is_no_storm_but_a_burst_within_it_is() -> None:
    trickle = burst(12, apart=2 * MINUTE)
    assert about(seen(situation(*trickle), *MANY, settings=STORM), "c0").verdict == "run"
    sudden = burst(9, apart=timedelta(seconds=40))
    assert about(seen(situation(*sudden), *MANY, settings=STORM), "c0").verdict == "storm"


def test_many_alerts_about_one_component_are_no_storm() -> None:
    same = [alert("Down", instance="c0", pod=f"p{one}") for one in range(50)]
    assert about(seen(situation(*same), *MANY, settings=STORM), "c0").verdict == "run"


def test_a_person_may_let_a_run_act_in_a_storm() -> None:
    approved = run("c0", "restart", RunState.AWAITING_APPROVAL, started_at=None, approved_by="ana")
    found = seen(situation(*burst(7), runs=[approved]), *MANY, settings=STORM)
    assert about(found, "c0").verdict == "run"
    assert about(found, "c1").verdict == "storm"


def test_shadows_stay_shadows_in_a_storm() -> None:
    found = seen(situation(*burst(7)), *MANY, settings=STORM, by=restart(mode=Mode.SHADOW))
    assert about(found, "c0").verdict == "shadow"


# --- approval --------------------------------------------------------------------------------------------------------


def test_mode_approve_waits_for_its_approvers() -> None:
    found = seen(DOWN, by=restart(mode=Mode.APPROVE, guard=GuardLimits(approvers=("payments", "ops"))))
    assert about(found).verdict == "await_approval"
    assert about(found).reason == "mode approve: waits for approval by payments, ops"
    assert len(found.plan.steps) == 1


def test_an_approval_counts_for_the_alternative_that_was_shown_only() -> None:
    two = (alternative(), alternative("rebuild.yml"))
    by = restart(mode=Mode.APPROVE, do=two)
    approved = run("a", "restart", RunState.AWAITING_APPROVAL, started_at=None, approved_by="ana")
    assert about(seen(situation(DOWN, runs=[approved]), by=by)).verdict == "run"
    waiting = run("a", "restart", RunState.AWAITING_APPROVAL, started_at=None)
    assert about(seen(situation(DOWN, runs=[waiting]), by=by)).verdict == "await_approval"
    other = run("a", "restart", RunState.AWAITING_APPROVAL, started_at=None, approved_by="ana", alternative=1)
    assert about(seen(situation(DOWN, runs=[other]), by=by)).verdict == "await_approval"


def test_an_approval_does_not_override_quorum_or_a_hold() -> None:
    approved = run("a", "restart", RunState.AWAITING_APPROVAL, started_at=None, approved_by="ana")
    by = restart(mode=Mode.APPROVE)
    assert about(seen(situation(SLOW, runs=[approved], stated={"b": State.DOWN}), *PAIR, by=by)).verdict == "quorum"
    hold = Hold(target="a", who="li", reason="", since=NINE)
    assert about(seen(situation(DOWN, runs=[approved], holds=[hold]), by=by)).verdict == "held_by"


def test_auto_needs_a_second_opinion() -> None:
    alert_off = Check(kind=CheckKind.ALERT, target=None)
    for verify in ((), (alert_off,)):
        decision = about(seen(DOWN, by=restart(verify=verify)))
        assert decision.verdict == "await_approval"
        assert decision.reason.startswith("no check but the alert itself")
        assert about(seen(DOWN, by=restart(verify=verify, unchecked=True))).verdict == "run"
    assert about(seen(DOWN, by=restart(verify=(alert_off, TCP_CHECK)))).verdict == "run"


SHARED_HOST = (
    component("a", host="h"),
    component("x", host="h"),
    service("of-a", requires=["a"]),
    service("of-x", requires=["x"], loss=100),
)


def test_a_run_that_could_itself_cost_too_much_waits_for_approval() -> None:
    """Two minutes of work on a's host, where x earns 100 a minute."""
    do = (alternative(seconds=120),)
    decision = about(seen(DOWN, *SHARED_HOST, by=restart(do=do, guard=GuardLimits(approve_above=199))))
    assert decision.verdict == "await_approval"
    assert decision.reason == "the run itself could cost 200.00 EUR, approve_above is 199"
    assert about(seen(DOWN, *SHARED_HOST, by=restart(do=do, guard=GuardLimits(approve_above=200)))).verdict == "run"


def test_what_is_down_already_is_not_at_stake() -> None:
    limits = GuardLimits(approve_above=0)
    both_down = situation(DOWN, stated={"x": State.DOWN})
    assert about(seen(both_down, *SHARED_HOST, by=restart(guard=limits))).verdict == "run"


def test_a_host_that_is_only_a_place_to_run_from_is_not_at_stake() -> None:
    parts = (
        component("a", host="localhost", lock_host=False),
        component("x", host="localhost", lock_host=False),
        service("s", requires=["x"]),
    )
    assert about(seen(DOWN, *parts, by=restart(guard=GuardLimits(approve_above=0)))).verdict == "run"


def test_an_approval_covers_the_loss_at_stake() -> None:
    approved = run("a", "restart", RunState.AWAITING_APPROVAL, started_at=None, approved_by="ana")
    found = seen(situation(DOWN, runs=[approved]), *SHARED_HOST, by=restart(guard=GuardLimits(approve_above=0)))
    assert about(found).verdict == "run"
