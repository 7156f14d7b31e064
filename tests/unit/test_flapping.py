"""What goes on and off again and again is no case for another restart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bsm_remediate.domain.alert import Alert, AlertKey
from bsm_remediate.domain.bundle import Team
from bsm_remediate.domain.decision import Decision
from bsm_remediate.domain.evaluation import Evaluator
from bsm_remediate.domain.on_call import OnCall
from bsm_remediate.domain.policy import Evidence
from bsm_remediate.testing.builders import NINE, alert, bundle, component, policy, service, situation

MINUTE = timedelta(minutes=1)
RESTART = policy("restart", match={"alertname": "Down"}, evidence=Evidence.DIRECT)
A = replace(component("a"), owner="payments")
TEAM = Team(name="payments", members=("li",), on_call=OnCall(rotation=("li",), every=timedelta(days=7), start=NINE))
SHOP = bundle(A, service("s", requires=["a"]), RESTART, teams=[TEAM])
DOWN = alert("Down", instance="a", since=NINE - timedelta(seconds=1))
SLOW = alert("Down", instance="a", severity="warning", since=NINE - timedelta(seconds=1))


def decided(onsets: Mapping[AlertKey, Sequence[float]], *alerts: Alert, released: datetime | None = None) -> Decision:
    """`onsets` are minutes before nine."""
    told = {} if released is None else {"a": released}
    moments = {key: tuple(NINE - ago * MINUTE for ago in agos) for key, agos in onsets.items()}
    here = replace(situation(*(alerts or (DOWN,)), released=told), onsets=moments)
    (found,) = Evaluator(SHOP).evaluate(here).decisions
    return found


def test_what_began_a_fourth_time_within_half_an_hour_goes_to_the_person_on_call() -> None:
    decision = decided({DOWN.key: (29, 20, 10, 0)})
    assert decision.verdict == "flapping"
    assert decision.reason == (
        "began 4 times within 30m, more than 3: li, on call for payments, must look (`release a` lets it act)"
    )
    assert decided({DOWN.key: (20, 10, 0)}).verdict == "run"


def test_what_began_half_an_hour_ago_counts_no_more() -> None:
    assert decided({DOWN.key: (30, 20, 10, 0)}).verdict == "run"
    assert decided({DOWN.key: (29.99, 20, 10, 0)}).verdict == "flapping"


def test_a_beginning_in_the_future_after_our_clock_went_back_counts_no_more() -> None:
    assert decided({DOWN.key: (-5, 20, 10, 0)}).verdict == "run"


def test_a_steady_signal_beside_it_is_reason_enough_to_act() -> None:
    assert decided({DOWN.key: (29, 20, 10, 0)}, DOWN, SLOW).verdict == "run"
    both = {DOWN.key: (29, 20, 10, 0), SLOW.key: (28, 19, 9, 0)}
    assert decided(both, DOWN, SLOW).verdict == "flapping"


def test_a_person_who_releases_the_component_lets_it_act_until_it_flaps_anew() -> None:
    assert decided({DOWN.key: (29, 20, 10, 0)}, released=NINE - 5 * MINUTE).verdict == "run"
    anew = {DOWN.key: (29, 20, 10, 4, 3, 2, 1)}
    assert decided(anew, released=NINE - 5 * MINUTE).verdict == "flapping"
