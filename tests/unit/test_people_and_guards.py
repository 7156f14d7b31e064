"""Guards and people's orders, told as stories on a timeline: what is held, by whom, and what ends it. Each with one
engine, and with two on the same store, since guards count across replicas.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.ids import Digest
from bsm_remediate.domain.playbook import PlaybookOutcome
from bsm_remediate.domain.run import RunEnd, RunState
from bsm_remediate.domain.situation import Pause
from bsm_remediate.testing.executor import Scripted
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.testing.timeline import BEGIN, Timeline
from tests.unit.pair import SHOP, Pair, bundle_of

FAILS = Scripted(outcome=PlaybookOutcome.FAILED, reason="no", exit_code=2)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return bundle_of(SHOP, tmp_path)


@pytest.fixture(params=[Timeline, Pair], ids=["one engine", "two that lead in turns"])
def shop(request: pytest.FixtureRequest, bundle: Bundle) -> Timeline:
    made: Timeline = request.param(bundle, MemoryStore())
    return made


def minutes_on(shop: Timeline, minutes: float) -> datetime:
    return shop.clock.now() + timedelta(minutes=minutes)


def journalled(shop: Timeline, kind: str) -> list[str]:
    return [str(one.facts.get("reason", "")) for one in shop.store.events(limit=100_000) if one.kind == kind]


# --- approvals -------------------------------------------------------------------------------------------------------


def test_only_members_of_the_approvers_teams_may_approve(shop: Timeline) -> None:
    shop.at("09:00:00").fires("Corrupt", instance="db-1")
    run = shop.run_of("db-1")
    assert shop.asks("approve", run.id, who="kim") == (
        "kim may not approve runs of rebuild: only members of payments may"
    )
    assert shop.run_of("db-1").state is RunState.AWAITING_APPROVAL
    assert shop.asks("approve", run.id, who="ana") == f"run {run.id} may go ahead"
    assert shop.run_of("db-1").state is RunState.RUNNING


def test_an_approval_of_another_plan_than_the_one_that_was_looked_at_is_refused(shop: Timeline) -> None:
    shop.at("09:00:00").fires("Corrupt", instance="db-1")
    run = shop.run_of("db-1")
    answer = shop.asks("approve", run.id, digest="sha256:of another plan")
    assert "another plan than the one that was looked at" in answer
    assert shop.run_of("db-1").state is RunState.AWAITING_APPROVAL
    shop.asks("approve", run.id, digest=run.digest)
    assert shop.run_of("db-1").state is RunState.RUNNING


def test_what_waits_for_approval_is_asked_for_anew_when_the_bundle_changes(shop: Timeline, bundle: Bundle) -> None:
    shop.at("09:00:00").fires("Corrupt", instance="db-1")
    first = shop.run_of("db-1")
    shop.reloads(replace(bundle, digest=Digest("sha256:another")))
    shop.tick()
    withdrawn = shop.store.run(first.id)
    assert withdrawn is not None
    assert (withdrawn.state, withdrawn.end) == (RunState.CANCELLED, RunEnd.DECIDED_ANEW)
    second = shop.run_of("db-1")
    assert (second.state, second.bundle) == (RunState.AWAITING_APPROVAL, "sha256:another")
    assert "doesn't wait for approval" in shop.asks("approve", first.id)
    shop.asks("approve", second.id)
    assert shop.run_of("db-1").state is RunState.RUNNING


def test_an_approval_given_for_what_has_changed_before_it_began_is_void(shop: Timeline, bundle: Bundle) -> None:
    shop.at("09:00:00").asks("pause", reason="so that it waits")
    shop.asks("resume")
    shop.fires("Corrupt", instance="db-1")
    shop.asks("pause", reason="so that it waits")
    shop.asks("approve", shop.run_of("db-1").id)
    shop.reloads(replace(bundle, digest=Digest("sha256:another"))).asks("resume")
    shop.at("09:00:10")
    assert shop.run_of("db-1").state is RunState.AWAITING_APPROVAL
    assert shop.run_of("db-1").approved_by is None
    assert shop.executor.calls == []


def test_an_approval_that_nobody_answers_is_escalated_once_and_stays_open(shop: Timeline) -> None:
    shop.at("09:00:00").fires("Corrupt", instance="db-1").at("09:09:59")
    assert journalled(shop, "run.approval_escalated") == []
    shop.at("09:10:00")
    told = ["nobody has answered for 10m: li, on call for payments must decide"]
    assert journalled(shop, "run.approval_escalated") == told
    shop.restarts().at("09:30:00")
    assert journalled(shop, "run.approval_escalated") == told
    shop.asks("approve", shop.run_of("db-1").id)
    assert shop.run_of("db-1").state is RunState.RUNNING


def test_an_approval_ends_with_its_signal(shop: Timeline) -> None:
    shop.at("09:00:00").fires("Corrupt", instance="db-1").at("09:05:00").resolves("Corrupt", instance="db-1")
    run = shop.run_of("db-1")
    assert (run.state, run.end) == (RunState.CANCELLED, RunEnd.SIGNAL_GONE)


# --- pauses ----------------------------------------------------------------------------------------------------------


def test_a_pause_of_a_host_leaves_the_others_alone_until_it_is_resumed(shop: Timeline) -> None:
    shop.at("09:00:00")
    assert shop.asks("pause", reason="new fan", scope="shared") == "no new runs are started of host:shared"
    shop.fires("Down", instance="s-1").fires("Down", instance="db-1")
    shop.expect(running={"db-1"}, held={"s-1": "paused"})
    assert shop.asks("resume", scope="policy:restart").startswith("policy:restart is not paused by itself")
    shop.asks("resume", scope="shared")
    shop.at("09:00:02").expect(running={"db-1", "s-1"})


@pytest.mark.parametrize(
    ("scope", "answer"),
    [
        ("nothing", "'nothing' is no component, host, policy or team"),
        ("host:nothing", "there is no host 'nothing'"),
        ("search", "no new runs are started of team:search"),
        ("db-1", "no new runs are started of host:db-1"),
        ("component:db-1", "no new runs are started of component:db-1"),
        ("policy:restart", "no new runs are started of policy:restart"),
    ],
)
def test_a_scope_must_name_something(shop: Timeline, scope: str, answer: str) -> None:
    assert shop.asks("pause", reason="so", scope=scope) == answer


def test_a_pause_may_also_stop_what_is_under_way_in_its_part(shop: Timeline) -> None:
    shop.at("09:00:00").fires("Down", instance="s-1").fires("Down", instance="db-1")
    shop.expect(running={"db-1", "s-1"})
    answer = shop.asks("pause", reason="smoke", scope="host:shared", cancel_running="yes")
    assert answer == "no new runs are started of host:shared; 1 under way are being stopped"
    shop.at("09:00:05").expect(running={"db-1"})
    assert (shop.run_of("s-1").state, shop.run_of("s-1").end) == (RunState.CANCELLED, RunEnd.BY_A_PERSON)


def test_without_that_word_what_is_under_way_goes_on(shop: Timeline) -> None:
    shop.at("09:00:00").fires("Down", instance="s-1").asks("pause", reason="smoke")
    shop.at("09:01:00")
    assert shop.run_of("s-1").state is RunState.SUCCEEDED


def test_the_brake_from_outside_the_store_holds_everything_while_it_is_there(shop: Timeline) -> None:
    shop.brake = Pause(who="the file PAUSED", reason="fire drill", since=BEGIN)
    shop.at("09:00:00").fires("Down", instance="s-1").expect(running=set(), held={"s-1": "paused"})
    shop.asks("resume")  # that can't lift it
    shop.expect(running=set())
    shop.brake = None
    shop.at("09:00:03").expect(running={"s-1"})


# --- maintenance -----------------------------------------------------------------------------------------------------


def test_maintenance_holds_its_component_and_ends_by_itself(shop: Timeline) -> None:
    shop.at("09:00:00")
    answer = shop.asks("maintain", "s-1", reason="new index", until=minutes_on(shop, 10))
    assert answer == "m1: s-1 is in maintenance from 2026-01-05 09:00 UTC until 2026-01-05 09:10 UTC"
    shop.fires("Down", instance="s-1").expect(running=set(), held={"s-1": "maintenance"})
    shop.at("09:09:59").expect(running=set())
    shop.at("09:10:00").expect(running={"s-1"})


def test_maintenance_that_was_ordered_ahead_begins_in_its_time(shop: Timeline) -> None:
    shop.at("09:00:00")
    begins = minutes_on(shop, 5)
    shop.asks("maintain", "shared", reason="move", until=minutes_on(shop, 60), **{"from": begins.isoformat()})
    shop.at("09:04:00").fires("Down", instance="t-1").expect(running={"t-1"})
    shop.at("09:05:00").fires("Down", instance="s-1").expect(held={"s-1": "maintenance"})


def test_a_person_ends_maintenance_early(shop: Timeline) -> None:
    shop.at("09:00:00").asks("maintain", "s-1", reason="new index", until=minutes_on(shop, 60))
    shop.fires("Down", instance="s-1").expect(held={"s-1": "maintenance"})
    assert shop.asks("end_maintenance", "m7") == "there is no maintenance 'm7'"
    assert shop.asks("end_maintenance", "m1") == "m1 on s-1 ended"
    shop.at("09:00:02").expect(running={"s-1"})


@pytest.mark.parametrize(
    ("target", "minutes", "details", "answer"),
    [
        ("nothing", 10, {}, "'nothing' is no component, set, pool, host or service"),
        ("s-1", -1, {}, "it would be over before it begins"),
        ("s-1", None, {}, "say when it ends, or by which calendar"),
        ("s-1", None, {"calendar": "days"}, "there is no calendar 'days'; there are nights"),
        ("s-1", 10, {"from": "tomorrow"}, "'tomorrow' is no time like 2026-01-05T22:00:00+00:00"),
        ("s-1", 10, {"from": "2026-01-05T10:00:00"}, "'2026-01-05T10:00:00' says no time zone"),
        ("s-1", 10, {"from": "2026-01-06T10:00:00+00:00"}, "it would be over before it begins"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused(
    shop: Timeline, target: str, minutes: int | None, details: dict[str, str], answer: str
) -> None:
    shop.at("09:00:00")
    until = minutes_on(shop, minutes) if minutes is not None else None
    assert shop.asks("maintain", target, reason="so", until=until, **details) == answer
    assert shop.store.standing().maintenance == ()


def test_a_window_by_a_calendar_needs_no_end(shop: Timeline) -> None:
    shop.at("09:00:00").asks("maintain", "farm", reason="nightly builds", calendar="nights")
    shop.fires("Down", instance="w-1").expect(running={"w-1"})
    (window,) = shop.store.standing().maintenance
    assert (window.until, window.calendar, window.who) == (None, "nights", "ana")


# --- breaker, canary, flapping ---------------------------------------------------------------------------------------


def test_three_failures_in_a_row_open_the_breaker_and_after_an_hour_one_run_tries(shop: Timeline) -> None:
    shop.executor.script("restart.yml", FAILS)
    shop.at("09:00:00")
    for node in ("w-1", "w-2", "w-3"):
        shop.broken(node).fires("Down", instance=node)
        shop.wait_until(lambda node=node: shop.run_of(node).state.is_over)  # type: ignore[misc]
    shop.executor.script("restart.yml", Scripted())
    shop.at("09:30:00").fires("Down", instance="db-1").fires("Down", instance="s-1")
    shop.expect(running=set(), held={"db-1": "breaker_open", "s-1": "breaker_open"})
    assert any("its breaker is open" in one for one in journalled(shop, "decision.made"))
    begun = len(shop.executor.calls)
    shop.at("09:59:00").expect(running=set())
    shop.wait_until(lambda: bool(shop.running()))
    assert len(shop.running()) == 1
    assert len(shop.executor.calls) == begun + 1
    shop.wait_until(lambda: len(shop.executor.calls) == begun + 2)


def test_a_person_closes_the_breaker_by_releasing_the_policy(shop: Timeline) -> None:
    shop.executor.script("restart.yml", FAILS)
    shop.at("09:00:00")
    for node in ("w-1", "w-2", "w-3"):
        shop.broken(node).fires("Down", instance=node)
        shop.wait_until(lambda node=node: shop.run_of(node).state.is_over)  # type: ignore[misc]
    shop.fires("Down", instance="db-1").expect(held={"db-1": "breaker_open"})
    assert shop.asks("release", "restart", reason="fixed") == "the breaker of restart is closed"
    shop.tick()
    shop.expect(running={"db-1"})


def test_of_a_pool_one_is_verified_before_the_others_start(shop: Timeline) -> None:
    shop.at("09:00:00").asks("pause", reason="until all are down")
    for node in ("w-1", "w-2", "w-3"):
        shop.fires("Down", instance=node)
    shop.asks("resume")
    shop.tick()
    assert len(shop.running()) == 1
    assert sorted(shop.held().values()) == ["already_running", "canary", "canary"]
    (first,) = shop.running()
    shop.wait_until(lambda: shop.run_of(first).state is RunState.SUCCEEDED)
    shop.tick()
    assert shop.running() == {"w-1", "w-2", "w-3"} - {first}


def flap(shop: Timeline, at: str) -> None:
    """It begins, is restored, and resolves."""
    shop.at(at).forget().fires("Down", instance="s-1")
    shop.wait_until(lambda: shop.run_of("s-1").state is RunState.SUCCEEDED)
    shop.resolves("Down", instance="s-1")


@pytest.mark.parametrize("restarts", [False, True])
def test_what_comes_back_a_fourth_time_within_half_an_hour_is_left_to_a_person(shop: Timeline, restarts: bool) -> None:
    for at in ("09:00:00", "09:08:00", "09:16:00"):
        flap(shop, at)
    if restarts:
        shop.restarts()
    shop.at("09:24:00").forget().fires("Down", instance="s-1")
    shop.expect(running=set(), held={"s-1": "flapping"})
    shop.asks("release", "s-1", reason="the cable is fixed")
    shop.at("09:24:02").expect(running={"s-1"})


def test_what_comes_back_slowly_is_restored_each_time(shop: Timeline) -> None:
    for at in ("09:00:00", "09:11:00", "09:22:00", "09:33:00"):
        flap(shop, at)
    assert [run.state for run in shop.runs()] == [RunState.SUCCEEDED] * 4


# --- what was decided long ago ---------------------------------------------------------------------------------------


def test_a_run_whose_engine_died_before_it_began_is_decided_anew_after_a_minute(shop: Timeline) -> None:
    shop.at("09:00:00").fires("Down", instance="s-1")
    begun = shop.run_of("s-1")
    stale = replace(
        begun,
        id=type(begun.id)("stale"),
        state=RunState.QUEUED,
        attempt=0,
        component=type(begun.component)("t-1"),
        planned_at=datetime(2026, 1, 5, 8, 58, tzinfo=UTC),
        locks=("component:t-1",),
    )
    order = shop.store.order(begun.id)
    assert order is not None
    shop.broken("t-1").store.reserve(stale, [], order)
    shop.restarts().at("09:00:05")
    found = shop.store.run(stale.id)
    assert found is not None
    assert (found.state, found.end) == (RunState.CANCELLED, RunEnd.DECIDED_ANEW)
    assert re.fullmatch(r"was decided 2m(\d+s)? ago: it is decided anew", found.outcome)


# --- learning --------------------------------------------------------------------------------------------------------


def test_from_the_fifth_run_on_the_plan_expects_what_was_seen(shop: Timeline) -> None:
    shop.executor.script("restart.yml", Scripted(duration_s=60.0))
    for at in ("09:00:00", "10:00:00", "11:00:00", "12:00:00", "13:00:00"):
        flap(shop, at)
    expected = [round(run.expected_duration_s) for run in shop.runs()]
    assert expected == [20] * 5
    shop.at("14:00:00").forget().fires("Down", instance="s-1")
    assert shop.run_of("s-1").expected_duration_s == pytest.approx((4 * 20 + 5 * 60) / 9, abs=2)
    assert "20s is written" in shop.run_of("s-1").reason
    shop.restarts()
    assert shop.engine.evaluation is not None
    assert next(iter(shop.engine.evaluation.situation.experience.values())).runs == 5
