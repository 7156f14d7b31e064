"""Planned changes, lived through on a virtual clock: from proposal to review, and what keeps them from beginning."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import time, timedelta
from zoneinfo import ZoneInfo

import pytest

from bsm_remediate.domain.bundle import Bundle, Settings, Team
from bsm_remediate.domain.calendar import Calendar, WeeklyHours
from bsm_remediate.domain.change import Change, ChangeOutcome, ChangeState
from bsm_remediate.domain.ids import ChangeId, Digest, NodeId
from bsm_remediate.domain.on_call import OnCall
from bsm_remediate.domain.planned_change import ChangeTimes, PlannedChange
from bsm_remediate.domain.playbook import PlaybookOutcome
from bsm_remediate.domain.policy import Alternative
from bsm_remediate.domain.route import Route, Rule
from bsm_remediate.domain.run import RunState
from bsm_remediate.domain.state import State
from bsm_remediate.engine.ledger import read_statistics
from bsm_remediate.engine.options import EngineOptions
from bsm_remediate.testing.builders import TCP_CHECK, bundle, component, either, policy, service
from bsm_remediate.testing.executor import Scripted
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.testing.timeline import BEGIN, Timeline

EVERY_DAY = frozenset(range(7))
DBAS = Team(
    name="dbas",
    members=("ana", "li"),
    duties=("owner", "approver"),
    on_call=OnCall(rotation=("li",), every=timedelta(days=7), start=BEGIN),
)
READERS = Team(name="readers", members=("rolf",), duties=("owner",))


def hours(name: str, since: str, until: str, zone: str = "UTC") -> Calendar:
    clock = [time.fromisoformat(one) for one in (since, until)]
    times = WeeklyHours(weekdays=EVERY_DAY, since=clock[0], until=clock[1], timezone=ZoneInfo(zone))
    return Calendar(name=name, times=(times,))


def upgrade(
    *,
    components: Iterable[str] = ("db-1",),
    rollback: bool = True,
    minutes: float = 10,
    calendars: tuple[str, ...] = ("lunch",),
    four_eyes_above: float | None = 100.0,
    written: str = "sha256:first",
    once: bool = False,
    max_unavailable: str | None = None,
    dry_run: bool = True,
) -> PlannedChange:
    nodes = tuple(NodeId(one) for one in components)
    undo = Alternative(playbook="undo.yml", duration=timedelta(minutes=5)) if rollback else None
    return PlannedChange(
        name="upgrade",
        title="PostgreSQL 17",
        owner="dbas",
        components=nodes,
        on=nodes[0],
        do=Alternative(
            playbook="upgrade.yml", duration=timedelta(minutes=minutes), success=0.9, rollback=undo, once=once
        ),
        verify=(TCP_CHECK,),
        times=ChangeTimes(calendars=calendars, within=timedelta(days=1)),
        approvers=("dbas", "readers"),
        four_eyes_above=four_eyes_above,
        max_unavailable=max_unavailable,
        dry_run=dry_run,
        digest=Digest(written),
    )


def shop(
    change: PlannedChange | None = None,
    *,
    freeze: tuple[str, ...] = (),
    promise: float | None = None,
    dear: str = "morning",
) -> Bundle:
    """A shop on one database, dear from 6 to 09:30, and a search on either of two. Lunch is from 9 to 11."""
    checkout = service("checkout", requires=["web-1"], loss=1, by_calendar={"morning": 30.0, dear: 30.0})
    made = bundle(
        component("db-1"),
        component("web-1", requires=["db-1"]),
        component("s-1"),
        component("s-2"),
        replace(checkout, availability=promise, window=timedelta(days=1)),
        service("search", requires=either("s-1", "s-2"), loss=5),
        policy("restart", match={"alertname": "Down"}, evidence="direct"),  # type: ignore[arg-type]
        calendars=[
            hours("morning", "06:00", "09:30"),
            hours("lunch", "09:00", "11:00"),
            hours("sale", "09:00", "10:00"),
            hours("late", "09:45", "20:00"),
        ],
        teams=[DBAS, READERS],
        settings=Settings(freeze=freeze, settle=timedelta(seconds=1)),
    )
    return replace(made, changes={"upgrade": change or upgrade()})


def story(made: Bundle | None = None, *, options: EngineOptions | None = None) -> Timeline:
    told = Timeline(made or shop(), MemoryStore(), options=options)
    told.executor.script("upgrade.yml", Scripted(duration_s=300))
    return told


def proposed(told: Timeline, *, who: str = "ana", not_before: str = "") -> str:
    limits = {"not_before": not_before} if not_before else {}
    answer = told.asks("change_propose", "upgrade", who=who, reason="17 is out", until=None, **limits)
    assert " is proposed for " in answer, answer
    return answer.split(maxsplit=1)[0]


def tried(told: Timeline, change: str) -> None:
    told.asks("change_check", change)
    told.wait_until(lambda: known(told, change).trial is not None)


def scheduled(told: Timeline) -> str:
    change = proposed(told)
    tried(told, change)
    assert " is scheduled for " in told.asks("change_approve", change, who="li")
    return change


def known(told: Timeline, change: str) -> Change:
    found = told.store.change(ChangeId(change))
    assert found is not None
    return found


def played(told: Timeline) -> list[str]:
    return [call.playbook for call in told.executor.calls if not call.check_mode]


def kinds(told: Timeline, change: str) -> list[str]:
    told.engine.close_journal()
    events = [event.kind for event in told.store.events(subject=change)]
    return [kind.removeprefix("change.") for kind in events if kind.startswith("change.")]


# --- the whole way ---------------------------------------------------------------------------------------------------


def test_a_change_is_proposed_tried_approved_applied_verified_and_reviewed() -> None:
    told = story()
    change = proposed(told)
    slot = known(told, change).slot
    assert slot is not None
    assert f"{slot.begin:%H:%M}" == "09:30"  # the cheapest that lunch has, and the earliest of these
    assert slot.planned == pytest.approx(10.0)  # ten minutes at 1 a minute
    assert slot.risk == pytest.approx(0.1 * 5)  # one in ten is undone, in five minutes more
    tried(told, change)
    assert known(told, change).state is ChangeState.DRY_RUN_OK
    told.asks("change_approve", change, who="li", reason="fine")
    assert known(told, change).state is ChangeState.SCHEDULED
    told.at("09:29:59")
    assert played(told) == []
    told.at("09:31:00")
    assert known(told, change).state is ChangeState.APPLYING
    assert told.engine.evaluation is not None
    assert told.engine.evaluation.impact.state(NodeId("checkout")) is State.MAINTENANCE
    told.at("09:36:00")
    ended = known(told, change)
    assert ended.state is ChangeState.AWAITING_REVIEW
    assert ended.result is not None
    assert ended.result.outcome is ChangeOutcome.DONE
    assert ended.result.took_s == pytest.approx(300, abs=5)
    assert ended.result.cost == pytest.approx(ended.result.took_s / 60)
    assert told.engine.evaluation.impact.state(NodeId("checkout")) is State.OK
    assert told.asks("change_review", change) == "say what the review found"
    told.asks("change_review", change, reason="half the time that we thought")
    assert known(told, change).state is ChangeState.REVIEWED
    assert kinds(told, change) == [
        "proposed",
        "dry_run_started",
        "dry_run_ended",
        "approved",
        "applying",
        "ended",
        "reviewed",
    ]


def test_its_run_is_a_run_like_any_other() -> None:
    told = story()
    change = scheduled(told)
    told.at("09:31:00")
    (run,) = told.runs()
    assert (run.remediation, run.policy, run.state) == (change, "change:upgrade", RunState.RUNNING)
    assert run.locks == ("component:db-1", "host:db-1")
    assert run.approved_by == "li"


def test_what_fails_is_undone_and_nothing_is_restored_meanwhile() -> None:
    told = story()
    told.executor.script("undo.yml", Scripted(duration_s=60))
    change = scheduled(told)
    told.executor.script("upgrade.yml", Scripted(duration_s=60, outcome=PlaybookOutcome.FAILED, reason="no space"))
    told.at("09:30:30").fires("Down", instance="db-1")
    told.at("09:31:30")
    assert told.held()["db-1"] == "already_running"
    told.resolves("Down", instance="db-1").at("09:34:00")
    result = known(told, change).result
    assert result is not None
    assert result.outcome is ChangeOutcome.ROLLED_BACK
    assert "no space" in result.words
    assert "rolled back by undo.yml" in result.words
    assert played(told) == ["upgrade.yml", "undo.yml"]


def test_what_does_not_hold_its_checks_is_undone_too() -> None:
    told = story()
    change = scheduled(told)
    told.at("09:34:00").broken("db-1")
    told.executor._effect = lambda _call: None
    told.at("09:38:00")
    result = known(told, change).result
    assert result is not None
    assert result.outcome is ChangeOutcome.ROLLED_BACK
    assert "not restored" in result.words


def test_what_failed_without_a_rollback_goes_to_a_person() -> None:
    told = story(shop(upgrade(rollback=False)))
    change = scheduled(told)
    told.executor.script("upgrade.yml", Scripted(outcome=PlaybookOutcome.FAILED, reason="no space"))
    told.at("09:32:00")
    result = known(told, change).result
    assert result is not None
    assert result.outcome is ChangeOutcome.FAILED
    assert result.words.endswith("no space; it was not undone, li, on call for dbas, must look")


def test_a_report_does_not_take_a_change_for_a_restoration() -> None:
    told = story()
    scheduled(told)
    told.at("09:40:00")
    told.engine.close_journal()
    found = read_statistics(told.store, told.engine.bundle, since=BEGIN, until=told.clock.now())
    assert found["playbooks"] == []


def test_after_a_failed_change_its_alerts_are_answered_again() -> None:
    told = story(shop(upgrade(rollback=False)))
    scheduled(told)
    told.executor.script("upgrade.yml", Scripted(outcome=PlaybookOutcome.FAILED))
    told.at("09:30:05").fires("Down", instance="db-1")
    told.at("09:32:00")
    assert played(told) == ["upgrade.yml", "restart.yml"]


# --- approvals -------------------------------------------------------------------------------------------------------


def test_without_a_dry_run_nobody_approves() -> None:
    told = story()
    change = proposed(told)
    assert "no dry run of it has succeeded" in told.asks("change_approve", change, who="li")
    told.executor.script("upgrade.yml", Scripted(outcome=PlaybookOutcome.FAILED))
    tried(told, change)
    assert known(told, change).state is ChangeState.DRY_RUN_FAILED
    assert "its dry run failed" in told.asks("change_approve", change, who="li")


def test_a_change_may_say_that_it_needs_no_dry_run() -> None:
    told = story(shop(upgrade(dry_run=False)))
    change = proposed(told)
    assert "is scheduled" in told.asks("change_approve", change, who="li")


def test_only_members_of_a_team_with_the_duty_approve() -> None:
    told = story()
    change = proposed(told)
    tried(told, change)
    for who in ("rolf", "nobody"):  # rolf's team is named, but it hasn't the duty
        assert f"{who} may not approve upgrade: only members of dbas may" in told.asks(
            "change_approve", change, who=who
        )


@pytest.mark.parametrize(("limit", "may"), [(5.0, False), (10.5, True), (None, True)])
def test_above_the_limit_four_eyes_are_needed(limit: float | None, may: bool) -> None:
    told = story(shop(upgrade(four_eyes_above=limit)))
    change = proposed(told, who="ana")
    tried(told, change)
    answer = told.asks("change_approve", change, who="ana")
    assert ("is scheduled" in answer) == may, answer
    if not may:
        assert "10.50 EUR, more than 5" in answer
        assert "is scheduled" in told.asks("change_approve", change, who="li")


def test_an_approval_of_what_was_not_looked_at_is_refused() -> None:
    told = story()
    change = proposed(told)
    tried(told, change)
    assert "look again" in told.asks("change_approve", change, who="li", digest="sha256:another")
    assert "is scheduled" in told.asks("change_approve", change, who="li", digest=known(told, change).digest)


def test_what_is_written_differently_needs_a_dry_run_and_an_approval_again() -> None:
    told = story()
    change = scheduled(told)
    told.reloads(shop(upgrade(written="sha256:second")))
    now = known(told, change)
    assert (now.state, now.approved) == (ChangeState.PROPOSED, None)
    assert "no dry run of it has succeeded" in told.asks("change_approve", change, who="li")
    told.at("09:40:00")
    assert played(told) == []


def test_what_is_no_longer_in_the_bundle_is_withdrawn() -> None:
    told = story()
    change = scheduled(told)
    told.reloads(replace(shop(), changes={}))
    assert known(told, change).state is ChangeState.WITHDRAWN


@pytest.mark.parametrize("verb", ["change_reject", "change_withdraw"])
def test_what_a_person_stops_does_not_begin(verb: str) -> None:
    told = story()
    change = scheduled(told)
    told.asks(verb, change, reason="not today")
    told.at("09:40:00")
    assert played(told) == []
    assert "it doesn't wait for approval" in told.asks("change_approve", change, who="li")


def test_of_one_change_there_is_one_proposal() -> None:
    told = story()
    change = proposed(told)
    assert f"{change} of upgrade is proposed" in told.asks("change_propose", "upgrade")
    told.asks("change_withdraw", change)
    assert proposed(told) != change


# --- windows ---------------------------------------------------------------------------------------------------------


def test_a_proposal_may_say_between_which_times() -> None:
    told = story()
    change = proposed(told, not_before="2026-01-05T10:00:00+00:00")
    slot = known(told, change).slot
    assert slot is not None
    assert f"{slot.begin:%H:%M}" == "10:00"
    told.asks("change_withdraw", change)
    answer = told.asks("change_propose", "upgrade", before="2026-01-05T09:10:00+00:00")
    assert "it needs 15m with undoing it, that window has 10m" in answer


def test_where_an_objective_would_break_it_is_refused_with_numbers() -> None:
    told = story(shop(promise=99.5))  # 7m12s a day
    answer = told.asks("change_propose", "upgrade")
    assert "checkout promises 99.5% in 1d, which allows 7m12s down: 0s is used, it needs 10m, 2m48s more" in answer


def test_downtime_that_was_used_up_since_keeps_an_approved_change_from_beginning() -> None:
    told = story(shop(promise=99.0))  # 14m24s a day
    change = scheduled(told)
    told.executor.script("restart.yml", Scripted(duration_s=270))
    told.at("09:10:00").fires("Down", instance="db-1").at("09:15:00").resolves("Down", instance="db-1")
    told.at("09:31:00")
    now = known(told, change)
    assert (now.state, now.is_over) == (ChangeState.MISSED, True)
    assert "it would break an objective now" in now.waits
    assert "upgrade.yml" not in played(told)


def test_two_changes_share_one_budget() -> None:
    other = replace(upgrade(), name="reindex", digest=Digest("sha256:reindex"), dry_run=False)
    made = replace(shop(promise=99.0), changes={"upgrade": upgrade(dry_run=False), "reindex": other})
    told = story(made)
    first, second = (told.asks("change_propose", name).split()[0] for name in ("upgrade", "reindex"))
    assert "is scheduled" in told.asks("change_approve", first, who="li")
    assert "10m is used, it needs 10m" in told.asks("change_approve", second, who="li")


def test_a_window_that_nobody_approved_in_time_is_missed_and_the_next_needs_an_approval() -> None:
    told = story()
    change = proposed(told)
    tried(told, change)
    told.at("10:46:30")
    now = known(told, change)
    assert (now.state, now.waits) == (ChangeState.MISSED, "it needs 15m, 14m of its window is left")
    assert (now.slot, now.is_over) == (None, True)  # it may be done within a day of its proposal
    assert "it doesn't wait for approval" in told.asks("change_approve", change, who="li")


def test_a_change_that_waits_too_long_is_missed_and_begins_in_the_next_window_only_once_approved() -> None:
    made = shop(replace(upgrade(), times=ChangeTimes(calendars=("lunch",), within=timedelta(days=2))))
    told = story(made)
    change = scheduled(told)
    told.at("09:00:00").asks("pause", reason="storage")
    told.at("10:50:00")
    now = known(told, change)
    assert now.state is ChangeState.MISSED
    assert now.slot is not None
    assert f"{now.slot.begin:%d %H:%M}" == "06 09:30"
    told.asks("resume")
    assert played(told) == []
    assert "is scheduled for 2026-01-06T09:30:00Z" in told.asks("change_approve", change, who="li")


@pytest.mark.parametrize(("dear", "begins"), [("morning", True), ("late", False)])
def test_late_it_begins_only_while_it_costs_no_more_than_was_approved(dear: str, begins: bool) -> None:
    told = story(shop(dear=dear))
    change = scheduled(told)
    told.asks("pause", reason="storage")
    told.at("09:37:00").asks("resume")
    told.at("09:37:01")
    assert played(told) == (["upgrade.yml"] if begins else [])
    assert known(told, change).state is (ChangeState.APPLYING if begins else ChangeState.MISSED)
    if not begins:
        assert "begun 1m late it would cost 13.40, 10.50 was approved" in known(told, change).waits


# --- what stands against it ------------------------------------------------------------------------------------------


def test_in_a_freeze_no_window_is_offered_and_none_begins() -> None:
    told = story(shop(freeze=("sale",)))
    change = scheduled(told)
    slot = known(told, change).slot
    assert slot is not None
    assert f"{slot.begin:%H:%M}" == "10:00"
    frozen_since = story(shop())
    held = scheduled(frozen_since)
    frozen_since.reloads(shop(freeze=("sale",)))
    frozen_since.at("09:31:00")
    assert "change freeze 'sale' is in force" in known(frozen_since, held).waits
    frozen_since.at("10:00:01")
    assert played(frozen_since) == ["upgrade.yml"]


def test_a_pause_and_a_hold_keep_it_from_beginning() -> None:
    told = story()
    change = scheduled(told)
    told.asks("hold", "db-1", reason="new disk")
    told.at("09:31:00")
    assert known(told, change).waits == "ana works on db-1"
    told.asks("release", "db-1")
    told.at("09:31:05")
    assert played(told) == ["upgrade.yml"]


def test_while_something_that_its_services_stand_on_fails_it_waits() -> None:
    told = story()
    change = scheduled(told)
    told.executor.script("restart.yml", Scripted(duration_s=90))
    told.at("09:29:30").fires("Down", instance="web-1")
    told.at("09:30:10")
    assert "web-1 is down" in known(told, change).waits
    told.at("09:31:10").resolves("Down", instance="web-1")
    told.at("09:31:30")
    assert "upgrade.yml" in played(told)


def test_it_never_takes_the_last_one_that_is_left() -> None:
    told = story(shop(upgrade(components=("s-1",))))
    told.asks("maintain", "s-2", reason="new disk", until=BEGIN + timedelta(hours=4))
    change = scheduled(told)
    slot = known(told, change).slot
    assert slot is not None
    assert slot.down == ()
    told.wait_until(lambda: known(told, change).waits != "", within_s=4_000)
    assert "search would go down with what isn't there now" in known(told, change).waits


def test_of_siblings_only_so_many_are_worked_on() -> None:
    told = story(shop(upgrade(components=("s-1", "s-2"), max_unavailable="1")))
    change = scheduled(told)
    told.wait_until(lambda: known(told, change).waits != "", within_s=4_000)
    assert known(told, change).waits == "2 of 2 like s-1 would be worked on, max_unavailable is 1"


def test_an_engine_that_only_watches_begins_no_change() -> None:
    told = story()
    change = scheduled(told)
    told._options = EngineOptions(begins_changes=False)
    told.restarts().at("09:31:00")
    assert played(told) == []
    assert known(told, change).state is ChangeState.SCHEDULED


def test_what_is_cancelled_in_its_middle_has_failed() -> None:
    told = story()
    change = scheduled(told)
    told.at("09:31:00")
    run = known(told, change).run
    assert run is not None
    assert f"`cancel {run}` stops its run" in told.asks("change_withdraw", change)
    told.asks("cancel", run)
    told.at("09:31:05")
    result = known(told, change).result
    assert result is not None
    assert result.outcome is ChangeOutcome.FAILED
    assert "cancelled by a person" in result.words


# --- who is told -----------------------------------------------------------------------------------------------------


def told_of(made: Bundle) -> Timeline:
    """A story of which the database's team has a chat, and its member on call a pager."""
    chat = Route(address="mailto://dbas.example", rules=(Rule(team="dbas"),))
    pager = Route(address="mailto://li.example", rules=(Rule(person="li"),))
    return story(replace(made, routes=(chat, pager)))


def test_approvers_are_told_of_a_change_that_waits_and_nobody_is_woken() -> None:
    told = told_of(shop())
    change = proposed(told)
    told.at("09:00:20")
    (message,) = told.notifier.to("mailto://dbas.example")
    assert "10.50 EUR when it is applied" in message.body
    assert "upgrade (PostgreSQL 17): 2026-01-05 09:30 UTC is picked; it waits for its dry run" in message.body
    assert f"bsm-remediate change dry-run {change}" in message.body
    told.at("09:29:00")
    assert told.notifier.to("mailto://li.example") == []


def test_a_change_that_nothing_undid_wakes_who_is_on_call_until_it_is_reviewed() -> None:
    told = told_of(shop(upgrade(rollback=False)))
    change = scheduled(told)
    told.executor.script("upgrade.yml", Scripted(outcome=PlaybookOutcome.FAILED, reason="it broke"))
    told.at("09:31:30")
    assert known(told, change).state is ChangeState.AWAITING_REVIEW
    (page,) = told.notifier.to("mailto://li.example")
    assert "upgrade (PostgreSQL 17) failed and nothing undid it" in page.body
    assert f"change review {change}" in page.body
