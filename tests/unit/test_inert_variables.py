from __future__ import annotations

import json

import pytest
from ansible.vars.reserved import get_reserved_names

from bsm_remediate.adapters.ansible.inert import (
    UNSAFE,
    assert_inert,
    run_variables,
    written,
)
from bsm_remediate.domain.event import Json
from bsm_remediate.domain.pool import ServiceWeight, Weights
from bsm_remediate.domain.variable_name import RESERVED, objection_to_name, objection_to_value
from bsm_remediate.testing.local_ansible import a_call


def test_the_file_has_exactly_the_promised_facts() -> None:
    document = json.loads(run_variables(a_call("x.yml", variables={"unit": "redis"}, labels={"tier": "data"})))
    assert document == {
        "bsm": {
            "alert": {
                "name": {UNSAFE: "Down"},
                "status": {UNSAFE: "firing"},
                "starts_at": {UNSAFE: "2026-01-05T09:00:00Z"},
                "labels": [
                    {"name": {UNSAFE: "alertname"}, "value": {UNSAFE: "Down"}},
                    {"name": {UNSAFE: "instance"}, "value": {UNSAFE: "h1:9100"}},
                ],
                "annotations": [],
            },
            "alerts": [document["bsm"]["alert"]],
            "component": {
                "id": {UNSAFE: "web-1"},
                "host": {UNSAFE: "h1"},
                "labels": [{"name": {UNSAFE: "tier"}, "value": {UNSAFE: "data"}}],
            },
            "service_impact": {"loss_per_minute": 300.0, "services": [{UNSAFE: "checkout"}]},
            "run": {"id": {UNSAFE: "run-1"}, "attempt": 1, "fence": 7},
        },
        "unit": {UNSAFE: "redis"},
    }


def test_a_rebalancing_has_its_weights_beside_them_and_nothing_else() -> None:
    weights = Weights(
        members={"web-1": 62.5, "web-2": 37.5},
        by_service=(ServiceWeight(service="checkout", member="web-1", value=100.0),),
        shed={"search": 30.0},
    )
    plain = json.loads(run_variables(a_call("x.yml")))["bsm"]
    found = json.loads(run_variables(a_call("x.yml", weights=weights)))["bsm"]
    assert found == plain | {
        "weights": [{"name": {UNSAFE: "web-1"}, "value": 62.5}, {"name": {UNSAFE: "web-2"}, "value": 37.5}],
        "service_weights": [{"service": {UNSAFE: "checkout"}, "name": {UNSAFE: "web-1"}, "value": 100.0}],
        "shed": [{"name": {UNSAFE: "search"}, "value": 30.0}],
    }


def test_a_pool_that_scales_has_its_number_beside_them() -> None:
    found = json.loads(run_variables(a_call("x.yml", weights=Weights(members={}, replicas=4))))["bsm"]
    assert found == _bsm_of_a_rebalancing() | {"replicas": 4}
    with pytest.raises(ValueError, match=r"bsm\.replicas"):
        assert_inert(json.dumps({"bsm": {**_bsm_of_a_rebalancing(), "replicas": "{{ 4 }}"}}))


def test_weights_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match=r"bsm\.weights"):
        assert_inert(
            json.dumps({"bsm": {**_bsm_of_a_rebalancing(), "weights": [{"name": {UNSAFE: "web-1"}, "value": {}}]}})
        )
    with pytest.raises(ValueError, match="finite"):
        run_variables(a_call("x.yml", weights=Weights(members={"web-1": float("nan")})))


def _bsm_of_a_rebalancing() -> dict[str, Json]:
    whole: dict[str, Json] = json.loads(run_variables(a_call("x.yml", weights=Weights(members={}))))["bsm"]
    return whole


def test_every_name_that_ansible_reserves_is_refused() -> None:
    assert get_reserved_names() <= RESERVED
    for name in get_reserved_names():
        assert objection_to_name(name) is not None, name


@pytest.mark.parametrize(
    "name", ["ansible_become", "inventory_hostname", "_hidden", "bsm", "groups", "a-b", "1x", "", "é", "x\n"]
)
def test_other_names_that_steer_ansible_or_are_none_are_refused(name: str) -> None:
    assert objection_to_name(name) is not None
    with pytest.raises(ValueError, match="variable"):
        run_variables(a_call("x.yml", variables={name: "x"}))


@pytest.mark.parametrize("name", ["unit", "service_name", "X1"])
def test_ordinary_names_are_allowed(name: str) -> None:
    assert objection_to_name(name) is None


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), 2**63, {"__ansible_unsafe": "x"}, {"__ansible_type": 1}, [[[[[[[["deep"]]]]]]]]],
)
def test_values_that_could_upset_ansibles_decoder_are_refused(value: Json) -> None:
    with pytest.raises(ValueError, match=r".+"):
        written({"x": value})


@pytest.mark.parametrize(
    "text",
    [
        '{"x": "plain"}',
        '{"x": {"__ansible_unsafe": "readable as YAML"}}',
        '{"x"\n:{"__ansible_unsafe"\n:5}}',
        '{"bsm"\n:{"alert"\n:{}}}',
        '{"bsm"\n:{"__ansible_unsafe"\n:"x"}}',
    ],
)
def test_a_file_that_is_not_inert_is_noticed_before_use(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        assert_inert(text)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), "no number"),
        ([float("-inf")], "no number"),
        ({"a": 2**63}, "64 bits"),
        ([{"__ansible_vault": "x"}], "two underscores"),
        ({5: "x"}, "in quotes"),
        ([[[[[[["x"]]]]]]], "deeper than 6"),
    ],
)
def test_a_value_that_no_run_could_be_given_is_objected_to_by_name(value: object, said: str) -> None:
    assert said in str(objection_to_value(value))


@pytest.mark.parametrize("value", ["{{ x }}", [[[[[["x"]]]]]], {"a": [1, 2.5, None, True, -(2**63)]}])
def test_what_a_run_can_be_given_is_not(value: Json) -> None:
    assert objection_to_value(value) is None
    assert_inert(written({"x": value}))
