"""Which policy decides about a signal, what stands beside it, and how an episode goes on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bsm_remediate.config.expression import compile_condition
from bsm_remediate.domain.alert import Alert, AlertStatus
from bsm_remediate.domain.bundle import Settings
from bsm_remediate.domain.decision import Decision
from bsm_remediate.domain.evaluation import Evaluation, Evaluator
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.policy import Evidence, Mode, Policy
from bsm_remediate.domain.run import Run, RunEnd, RunState
from bsm_remediate.domain.service_map import Component, Service
from bsm_remediate.domain.situation import Pause, Situation
from bsm_remediate.domain.state import State
from bsm_remediate.testing.builders import (
    NINE,
    alert,
    alternative,
    bundle,
    component,
    policy,
    run,
    service,
    situation,
)

PARTS: tuple[Component | Service, ...] = (
    component("db-1", labels={"tier": "data"}),
    component("db-2"),
    service("checkout", requires=["db-1", "db-2"], loss=60),
)
DOWN = alert("Down", instance="db-1")
MATCH = {"alertname": "Down"}


def seen(*policies: Policy, what: Situation | Alert = DOWN, settings: Settings | None = None) -> Evaluation:
    shop = bundle(*PARTS, *policies, settings=settings)
    return Evaluator(shop).evaluate(what if isinstance(what, Situation) else situation(what))


def verdicts(found: Evaluation) -> dict[str | None, str]:
    return {one.policy: one.verdict.value for one in found.decisions}


def only(found: Evaluation) -> Decision:
    (decision,) = found.decisions
    return decision


# --- which policy decides --------------------------------------------------------------------------------------------


def test_the_highest_precedence_decides() -> None:
    found = seen(policy("usual", match=MATCH), policy("special", match={**MATCH, "instance": "db-1"}, precedence=5))
    assert verdicts(found) == {"special": "run"}


@pytest.mark.parametrize("mode", [Mode.APPROVE, Mode.AUTO])
def test_two_of_equal_precedence_are_ambiguous_and_a_person_decides(mode: Mode) -> None:
    found = seen(policy("one", match=MATCH), policy("two", match=MATCH, mode=mode))
    decision = only(found)
    assert decision.verdict == "ambiguous"
    assert decision.reason == "one, two match alike; give one a higher precedence"
    assert found.plan.steps == ()
    assert found.plan.held == (decision,)


def test_a_policy_that_is_off_never_matches() -> None:
    assert verdicts(seen(policy("one", match=MATCH, mode=Mode.OFF))) == {None: "no_policy"}
    assert verdicts(seen(policy("one", match=MATCH), policy("two", match=MATCH, mode=Mode.OFF))) == {"one": "run"}


def test_a_shadow_stands_beside_the_decider_and_disarms_nothing() -> None:
    found = seen(policy("acts", match=MATCH), policy("new", match=MATCH, mode=Mode.SHADOW, precedence=99))
    assert verdicts(found) == {"acts": "run", "new": "shadow"}
    assert [step.decision.policy for step in found.plan.steps] == ["acts"]
    assert [step.decision.policy for step in found.plan.shadow] == ["new"]
    assert found.plan.held == ()
    assert found.plan.expected_loss == 20


def test_shadows_alone_are_only_recorded() -> None:
    found = seen(policy("a", match=MATCH, mode=Mode.SHADOW), policy("b", match=MATCH, mode=Mode.SHADOW))
    assert verdicts(found) == {"a": "shadow", "b": "shadow"}
    assert found.plan.steps == ()
    assert found.plan.unrestored_loss_per_minute == 60


def test_shadows_act_where_that_is_assumed() -> None:
    shadow = policy("new", match=MATCH, mode=Mode.SHADOW)
    assert verdicts(seen(shadow, what=situation(DOWN, assume=Mode.AUTO))) == {"new": "run"}
    assert verdicts(seen(shadow, what=situation(DOWN, assume=Mode.APPROVE))) == {"new": "await_approval"}
    both = seen(shadow, policy("acts", match=MATCH), what=situation(DOWN, assume=Mode.AUTO))
    assert verdicts(both) == {"acts": "ambiguous"}


def test_a_cap_on_the_engine_makes_shadows_of_all() -> None:
    found = seen(policy("acts", match=MATCH), what=situation(DOWN, max_mode=Mode.SHADOW))
    assert only(found).verdict == "shadow"
    capped = "no policy goes further than shadow on this engine, this one says auto"
    assert only(found).reason == f"would run restart.yml; {capped}"
    asked = seen(policy("acts", match=MATCH), what=situation(DOWN, max_mode=Mode.APPROVE))
    assert only(asked).verdict == "await_approval"
    assert only(asked).reason.endswith("; no policy goes further than approve on this engine, this one says auto")


def test_whatever_holds_a_capped_policy_the_cap_is_told_too_but_only_where_it_holds_it_back() -> None:
    paused = [Pause(who="ana", reason="", since=NINE)]
    held = seen(policy("acts", match=MATCH), what=situation(DOWN, pauses=paused, max_mode=Mode.SHADOW))
    assert only(held).reason.startswith("paused by ana; no policy goes further than shadow on this engine")
    careful = policy("asks", match=MATCH, mode=Mode.APPROVE)
    assert "no policy goes further" not in only(seen(careful, what=situation(DOWN, max_mode=Mode.APPROVE))).reason
    shadow = only(seen(policy("new", match=MATCH, mode=Mode.SHADOW), what=situation(DOWN, max_mode=Mode.SHADOW)))
    assert shadow.reason == "would run restart.yml; its policy is in mode shadow"


def test_an_alternative_may_be_stricter_than_its_policy_but_not_laxer() -> None:
    strict = policy("acts", match=MATCH, do=[alternative(mode=Mode.APPROVE)])
    assert only(seen(strict)).verdict == "await_approval"
    lax = policy("acts", match=MATCH, mode=Mode.APPROVE, do=[alternative(mode=Mode.AUTO)])
    assert only(seen(lax)).verdict == "await_approval"


# --- conditions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ('component.labels.tier == "data"', True),
        ('component.labels.tier == "web"', False),
        ("signal.age > 20", True),
        ("signal.age > 30", False),
        ("impact.loss_per_minute >= 60", True),
        ('"checkout" in impact.services', True),
        ('alert.severity == "critical" and alert.name == "Down"', True),
        ('component.host == "db-2"', False),
    ],
)
def test_a_policy_speaks_only_when_its_condition_holds(when: str, *, holds: bool) -> None:
    found = seen(policy("acts", match=MATCH, when=compile_condition(when)))
    assert only(found).verdict == ("run" if holds else "no_policy")
    if not holds:
        assert only(found).reason == "the condition of acts doesn't hold"


def test_when_its_condition_fails_the_next_policy_speaks() -> None:
    never = compile_condition("signal.age > 3600")
    found = seen(policy("late", match=MATCH, when=never, precedence=9), policy("usual", match=MATCH))
    assert verdicts(found) == {"usual": "run"}


def test_a_condition_on_a_value_of_the_wrong_kind_does_nothing() -> None:
    odd = compile_condition("alert.labels.instance > 5")
    assert only(seen(policy("acts", match=MATCH, when=odd))).verdict == "no_policy"


# --- meaning without action ------------------------------------------------------------------------------------------


def test_an_alert_that_no_policy_names_changes_no_state_and_costs_nothing() -> None:
    found = seen(policy("other", match={"alertname": "Other"}))
    assert only(found).verdict == "no_policy"
    assert only(found).reason == "no policy names Down"
    assert found.impact.states == {}
    assert found.plan.unrestored_loss_per_minute == 0


def test_unless_severities_of_all_alerts_count() -> None:
    found = seen(settings=Settings(state_from_severity=True))
    assert found.impact.states[NodeId("db-1")] is State.DOWN
    assert only(found).verdict == "no_policy"


def test_a_policy_without_alternatives_says_only_what_an_alert_means() -> None:
    found = seen(policy("meaning", match=MATCH, do=[], sets=State.DEGRADED))
    assert only(found).verdict == "no_policy"
    assert only(found).reason == "meaning only says what it means"
    assert found.impact.states[NodeId("db-1")] is State.DEGRADED


def test_who_acts_says_what_the_alert_means_before_who_only_says_it() -> None:
    found = seen(
        policy("acts", match=MATCH, sets=State.DEGRADED),
        policy("meaning", match=MATCH, do=[], sets=State.DOWN, precedence=9, evidence=Evidence.DIRECT),
    )
    assert found.impact.states[NodeId("db-1")] is State.DEGRADED
    assert found.signals[0].evidence is Evidence.INDIRECT


@pytest.mark.parametrize(
    ("severity", "state"),
    [
        ("critical", State.DOWN),
        ("PAGE", State.DOWN),
        ("warning", State.DEGRADED),
        ("low", State.DEGRADED),
        ("info", State.OK),
        ("none", State.OK),
        ("sev-17", State.DEGRADED),
        ("", State.DEGRADED),
    ],
)
def test_severities_mean_states(severity: str, state: State) -> None:
    found = seen(policy("acts", match=MATCH), what=alert("Down", instance="db-1", severity=severity))
    assert found.impact.state(NodeId("db-1")) is state


def test_the_worst_active_signal_counts() -> None:
    acts = policy("acts", match={"instance": "db-1"})
    mild = alert("Slow", instance="db-1", severity="warning")
    assert seen(acts, what=situation(mild, DOWN)).impact.state(NodeId("db-1")) is State.DOWN
    assert len(seen(acts, what=situation(mild, DOWN)).plan.steps) == 1, "one run for both"


def test_an_alert_that_neither_repeats_nor_resolves_becomes_unknown() -> None:
    day = timedelta(hours=24)
    old = alert("Down", instance="db-1", since=NINE - day - timedelta(seconds=1))
    acts = policy("acts", match=MATCH)
    assert seen(acts, what=old).impact.state(NodeId("db-1")) is State.UNKNOWN
    assert seen(acts, what=alert("Down", instance="db-1", since=NINE - day)).impact.state(NodeId("db-1")) is State.DOWN
    repeated = Situation(at=NINE, alerts=(old,), last_seen={old.key: NINE - day})
    assert seen(acts, what=repeated).impact.state(NodeId("db-1")) is State.DOWN


def test_unknown_alone_starts_no_run() -> None:
    old = alert("Down", instance="db-2", since=NINE - timedelta(hours=25))
    shop = bundle(component("db-2"), policy("acts", match=MATCH, max_age=timedelta(days=9)))
    found = Evaluator(shop).evaluate(situation(old))
    assert only(found).verdict == "too_old"
    assert only(found).reason.startswith("db-2 is unknown, which alone starts no run")
    known = alert("Down", instance="db-2", pod="another")
    assert only(Evaluator(shop).evaluate(situation(old, known))).verdict == "run"


def test_an_alert_whose_source_cannot_tell_is_neither_over_nor_acted_on() -> None:
    acts = policy("acts", match=MATCH)
    doubtful = alert("Down", instance="db-1", status=AlertStatus.UNKNOWN)
    found = seen(acts, what=doubtful)
    assert found.impact.state(NodeId("db-1")) is State.UNKNOWN
    assert only(found).verdict == "too_old"
    assert only(found).reason.endswith("the sources of its alerts can't tell")
    sure = alert("Down", instance="db-1", pod="another")
    assert seen(acts, what=situation(doubtful, sure)).impact.state(NodeId("db-1")) is State.DOWN


def test_a_time_in_the_future_is_taken_as_the_time_of_receipt() -> None:
    ahead = alert("Down", instance="db-1", since=NINE + timedelta(hours=1), received_at=NINE)
    assert seen(policy("acts", match=MATCH), what=ahead).signals[0].since == NINE


# --- episodes --------------------------------------------------------------------------------------------------------

TWO_WAYS = policy("acts", match=MATCH, do=[alternative(success=0.7), alternative("rebuild.yml", seconds=360)])
MINUTE_AGO = NINE - timedelta(minutes=1)


def ended(state: RunState, end: RunEnd, *, number: int = 0, at: timedelta = timedelta(seconds=5)) -> Run:
    return run(
        "db-1",
        "acts",
        state,
        end=end,
        alternative=number,
        started_at=NINE - at - timedelta(seconds=20),
        ended_at=NINE - at,
    )


def test_after_a_failure_the_next_alternative_is_tried_at_once() -> None:
    failed = ended(RunState.FAILED, RunEnd.NOT_VERIFIED)
    found = seen(TWO_WAYS, what=situation(alert("Down", instance="db-1", since=MINUTE_AGO), runs=[failed]))
    (step,) = found.plan.steps
    assert step.decision.alternative == 1
    assert step.alternative.playbook == "rebuild.yml"


def test_a_rolled_back_run_has_failed_as_well() -> None:
    failed = ended(RunState.ROLLED_BACK, RunEnd.NOT_VERIFIED)
    found = seen(TWO_WAYS, what=situation(alert("Down", instance="db-1", since=MINUTE_AGO), runs=[failed]))
    assert found.plan.steps[0].decision.alternative == 1


def test_a_new_signal_after_a_failure_begins_with_the_first_alternative_once_cooled_down() -> None:
    fresh = alert("Down", instance="db-1", since=NINE - timedelta(seconds=2))
    failed = ended(RunState.FAILED, RunEnd.NOT_VERIFIED)
    assert only(seen(TWO_WAYS, what=situation(fresh, runs=[failed]))).verdict == "cooling_down"
    long_ago = ended(RunState.FAILED, RunEnd.NOT_VERIFIED, at=timedelta(minutes=10))
    decision = only(seen(TWO_WAYS, what=situation(fresh, runs=[long_ago])))
    assert (decision.verdict, decision.alternative) == ("run", 0)


@pytest.mark.parametrize(
    ("state", "end"),
    [
        (RunState.ESCALATED, RunEnd.NOT_VERIFIED),
        (RunState.REJECTED, RunEnd.BY_A_PERSON),
        (RunState.OUTCOME_UNKNOWN, RunEnd.ENGINE_DIED),
        (RunState.CANCELLED, RunEnd.BY_A_PERSON),
    ],
)
def test_what_was_handed_to_a_person_stays_there_until_it_is_given_back_or_begins_anew(
    state: RunState, end: RunEnd
) -> None:
    handed = ended(state, end, at=timedelta(minutes=15))
    old = alert("Down", instance="db-1", since=NINE - timedelta(minutes=20))
    decision = only(seen(TWO_WAYS, what=situation(old, runs=[handed])))
    assert decision.verdict == "held_by"
    assert decision.reason.endswith("(`release db-1` gives it back)")
    released = situation(old, runs=[handed], released={"db-1": MINUTE_AGO})
    assert only(seen(TWO_WAYS, what=released)).verdict == "run"
    too_early = situation(old, runs=[handed], released={"db-1": NINE - timedelta(minutes=16)})
    assert only(seen(TWO_WAYS, what=too_early)).verdict == "held_by"
    anew = situation(alert("Down", instance="db-1", since=MINUTE_AGO), runs=[handed])
    assert only(seen(TWO_WAYS, what=anew)).verdict == "run"


def mended(at: timedelta) -> Run:
    when = NINE - at
    return run(
        "db-1",
        "acts",
        RunState.SUCCEEDED,
        end=RunEnd.RESTORED,
        started_at=when - timedelta(seconds=20),
        passed_at=when,
        ended_at=when,
    )


def test_a_mended_component_counts_as_ok_while_its_alert_is_slow_to_end() -> None:
    old = alert("Down", instance="db-1", since=NINE - timedelta(minutes=15))
    found = seen(TWO_WAYS, what=situation(old, runs=[mended(timedelta(minutes=4))]))
    assert only(found).verdict == "awaiting_resolve"
    assert only(found).reason == "mended 4m ago, its alert may take up to 10m"
    assert found.impact.states == {}
    assert found.plan.unrestored_loss_per_minute == 0


def test_when_the_alert_still_fires_after_that_the_component_is_not_ok_after_all() -> None:
    old = alert("Down", instance="db-1", since=NINE - timedelta(minutes=15))
    found = seen(TWO_WAYS, what=situation(old, runs=[mended(timedelta(minutes=10))]))
    assert found.impact.states[NodeId("db-1")] is State.DOWN
    assert only(found).verdict == "run"


def test_an_alert_that_began_after_the_repair_is_a_new_outage() -> None:
    fresh = alert("Down", instance="db-1", since=NINE - timedelta(seconds=30))
    found = seen(TWO_WAYS, what=situation(fresh, runs=[mended(timedelta(minutes=4))]))
    assert found.impact.states[NodeId("db-1")] is State.DOWN
    assert only(found).verdict == "cooling_down"


def test_other_signals_of_a_mended_component_keep_their_state() -> None:
    old = NINE - timedelta(minutes=15)
    slow = alert("Slow", instance="db-1", severity="warning", since=old)
    meaning = policy("meaning", match={"alertname": "Slow"}, do=[])
    found = seen(
        TWO_WAYS,
        meaning,
        what=situation(alert("Down", instance="db-1", since=old), slow, runs=[mended(timedelta(minutes=4))]),
    )
    assert found.impact.states[NodeId("db-1")] is State.DEGRADED


def test_a_run_on_the_component_speaks_before_everything_else() -> None:
    under_way = run("db-1", "other", RunState.RUNNING, started_at=NINE - timedelta(seconds=7))
    found = seen(TWO_WAYS, what=situation(DOWN, runs=[under_way]))
    assert only(found).verdict == "already_running"
    assert only(found).reason == f"run {under_way.id} of other is running for 7s"


def test_a_component_whose_checks_have_passed_counts_as_ok_during_the_hold() -> None:
    holding = run("db-1", "acts", RunState.VERIFYING, passed_at=NINE - timedelta(seconds=2))
    found = seen(TWO_WAYS, what=situation(DOWN, runs=[holding]))
    assert found.impact.states == {}
    assert only(found).verdict == "already_running"


def test_a_run_that_locks_other_components_keeps_them_busy_too() -> None:
    host_run = run("db-2", "reboot", RunState.RUNNING, locks=["component:db-1", "component:db-2", "host:h"])
    assert only(seen(TWO_WAYS, what=situation(DOWN, runs=[host_run]))).verdict == "already_running"


def test_a_signal_that_went_away_in_time_is_no_episode() -> None:
    gone = run("db-1", "acts", RunState.CANCELLED, end=RunEnd.SIGNAL_GONE, started_at=None, ended_at=MINUTE_AGO)
    assert only(seen(TWO_WAYS, what=situation(DOWN, runs=[gone]))).verdict == "run"
