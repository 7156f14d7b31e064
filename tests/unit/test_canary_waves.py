"""Of a set, one is restored and verified before its siblings are touched; then 2, 4, …"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from bsm_remediate.domain.decision import Decision
from bsm_remediate.domain.evaluation import Evaluator
from bsm_remediate.domain.policy import Evidence, GuardLimits
from bsm_remediate.domain.rollout import rollout
from bsm_remediate.domain.run import Run, RunEnd, RunState
from bsm_remediate.testing.builders import NINE, alert, bundle, component, every, policy, run, service, situation

MINUTE = timedelta(minutes=1)
WEB = [f"w{number}" for number in range(8)]
LIMITS = GuardLimits(cooldown=timedelta(0), max_runs_per_component=None, canary=1)
RESTART = policy("restart", match={"alertname": "Down"}, guard=LIMITS, evidence=Evidence.DIRECT)
FARM = bundle(
    *map(component, (*WEB, "db")), service("s", requires=every(*WEB, "db")), RESTART, sets={"web": WEB, "rest": ["db"]}
)


def at_work(node: str) -> Run:
    return run(node, "restart", RunState.RUNNING, started_at=NINE - MINUTE)


def ended(node: str, ago: float, end: RunEnd = RunEnd.RESTORED) -> Run:
    state = RunState.SUCCEEDED if end is RunEnd.RESTORED else RunState.FAILED
    when = NINE - ago * MINUTE
    return run(node, "restart", state, end=end, started_at=when - MINUTE, ended_at=when)


def decided(node: str, runs: Iterable[Run]) -> Decision:
    down = alert("Down", instance=node, since=NINE - timedelta(seconds=1))
    (found,) = [one for one in Evaluator(FARM).evaluate(situation(down, runs=runs)).decisions if one.component == node]
    return found


def test_while_the_first_is_under_way_its_siblings_wait() -> None:
    assert decided("w1", []).verdict == "run"
    decision = decided("w1", [at_work("w0")])
    assert decision.verdict == "canary"
    assert decision.reason == "1 of web under way, 0 verified before: the next wave waits until they are (canary is 1)"


def test_playbook_ended_is_not_verified() -> None:
    verifying = replace(at_work("w0"), state=RunState.VERIFYING, passed_at=NINE)
    assert decided("w1", [verifying]).verdict == "canary"


def test_then_two_at_once_then_four() -> None:
    one = [ended("w0", 5)]
    assert decided("w2", [*one, at_work("w1")]).verdict == "run"
    assert decided("w3", [*one, at_work("w1"), at_work("w2")]).verdict == "canary"
    assert (
        decided("w3", [*one, ended("w1", 4), at_work("w2")]).verdict == "canary"
    )  # the wave isn't verified as a whole
    three = [*one, ended("w1", 4), ended("w2", 3)]
    assert decided("w6", [*three, *map(at_work, ("w3", "w4", "w5"))]).verdict == "run"
    assert decided("w7", [*three, *map(at_work, ("w3", "w4", "w5", "w6"))]).verdict == "canary"


def test_after_one_that_failed_it_begins_with_one_again() -> None:
    runs = [ended("w0", 9), ended("w1", 8), ended("w2", 7, RunEnd.NOT_VERIFIED)]
    assert decided("w3", runs).verdict == "run"
    assert decided("w4", [*runs, at_work("w3")]).verdict == "canary"


def test_a_success_vouches_for_its_siblings_for_an_hour() -> None:
    assert decided("w2", [ended("w0", 59), at_work("w1")]).verdict == "run"
    assert decided("w2", [ended("w0", 60), at_work("w1")]).verdict == "canary"


def test_other_sets_and_other_policies_do_not_wait() -> None:
    assert decided("db", [at_work("w0")]).verdict == "run"
    foreign = replace(at_work("w0"), policy=policy("other", match={}).id)
    assert decided("w1", [foreign]).verdict == "run"


def test_what_was_never_begun_neither_vouches_nor_blames() -> None:
    already_ok = replace(ended("w0", 5, RunEnd.ALREADY_OK), state=RunState.CANCELLED, attempt=0)
    assert decided("w2", [ended("w3", 6), already_ok, at_work("w1")]).verdict == "run"
    waiting = replace(at_work("w0"), state=RunState.AWAITING_APPROVAL, locks=())
    assert decided("w1", [waiting]).verdict == "run"


@given(canary=st.integers(1, 4), outcomes=st.lists(st.booleans(), max_size=40))
def test_however_it_goes_no_wave_starts_before_the_one_before_it_is_verified(canary: int, outcomes: list[bool]) -> None:
    """Start whatever may start, let the oldest end, again and again."""
    ends_of_waves = [canary * (2**wave - 1) for wave in range(1, 12)]
    over: list[Run] = []
    under_way: list[Run] = []
    verified = 0
    for second, is_restored in enumerate(outcomes):
        while rollout([*over, *under_way], NINE).room(canary):
            under_way.append(at_work(f"n{len(over) + len(under_way)}"))
            assert verified + len(under_way) <= min(end for end in ends_of_waves if end > verified)
        assert under_way  # it never comes to a standstill
        oldest = under_way.pop(0)
        end = RunEnd.RESTORED if is_restored else RunEnd.PLAYBOOK_FAILED
        over.append(replace(ended(oldest.component, 0, end), ended_at=NINE - 20 * MINUTE + timedelta(seconds=second)))
        verified = verified + 1 if is_restored else 0
