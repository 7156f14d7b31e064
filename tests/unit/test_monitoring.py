"""The source's own list: lost webhooks are mended, silences respected, and doubt leaves the start to a person."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bsm_remediate.config.loader import load_bundle
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.run import RunState
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.testing.timeline import BEGIN, Timeline

SHOP = """
currency: EUR
services:
  checkout: {loss_per_minute: 300, requires: [web-1]}
components: {web-1: {}}
policies:
  restart-web:
    match: {alertname: WebDown}
    evidence: direct
    do: [{playbook: restart.yml, expect: {duration: 20s}}]
    verify: [{tcp: "{{ component.address }}:80", within: 30s}, {alert: off, within: 5m}]
    mode: auto
"""
WATCHED = SHOP + "settings: {watchdog: {alertname: Watchdog, within: 5m}}\n"


def _bundle(folder: Path, text: str) -> Bundle:
    (folder / "shop.yml").write_text(text)
    loaded = load_bundle(folder, inventory=None, playbooks=None, scrutinise=False)
    assert loaded.bundle is not None, loaded.findings
    return loaded.bundle


@pytest.fixture
def shop(tmp_path: Path) -> Timeline:
    return Timeline(_bundle(tmp_path, SHOP), MemoryStore(), lists=True)


@pytest.fixture
def watched(tmp_path: Path) -> Timeline:
    return Timeline(_bundle(tmp_path, WATCHED), MemoryStore(), lists=True)


def test_a_lost_webhook_is_found_in_the_list(shop: Timeline) -> None:
    shop.at("09:00:00").loses_webhooks = True
    shop.fires("WebDown", instance="web-1").expect(running=set())
    shop.at("09:01:05").expect(running={"web-1"})


def test_a_lost_resolve_ends_the_alert_within_a_minute(shop: Timeline) -> None:
    shop.at("09:00:00").asks("pause")
    shop.fires("WebDown", instance="web-1")
    shop.at("09:00:10").loses_webhooks = True
    shop.resolves("WebDown", instance="web-1")
    assert shop.tick().impact.services
    assert shop.at("09:01:15").tick().impact.services == {}


def test_the_list_of_a_source_that_was_just_restarted_ends_nothing(shop: Timeline) -> None:
    shop.at("09:00:00").asks("pause")
    shop.fires("WebDown", instance="web-1")
    shop.source.forget()
    assert shop.at("09:05:00").tick().impact.services
    shop.source.is_settled = True
    assert shop.at("09:06:10").tick().impact.services == {}


def test_what_is_silenced_counts_and_is_not_acted_on(shop: Timeline) -> None:
    shop.source.silenced["WebDown"] = "silenced by ana until 18:00: upgrade"
    shop.at("09:00:00").fires("WebDown", instance="web-1").expect(running=set(), held={"web-1": "silenced"})
    evaluation = shop.tick()
    assert evaluation.impact.loss_per_minute == 300
    assert "by ana until 18:00: upgrade" in evaluation.plan.held[0].reason


def test_a_silence_is_seen_right_before_the_act_though_the_minute_is_not_over(shop: Timeline) -> None:
    shop.at("09:00:20")
    readings = shop.source.readings
    shop.source.silenced["WebDown"] = "silenced by ana"
    shop.fires("WebDown", instance="web-1").expect(running=set(), held={"web-1": "silenced"})
    assert shop.source.readings == readings + 1


def test_an_alert_of_a_sender_whose_clock_is_ahead_is_acted_on_all_the_same(shop: Timeline) -> None:
    shop.at("09:00:00").loses_webhooks = True
    shop.fires("WebDown", instance="web-1", since=BEGIN + timedelta(minutes=10))
    shop.at("09:01:05").expect(running={"web-1"})
    shop.at("09:04:00").resolves("WebDown", instance="web-1")
    shop.at("09:05:10")
    assert [run.state for run in shop.runs()] == [RunState.SUCCEEDED]


def test_what_begins_anew_after_the_list_was_read_is_not_taken_as_silenced_still(shop: Timeline) -> None:
    shop.source.silenced["WebDown"] = "inhibited by another alert"
    shop.at("09:00:10").fires("WebDown", instance="web-1").expect(held={"web-1": "silenced"})
    shop.at("09:00:20").resolves("WebDown", instance="web-1")
    shop.source.silenced.clear()
    shop.at("09:00:30").forget().fires("WebDown", instance="web-1").expect(running={"web-1"})


def test_the_end_of_a_silence_lets_the_run_start(shop: Timeline) -> None:
    shop.source.silenced["WebDown"] = "silenced by ana"
    shop.at("09:00:00").fires("WebDown", instance="web-1").expect(held={"web-1": "silenced"})
    shop.source.silenced.clear()
    shop.at("09:01:10").expect(running={"web-1"})


def test_an_alert_that_is_silenced_while_it_is_mended_is_not_taken_as_gone(shop: Timeline) -> None:
    shop.at("09:00:00").fires("WebDown", instance="web-1").expect(running={"web-1"})
    shop.source.silenced["WebDown"] = "silenced by ana"
    shop.at("09:01:10")  # the minute's reading has seen the silence
    # As some senders do when an alert is muted: a resolve by webhook, though the list still has it.
    alert = shop.engine.situation().alerts[0]
    shop.resolves("WebDown", instance="web-1")
    shop.source.put(alert)
    shop.at("09:01:30")
    assert shop.run_of("web-1").state is RunState.VERIFYING
    shop.source.forget()
    shop.source.is_settled = True
    shop.at("09:02:40")
    assert shop.run_of("web-1").state is RunState.SUCCEEDED


def test_a_source_that_was_never_read_leaves_the_start_to_a_person(tmp_path: Path) -> None:
    shop = Timeline(_bundle(tmp_path, SHOP), MemoryStore())
    away = Timeline(_bundle(tmp_path, SHOP), MemoryStore(), lists=True, source_is_away=True)
    shop.at("09:00:00").fires("WebDown", instance="web-1").expect(running={"web-1"})
    away.at("09:00:00").fires("WebDown", instance="web-1").expect(running=set())
    run = away.run_of("web-1")
    assert run.state is RunState.AWAITING_APPROVAL
    assert "could not be read yet" in run.reason


def test_a_source_away_for_long_leaves_the_start_to_a_person_until_it_is_back(shop: Timeline) -> None:
    shop.at("09:00:00").source.is_away = True
    shop.at("09:02:00").fires("WebDown", instance="web-1").expect(running={"web-1"})  # the last list is still good
    shop.at("09:03:00").resolves("WebDown", instance="web-1")
    shop.at("09:30:00").forget().fires("WebDown", instance="web-1").expect(running=set())
    assert "was read 3" in shop.run_of("web-1").reason
    shop.source.is_away = False
    shop.at("09:31:30").expect(running={"web-1"})


def test_a_missing_heartbeat_leaves_the_start_to_a_person(watched: Timeline) -> None:
    watched.at("09:00:00").fires("Watchdog", severity="none")
    assert watched.tick().unmapped == ()
    watched.at("09:04:00").fires("WebDown", instance="web-1").expect(running={"web-1"})
    watched.at("09:05:00").resolves("WebDown", instance="web-1")
    watched.resolves("Watchdog", severity="none")
    watched.at("09:40:00").forget().fires("WebDown", instance="web-1").expect(running=set())
    assert "heartbeat Watchdog is missing" in watched.run_of("web-1").reason
    watched.fires("Watchdog", severity="none").expect(running={"web-1"})


def test_the_list_keeps_the_heartbeat_alive_though_its_webhooks_are_rare(watched: Timeline) -> None:
    watched.at("09:00:00").fires("Watchdog", severity="none")
    watched.loses_webhooks = True
    watched.at("09:30:00")
    watched.loses_webhooks = False
    watched.fires("WebDown", instance="web-1").expect(running={"web-1"})


def test_an_unchanged_list_is_not_written_again_and_again(shop: Timeline) -> None:
    shop.asks("pause")
    shop.at("09:00:00").fires("WebDown", instance="web-1")
    key = shop.engine.situation().alerts[0].key
    shop.at("09:10:00")
    assert shop.clock.now() - shop.store.last_seen()[key] <= timedelta(minutes=2)
    assert len(shop.store.changes(after=0)[0]) == 1
