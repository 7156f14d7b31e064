"""What past runs took and brought corrects what the bundle expects, within limits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bsm_remediate.domain.evaluation import Evaluator
from bsm_remediate.domain.experience import (
    Experience,
    corrected,
    counts,
    experiences,
    learned_duration_s,
    learned_success,
)
from bsm_remediate.domain.policy import Alternative, Check, CheckKind, Evidence, Policy
from bsm_remediate.domain.run import Run, RunEnd, RunState
from bsm_remediate.testing.builders import NINE, alert, alternative, bundle, component, policy, run, service, situation

FIRST = alternative("restart.yml", seconds=20, success=0.8)
SECOND = alternative("rebuild.yml", seconds=300, success=0.9)
RESTART = policy("restart", match={"alertname": "Down"}, do=[FIRST, SECOND], evidence=Evidence.DIRECT)
HOUR = timedelta(hours=1)


def restored(took_s: float, *, ago: timedelta = 5 * HOUR, place: int = 0) -> Run:
    begun = NINE - ago
    known = run(
        "a",
        "restart",
        RunState.SUCCEEDED,
        end=RunEnd.RESTORED,
        started_at=begun,
        passed_at=begun + timedelta(seconds=took_s),
        ended_at=begun + timedelta(seconds=took_s + 30),
        alternative=place,
    )
    return replace(known, playbook=RESTART.do[place].playbook)


def failed(end: RunEnd = RunEnd.NOT_VERIFIED, *, place: int = 0) -> Run:
    return replace(restored(500, place=place), state=RunState.FAILED, end=end, passed_at=None)


def expected(runs: Iterable[Run], by: Policy = RESTART, place: int = 0) -> Alternative:
    return corrected(by, place, experiences(runs))


def test_up_to_the_fourth_run_what_is_written_counts_and_from_the_fifth_on_what_was_seen() -> None:
    assert expected([restored(40)] * 4) is FIRST
    five = expected([restored(40)] * 5)
    assert five.duration.total_seconds() == pytest.approx((4 * 20 + 5 * 40) / 9)
    assert five.success == pytest.approx((4 * 0.8 + 5) / 9)


def test_a_failure_costs_chance_and_says_nothing_about_the_time_to_restore() -> None:
    found = expected([restored(20), restored(20), *[failed()] * 3])
    assert found.duration == timedelta(seconds=20)
    assert found.success == pytest.approx((4 * 0.8 + 2) / 9)


def test_the_time_is_from_the_start_to_the_first_pass_of_the_checks_not_to_the_end_of_the_hold() -> None:
    assert experiences([restored(25)]).popitem()[1] == Experience(runs=1, restored=1, restoring_s=25)


def test_however_far_off_it_stays_within_a_quarter_and_four_times_what_is_written() -> None:
    assert expected([restored(3600)] * 100).duration == timedelta(seconds=80)
    assert expected([restored(0.1)] * 100).duration == timedelta(seconds=5)
    assert expected([failed()] * 1000).success == pytest.approx(0.2)
    rare = policy("restart", match={}, do=[replace(FIRST, success=0.1), SECOND])
    assert expected([restored(20)] * 1000, rare).success == pytest.approx(0.4)


def test_each_alternative_learns_for_itself_given_that_those_before_it_failed() -> None:
    runs = [*[failed()] * 5, *[restored(600, place=1)] * 5]
    assert expected(runs).success < FIRST.success
    assert expected(runs, place=1).duration > SECOND.duration
    moved = policy("restart", match={}, do=[SECOND, FIRST])
    assert expected(runs, moved) is SECOND  # in another place it is another question


def test_learn_false_switches_it_off() -> None:
    assert expected([restored(40)] * 9, replace(RESTART, learn=False)) is FIRST


def test_where_nothing_but_the_alert_could_tell_beforehand_nothing_is_learned() -> None:
    """Such a playbook may have been run on what was well already."""
    only_alert = replace(RESTART, verify=(Check(kind=CheckKind.ALERT, target=None),))
    assert expected([restored(1)] * 9, only_alert) is FIRST
    assert expected([restored(1)] * 9, replace(RESTART, verify=())) is FIRST


@pytest.mark.parametrize(
    "other",
    [
        replace(restored(1), state=RunState.CANCELLED, end=RunEnd.ALREADY_OK, attempt=0),
        replace(restored(1), state=RunState.CANCELLED, end=RunEnd.BY_A_PERSON),
        replace(restored(1), state=RunState.OUTCOME_UNKNOWN, end=RunEnd.ENGINE_DIED),
        replace(restored(1), state=RunState.ESCALATED, end=RunEnd.REFUSED, attempt=0),
        replace(restored(1), state=RunState.VERIFYING, end=None, ended_at=None),
    ],
)
def test_what_did_not_come_to_an_end_of_its_own_does_not_count(other: Run) -> None:
    assert not counts(other)
    assert expected([*[restored(40)] * 4, other]) is FIRST


def test_a_success_that_turned_out_to_be_none_is_a_failure() -> None:
    after_all = replace(restored(20), state=RunState.FAILED, end=RunEnd.STILL_FIRING)
    (found,) = experiences([after_all]).values()
    assert (found.runs, found.restored) == (1, 0)


def test_the_plan_rests_on_what_was_learned_and_says_what_is_written() -> None:
    shop = bundle(component("a"), service("s", requires=["a"], loss=60), RESTART)
    here = replace(situation(alert("Down", instance="a")), experience=experiences([restored(56)] * 5))
    (step,) = Evaluator(shop).evaluate(here).plan.steps
    assert step.expected_duration_s == pytest.approx(40)
    assert (step.written.duration, step.written.success) == (timedelta(seconds=20), 0.8)
    assert step.learned_from == 5
    assert "usually 40s, 20s is written" in step.reason


EXPERIENCES = st.integers(0, 500).flatmap(
    lambda runs: st.builds(
        Experience,
        runs=st.just(runs),
        restored=st.integers(0, runs),
        restoring_s=st.floats(0, 1e7),
    )
)


@given(written=st.floats(0.001, 1e5), known=EXPERIENCES)
def test_a_learned_duration_lies_between_the_written_one_and_the_mean_or_at_its_bound(
    written: float, known: Experience
) -> None:
    found = learned_duration_s(written, known)
    assert written / 4 <= found <= written * 4
    if known.restored:
        mean = known.restoring_s / known.restored
        low, high = sorted((written, min(max(mean, written / 4), written * 4)))
        assert low * (1 - 1e-9) <= found <= high * (1 + 1e-9)


@given(written=st.floats(0.01, 1), known=EXPERIENCES)
def test_one_more_success_never_lowers_the_chance_and_one_more_failure_never_raises_it(
    written: float, known: Experience
) -> None:
    now = learned_success(written, known)
    better = replace(known, runs=known.runs + 1, restored=known.restored + 1)
    worse = replace(known, runs=known.runs + 1)
    assert 0 < learned_success(written, worse) <= now <= learned_success(written, better) <= 1
