"""The engine, told as stories on a timeline: what is run, what is held, and what happens when things go wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bsm_remediate.config.loader import load_bundle
from bsm_remediate.domain.alert import AlertStatus
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.playbook import PlaybookOutcome
from bsm_remediate.domain.policy import Check, Mode
from bsm_remediate.domain.run import RunEnd, RunState
from bsm_remediate.domain.service_map import Component
from bsm_remediate.domain.verification import Observation
from bsm_remediate.engine.options import EngineOptions
from bsm_remediate.testing.executor import Scripted
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.testing.timeline import BEGIN, Timeline

SHOP = """
currency: EUR
services:
  checkout: {loss_per_minute: 300, function: customer-service, requires: [web-1]}
  reports: {loss_per_minute: 5, function: back-office, requires: [batch-1]}
  search: {loss_per_minute: 50, requires: [{any: [s-1, s-2]}]}
components:
  web-1: {requires: [db-1]}
  db-1: {owner: payments}
  batch-1: {}
  s-1: {}
  s-2: {}
policies:
  restart-database:
    match: {alertname: PostgresDown}
    evidence: direct
    do:
      - {playbook: restart.yml, expect: {duration: 20s, success: 0.7}}
      - {playbook: rebuild.yml, expect: {duration: 2m}}
    verify: [{tcp: "{{ component.address }}:5432", within: 30s, hold: 5s}]
    mode: auto
  restart-web:
    match: {alertname: WebDown}
    do: [{playbook: restart.yml, expect: {duration: 20s}}]
    verify: [{tcp: "{{ component.address }}:80", within: 30s}]
    mode: auto
  restart-batch:
    match: {alertname: BatchDown}
    evidence: direct
    do: [{playbook: restart.yml, expect: {duration: 20s}}]
    verify: [{tcp: "{{ component.address }}:99", within: 30s}]
    mode: auto
  migrate-search:
    match: {alertname: SearchSlow}
    sets: degraded
    do: [{playbook: restart.yml, expect: {duration: 20s}}]
    verify: [{tcp: "{{ component.address }}:9200", within: 30s}]
    mode: auto
  rebuild-search:
    match: {alertname: SearchDown}
    evidence: direct
    do: [{playbook: rebuild.yml, expect: {duration: 1m}}]
    verify: [{tcp: "{{ component.address }}:9200", within: 30s}]
    mode: approve
teams:
  payments: {members: [ana, li], on_call: {rotation: [ana, li], every: 7d, start: 2025-12-29}}
settings: {executors: 1, settle: 20s, guard: {storm: {all: 90%, at_least: 10}}}
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "shop.yml").write_text(SHOP)
    loaded = load_bundle(tmp_path / "policies", inventory=None, playbooks=None, scrutinise=False)
    assert loaded.bundle is not None, loaded.findings
    return loaded.bundle


@pytest.fixture
def make(bundle: Bundle) -> Callable[[EngineOptions], Timeline]:
    return lambda options: Timeline(bundle, MemoryStore(), options=options)


@pytest.fixture
def shop(make: Callable[[EngineOptions], Timeline]) -> Timeline:
    return make(EngineOptions())


def test_a_broken_component_is_restored_and_verified(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1").expect(running={"db-1"})
    shop.at("09:00:10").expect(running={"db-1"})  # the playbook ends; the checks must hold for 5 s
    shop.at("09:00:20").expect(running=set())
    run = shop.run_of("db-1")
    assert (run.state, run.end, run.attempt) == (RunState.SUCCEEDED, RunEnd.RESTORED, 1)


def test_an_alert_from_before_our_clock_went_back_is_looked_at_once(shop: Timeline) -> None:
    shop.at("08:59:30").fires("PostgresDown", instance="db-1").at("08:59:50").resolves("PostgresDown", instance="db-1")
    (known,), _ = shop.store.changes(after=0)
    ahead = BEGIN + timedelta(hours=1)
    shop.at("09:20:00").healthy("db-1")
    shop.store.record([replace(known, status=AlertStatus.FIRING, ends_at=None, starts_at=ahead, received_at=ahead)])
    shop.at("09:20:30")
    assert [run.end for run in shop.runs()] == [RunEnd.RESTORED, RunEnd.ALREADY_OK]


def test_the_costliest_service_comes_first_whoever_called_first(shop: Timeline) -> None:
    shop.asks("pause")
    shop.at("09:00:00").fires("BatchDown", instance="batch-1")
    shop.at("09:00:01").fires("PostgresDown", instance="db-1").expect(held={"db-1": "paused", "batch-1": "paused"})
    shop.asks("resume")
    shop.expect(running={"db-1"})
    shop.at("09:00:40")
    assert [call.component.id for call in shop.executor.calls] == ["db-1", "batch-1"]


ALIKE = """
currency: EUR
services:
  first: {loss_per_minute: 900, requires: [a]}
  x: {loss_per_minute: 100, requires: [b]}
  y: {loss_per_minute: 99, function: y, requires: [c]}
components: {a: {}, b: {}, c: {}}
goals: {a-little: {weights: {y: 1.02}}, a-lot: {weights: {y: 2}}}
policies:
  restart:
    match: {alertname: Down}
    evidence: direct
    do: [{playbook: restart.yml, expect: {duration: 100s}}]
    unchecked: true
    mode: auto
settings: {executors: 1, guard: {storm: {all: 90%, at_least: 10}}}
"""


@pytest.mark.parametrize(("goal", "order"), [("a-little", ["a", "b", "c"]), ("a-lot", ["a", "c", "b"])])
def test_the_announced_order_stands_until_another_is_clearly_better(
    goal: str, order: list[str], tmp_path: Path
) -> None:
    (tmp_path / "shop.yml").write_text(ALIKE)
    loaded = load_bundle(tmp_path / "shop.yml", inventory=None, playbooks=None, scrutinise=False)
    assert loaded.bundle is not None, loaded.findings
    shop = Timeline(loaded.bundle, MemoryStore(), options=EngineOptions(max_mode=Mode.AUTO))
    shop.asks("pause")
    for component in "abc":
        shop.at("09:00:00").fires("Down", instance=component)
    shop.asks("resume")
    shop.at("09:00:01").expect(running={"a"})
    shop.asks("goal", goal)
    shop.at("09:10:00")
    assert [call.component.id for call in shop.executor.calls] == order


def test_a_symptom_waits_until_its_cause_is_restored_and_settled(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1")
    shop.fires("WebDown", instance="web-1").expect(running={"db-1"}, held={"web-1": "symptom"})
    shop.at("09:00:25").resolves("PostgresDown", instance="db-1").expect(held={"web-1": "symptom"})
    shop.at("09:00:29").expect(running=set(), held={"web-1": "symptom"})
    shop.at("09:00:35").expect(running={"web-1"})  # settle is 20 s, and its own checks still fail


def test_a_symptom_that_went_with_its_cause_is_never_run(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1")
    shop.fires("WebDown", instance="web-1")
    shop.at("09:00:20").healthy("web-1").resolves("PostgresDown", instance="db-1")
    shop.at("09:01:00").expect(running=set(), held={"web-1": "awaiting_resolve"})
    assert shop.run_of("web-1").end is RunEnd.ALREADY_OK
    assert [call.component.id for call in shop.executor.calls] == ["db-1"]


def test_somebody_who_was_faster_leaves_nothing_to_run(shop: Timeline) -> None:
    shop.asks("pause")
    shop.at("09:00:00").fires("PostgresDown", instance="db-1").healthy("db-1")
    shop.asks("resume")
    assert shop.run_of("db-1").end is RunEnd.ALREADY_OK
    assert shop.executor.calls == []
    shop.expect(held={"db-1": "awaiting_resolve"})


def test_the_next_alternative_is_taken_when_the_first_fails(shop: Timeline) -> None:
    shop.executor.script("restart.yml", Scripted(duration_s=5, outcome=PlaybookOutcome.FAILED, reason="no such unit"))
    shop.at("09:00:00").fires("PostgresDown", instance="db-1")
    shop.at("09:00:30").expect(running=set())
    first, second = (run for run in shop.runs() if run.component == "db-1")
    assert (first.state, first.end, first.playbook) == (RunState.FAILED, RunEnd.PLAYBOOK_FAILED, "restart.yml")
    assert (second.state, second.playbook) == (RunState.SUCCEEDED, "rebuild.yml")
    assert first.remediation == second.remediation


def test_checks_that_do_not_hold_in_time_count_as_failure(shop: Timeline) -> None:
    shop.executor.script("restart.yml", Scripted(duration_s=5))
    shop.executor.script("rebuild.yml", Scripted(duration_s=5))
    shop.at("09:00:00").fires("PostgresDown", instance="db-1").at("09:00:06").broken("db-1")
    shop.at("09:00:50")
    first = next(run for run in shop.runs() if run.component == "db-1")
    assert (first.state, first.end) == (RunState.FAILED, RunEnd.NOT_VERIFIED)
    assert "does not answer" in first.outcome


def test_when_no_alternative_is_left_a_person_has_it_until_something_new_happens(shop: Timeline) -> None:
    for playbook in ("restart.yml", "rebuild.yml"):
        shop.executor.script(playbook, Scripted(duration_s=5, outcome=PlaybookOutcome.FAILED))
    shop.at("09:00:00").fires("PostgresDown", instance="db-1")
    shop.at("09:30:00").expect(running=set(), held={"db-1": "held_by"})
    assert shop.run_of("db-1").state is RunState.ESCALATED
    assert "li, on call for payments, must take over" in shop.run_of("db-1").outcome
    assert len(shop.executor.calls) == 2
    assert "engine's again" in shop.asks("release", "db-1")
    assert len(shop.executor.calls) == 3


def test_after_a_success_the_alert_may_take_its_time_to_end(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1")
    shop.at("09:05:00").expect(running=set(), held={"db-1": "awaiting_resolve"})
    shop.resolves("PostgresDown", instance="db-1")
    assert "db-1" not in shop.held()
    assert len(shop.executor.calls) == 1


def test_a_relapse_while_the_alert_still_fires_is_taken_up_at_once(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1")
    shop.at("09:01:00").broken("db-1")
    shop.at("09:01:40")
    runs = [run for run in shop.runs() if run.component == "db-1"]
    assert runs[0].end is RunEnd.RELAPSED
    assert runs[-1].playbook == "rebuild.yml"


def test_an_alert_that_outlasts_its_time_makes_the_success_a_failure(shop: Timeline) -> None:
    shop.at("09:00:00").fires("BatchDown", instance="batch-1").at("09:11:30")
    run = next(run for run in shop.runs() if run.component == "batch-1")
    assert (run.state, run.end) == (RunState.ESCALATED, RunEnd.STILL_FIRING)


def test_a_cooldown_counts_from_the_end_of_the_remediation(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1")
    shop.at("09:01:00").resolves("PostgresDown", instance="db-1")
    shop.at("09:05:00")
    shop.forget().fires("PostgresDown", instance="db-1").expect(running=set(), held={"db-1": "cooling_down"})
    shop.at("09:10:20").expect(running={"db-1"})


def test_a_run_that_needs_approval_waits_for_a_person_and_then_goes_ahead(shop: Timeline) -> None:
    shop.at("09:00:00").fires("SearchDown", instance="s-1").expect(running=set())
    waiting = shop.run_of("s-1")
    assert waiting.state is RunState.AWAITING_APPROVAL
    assert "may go ahead" in shop.asks("approve", waiting.id, reason="checked")
    shop.expect(running={"s-1"}).at("09:00:30")
    done = shop.run_of("s-1")
    assert (done.id, done.state, done.approved_by) == (waiting.id, RunState.SUCCEEDED, "ana")


def test_a_rejected_run_is_not_asked_for_again(shop: Timeline) -> None:
    shop.at("09:00:00").fires("SearchDown", instance="s-1")
    shop.asks("reject", shop.run_of("s-1").id, reason="planned work")
    shop.at("09:20:00").expect(running=set(), held={"s-1": "held_by"})
    assert [run.state for run in shop.runs()] == [RunState.REJECTED]


def test_an_approval_that_nobody_needs_any_more_is_withdrawn(shop: Timeline) -> None:
    shop.at("09:00:00").fires("SearchDown", instance="s-1").at("09:00:05").resolves("SearchDown", instance="s-1")
    assert (shop.run_of("s-1").state, shop.run_of("s-1").end) == (RunState.CANCELLED, RunEnd.SIGNAL_GONE)


def test_an_approval_outlasts_a_pause(shop: Timeline) -> None:
    shop.at("09:00:00").fires("SearchDown", instance="s-1")
    waiting = shop.run_of("s-1")
    shop.asks("pause")
    shop.asks("approve", waiting.id)
    shop.at("09:01:00").expect(running=set(), held={"s-1": "paused"})
    shop.asks("resume")
    shop.expect(running={"s-1"})
    assert shop.run_of("s-1").id == waiting.id


def test_the_last_healthy_member_is_never_taken_down(shop: Timeline) -> None:
    shop.at("09:00:00").fires("SearchDown", instance="s-1")
    shop.fires("SearchSlow", severity="warning", instance="s-2").expect(running=set(), held={"s-2": "quorum"})


def test_a_member_that_nobody_hears_of_is_not_counted_on(shop: Timeline) -> None:
    shop.at("09:00:00").fires("SearchDown", instance="s-1")
    shop.asks("reject", shop.run_of("s-1").id)
    shop.clock.advance(25 * 3600)  # neither a repeat nor a resolve: s-1 is unknown now
    shop.fires("SearchSlow", severity="warning", instance="s-2").expect(running=set(), held={"s-2": "quorum"})


def test_a_held_host_is_left_alone_until_it_is_released(shop: Timeline) -> None:
    assert "nothing is run on db-1" in shop.asks("hold", "db-1", reason="replacing a disk")
    shop.at("09:00:00").fires("PostgresDown", instance="db-1").expect(running=set(), held={"db-1": "held_by"})
    shop.asks("release", "db-1")
    shop.expect(running={"db-1"})


def test_a_cancelled_run_stops_and_stays_stopped(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1").at("09:00:02")
    shop.asks("cancel", shop.run_of("db-1").id)
    shop.at("09:15:00").expect(running=set(), held={"db-1": "held_by"})
    assert (shop.run_of("db-1").state, shop.run_of("db-1").end) == (RunState.CANCELLED, RunEnd.BY_A_PERSON)


@pytest.mark.parametrize("stage", ["beforehand", "afterwards"])
def test_who_cancels_does_not_wait_for_a_check_that_takes_a_minute(shop: Timeline, stage: str) -> None:
    at_once = shop.prober.look

    def slow(check: Check, component: Component, *, cancelled: Callable[[], bool]) -> Observation:
        if bool(shop.executor.calls) == (stage == "afterwards"):
            shop.clock.wait(60, until=cancelled)
        return at_once(check, component, cancelled=cancelled)

    shop.prober.look = slow  # type: ignore[method-assign]
    shop.at("09:00:00").fires("PostgresDown", instance="db-1").at("09:00:40")
    shop.asks("cancel", shop.run_of("db-1").id)
    shop.at("09:00:45")
    assert (shop.run_of("db-1").state, shop.run_of("db-1").end) == (RunState.CANCELLED, RunEnd.BY_A_PERSON)
    assert bool(shop.executor.calls) == (stage == "afterwards")


def test_signals_older_than_the_policy_wait_until_it_is_adopted(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", since=BEGIN - timedelta(minutes=5), instance="db-1")
    shop.expect(running=set(), held={"db-1": "too_old"})
    shop.asks("adopt", "restart-database")
    shop.expect(running={"db-1"})


def test_no_policy_goes_further_than_this_engine_may(make: Callable[[EngineOptions], Timeline]) -> None:
    careful = make(EngineOptions(max_mode=Mode.SHADOW))
    careful.at("09:00:00").fires("PostgresDown", instance="db-1").at("09:05:00").expect(running=set())
    assert careful.runs() == []
    assert [step.decision.component for step in careful.tick().plan.shadow] == ["db-1"]


def test_the_goal_can_be_switched_by_a_person(shop: Timeline) -> None:
    assert "there is no goal 'profit'" in shop.asks("goal", "profit")
    assert "the goal is default" in shop.asks("goal", "default", reason="the rush is over")
    (event,) = shop.store.events(subject="default")
    assert (event.kind, event.actor, event.facts["reason"]) == ("control.goal", "ana", "the rush is over")


def test_a_stale_alert_can_be_ended_by_a_person(shop: Timeline) -> None:
    shop.asks("pause")
    shop.at("09:00:00").fires("PostgresDown", instance="db-1")
    alert = shop.engine.situation().alerts[0]
    assert shop.asks("resolve", alert.fingerprint, reason="decommissioned") == "1 alert ended"
    assert shop.engine.situation().alerts == ()


def test_every_change_of_a_run_is_in_the_journal(shop: Timeline) -> None:
    shop.at("09:00:00").fires("PostgresDown", instance="db-1").at("09:01:00")
    kinds = [event.kind for event in shop.store.events(subject=shop.run_of("db-1").id)]
    assert kinds == [
        "run.queued",
        "run.started",
        "run.task",
        "run.playbook_ended",
        "run.checks_hold",
        "run.succeeded",
    ]
