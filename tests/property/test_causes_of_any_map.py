"""What must hold for the causes of any map in any states, with whatever alerts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.bundle import Bundle, Settings
from bsm_remediate.domain.evaluation import Evaluator
from bsm_remediate.domain.impact import Impact
from bsm_remediate.domain.state import State
from bsm_remediate.testing.builders import NINE, alert, bundle, situation
from tests.property.worlds import World, worlds

NAMES = ["Errors", "NoRequestsReceived", "PodNotReady"]
SEVERITIES = ["critical", "warning", "info"]
MODERATELY = settings(max_examples=50, deadline=None)
SCORES = [None, "5", "80.5", "nan", "-1", "x"]


@st.composite
def alerts(draw: st.DrawFn, world: World) -> list[Alert]:
    found = []
    for node in sorted(world.map.components):
        for name in draw(st.lists(st.sampled_from(NAMES), max_size=2, unique=True)):
            since = NINE - timedelta(seconds=draw(st.integers(0, 4000)))
            one = alert(name, severity=draw(st.sampled_from(SEVERITIES)), since=since, component=node)
            score = draw(st.sampled_from(SCORES))
            found.append(one if score is None else replace(one, annotations={"score": score}))
    return found


def impact(world: World, said: list[Alert]) -> Impact:
    return Evaluator(as_bundle(world)).evaluate(situation(*said, stated=stated(world))).impact


def stated(world: World) -> dict[str, State]:
    return {str(node): state for node, state in world.own.items()}


def as_bundle(world: World) -> Bundle:
    return bundle(
        *world.map.components.values(), *world.map.services.values(), settings=Settings(state_from_severity=True)
    )


@MODERATELY
@given(worlds(), st.data())
def test_all_causes_are_listed_once_the_likeliest_first(world: World, data: st.DataObject) -> None:
    found = impact(world, data.draw(alerts(world)))
    scores = [cause.score for cause in found.root_causes]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert sum(scores) <= 1 + 1e-3
    named = [cause.component for cause in found.root_causes]
    assert len(named) == len(set(named))
    failing = {node for node, state in found.own.items() if state in {State.DOWN, State.DEGRADED}}
    assert {cause.component for cause in found.root_causes if not cause.suspect and not cause.symptom} == (
        failing & world.map.components.keys() - found.symptoms.keys()
    )


@MODERATELY
@given(worlds(), st.data())
def test_symptoms_and_suspects_are_what_they_are_called(world: World, data: st.DataObject) -> None:
    found = impact(world, data.draw(alerts(world)))
    for cause in found.root_causes:
        assert cause.symptom is (cause.component in found.symptoms)
        assert cause.suspect is (cause.component not in found.own)


@MODERATELY
@given(worlds(), st.data())
def test_the_order_of_alerts_plays_no_part(world: World, data: st.DataObject) -> None:
    said = data.draw(alerts(world))
    assert impact(world, data.draw(st.permutations(said))).root_causes == impact(world, said).root_causes


@MODERATELY
@given(worlds(), st.data(), st.integers(1, 100_000))
def test_when_it_is_looked_at_plays_no_part(world: World, data: st.DataObject, seconds: int) -> None:
    said = data.draw(alerts(world))
    later = situation(*said, stated=stated(world), at=NINE + timedelta(seconds=min(seconds, 80_000)))
    found = Evaluator(as_bundle(world)).evaluate(later).impact.root_causes
    assert found == impact(world, said).root_causes
