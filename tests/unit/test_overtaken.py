"""A run that was reserved but hasn't begun is looked at again when more has failed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.evaluation import Evaluator
from bsm_remediate.domain.policy import Evidence, Mode
from bsm_remediate.domain.run import Run, RunState
from bsm_remediate.domain.situation import Situation
from bsm_remediate.domain.state import State
from bsm_remediate.testing import builders
from bsm_remediate.testing.builders import alternative, bundle, component, either, policy, service
from bsm_remediate.testing.timeline import BEGIN

SHOP = bundle(
    component("web-1"),
    component("web-2"),
    service("checkout", requires=either("web-1", "web-2"), loss=300),
    policy(
        "restart", match={"alertname": "Down"}, evidence=Evidence.DIRECT, do=(alternative("r.yml"),), mode=Mode.AUTO
    ),
    policy(
        "tune",
        match={"alertname": "Slow"},
        sets=State.DEGRADED,
        evidence=Evidence.DIRECT,
        do=(alternative("t.yml"),),
        mode=Mode.AUTO,
    ),
)


def reserved(attempt: int = 0) -> Run:
    """To tune web-1, which is slow."""
    run = builders.run("web-1", "tune", RunState.QUEUED, started_at=None)
    return replace(run, attempt=attempt, locks=("component:web-1", "host:web-1"), planned_at=BEGIN)


def overtaken(*alerts: Alert, run: Run) -> list[str]:
    situation = Situation(at=BEGIN, alerts=alerts, runs=(run,))
    return [one.reason for one in Evaluator(SHOP).evaluate(situation).overtaken]


def alert(name: str, instance: str) -> Alert:
    return builders.alert(name, instance=instance, since=BEGIN, received_at=BEGIN)


def test_what_would_take_the_last_healthy_one_down_now_must_not_begin() -> None:
    slow, down = alert("Slow", "web-1"), alert("Down", "web-2")
    assert overtaken(slow, run=reserved()) == []
    assert overtaken(slow, down, run=reserved()) == ["more has failed since: checkout would go down"]


def test_what_has_begun_already_goes_on() -> None:
    assert overtaken(alert("Slow", "web-1"), alert("Down", "web-2"), run=reserved(attempt=1)) == []


@pytest.mark.parametrize("name", ["Down", "Slow"])
def test_what_is_down_itself_takes_nothing_down(name: str) -> None:
    found = overtaken(alert("Down", "web-1"), alert(name, "web-2"), run=reserved())
    assert found == []
