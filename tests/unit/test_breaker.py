"""A policy whose runs fail again and again is given a rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bsm_remediate.domain.breaker_state import open_breakers
from bsm_remediate.domain.decision import Decision
from bsm_remediate.domain.evaluation import Evaluator
from bsm_remediate.domain.ids import PolicyId
from bsm_remediate.domain.policy import Evidence, GuardLimits
from bsm_remediate.domain.run import Run, RunEnd, RunState
from bsm_remediate.testing.builders import NINE, alert, bundle, component, policy, run, service, situation

MINUTE = timedelta(minutes=1)
FREE = GuardLimits(cooldown=timedelta(0), max_runs_per_component=None)
RESTART = policy("restart", match={"alertname": "Down"}, guard=FREE, evidence=Evidence.DIRECT)
OTHER = policy("other", match={"alertname": "Slow"}, guard=FREE, evidence=Evidence.DIRECT)
SHOP = bundle(component("a"), component("b"), service("s", requires=["a", "b"]), RESTART, OTHER)
DOWN = alert("Down", instance="a", since=NINE - timedelta(seconds=1))


def ended(ago: float, end: RunEnd, *, by: str = "restart", node: str = "b") -> Run:
    """It ended `ago` minutes ago."""
    state = RunState.SUCCEEDED if end is RunEnd.RESTORED else RunState.FAILED
    when = NINE - ago * MINUTE
    return run(node, by, state, end=end, started_at=when - timedelta(seconds=20), ended_at=when)


def failed(*ago: float) -> list[Run]:
    return [ended(one, RunEnd.NOT_VERIFIED) for one in ago]


def decided(runs: Iterable[Run], closed: datetime | None = None) -> Decision:
    here = replace(situation(DOWN, runs=runs), closed={} if closed is None else {PolicyId("restart"): closed})
    (found,) = [one for one in Evaluator(SHOP).evaluate(here).decisions if one.component == "a"]
    return found


def test_after_three_failures_in_a_row_nothing_is_run_by_the_policy_for_an_hour() -> None:
    decision = decided(failed(30, 20, 10))
    assert decision.verdict == "breaker_open"
    assert decision.reason == (
        "the last 3 runs of restart failed: its breaker is open for another 50m (`release restart` closes it)"
    )
    assert decided(failed(20, 10)).verdict == "run"


def test_the_rest_ends_to_the_second_an_hour_after_the_last_failure() -> None:
    second = 1 / 60
    assert decided(failed(80, 70, 60 - second)).verdict == "breaker_open"
    assert decided(failed(80, 70, 60)).verdict == "run"


@pytest.mark.parametrize("state", [RunState.QUEUED, RunState.RUNNING, RunState.VERIFYING])
def test_after_the_rest_one_run_tries_and_the_others_wait_for_it(state: RunState) -> None:
    begun = None if state is RunState.QUEUED else NINE - MINUTE
    trying = run("b", "restart", state, started_at=begun)
    decision = decided([*failed(90, 80, 70), trying])
    assert decision.verdict == "breaker_open"
    assert f"run {trying.id} on b tries first" in decision.reason
    assert decided([*failed(90, 80, 70), replace(trying, policy=PolicyId("other"))]).verdict == "run"


def test_when_that_run_fails_too_the_breaker_is_open_for_another_hour() -> None:
    decision = decided(failed(90, 80, 70, 5))
    assert decision.verdict == "breaker_open"
    assert "the last 4 runs of restart failed: its breaker is open for another 55m" in decision.reason


def test_a_success_closes_it() -> None:
    assert decided([*failed(90, 80, 70), ended(5, RunEnd.RESTORED)]).verdict == "run"
    assert decided([*failed(50), ended(40, RunEnd.RESTORED), *failed(30, 20)]).verdict == "run"


@pytest.mark.parametrize("end", [RunEnd.BY_A_PERSON, RunEnd.REFUSED, RunEnd.ALREADY_OK, RunEnd.SIGNAL_GONE])
def test_what_says_nothing_about_the_playbook_neither_opens_nor_closes_it(end: RunEnd) -> None:
    assert decided([*failed(30, 20), ended(10, end)]).verdict == "run"
    assert decided([*failed(30, 20, 10), ended(5, end)]).verdict == "breaker_open"


def test_a_success_that_turned_out_to_be_none_counts_as_a_failure() -> None:
    assert decided([*failed(30, 20), ended(10, RunEnd.STILL_FIRING)]).verdict == "breaker_open"


def test_another_policy_goes_on() -> None:
    assert decided([ended(ago, RunEnd.TIMED_OUT, by="other") for ago in (30, 20, 10)]).verdict == "run"


def test_a_person_closes_it_and_only_later_failures_count() -> None:
    assert decided(failed(30, 20, 10), closed=NINE - 5 * MINUTE).verdict == "run"
    assert decided(failed(30, 20, 10, 4, 3), closed=NINE - 5 * MINUTE).verdict == "run"
    assert decided(failed(30, 20, 10, 4, 3, 2), closed=NINE - 5 * MINUTE).verdict == "breaker_open"


ENDS = st.sampled_from([RunEnd.RESTORED, RunEnd.PLAYBOOK_FAILED, RunEnd.TIMED_OUT, RunEnd.BY_A_PERSON])


@given(ends=st.lists(ENDS, max_size=12), order=st.randoms(use_true_random=False))
def test_it_counts_failures_since_the_last_success_in_whatever_order_runs_are_listed(
    ends: list[RunEnd], order: object
) -> None:
    runs = [ended(len(ends) - place, end) for place, end in enumerate(ends)]
    shuffled = list(runs)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    found = open_breakers(shuffled, NINE).get(PolicyId("restart"))
    in_a_row = 0
    for end in ends:  # slow and obvious
        if end is RunEnd.RESTORED:
            in_a_row = 0
        elif end is not RunEnd.BY_A_PERSON:
            in_a_row += 1
    assert (found.failures if found else 0) == (in_a_row if in_a_row >= 3 else 0)
