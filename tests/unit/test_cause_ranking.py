"""The ranking of causes, as stories about a shop: checkout needs web-1 and pay-1, which both need db-1."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.bundle import Bundle, Settings
from bsm_remediate.domain.evaluation import Evaluator
from bsm_remediate.domain.impact import RootCause
from bsm_remediate.domain.policy import Evidence
from bsm_remediate.domain.run import RunEnd, RunState
from bsm_remediate.domain.state import State
from bsm_remediate.testing.builders import NINE, alert, at_least_of, bundle, component, policy, run, service, situation

ALL = Settings(state_from_severity=True)
SHOP = bundle(
    component("san-1"),
    component("db-1", requires=["san-1"]),
    component("web-1", requires=["db-1"]),
    component("pay-1", requires=["db-1"]),
    service("checkout", requires=["web-1", "pay-1"]),
    policy("note", match={"alertname": "Note"}, do=[], sets=State.OK),
    settings=ALL,
)


def ranked(*alerts: Alert, of: Bundle = SHOP) -> dict[str, RootCause]:
    found = Evaluator(of).evaluate(situation(*alerts)).impact.root_causes
    return {str(cause.component): cause for cause in found}


def first(*alerts: Alert, of: Bundle = SHOP) -> str:
    return next(iter(ranked(*alerts, of=of)))


def signs(
    component: str, name: str = "Errors", *, seconds_ago: float = 60, score: object = None, severity: str = "critical"
) -> Alert:
    found = alert(name, instance=component, severity=severity, since=NINE - timedelta(seconds=seconds_ago))
    return found if score is None else replace(found, annotations={"score": str(score)})


# --- the order --------------------------------------------------------------------------------------------------------


def test_scores_are_shares_of_all_suspicion() -> None:
    found = ranked(signs("web-1"), signs("pay-1"))
    assert sum(cause.score for cause in found.values()) == pytest.approx(1.0, abs=1e-3)


def test_a_symptom_at_the_same_time_is_not_listed() -> None:
    assert list(ranked(signs("db-1"), signs("web-1"), signs("pay-1"))) == ["db-1"]


def test_a_cause_may_signal_a_minute_after_its_effects() -> None:
    found = ranked(signs("db-1", seconds_ago=60), signs("web-1", seconds_ago=120), signs("pay-1", seconds_ago=110))
    assert next(iter(found)) == "db-1"


def test_what_long_signalled_before_explains_little_and_its_symptom_is_named_too() -> None:
    found = ranked(signs("db-1", seconds_ago=7200), signs("web-1", seconds_ago=60))
    assert list(found) == ["web-1", "db-1"]
    assert found["web-1"].symptom
    assert found["web-1"].reason.endswith("what it requires fails too, but hardly explains it")
    assert not found["db-1"].symptom


def test_such_a_symptom_is_still_held_and_no_cause_of_the_service() -> None:
    found = Evaluator(SHOP).evaluate(situation(signs("db-1", seconds_ago=7200), signs("web-1", seconds_ago=60)))
    assert dict(found.impact.symptoms) == {"web-1": ("db-1",)}
    assert {one.causes for one in found.impact.services.values()} == {("db-1",)}


def test_a_weak_anomaly_does_not_explain_a_strong_one_as_well_as_an_equal_one_does() -> None:
    weak = ranked(signs("db-1", score=2), signs("web-1", score=200))
    equal = ranked(signs("db-1", score=200), signs("web-1", score=200))
    assert weak["db-1"].score < equal["db-1"].score


def test_of_two_that_fail_alike_the_stronger_one_ranks_higher() -> None:
    assert first(signs("web-1", score=5), signs("pay-1", score=50)) == "pay-1"
    assert first(signs("web-1", score=50), signs("pay-1", score=5)) == "web-1"


@pytest.mark.parametrize(("older_loss", "newer_loss"), [(10, 100), (100, 10)])
def test_of_two_outages_at_once_the_causes_of_the_costlier_one_come_first(older_loss: float, newer_loss: float) -> None:
    shop = bundle(
        component("db-1"),
        component("web-1", requires=["db-1"]),
        component("cache-1"),
        component("api-1", requires=["cache-1"]),
        service("checkout", requires=["web-1"], loss=older_loss),
        service("search", requires=["api-1"], loss=newer_loss),
        settings=ALL,
    )
    older = [signs("db-1", seconds_ago=7200), signs("web-1", seconds_ago=7190)]
    newer = [signs("cache-1", seconds_ago=60), signs("api-1", seconds_ago=50)]
    by_loss = ["db-1", "cache-1"] if older_loss > newer_loss else ["cache-1", "db-1"]
    assert list(ranked(*older, *newer, of=shop)) == by_loss


@pytest.mark.parametrize("said", ["nan", "inf", "-inf", "-3", "0", "", "strong", "1e999", "{{ 7*7 }}"])
def test_a_score_that_is_no_strength_counts_as_none(said: str) -> None:
    plain = ranked(signs("web-1"), signs("pay-1"))
    assert ranked(signs("web-1", score=said), signs("pay-1")) == plain


def test_what_signals_about_itself_is_not_explained_by_what_is_below() -> None:
    by_calls = ranked(signs("san-1"), signs("web-1", "HighErrorRate"), signs("pay-1"))
    by_itself = ranked(signs("san-1"), signs("web-1", "ContainerRestarting"), signs("pay-1"))
    assert "web-1" not in by_calls
    assert by_itself["web-1"].symptom
    assert "signals about itself" in by_itself["web-1"].reason


def test_direct_evidence_counts_as_a_signal_about_itself() -> None:
    gone = policy("gone", match={"alertname": "Gone"}, evidence=Evidence.DIRECT)
    shop = bundle(*SHOP.service_map.components.values(), *SHOP.service_map.services.values(), gone, settings=ALL)
    found = ranked(signs("web-1"), signs("pay-1", "Gone"), signs("san-1", seconds_ago=3000), of=shop)
    assert next(iter(found)) == "pay-1"


def test_where_all_evidence_is_direct_the_order_is_by_the_rest() -> None:
    everything = policy("all", match={"severity": "critical"}, evidence=Evidence.DIRECT)
    shop = bundle(*SHOP.service_map.components.values(), *SHOP.service_map.services.values(), everything)
    found = ranked(signs("web-1"), signs("pay-1"), signs("db-1"), of=shop)
    assert list(found) == ["db-1", "pay-1", "web-1"]


# --- too little demand ------------------------------------------------------------------------------------------------


def test_what_is_only_asked_too_little_is_explained_by_what_should_ask_it() -> None:
    shop = bundle(
        component("front", requires=["a", "b", "c"]),
        component("a"),
        component("b"),
        component("c"),
        service("s", requires=["front"]),
        settings=ALL,
    )
    starved = [signs(one, "NoRequestsReceived") for one in ("a", "b", "c")]
    assert first(signs("front", "HighErrorRate"), *starved, of=shop) == "front"
    assert (
        first(signs("front", "HighErrorRate"), *(signs(one, "Errors") for one in ("a", "b", "c")), of=shop) != "front"
    )


def test_the_only_one_that_is_asked_too_little_may_be_dead() -> None:
    shop = bundle(
        component("front", requires=["a", "b", "c"]),
        component("a"),
        component("b"),
        component("c"),
        service("s", requires=["front"]),
        settings=ALL,
    )
    assert first(signs("front", "HighErrorRate"), signs("a", "NoRequestsReceived"), of=shop) == "a"


# --- suspects ---------------------------------------------------------------------------------------------------------


def test_the_more_fail_by_themselves_above_a_silent_component_the_likelier_it_is() -> None:
    def switch(hosts: int) -> dict[str, RootCause]:
        names = [f"host-{number}" for number in range(hosts)]
        net = bundle(
            component("switch"),
            *(component(name, requires=["switch"]) for name in names),
            service("s", requires=names),
            settings=ALL,
        )
        return ranked(*map(signs, names), of=net)

    two, ten = switch(2), switch(10)
    assert next(iter(two)) != "switch"
    assert next(iter(ten)) == "switch"
    assert two["switch"].suspect
    assert ten["switch"].suspect
    assert two["switch"].score < ten["switch"].score


def test_an_alert_that_changes_no_state_is_evidence_for_the_ranking() -> None:
    found = ranked(signs("web-1"), signs("db-1", "Note"))
    assert found["db-1"].suspect
    assert found["db-1"].reason == "has an alert that changes no state, but what needs it fails"
    assert found["db-1"].score > 0


def test_a_mended_component_whose_alert_is_slow_to_end_is_no_suspect() -> None:
    restart = policy("restart", match={"alertname": "Errors"})
    shop = bundle(*SHOP.service_map.components.values(), *SHOP.service_map.services.values(), restart)
    mended = run(
        "db-1",
        "restart",
        RunState.SUCCEEDED,
        end=RunEnd.RESTORED,
        passed_at=NINE - timedelta(seconds=30),
        ended_at=NINE - timedelta(seconds=30),
    )
    found = Evaluator(shop).evaluate(situation(signs("db-1"), signs("web-1"), runs=[mended])).impact.root_causes
    assert [cause.component for cause in found] == ["web-1"]


def test_at_most_a_hundred_suspects_are_listed() -> None:
    names = [f"quiet-{number}" for number in range(150)]
    net = bundle(
        *map(component, names),
        component("a", requires=names),
        component("b", requires=names),
        service("s", requires=["a", "b"]),
        settings=ALL,
    )
    assert sum(cause.suspect for cause in ranked(signs("a"), signs("b"), of=net).values()) == 100


# --- other alerts than there should be --------------------------------------------------------------------------------

Signs = Sequence[tuple[str, float]]
"""Component and onset in seconds."""


def outage(chance: random.Random) -> tuple[Mapping[str, list[str]], str, Signs]:
    """Racks of hosts with an application each. A rack's switch or the core fails, and 2 to 20 seconds later each time
    what stands on it.
    """
    below: dict[str, list[str]] = {"core": []}
    for rack in range(4):
        below[f"rack-{rack}"] = ["core"]
        for place in range(4):
            below[f"host-{rack}-{place}"] = [f"rack-{rack}"]
            below[f"app-{rack}-{place}"] = [f"host-{rack}-{place}"]
    cause = chance.choice(["core", *(node for node in below if node.startswith("rack"))])
    onset = {cause: 0.0}
    for node, needs in below.items():  # listed from below
        if needs and needs[0] in onset:
            onset[node] = onset[needs[0]] + chance.uniform(2, 20)
    return below, cause, list(onset.items())


def as_they_are(chance: random.Random, cause: str, said: Signs, nodes: Sequence[str]) -> Signs:  # noqa: ARG001
    return said


def some_missing(chance: random.Random, cause: str, said: Signs, nodes: Sequence[str]) -> Signs:  # noqa: ARG001
    return [(node, at) for node, at in said if node == cause or chance.random() > 0.3]


def some_late(chance: random.Random, cause: str, said: Signs, nodes: Sequence[str]) -> Signs:  # noqa: ARG001
    return [(node, at + (60 if chance.random() < 0.3 else 0)) for node, at in said]


def some_extra(chance: random.Random, cause: str, said: Signs, nodes: Sequence[str]) -> Signs:  # noqa: ARG001
    quiet = [node for node in nodes if node not in dict(said)]
    return [*said, *((node, chance.uniform(-1800, -300)) for node in chance.sample(quiet, min(len(quiet), 3)))]


def clocks_off(chance: random.Random, cause: str, said: Signs, nodes: Sequence[str]) -> Signs:  # noqa: ARG001
    return [(node, at + chance.uniform(-10, 10)) for node, at in said]


@pytest.mark.parametrize(
    ("worse", "least"),
    [(as_they_are, 1.0), (some_missing, 1.0), (some_late, 0.95), (some_extra, 0.85), (clocks_off, 1.0)],
)
def test_a_made_cause_is_found_whatever_happens_to_the_alerts(
    worse: Callable[[random.Random, str, Signs, Sequence[str]], Signs], least: float
) -> None:
    found = 0
    for seed in range(60):
        chance = random.Random(seed)  # noqa: S311  # a drawn outage
        below, cause, said = outage(chance)
        net = bundle(
            *(component(node, requires=needs or None) for node, needs in below.items()),
            *(
                service(f"s-{rack}", requires=at_least_of(2, *(f"app-{rack}-{place}" for place in range(4))))
                for rack in range(4)
            ),
            settings=ALL,
        )
        alerts = [signs(node, seconds_ago=600 - at) for node, at in worse(chance, cause, said, list(below))]
        found += first(*alerts, of=net) == cause
    assert found / 60 >= least
