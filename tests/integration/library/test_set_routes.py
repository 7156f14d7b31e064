"""Routes are set in a real network of its own: a namespace of the kernel, which needs no root."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.integration.library.playing import Played, play, refusals

_NETWORK = """
set -e
ip link set lo up
ip address add 10.9.0.1/24 dev lo
{before}
set +e
"$@"
ended=$?
ip -json route show > {routes}
exit $ended
"""
VIA = {name: {"gateway": f"10.9.0.{number}", "dev": "lo"} for number, name in ((2, "link-a"), (3, "link-b"))}
GIVEN: dict[str, object] = {"route_destination": "10.8.0.0/16", "route_via": VIA}


def played(folder: Path, given: dict[str, object], before: str = "", **how: Any) -> tuple[Played, list[dict[str, Any]]]:
    """Play in a new network where `before` has been said, and what its routes are afterwards."""
    routes = folder / "routes.json"
    script = _NETWORK.format(before=before, routes=routes)
    through = ("unshare", "--map-root-user", "--net", "sh", "-c", script, "network")
    done = play("set_routes.yml", folder, {**GIVEN, **given}, through=through, **how)
    return done, json.loads(routes.read_text()) if routes.exists() else []


def changes(done: Played) -> int:
    return done.output.count("\nchanged: [")


def over(route: dict[str, Any]) -> dict[str, int]:
    return {one["gateway"]: one["weight"] for one in route["nexthops"]}


def test_traffic_is_spread_by_the_weights_of_a_rebalancing(tmp_path: Path) -> None:
    weights = [{"name": "link-a", "value": 25.0}, {"name": "link-b", "value": 75.5}]
    done, (route,) = played(tmp_path, {"route_weights": {"link-a": 1}}, bsm={"weights": weights}, run=(2, 1), times=2)
    assert done.succeeded, done.output
    assert changes(done) == 1  # the second time nothing differs
    assert over(route) == {"10.9.0.2": 85, "10.9.0.3": 256}


def test_a_link_without_weight_gets_nothing_and_check_mode_only_looks(tmp_path: Path) -> None:
    before = "ip route add 10.8.0.0/16 nexthop via 10.9.0.2 dev lo weight 3 nexthop via 10.9.0.3 dev lo weight 1"
    given: dict[str, object] = {"route_weights": {"link-a": 0, "link-b": 7}}
    tried, (route,) = played(tmp_path, given, before, check=True)
    assert (tried.succeeded, over(route)) == (True, {"10.9.0.2": 3, "10.9.0.3": 1}), tried.output
    done, (route,) = played(tmp_path, given, before, times=2)
    assert (done.succeeded, changes(done), route["gateway"]) == (True, 1, "10.9.0.3"), done.output


def test_by_metric_the_greatest_weight_is_preferred_and_the_others_stand_by(tmp_path: Path) -> None:
    before = (
        "ip route add 10.8.0.0/16 via 10.9.0.2 dev lo metric 100\n"
        "ip route add 10.8.0.0/16 via 10.9.0.3 dev lo metric 110\n"
        "ip route add 10.8.0.0/16 via 10.9.0.2 dev lo metric 150\n"
        "ip route add 10.8.0.0/16 via 10.9.0.9 dev lo metric 160\n"
        "ip route add 10.7.0.0/16 via 10.9.0.2 dev lo metric 150"
    )
    given: dict[str, object] = {"route_mode": "metric", "route_weights": {"link-a": 10, "link-b": 90}}
    done, routes = played(tmp_path, given, before, times=2)
    assert (done.succeeded, changes(done)) == (True, 1), done.output
    assert [(one["gateway"], one["metric"]) for one in routes if one["dst"] == "10.8.0.0/16"] == [
        ("10.9.0.3", 100),
        ("10.9.0.2", 110),
        ("10.9.0.9", 160),  # somebody else's
    ]
    assert [one["metric"] for one in routes if one["dst"] == "10.7.0.0/16"] == [150]


def test_nobody_is_left_without_a_route(tmp_path: Path) -> None:
    before = "ip route add 10.8.0.0/16 via 10.9.0.2 dev lo"
    none, (route,) = played(tmp_path, {"route_weights": {"link-a": 0, "link-b": 0}}, before)
    assert not none.succeeded
    assert "nothing would go to 10.8.0.0/16" in none.output
    assert route["gateway"] == "10.9.0.2"
    unknown, _ = played(tmp_path, {"route_weights": {"link-c": 1}}, before)
    assert "route_via doesn't say where link-c is" in unknown.output


def test_what_is_no_network_no_gateway_or_no_number_is_refused(tmp_path: Path) -> None:
    weights: dict[str, object] = {"route_weights": {"link-a": 1}}
    said = refusals(
        "set_routes.yml",
        tmp_path,
        {**GIVEN},
        {**GIVEN, "route_weights": {"link-a": -1}},
        {**GIVEN, **weights, "route_destination": "10.8.0.0/16; reboot"},
        {**GIVEN, **weights, "route_via": {"link-a": {"gateway": "10.9.0.2; reboot", "dev": "lo"}}},
        {**GIVEN, **weights, "route_via": {"link-a": {"gateway": "10.9.0.2", "dev": "lo weight 9"}}},
        {**GIVEN, **weights, "route_mode": "both"},
        {**GIVEN, **weights, "route_metric": "low"},
    )
    assert all("set_routes.yml needs" in message for message in said), said
