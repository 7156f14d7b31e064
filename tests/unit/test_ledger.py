"""The ledger: what the engine journals of states and money, and what a report makes of it, on a virtual clock."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bsm_remediate.config.loader import load_bundle
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.ledger import SUBJECT
from bsm_remediate.domain.statistics import History
from bsm_remediate.engine.ledger import read_statistics
from bsm_remediate.engine.statistics_keeper import pages
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.testing.timeline import BEGIN, Timeline

SHOP = """
currency: EUR
services:
  checkout:
    loss_per_minute: {default: 60, business-hours: 300}
    degraded: 0.5
    objective: {availability: 99, window: 1d}
    requires: [web-1, db-1]
  invoices: {loss_per_minute: 30, grace: 2m, per_outage: 500, requires: [db-1]}
components:
  web-1: {}
  db-1: {}
calendars:
  business-hours: {timezone: UTC, weekdays: mon-fri, hours: "09:10-18:00"}
policies:
  restart-database:
    match: {alertname: PostgresDown}
    evidence: direct
    do: [{playbook: restart.yml, expect: {duration: 20s, success: 0.7}}]
    verify: [{tcp: "{{ component.address }}:5432", within: 30s}]
    mode: auto
  web-means:
    match: {alertname: WebDown}
    evidence: direct
  disk-means:
    match: {alertname: DiskFull}
    evidence: direct
settings: {executors: 1, settle: 20s}
"""
Loaded = Callable[..., Bundle]


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    def load(text: str = SHOP) -> Bundle:
        (tmp_path / "shop.yml").write_text(text)
        found = load_bundle(tmp_path, inventory=None, playbooks=None, scrutinise=False)
        assert found.bundle is not None, found.findings
        return found.bundle

    return load


@pytest.fixture
def shop(loaded: Loaded) -> Timeline:
    return Timeline(loaded(), MemoryStore())


def nine(minute: int, second: int = 0) -> datetime:
    return datetime(2026, 1, 5, 9, minute, second, tzinfo=UTC)


def changes(shop: Timeline, kind: str = "service.changed") -> list[Event]:
    return [event for event in pages(shop.store, SUBJECT) if event.kind == kind]


def report(shop: Timeline, since: datetime = BEGIN, until: datetime | None = None) -> dict[str, Any]:
    bundle = shop.engine.bundle
    return read_statistics(shop.store, bundle, since=since, until=until or shop.clock.now())


def lost(found: dict[str, Any], service: str) -> float:
    return float(next((one["lost"] for one in found["loss"]["by_service"] if one["service"] == service), 0.0))


def test_only_changes_are_journaled_however_often_the_engine_looks(shop: Timeline) -> None:
    shop.at("09:00:00").fires("WebDown", instance="web-1").at("09:05:00").resolves("WebDown", instance="web-1")
    shop.at("09:06:00")
    told = [(event.at, event.facts["service"], event.facts["state"]) for event in changes(shop)]
    assert told == [(nine(0), "checkout", "down"), (nine(5), "checkout", "ok")]
    assert [event.facts["component"] for event in changes(shop, "component.changed")] == ["web-1", "web-1"]


def test_an_entry_says_state_money_causes_and_when_the_alert_began_and_came(shop: Timeline) -> None:
    shop.at("09:00:30").fires("WebDown", instance="web-1", since=nine(0)).at("09:01:00")
    facts = changes(shop)[0].facts
    assert (facts["state"], facts["loss_per_minute"], facts["causes"]) == ("down", 60.0, ["web-1"])
    assert (facts["began_at"], facts["received_at"]) == (nine(0).isoformat(), nine(0, 30).isoformat())


def test_a_calendar_that_begins_during_an_outage_changes_what_it_costs(shop: Timeline) -> None:
    shop.at("09:05:00").fires("WebDown", instance="web-1").at("09:20:00").resolves("WebDown", instance="web-1")
    shop.at("09:21:00")
    assert lost(report(shop), "checkout") == 5 * 60 + 10 * 300


def test_a_calendar_that_begins_while_no_engine_looks_is_accounted_to_the_second(shop: Timeline) -> None:
    shop.at("09:05:00").fires("WebDown", instance="web-1").at("09:05:10")
    shop.clock.advance(20 * 60)  # nobody ticks
    shop.restarts().at("09:30:00").resolves("WebDown", instance="web-1").at("09:30:10")
    assert lost(report(shop), "checkout") == 5 * 60 + 20 * 300


def test_a_restart_tells_nothing_again(shop: Timeline) -> None:
    shop.at("09:00:00").fires("WebDown", instance="web-1").at("09:01:00")
    before = len(list(pages(shop.store, SUBJECT)))
    shop.restarts().at("09:02:00")
    assert len(list(pages(shop.store, SUBJECT))) == before


def test_what_an_outage_costs_once_is_lost_once_and_only_past_its_grace(shop: Timeline) -> None:
    shop.at("09:00:00").fires("DiskFull", instance="db-1").at("09:01:50").resolves("DiskFull", instance="db-1")
    assert lost(report(shop.at("09:02:30")), "invoices") == 0
    shop.forget().at("09:03:00").fires("DiskFull", instance="db-1").at("09:07:00").restarts()
    shop.at("09:08:00").resolves("DiskFull", instance="db-1").at("09:09:00")
    assert lost(report(shop), "invoices") == 500 + 3 * 30


def test_an_outage_that_is_seen_only_after_its_grace_costs_its_once_all_the_same(shop: Timeline) -> None:
    shop.at("09:10:00").fires("DiskFull", instance="db-1", since=nine(0)).at("09:12:00")
    shop.resolves("DiskFull", instance="db-1").at("09:13:00")
    assert lost(report(shop), "invoices") == 500 + 2 * 30


def test_new_prices_count_from_their_reload_on(shop: Timeline, loaded: Loaded) -> None:
    shop.at("09:00:00").fires("WebDown", instance="web-1").at("09:02:00")
    shop.reloads(loaded(SHOP.replace("default: 60", "default: 600"))).at("09:03:00")
    shop.resolves("WebDown", instance="web-1").at("09:04:00")
    assert lost(report(shop), "checkout") == 2 * 60 + 1 * 600


def test_what_two_causes_take_down_is_shared_between_them_while_both_last(shop: Timeline) -> None:
    shop.at("09:00:00").fires("WebDown", instance="web-1").at("09:02:00").fires("DiskFull", instance="db-1")
    shop.at("09:04:00").resolves("WebDown", instance="web-1").at("09:06:00").resolves("DiskFull", instance="db-1")
    (checkout,) = [one for one in report(shop)["loss"]["by_service"] if one["service"] == "checkout"]
    assert {one["cause"]: one["lost"] for one in checkout["causes"]} == {"web-1": 180, "db-1": 180}


def test_what_a_run_saved_is_what_a_person_would_have_taken_longer_at_the_prices_of_that_time(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1").at("09:01:00").resolves("PostgresDown", instance="db-1")
    found = report(shop.at("09:40:00"))
    (checkout,) = [one for one in found["outages"] if one["service"] == "checkout"]
    ended = datetime.fromisoformat(checkout["ended_at"])
    assert checkout["avoided"] == pytest.approx((nine(10) - ended) / timedelta(minutes=1) * 60 + 20 * 300, abs=0.01)
    assert "30m after its alert came" in found["avoided"]["assumption"]
    (playbook,) = found["playbooks"]
    assert (playbook["playbook"], playbook["runs"], playbook["restored"], playbook["pays"]) == (
        "restart.yml",
        1,
        1,
        True,
    )
    assert playbook["avoided"] == found["avoided"]["money"]


def test_an_engine_that_took_longer_than_a_person_has_that_counted_against_it(loaded: Loaded) -> None:
    shop = Timeline(loaded(SHOP.replace("executors: 1", "person: 5s, executors: 1")), MemoryStore())
    shop.at("09:00:00").fires("PostgresDown", instance="db-1").at("09:01:00").resolves("PostgresDown", instance="db-1")
    found = report(shop.at("09:02:00"))["avoided"]
    assert found["money"] < 0
    assert found["money_against"] == -found["money"]
    assert "settings: person" in found["assumption"]


def test_an_outage_that_ended_without_the_engine_is_none_of_its_savings(shop: Timeline) -> None:
    shop.at("09:00:00").fires("WebDown", instance="web-1").at("09:05:00").resolves("WebDown", instance="web-1")
    assert report(shop.at("09:06:00"))["avoided"]["outages"] == 0


def test_how_fast_a_failure_is_detected_decided_and_restored(shop: Timeline) -> None:
    shop.at("09:00:20").fires("PostgresDown", instance="db-1", since=nine(0)).at("09:02:00")
    shop.resolves("PostgresDown", instance="db-1").at("09:03:00")
    found = report(shop)["response"]
    assert (found["failures"], found["answered"]) == (1, 1)
    assert (found["detect_s"]["median"], found["decide_s"]["median"]) == (20, 0)
    assert 30 <= found["restore_s"]["median"] <= 40  # a playbook of ten seconds, then its checks


def test_an_objective_says_its_budget_and_how_fast_it_burns(shop: Timeline) -> None:
    shop.at("09:00:00").fires("WebDown", instance="web-1").at("09:06:00").resolves("WebDown", instance="web-1")
    (objective,) = report(shop.at("09:59:00"))["objectives"]
    assert objective["availability"] == 90  # 6 of the 60 minutes that were recorded
    assert objective["met"] is False
    assert objective["budget_left"] == pytest.approx(1 - 6 / 14.4, abs=1e-4)
    assert objective["burn_rates"] == {"1h": 10.0, "6h": 10.0, "3d": 10.0}


def test_nothing_is_claimed_of_the_time_before_the_ledger_began(shop: Timeline) -> None:
    found = report(shop.at("09:10:00"), since=BEGIN - timedelta(days=7))
    assert found["recorded_since"] == "2026-01-05T08:59:00Z"
    assert found["objectives"][0]["observed_s"] == 11 * 60


def test_a_history_kept_up_event_by_event_is_the_one_made_anew(shop: Timeline) -> None:
    kept = History()
    shop.at("09:00:00").fires("WebDown", instance="web-1").at("09:01:00").fires("DiskFull", instance="db-1")
    kept.fold(pages(shop.store, SUBJECT))
    shop.at("09:02:00").resolves("WebDown", instance="web-1").at("09:03:00")
    kept.fold(pages(shop.store, SUBJECT))  # what it knows is passed over
    anew = History().fold(pages(shop.store, SUBJECT))
    assert (kept.services, kept.components) == (anew.services, anew.components)


def test_what_lasts_is_told_daily_so_that_it_outlives_a_journal_whose_begin_is_dropped(loaded: Loaded) -> None:
    shop = Timeline(loaded(SHOP.replace("executors: 1", "alert_timeout: 3d, executors: 1")), MemoryStore())
    shop.at("09:00:00").fires("WebDown", instance="web-1").at("09:00:10")
    shop.clock.advance(86_400)
    shop.tick()
    assert [event.facts["state"] for event in changes(shop)] == ["down", "down"]


def test_a_quiet_ledger_says_daily_that_it_is_kept(shop: Timeline) -> None:
    shop.clock.advance(86_400)
    shop.tick()
    shop.restarts().tick()
    kept = [event.at for event in changes(shop, "ledger.kept")]
    assert kept == [BEGIN, BEGIN + timedelta(days=1)]


def test_a_flapping_service_isnt_saved_from_the_same_minutes_time_and_again(shop: Timeline) -> None:
    for minute in (0, 2):
        shop.forget().at(f"09:{minute:02}:00").fires("PostgresDown", instance="db-1")
        shop.at(f"09:{minute + 1:02}:00").resolves("PostgresDown", instance="db-1")
        shop.asks("release", "db-1")
    first, second = [one for one in report(shop.at("09:40:00"))["outages"] if one["service"] == "checkout"]
    until_it_fails_again = datetime.fromisoformat(second["began_at"]) - datetime.fromisoformat(first["ended_at"])
    assert first["avoided"] == pytest.approx(until_it_fails_again / timedelta(minutes=1) * 60, abs=0.01)


def test_a_report_of_a_past_time_doesnt_know_how_its_outages_ended_later(shop: Timeline) -> None:
    shop.at("09:00:00").fires("WebDown", instance="web-1").at("09:06:00").resolves("WebDown", instance="web-1")
    found = report(shop.at("09:07:00"), until=nine(4))
    assert [(one["ended_at"], one["lost"]) for one in found["outages"]] == [(None, 4 * 60)]


def test_the_report_of_a_time_is_the_sum_of_its_parts_runs_and_savings_included(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1").at("09:01:00").resolves("PostgresDown", instance="db-1")
    shop.at("09:20:00").fires("WebDown", instance="web-1").at("09:25:00").resolves("WebDown", instance="web-1")
    end = shop.at("09:40:00").clock.now()
    cuts = [BEGIN, nine(0, 10), nine(22), end]
    parts = [report(shop, since, until) for since, until in itertools.pairwise(cuts)]
    whole = report(shop, BEGIN, end)
    assert sum(one["loss"]["total"] for one in parts) == pytest.approx(whole["loss"]["total"], abs=0.02)
    assert sum(one["avoided"]["money"] for one in parts) == pytest.approx(whole["avoided"]["money"], abs=0.02)
    assert sum(len(one["playbooks"]) for one in parts) == len(whole["playbooks"]) == 1
    assert sum(one["lost"] for one in whole["loss"]["over_time"]) == pytest.approx(whole["loss"]["total"], abs=0.5)
