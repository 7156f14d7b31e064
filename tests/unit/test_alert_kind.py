"""What the words of an alert's name say."""

from __future__ import annotations

import pytest

from bsm_remediate.domain.alert_kind import AlertKind, kind_of


@pytest.mark.parametrize(
    "name", ["NoRequestsReceived", "no_traffic", "IstioLowTotalRequestRate", "Zero orders", "WireguardNoTrafficOnPeer"]
)
def test_too_little_of_what_others_ask_is_demand(name: str) -> None:
    assert kind_of(name) is AlertKind.DEMAND


@pytest.mark.parametrize(
    "name",
    ["KubePodNotReady", "HostOutOfMemory", "cpu", "CPUThrottlingHigh", "disk full", "ContainerKilled", "HostRebooted"],
)
def test_process_machine_and_resources_are_its_own(name: str) -> None:
    assert kind_of(name) is AlertKind.OWN


@pytest.mark.parametrize(
    "name",
    [
        "HighRequestErrorRate",
        "latency",
        "NoSuccessfulRequests",
        "LowRequestSuccessRate",
        "InstanceDown",
        "",
        "???",
        "故障",
    ],
)
def test_everything_else_may_come_from_below(name: str) -> None:
    assert kind_of(name) is AlertKind.CALL


def test_a_name_of_a_megabyte_costs_nothing() -> None:
    assert kind_of("Error" * 200_000) is AlertKind.CALL
