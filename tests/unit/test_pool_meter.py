"""The live load of pools: whose figures count, and when none is known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pytest

from bsm_remediate.config.loader import load_bundle
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.pool import Load
from bsm_remediate.domain.sample import Sample
from bsm_remediate.engine.pool_meter import PoolMeter
from bsm_remediate.testing.clock import VirtualClock
from bsm_remediate.testing.figures import SimulatedFigures
from bsm_remediate.testing.timeline import BEGIN

SHOP = """
currency: EUR
services:
  checkout: {loss_per_minute: 300, requires: {any: [web-1, web-2]}}
  search: {loss_per_minute: 30, requires: {any: [web-1, web-2]}}
components: {web-1: {}, web-2: {host: w2, aliases: ["10.0.0.2:80"]}, other: {}}
pools:
  web:
    members: {web-1: {capacity: 100}, web-2: {capacity: 60}}
    load: {query: traffic}
    serves: [checkout, search]
    apply: {component: other, playbook: set_weights.yml}
  quiet: {members: {other: {capacity: 1}}, load: {query: silence}, serves: [search]}
policies:
  relieve:
    match: {alertname: Pressed}
    do: [{rebalance: web}]
"""


class Shop:
    """A meter on a virtual clock."""

    def __init__(self, folder: Path, text: str = SHOP) -> None:
        (folder / "shop.yml").write_text(text)
        loaded = load_bundle(folder, inventory=None, playbooks=None, scrutinise=False)
        assert loaded.bundle is not None, loaded.findings
        self.bundle: Bundle = loaded.bundle
        self.clock = VirtualClock(BEGIN)
        self.figures = SimulatedFigures(self.clock)
        self.meter = PoolMeter(
            self.figures, bundle=lambda: self.bundle, clock=self.clock, spawn=self.clock.spawn, arrived=lambda: None
        )

    def loads(self, seconds: float = 20) -> Mapping[str, Load]:
        """After that time, asked each second as the engine does."""
        for _ in range(int(seconds)):
            self.meter.loads(tuple(self.bundle.pools.values()))
            self.clock.advance(1)
            self.clock.rest()
        return self.meter.loads(tuple(self.bundle.pools.values()))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_figures_count_for_the_member_they_name_however_it_is_named(shop: Shop) -> None:
    shop.figures.set("traffic", {"web-1:9100": 70.0, "10.0.0.2:80": 20.0, "w2": 5.0})
    found = shop.loads()
    assert set(found) == {"web"}
    assert found["web"].by_member == {"web-1": 70.0, "web-2": 25.0}
    assert found["web"].total == 95.0


def test_a_pool_that_no_policy_rebalances_is_not_asked_for(shop: Shop) -> None:
    shop.figures.set("silence", {"other": 1.0})
    shop.figures.set("traffic", {"web-1": 1.0})
    assert set(shop.loads(60)) == {"web"}


def test_a_pool_is_read_as_often_as_it_says(shop: Shop, tmp_path: Path) -> None:
    shop.figures.set("traffic", {"web-1": 70.0})
    shop.loads(60)
    assert 3 <= len(shop.figures.asked_at) <= 6  # each 15 s
    often = tmp_path / "often"
    often.mkdir()
    other = Shop(often, SHOP.replace("load: {query: traffic}", "load: {query: traffic, every: 2s}"))
    other.figures.set("traffic", {"web-1": 70.0})
    other.loads(60)
    assert 15 <= len(other.figures.asked_at) <= 40


def test_before_the_first_reading_and_without_a_source_no_load_is_known(shop: Shop) -> None:
    assert shop.loads(0) == {}
    shop.figures.is_away = True
    assert shop.loads(30) == {}


def test_a_source_that_goes_away_takes_its_load_with_it_and_is_asked_ever_more_seldom(shop: Shop) -> None:
    shop.figures.set("traffic", {"web-1": 70.0})
    assert set(shop.loads()) == {"web"}
    shop.figures.is_away = True
    assert set(shop.loads(30)) == {"web"}
    assert shop.loads(60) == {}
    asked = len(shop.figures.asked_at)
    shop.loads(600)
    assert 1 <= len(shop.figures.asked_at) - asked <= 6
    shop.figures.is_away = False
    assert set(shop.loads(400)) == {"web"}


@pytest.mark.parametrize(
    "figures", [{"web-1": math.nan}, {"web-1": -1.0}, {"web-1": 5.0, "nobody": 3.0}, {"other": 3.0}, {}]
)
def test_a_reading_that_may_lack_a_part_of_the_load_is_none(shop: Shop, figures: dict[str, float]) -> None:
    shop.figures.set("traffic", figures)
    assert shop.loads() == {}


def test_a_figure_may_say_whose_load_it_is(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    by_both = [
        Sample(labels={"instance": "web-1", "service": "checkout"}, value=40.0),
        Sample(labels={"instance": "web-1", "service": "search"}, value=10.0),
        Sample(labels={"instance": "web-2", "service": "search"}, value=7.0),
    ]
    monkeypatch.setattr(shop.figures, "samples", lambda _query: by_both)
    load = shop.loads()["web"]
    assert load.by_member == {"web-1": 50.0, "web-2": 7.0}
    assert load.by_service == {"checkout": 40.0, "search": 17.0}


def test_of_a_pool_that_scales_both_load_and_number_must_be_known(tmp_path: Path) -> None:
    scales = "replicas: {at_most: 9, capacity: 10, running: how_many}, load: {query: jobs}"
    apply = "apply: {component: other, playbook: scale_workers.yml}"
    pools = SHOP.replace("pools:", f"pools:\n  workers: {{{scales}, serves: [search], {apply}}}")
    shop = Shop(tmp_path, f"{pools}  more: {{match: {{alertname: QueueGrows}}, do: [{{rebalance: workers}}]}}\n")
    shop.figures.set("jobs", {"anybody": 30.0, "somebody": 12.0})
    assert shop.loads() == {}
    shop.figures.set("how_many", {"rack-1": 2.0, "rack-2": 1.0})
    load = shop.loads(60)["workers"]
    assert (load.total, load.replicas) == (42.0, 3.0)
    shop.figures.set("how_many", {"rack-1": math.nan})
    assert shop.loads(90) == {}
