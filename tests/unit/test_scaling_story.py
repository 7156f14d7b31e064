"""Pools that scale, on a timeline: as many replicas as the load needs, fewer only after a calm time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bsm_remediate.config.loader import load_bundle
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.plan_document import plan_document
from bsm_remediate.domain.run import RunState
from bsm_remediate.testing.executor import Scripted
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.testing.timeline import Timeline

SHOP = """
currency: EUR
services:
  orders: {loss_per_minute: 60, requires: [mail]}
  newsletter: {loss_per_minute: 0.5, requires: [mail]}
components: {mail: {}}
pools:
  mailers:
    replicas: {at_least: 2, at_most: 6, capacity: 50, running: workers, cost_per_minute: 0.05}
    serves: [orders, newsletter]
    apply: {component: mail, playbook: scale_workers.yml, vars: {worker_name: mailer}, expect: {duration: 3s}}
policies:
  more-mailers:
    match: {alertname: MailQueueGrows}
    sets: ok
    do: [{rebalance: mailers}]
    guard: {cooldown: 0s, max_runs: 20/1h}
    mode: auto
settings: {executors: 4}
"""


def shop_of(tmp_path: Path, text: str = SHOP, *, orders: float = 150, newsletter: float = 0) -> Timeline:
    (tmp_path / "shop.yml").write_text(text)
    loaded = load_bundle(tmp_path, inventory=None, playbooks=None, scrutinise=False)
    assert loaded.bundle is not None, loaded.findings
    shop = Timeline(loaded.bundle, MemoryStore())
    under(shop, orders=orders, newsletter=newsletter)
    shop.executor.script("scale_workers.yml", Scripted(duration_s=3))
    return shop


def under(shop: Timeline, *, orders: float, newsletter: float = 0) -> None:
    shop.balancer.traffic["mailers"] = orders + newsletter
    shop.balancer.by_service["mailers"] = {NodeId("orders"): orders, NodeId("newsletter"): newsletter}


def numbers(shop: Timeline) -> list[int | None]:
    """What the playbook was told, each time."""
    return [call.weights.replicas for call in shop.executor.calls if call.weights is not None]


def test_more_replicas_are_started_before_all_are_full(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, orders=90)
    shop.at("09:00:00").fires("MailQueueGrows", instance="mail")
    run = shop.run_of("mail")
    assert run.locks == ("component:mail", "host:mail", "pool:mailers")
    assert run.reason == "3 of mailers instead of 2; they are at 90%, then at 60%; costs 0.05 EUR/min"
    shop.at("09:00:05")
    assert numbers(shop) == [3]


def test_with_room_to_spare_nothing_is_started(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, orders=70)
    shop.at("09:00:00").fires("MailQueueGrows", instance="mail")
    shop.expect(running=set(), held={"mail": "already_ok"})
    assert numbers(shop) == []


def test_no_more_run_than_may(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, orders=400)
    shop.at("09:00:00").fires("MailQueueGrows", instance="mail")
    assert "there is no room for 25.0% of orders: no more may run" in shop.run_of("mail").reason
    shop.at("09:00:05")
    assert numbers(shop) == [6]


def test_none_is_started_that_costs_more_than_it_saves(tmp_path: Path) -> None:
    """A newsletter that may wait is worth 0.5 a minute, and it would take five more."""
    dear = SHOP.replace("cost_per_minute: 0.05", "cost_per_minute: 0.4")
    shop = shop_of(tmp_path, dear, orders=95, newsletter=250)
    shop.at("09:00:00").fires("MailQueueGrows", instance="mail")
    shop.expect(running=set(), held={"mail": "already_ok"})


def test_fewer_run_again_once_that_has_been_enough_for_ten_minutes(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, orders=150)
    shop.at("09:00:00").fires("MailQueueGrows", instance="mail")
    shop.at("09:00:20").resolves("MailQueueGrows", instance="mail")
    shop.at("09:05:00")
    assert (numbers(shop), shop.run_of("mail").state) == ([4], RunState.SUCCEEDED)
    under(shop, orders=100)
    shop.at("09:14:00")
    assert numbers(shop) == [4]
    shop.at("09:16:00")
    assert numbers(shop) == [4, 3]
    assert "3 of mailers would have kept each of them at or below 70%" in shop.run_of("mail").reason


def test_and_fewer_still_when_the_load_goes_on_falling(tmp_path: Path) -> None:
    """Replicas have no normal number: whoever scaled a pool goes on taking care of it, also after a restart."""
    shop = shop_of(tmp_path, orders=150)
    shop.at("09:00:00").fires("MailQueueGrows", instance="mail")
    shop.at("09:00:20").resolves("MailQueueGrows", instance="mail")
    under(shop, orders=100)
    shop.at("09:20:00").restarts()
    under(shop, orders=10)
    shop.at("09:40:00")
    assert numbers(shop) == [4, 3, 2]
    shop.at("10:40:00")
    assert numbers(shop) == [4, 3, 2]


def test_a_load_that_breathes_does_not_start_and_stop_them(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, orders=150)
    shop.at("09:00:00").fires("MailQueueGrows", instance="mail")
    for minute in range(5, 55, 5):
        shop.at(f"09:{minute:02}:00")
        under(shop, orders=150 if minute % 10 else 80)
    assert numbers(shop) == [4]


def test_how_many_run_must_be_known(tmp_path: Path) -> None:
    shop = shop_of(tmp_path)
    del shop.balancer.traffic["mailers"]
    shop.at("09:00:00").fires("MailQueueGrows", instance="mail")
    shop.expect(running=set(), held={"mail": "too_old"})


def test_a_plan_says_how_many(tmp_path: Path) -> None:
    waiting = SHOP.replace("mode: auto", "mode: shadow")
    shop = shop_of(tmp_path, waiting)
    evaluation = shop.at("09:00:00").fires("MailQueueGrows", instance="mail").tick()
    document: Any = plan_document(evaluation, shop.engine.bundle, considered=())
    (step,) = document["shadow"]
    assert step["rebalances"] == {
        "pool": "mailers",
        "gain_per_minute": pytest.approx(20),
        "weights": [],
        "shed": [],
        "replicas": 4,
    }
