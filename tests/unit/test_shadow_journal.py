"""What the journal keeps of policies that may not act: each change of a decision once, and how the alert ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bsm_remediate.config.loader import load_bundle
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.policy import Mode
from bsm_remediate.domain.shadow import ShadowEpisode, episodes_of
from bsm_remediate.engine.options import EngineOptions
from bsm_remediate.engine.shadow import shadow_events
from bsm_remediate.records import Store
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.testing.timeline import Timeline

SHOP = """
currency: EUR
services:
  checkout: {loss_per_minute: 300, requires: [web-1, queue-1]}
components:
  web-1: {requires: [db-1]}
  db-1: {}
  queue-1: {}
policies:
  restart-database:
    match: {alertname: PostgresDown}
    evidence: direct
    do: [{playbook: restart.yml, vars: {unit: "pg-{{ component.id }}"}, expect: {duration: 20s, success: 0.7}}]
    verify: [{tcp: "{{ component.address }}:5432", within: 30s}]
    mode: auto
  restart-web:
    match: {alertname: WebDown}
    do: [{playbook: restart.yml, expect: {duration: 30s, success: 0.9}}]
    verify: [{tcp: "{{ component.address }}:80", within: 30s}]
    mode: shadow
  restart-queue:
    match: {alertname: QueueDown}
    evidence: direct
    do: [{playbook: restart.yml, expect: {duration: 10s}}]
    mode: shadow
  rebuild-queue:
    match: {alertname: QueueDown}
    evidence: direct
    do: [{playbook: rebuild.yml, expect: {duration: 10s}}]
    verify: [{tcp: "{{ component.address }}:80", within: 30s}]
    mode: auto
settings: {executors: 1, settle: 20s}
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    (tmp_path / "shop.yml").write_text(SHOP)
    loaded = load_bundle(tmp_path, inventory=None, playbooks=None, scrutinise=False)
    assert loaded.bundle is not None, loaded.findings
    return loaded.bundle


@pytest.fixture
def capped(bundle: Bundle) -> Timeline:
    return Timeline(bundle, MemoryStore(), options=EngineOptions(max_mode=Mode.SHADOW))


def episodes(store: Store) -> tuple[ShadowEpisode, ...]:
    return episodes_of(shadow_events(store))


def nine(second: int) -> datetime:
    return datetime(2026, 1, 5, 9, second // 60, second % 60, tzinfo=UTC)


def test_an_episode_is_two_events_however_often_the_engine_looks(capped: Timeline) -> None:
    capped.at("09:00:00").fires("PostgresDown", instance="db-1")
    capped.at("09:01:30").resolves("PostgresDown", instance="db-1").at("09:02:00")
    assert [event.kind for event in shadow_events(capped.store)] == ["shadow.decided", "shadow.ended"]
    (episode,) = episodes(capped.store)
    assert (episode.began_at, episode.decisive.at) == (nine(0), nine(0))
    assert episode.end is not None
    assert (episode.end.cleared_at, episode.end.restored_by) == (nine(90), "")


def test_the_run_that_would_have_been_is_kept_with_what_it_would_have_stopped(capped: Timeline) -> None:
    capped.at("09:00:00").fires("PostgresDown", instance="db-1").at("09:00:05")
    (episode,) = episodes(capped.store)
    run = episode.run
    assert (run.component, run.host, run.policy, run.playbook) == ("db-1", "db-1", "restart-database", "restart.yml")
    assert run.vars == {"unit": "pg-db-1"}
    assert (run.expected_duration_s, run.success, run.written_mode) == (20, 0.7, "auto")
    assert (run.services, run.loss_per_minute) == (("checkout",), 300)
    assert run.locks == ("component:db-1", "host:db-1")
    assert (run.executors, run.cooldown_s) == (1, 600)
    assert next((one.key, one.count, one.window_s) for one in run.budgets) == ("restart-database on db-1", 3, 3600)


def test_loss_with_two_causes_is_shared_between_them(capped: Timeline) -> None:
    capped.at("09:00:00").fires("PostgresDown", instance="db-1")
    capped.at("09:00:10").fires("QueueDown", instance="queue-1")
    losses = {one.run.policy: one.run.loss_per_minute for one in episodes(capped.store)}
    assert losses == {"restart-database": 300, "restart-queue": 150, "rebuild-queue": 150}


def test_every_change_of_what_stands_in_its_way_is_kept(bundle: Bundle) -> None:
    shop = Timeline(bundle, MemoryStore())
    shop.at("09:00:00").fires("PostgresDown", instance="db-1")
    shop.fires("WebDown", instance="web-1")
    shop.at("09:00:40").resolves("PostgresDown", instance="db-1")
    shop.at("09:01:10").resolves("WebDown", instance="web-1").at("09:01:20")
    (episode,) = episodes(shop.store)  # restart-database acts by itself and has none
    spans = [(one.verdict, begin, end) for one, begin, end in episode.spans(nine(300))]
    assert spans == [("symptom", nine(0), nine(30)), ("shadow", nine(30), nine(70))]


def test_it_is_told_when_another_policy_restored_the_component(bundle: Bundle) -> None:
    shop = Timeline(bundle, MemoryStore())
    shop.at("09:00:00").fires("QueueDown", instance="queue-1")
    shop.at("09:01:00").resolves("QueueDown", instance="queue-1")
    (episode,) = episodes(shop.store)
    assert episode.end is not None
    assert episode.end.restored_by == f"run {shop.run_of('queue-1').id} of rebuild-queue"


def test_an_episode_goes_on_when_the_engine_is_started_again(bundle: Bundle, capped: Timeline) -> None:
    capped.at("09:00:00").fires("PostgresDown", instance="db-1")
    again = Timeline(bundle, capped.store, options=EngineOptions(max_mode=Mode.SHADOW))
    again.at("09:00:30")
    assert len(episodes(again.store)) == 1
    again.fires("PostgresDown", since=nine(0), instance="db-1").at("09:03:00")
    again.resolves("PostgresDown", instance="db-1")
    (episode,) = episodes(again.store)
    assert len(episode.decisions) == 1
    assert episode.end is not None
    assert episode.end.cleared_at == nine(180)


def test_a_policy_that_leaves_the_shadow_ends_its_episodes_without_an_end_of_the_alert(
    bundle: Bundle, capped: Timeline
) -> None:
    capped.fires("PostgresDown", instance="db-1")
    free = Timeline(bundle, capped.store)
    (episode,) = episodes(free.store)
    assert episode.end is not None
    assert episode.end.cleared_at is None


def test_a_policy_whose_engine_s_cap_was_lifted_lets_a_person_decide_about_what_began_before(
    bundle: Bundle, capped: Timeline
) -> None:
    capped.fires("PostgresDown", since=nine(0) - timedelta(minutes=2), instance="db-1")
    free = Timeline(bundle, capped.store)
    free.expect(running=set(), held={"db-1": "too_old"})


def test_in_shadow_too_an_alert_may_be_older_than_the_policy_acts_on(capped: Timeline) -> None:
    capped.at("09:00:00").fires("PostgresDown", since=nine(0) - timedelta(hours=2), instance="db-1")
    capped.expect(held={"db-1": "too_old"})


def test_a_policy_that_may_act_leaves_nothing_in_the_shadow_s_journal(bundle: Bundle) -> None:
    shop = Timeline(bundle, MemoryStore())
    shop.at("09:00:00").fires("PostgresDown", instance="db-1").at("09:02:00")
    assert episodes(shop.store) == ()


def test_an_engine_that_leads_again_tells_no_end_that_another_has_told(bundle: Bundle) -> None:
    shop = Timeline(bundle, MemoryStore())
    shop.at("09:00:00").fires("QueueDown", instance="queue-1")
    first = shop.engine
    shop.restarts().at("09:00:10").resolves("QueueDown", instance="queue-1")
    shop.at("09:00:20")
    told = [event.kind for event in shadow_events(shop.store)]
    assert told[-1] == "shadow.ended"
    shop.lease.leading = False
    first.tick()
    shop.lease.leading = True
    first.tick()
    shop.engine = first
    shop.at("09:00:30")
    assert [event.kind for event in shadow_events(shop.store)] == told
