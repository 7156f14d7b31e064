"""What policies in shadow would have saved, told as stories; and the whole report against slow and obvious sums."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bsm_remediate.config.loader import load_bundle
from bsm_remediate.domain.alert import AlertStatus
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.decision import Verdict
from bsm_remediate.domain.ids import NodeId, PolicyId
from bsm_remediate.domain.policy import Mode
from bsm_remediate.domain.shadow import ShadowDecision, ShadowEnd, ShadowEpisode, ShadowRun
from bsm_remediate.domain.shadow_report import Outcome, ShadowReport, shadow_report
from bsm_remediate.domain.shadow_words import shadow_document, told, verdict_of
from bsm_remediate.engine.options import EngineOptions
from bsm_remediate.engine.shadow import read_shadow_report
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.testing.timeline import Timeline

PAGE = (Path(__file__).parents[2] / "docs" / "shadow.md").read_text(encoding="utf-8")
NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
NOON = NINE + timedelta(hours=3)

SHOP = """
currency: EUR
services:
  checkout: {loss_per_minute: 300, requires: [web-1]}
  reports: {loss_per_minute: 6, requires: [batch-1]}
components:
  web-1: {requires: [db-1]}
  db-1: {}
  batch-1: {}
policies:
  restart-database:
    match: {alertname: PostgresDown}
    evidence: direct
    do: [{playbook: restart.yml, vars: {unit: postgresql}, expect: {duration: 20s, success: 0.5}}]
    verify: [{tcp: "{{ component.address }}:5432", within: 30s}]
    mode: auto
  restart-web:
    match: {alertname: WebDown}
    do: [{playbook: restart.yml, expect: {duration: 30s, success: 1}}]
    mode: auto
  restart-batch:
    match: {alertname: BatchDown}
    evidence: direct
    do: [{playbook: restart.yml, expect: {duration: 60s, success: 1}}]
    mode: shadow
settings: {executors: 1, settle: 20s}
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    (tmp_path / "shop.yml").write_text(SHOP)
    loaded = load_bundle(tmp_path, inventory=None, playbooks=None, scrutinise=False)
    assert loaded.bundle is not None, loaded.findings
    return loaded.bundle


@pytest.fixture
def shop(bundle: Bundle) -> Timeline:
    return Timeline(bundle, MemoryStore(), options=EngineOptions(max_mode=Mode.SHADOW))


def report(shop: Timeline, *, since: datetime = NINE - timedelta(hours=1), until: datetime = NOON) -> ShadowReport:
    return read_shadow_report(shop.store, shop.engine.bundle, Mode.SHADOW, since=since, until=until)


def policy(found: ShadowReport, name: str) -> dict[str, Any]:
    rows: Any = shadow_document(found, currency="EUR")["policies"]
    wanted: dict[str, Any] = {row["policy"]: row for row in rows}[name]
    return wanted


def test_a_run_that_ends_before_the_alert_would_have_saved_the_rest_of_it(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1")
    shop.at("09:02:20").resolves("PostgresDown", instance="db-1")
    (story,) = report(shop).stories
    assert (story.outcome, story.would_start, story.would_end) == (Outcome.SAVED, NINE, NINE + timedelta(seconds=20))
    assert story.saved_s == 60  # two minutes at a chance of one half
    assert story.saved_money == 300
    assert told(story) == "the alert ended after 2m20s; the run would have ended after 20s"
    row = policy(report(shop), "restart-database")
    assert (row["minutes_saved"], row["money_saved"]) == (1.0, 300.0)
    assert row["verdict"] == "would have saved 1m (300.00 EUR) in 1 of 1 episode: consider mode approve, then auto"


def test_an_alert_that_ends_before_the_run_would_have_makes_it_useless(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1")
    shop.at("09:00:15").resolves("PostgresDown", instance="db-1")
    (story,) = report(shop).stories
    assert (story.outcome, story.saved_s) == (Outcome.CLEARED_FIRST, 0)
    assert told(story) == "the alert ended after 15s, before the run would have ended (after 20s)"
    assert policy(report(shop), "restart-database")["verdict"] == (
        "would have saved nothing in 1 episode; 1 ended before it would have: "
        "consider leaving it in shadow, or a faster playbook"
    )


def test_the_end_that_the_sender_names_counts_not_when_it_was_heard(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1")
    shop.at("09:05:00")
    (alert,) = shop.store.active()
    late = replace(
        alert, status=AlertStatus.RESOLVED, ends_at=NINE + timedelta(seconds=15), received_at=shop.clock.now()
    )
    shop.store.record([late])
    shop.tick()
    (story,) = report(shop).stories
    assert (story.outcome, story.seen_until) == (Outcome.CLEARED_FIRST, NINE + timedelta(seconds=15))


def test_the_costliest_has_the_only_executor_and_the_other_waits_for_it(shop: Timeline) -> None:
    shop.at("09:00:00").fires("BatchDown", instance="batch-1")
    shop.at("09:00:10").fires("PostgresDown", instance="db-1")
    shop.at("09:05:00").resolves("PostgresDown", instance="db-1").resolves("BatchDown", instance="batch-1")
    by_policy = {story.episode.run.policy: story for story in report(shop).stories}
    first, second = by_policy[PolicyId("restart-batch")], by_policy[PolicyId("restart-database")]
    assert (first.would_start, second.would_start) == (NINE, NINE + timedelta(minutes=1))  # never pre-empted
    assert second.waited_for == ("executor",)


def test_what_stood_in_its_way_is_told_with_its_time(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1").fires("WebDown", instance="web-1")
    shop.at("09:02:00").resolves("WebDown", instance="web-1").resolves("PostgresDown", instance="db-1")
    web = next(one for one in report(shop).stories if one.episode.run.component == "web-1")
    assert (web.outcome, web.blocked_s) == (Outcome.BLOCKED, ((Verdict.SYMPTOM, 120.0),))
    assert told(web) == "the alert ended after 2m; symptom (2m) stood in its way all the time"
    assert "1 blocked all the time, most by symptom" in policy(report(shop), "restart-web")["verdict"]


def test_a_second_episode_waits_for_the_cooldown_of_the_run_that_would_have_been(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1")
    shop.at("09:01:00").resolves("PostgresDown", instance="db-1").forget()
    shop.at("09:02:00").fires("PostgresDown", instance="db-1")
    shop.at("09:12:00").resolves("PostgresDown", instance="db-1")
    first, second = report(shop).stories
    assert first.outcome is Outcome.SAVED
    assert second.would_start == NINE + timedelta(minutes=10, seconds=20)
    assert second.waited_for == ("cooling_down",)


def test_an_alert_that_still_fires_has_saved_what_it_has_so_far(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1").at("09:00:10")
    (early,) = report(shop, until=NINE + timedelta(seconds=10)).stories
    assert (early.outcome, early.is_over) == (Outcome.UNFINISHED, False)
    (later,) = report(shop, until=NINE + timedelta(seconds=140)).stories
    assert (later.outcome, later.saved_s) == (Outcome.SAVED, 60)
    assert told(later) == "the alert was on for 2m20s and not over; the run would have ended after 20s"


def test_a_report_knows_nothing_of_what_came_after_it(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1")
    shop.at("09:10:00").resolves("PostgresDown", instance="db-1")
    assert report(shop, until=NINE).stories == ()
    (story,) = report(shop, until=NINE + timedelta(minutes=5)).stories
    assert (story.is_over, story.seen_until) == (False, NINE + timedelta(minutes=5))
    assert report(shop, since=NINE + timedelta(minutes=11)).stories == ()


def test_a_policy_without_an_alert_is_named_too(shop: Timeline) -> None:
    row = policy(report(shop), "restart-batch")
    assert row["episodes"] == 0
    assert row["verdict"] == "had nothing to do in this time: no alert that it matches"


def test_a_row_says_all_that_would_have_been_run(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1")
    shop.at("09:02:20").resolves("PostgresDown", instance="db-1")
    episodes: Any = shadow_document(report(shop), currency="EUR")["episodes"]
    (row,) = episodes
    assert {name: row[name] for name in ("component", "host", "policy", "playbook", "vars", "written_mode")} == {
        "component": "db-1",
        "host": "db-1",
        "policy": "restart-database",
        "playbook": "restart.yml",
        "vars": {"unit": "postgresql"},
        "written_mode": "auto",
    }
    assert (row["began_at"], row["ended_at"]) == ("2026-01-05T09:00:00Z", "2026-01-05T09:02:20Z")
    assert (row["would_start_at"], row["would_end_at"]) == ("2026-01-05T09:00:00Z", "2026-01-05T09:00:20Z")
    assert [(one["verdict"], one["from"], one["to"]) for one in row["verdicts"]] == [
        ("shadow", "2026-01-05T09:00:00Z", "2026-01-05T09:02:20Z")
    ]


def episode(lasted_s: float, *, begin_min: float, success: float = 1.0) -> ShadowEpisode:
    """One that was free to run from its first moment, with a run of one minute."""
    begin = NINE + timedelta(minutes=begin_min)
    end = begin + timedelta(seconds=lasted_s)
    run = ShadowRun(
        component=NodeId("db-1"),
        host="db-1",
        policy=PolicyId("restart"),
        playbook="restart.yml",
        vars={},
        expected_duration_s=60,
        success=success,
        written_mode="shadow",
        services=("checkout",),
        loss_per_minute=10,
        weighted_loss_per_minute=10,
        locks=("component:db-1",),
        group="restart on db-1",
        executors=1,
        cooldown_s=0,
        budgets=(),
    )
    free = ShadowDecision(at=begin, verdict=Verdict.SHADOW, reason="", began_at=begin, alerts=(), run=run)
    cleared = ShadowEnd(at=end, component=run.component, policy=run.policy, cleared_at=end)
    return ShadowEpisode(decisions=(free,), end=cleared)


def test_the_verdict_counts_and_names_the_age_at_which_alerts_end_by_themselves() -> None:
    episodes = [episode(lasted, begin_min=20 * number) for number, lasted in enumerate((660, 960, 960, 30, 45))]
    (total,) = shadow_report(episodes, [], since=NINE, until=NOON).totals
    assert verdict_of(total, "EUR") == (
        "would have saved 40 min (400.00 EUR) in 3 of 5 episodes; 2 ended before it would have: "
        "consider `when: signal.age > 45`, so that it acts only on alerts that don't end by themselves"
    )
    assert f"> {verdict_of(total, 'EUR')}\n" in PAGE


def test_the_page_explains_every_outcome() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == [outcome.value for outcome in Outcome]
