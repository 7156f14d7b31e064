"""What `why --alert` tells is what the engine does, for any alerts under any bundle."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from bsm_remediate.config.expression import compile_condition, compile_label_template
from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.bundle import Bundle, Settings, Watchdog
from bsm_remediate.domain.evaluation import Evaluation, Evaluator
from bsm_remediate.domain.explanation import Explanation, explain
from bsm_remediate.domain.matcher import Matcher, MatchOperator
from bsm_remediate.domain.policy import Mode, Policy
from bsm_remediate.domain.service_map import Component
from bsm_remediate.testing.builders import alert, alternative, bundle, component, policy, service, situation

NAMES = ["Down", "Slow", "Heartbeat"]
PLACES = ["a", "b", "c", "a:9100", "host-1", "10.0.0.1", "shop", "elsewhere", ""]
LABELS = ["alertname", "job", "instance", "component", "severity"]
VALUES = [*NAMES, *PLACES, "critical"]
CONDITIONS = ["signal.age > 20", "impact.loss_per_minute > 0", "component.id == 'a'", "alert.labels.job > 1"]

matchers = st.builds(
    Matcher,
    label=st.sampled_from(LABELS),
    operator=st.sampled_from([MatchOperator.EQUAL, MatchOperator.NOT_EQUAL]),
    value=st.sampled_from(VALUES),
)


@st.composite
def alerts(draw: st.DrawFn) -> Alert:
    more = draw(st.dictionaries(st.sampled_from(["job", "instance", "component", "host"]), st.sampled_from(PLACES)))
    severity = draw(st.sampled_from(["critical", "warning", "info"]))
    return alert(draw(st.sampled_from(NAMES)), severity=severity, more=more)


@st.composite
def components(draw: st.DrawFn, name: str) -> Component:
    return component(
        name,
        host=draw(st.sampled_from([name, "host-1"])),
        aliases=draw(st.lists(st.sampled_from(["10.0.0.1", "a:9100"]), max_size=1)),
        match=draw(st.dictionaries(st.sampled_from(["job", "instance"]), st.sampled_from(PLACES), max_size=2)),
        host_level=draw(st.booleans()),
    )


@st.composite
def policies(draw: st.DrawFn, name: str) -> Policy:
    return policy(
        name,
        match=draw(st.lists(matchers, min_size=1, max_size=2)),
        do=[alternative()] if draw(st.booleans()) else [],
        mode=draw(st.sampled_from(list(Mode))),
        precedence=draw(st.integers(0, 1)),
        component=draw(st.sampled_from([None, None, compile_label_template("{{ labels.job }}")])),
        when=draw(st.sampled_from([None, *map(compile_condition, CONDITIONS)])),
    )


@st.composite
def bundles(draw: st.DrawFn) -> Bundle:
    parts = [draw(components(name)) for name in "abc"]
    return bundle(
        *parts,
        service("shop", requires=["a", "b"]),
        *(draw(policies(f"p{number}")) for number in range(draw(st.integers(0, 4)))),
        settings=Settings(
            watchdog=draw(st.sampled_from([None, Watchdog(alertname="Heartbeat")])),
            not_about=draw(st.sampled_from([{}, {"job": ("a",)}])),
        ),
    )


@settings(max_examples=300, deadline=None)
@given(bundles(), st.lists(alerts(), min_size=1, max_size=4, unique_by=lambda one: one.key))
def test_an_explanation_ends_as_the_engine_decides(shop: Bundle, firing: list[Alert]) -> None:
    world = situation(*firing)
    evaluation = Evaluator(shop).evaluate(world)
    for told in explain(shop, world):
        key = told.reading.alert.key
        assert list(told.decisions) == [one for one in evaluation.decisions if key in one.alerts]
        assert _components(told) == _components_of(evaluation, told.reading.alert)
        _agrees_with_itself(told, shop)


def _components(told: Explanation) -> dict[str, str]:
    """What the first attempt with an answer says."""
    if told.answered is None:
        return {}
    answer = told.attempts[told.answered][3]
    assert answer is not None
    return {one.node: one.how for one in answer.components}


def _components_of(evaluation: Evaluation, firing: Alert) -> Mapping[str, str]:
    return {one.component: one.how for one in evaluation.signals if one.alert.key == firing.key}


def _agrees_with_itself(told: Explanation, shop: Bundle) -> None:
    is_heartbeat = told.answered is None
    for tried in told.policies:
        fits = tried.policy.mode is not Mode.OFF and all(one.fits for one in tried.matchers)
        assert tried.speaks is (fits and not is_heartbeat)
    assert {one.policy.id for one in told.policies} == shop.policies.keys()
    speaking = tuple(one.policy.id for one in told.policies if one.speaks)
    assert speaking == tuple(one.id for one in told.reading.policies)
    asked = [one for one in told.decisions if one.policy is not None]
    for decision in asked:
        tried = next(one for one in told.policies if one.policy.id == decision.policy)
        assert all(holds for node, holds in tried.conditions if node == decision.component)
    assert {one.component for one in told.deciding} == {one.component for one in told.decisions}
