"""Pools and the policies that rebalance them, as bundles write them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from bsm_remediate.config.loader import Loaded
from bsm_remediate.domain.ids import NodeId, PolicyId
from bsm_remediate.domain.pool import Apply, Member

Load = Callable[[str], Loaded]
Codes = Callable[[str], list[tuple[str, int, int]]]
SHOP = """currency: EUR
services: {checkout: {loss_per_minute: 300, requires: [web-1]}, search: {loss_per_minute: 40, requires: [web-2]}}
components: {lb-1: {host: balancer}, web-1: {}, web-2: {}}
pools:
  web:
"""
WHOLE = f"""{SHOP}    members: {{web-2: {{capacity: 60, serves: [search]}}, web-1: {{capacity: 100}}}}
    load: {{query: 'sum by (instance) (rate(http_requests_total[1m]))'}}
    serves: [checkout, search]
    apply: {{component: lb-1, playbook: set_weights.yml, vars: {{haproxy_backend: web}}, expect: {{duration: 3s}}}}
policies:
  relieve-web:
    match: {{alertname: WebSlow}}
    sets: ok
    do: [{{rebalance: web, vars: {{haproxy_socket: '/run/h.sock'}}, mode: approve}}]
    mode: auto
    unchecked: true
"""


def test_a_pool_has_members_services_and_what_sets_its_weights(load: Load) -> None:
    loaded = load(WHOLE)
    assert loaded.bundle is not None, loaded.findings
    pool = loaded.bundle.pools["web"]
    assert pool.members == (
        Member(id=NodeId("web-1"), capacity=100.0),
        Member(id=NodeId("web-2"), capacity=60.0, serves=frozenset({NodeId("search")})),
    )
    assert pool.serves == ("checkout", "search")
    assert pool.apply == Apply(component=NodeId("lb-1"), host="balancer", playbook="set_weights.yml")
    assert (pool.comfortable, pool.clear, pool.hold) == (0.8, 0.7, timedelta(minutes=10))


def test_a_rebalancing_is_the_pools_playbook_on_its_balancer(load: Load) -> None:
    loaded = load(WHOLE)
    assert loaded.bundle is not None, loaded.findings
    (found,) = loaded.bundle.policies[PolicyId("relieve-web")].do
    assert (found.rebalance, found.playbook, found.hosts) == ("web", "set_weights.yml", ("balancer",))
    assert found.vars == {"haproxy_backend": "web", "haproxy_socket": "/run/h.sock"}
    assert found.duration == timedelta(seconds=3)
    assert "set_weights.yml" in loaded.bundle.playbooks()


def test_a_set_as_a_member_stands_for_all_of_its_own(load: Load) -> None:
    text = WHOLE.replace("web-1: {}, web-2: {}", "web-1: {}, web-2: {}, farm: {hosts: webservers}").replace(
        "web-1: {capacity: 100}", "farm: {capacity: 5}"
    )
    loaded = load(text)
    assert loaded.bundle is not None, loaded.findings
    assert [(one.id, one.capacity) for one in loaded.bundle.pools["web"].members] == [
        ("farm@web-1", 5.0),
        ("farm@web-2", 5.0),
        ("web-2", 60.0),
    ]


def test_a_pool_without_capacities_is_only_a_group(load: Load) -> None:
    loaded = load(f"{SHOP}    members: {{web-1: {{}}, web-2: {{}}}}\n")
    assert loaded.bundle is not None, loaded.findings
    assert loaded.bundle.pools == {}
    assert loaded.bundle.sets == {"web": ("web-1", "web-2")}


@pytest.mark.parametrize(
    ("body", "finding"),
    [
        ("members: {web-9: {capacity: 1}}", ("unknown-component", 6, 15)),
        ("members: {web-1: {capacity: 0}}", ("bad-value", 6, 33)),
        ("members: {web-1: {capacity: '.inf'}}", ("bad-value", 6, 33)),
        ("members: {web-1: {capazity: 1}}", ("unknown-key", 6, 23)),
        ("members: {web-1: {capacity: 1, serves: [search]}}\n    serves: [checkout]", ("unknown-service", 6, 45)),
        ("members: {web-1: {capacity: 1}}\n    serves: [shop]", ("unknown-service", 7, 14)),
        ("members: {web-1: {}}\n    load: {query: up}", ("missing-key", 6, 22)),
        ("members: {web-1: {}}\n    apply: {component: lb-1, playbook: p.yml}", ("missing-key", 6, 22)),
        ("members: {}\n    apply: {component: lb-9, playbook: p.yml}", ("unknown-component", 7, 24)),
        ("members: {}\n    load: {}", ("missing-key", 7, 11)),
        ("members: {}\n    clear: 0.9", ("bad-value", 7, 12)),
        ("members: {}\n    comfortable: 0.5", ("bad-value", 7, 18)),
    ],
)
def test_one_mistake_in_a_pool_is_one_finding_at_its_place(
    codes: Codes, body: str, finding: tuple[str, int, int]
) -> None:
    assert codes(f"{SHOP}    {body}\n") == [finding]


@pytest.mark.parametrize(
    ("body", "finding"),
    [
        ("{rebalance: wep}", ("unknown-pool", 10, 22)),
        ("{rebalance: bare}", ("missing-key", 10, 22)),
        ("{rebalance: web, playbook: p.yml}", ("bad-value", 10, 27)),
        ("{rebalance: web, hosts: [self]}", ("bad-value", 10, 27)),
        ("{rebalance: web, vars: {bsm: 1}}", ("reserved-variable", 10, 34)),
        ("{vars: {a: 1}}", ("missing-key", 10, 10)),
    ],
)
def test_one_mistake_in_a_rebalancing_is_one_finding_at_its_place(
    codes: Codes, body: str, finding: tuple[str, int, int]
) -> None:
    web = "    {members: {web-1: {capacity: 1}}, apply: {component: lb-1, playbook: p.yml}}"
    pools = f"{web}\n  bare: {{members: {{web-2: {{}}}}}}\n"
    assert codes(f"{SHOP}{pools}policies:\n  p: {{match: {{alertname: A}},\n    do: [{body}]}}\n") == [finding]


@pytest.mark.parametrize(
    ("pool", "finding"),
    [
        ("{replicas: {at_most: 0, capacity: 5}, serves: [checkout]}", "bad-value"),
        ("{replicas: {at_least: 5, at_most: 3, capacity: 5}, serves: [checkout]}", "bad-value"),
        ("{replicas: {at_most: 3, capacity: 0}, serves: [checkout]}", "bad-value"),
        ("{replicas: {at_most: 3, capacity: 5}, load: {query: up}, serves: [checkout]}", "missing-key"),
        ("{replicas: {at_most: 3, capacity: 5}, members: {web-1: {capacity: 4}}}", "bad-value"),
        ("{serves: [checkout]}", "missing-key"),
    ],
)
def test_one_mistake_in_a_pool_that_scales_is_one_finding(codes: Codes, pool: str, finding: str) -> None:
    assert [code for code, *_ in codes(SHOP.replace("  web:\n", f"  workers: {pool}\n"))] == [finding]
