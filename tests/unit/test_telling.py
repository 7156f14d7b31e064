"""People are told what stands: once, together, the business impact first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import time, timedelta
from zoneinfo import ZoneInfo

import pytest

from bsm_remediate.domain.bundle import Bundle, NotifySettings, Settings, Team
from bsm_remediate.domain.calendar import Calendar, WeeklyHours
from bsm_remediate.domain.metric import METRICS
from bsm_remediate.domain.notice import NoticeKind, NoticeSeverity
from bsm_remediate.domain.on_call import OnCall
from bsm_remediate.domain.playbook import PlaybookOutcome
from bsm_remediate.domain.policy import Evidence, Mode
from bsm_remediate.domain.route import Route, Rule
from bsm_remediate.testing.builders import alert, alternative, bundle, component, either, policy, service
from bsm_remediate.testing.executor import Scripted
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.testing.timeline import BEGIN, Timeline

OPS = "mailto://ops.example"
ANA, LI, KIM = "mailto://ana.example", "mailto://li.example", "mailto://kim.example"
USUAL = NotifySettings()
FAILS = Scripted(outcome=PlaybookOutcome.FAILED, reason="it broke")
PAYMENTS = Team(
    name="payments",
    members=("ana", "li", "kim", "jo"),
    on_call=OnCall(rotation=("ana", "li"), every=timedelta(days=7), start=BEGIN),
)


def route(address: str = OPS, *rules: Rule) -> Route:
    return Route(address=address, rules=rules or (Rule(team="payments"),))


def people() -> list[Route]:
    return [route(f"mailto://{name}.example", Rule(person=name)) for name in ("ana", "li", "kim")]


def shop(
    *routes: Route,
    mode: Mode = Mode.AUTO,
    loss: float = 300,
    notify: NotifySettings = USUAL,
    teams: Iterable[Team] = (PAYMENTS, Team(name="search", members=())),
    approvers: tuple[str, ...] = (),
    playbooks: tuple[str, ...] = ("restart.yml",),
) -> Bundle:
    restart = policy(
        "restart",
        match={"alertname": "Down"},
        evidence=Evidence.DIRECT,
        mode=mode,
        do=tuple(alternative(playbook, seconds=20) for playbook in playbooks),
    )
    guard = replace(restart.guard, approvers=approvers)
    return bundle(
        component("db-1", owner="payments"),
        component("db-2", owner="payments"),
        component("index-1", owner="search"),
        service("checkout", requires=["db-1"], loss=loss, owner="payments"),
        service("search", requires=["index-1"], loss=20, owner="search"),
        service("orders", requires=either("db-1", "db-2"), loss=1000, owner="payments"),
        replace(restart, guard=guard),
        policy("notice", match={"alertname": "Noted"}, do=()),
        settings=Settings(notify=notify),
        teams=teams,
        routes=routes,
    )


def world(shop: Bundle) -> Timeline:
    return Timeline(shop, MemoryStore())


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


def test_a_loss_is_told_with_the_business_impact_first_and_its_end_once() -> None:
    told = world(shop(route()))
    told.at("09:00:00").fires("Noted", instance="db-1")
    told.at("09:00:30")
    [first] = told.notifier.to(OPS)
    assert first.title == "Losing 300.00 EUR/min: checkout down [critical]"
    assert lines(first.body) == [
        "checkout is down, losing 300.00 EUR/min",
        "New:",
        "• [critical] 300.00 EUR/min; the business loses money; cause: db-1",
        "  → bsm-remediate why checkout",
        "As of 2026-01-05 09:00:06 UTC",
    ]
    told.at("09:03:00").resolves("Noted", instance="db-1")
    told.at("09:30:00")
    assert [one.title for one in told.notifier.to(OPS)[1:]] == ["No loss now, all services ok; all of it is over"]
    assert "Over:\n• the business loses money; cause: db-1" in told.notifier.to(OPS)[1].body


def test_nothing_is_told_twice_while_nothing_changes_until_it_is_time_for_a_reminder() -> None:
    told = world(shop(route(), notify=NotifySettings(remind=timedelta(minutes=30))))
    told.at("09:00:00").fires("Noted", instance="db-1")
    told.at("09:29:00")
    assert len(told.notifier.received) == 1
    told.at("09:31:00")
    assert len(told.notifier.received) == 2
    assert "Still:\n• [critical] 300.00 EUR/min" in told.notifier.received[1].body


def test_what_begins_within_the_gathering_time_is_one_message() -> None:
    told = world(shop(route(OPS, Rule(team="payments", about_all=True))))
    told.at("09:00:00").fires("Noted", instance="index-1")
    told.at("09:00:02").fires("Noted", instance="db-1")
    told.at("09:10:00")
    [only] = told.notifier.received
    assert only.title == "Losing 320.00 EUR/min: checkout down, search down [critical]"


def test_a_loss_up_to_the_limit_is_not_told() -> None:
    told = world(shop(route(), notify=NotifySettings(loss_over=300)))
    told.at("09:00:00").fires("Noted", instance="db-1")
    told.at("09:10:00")
    assert told.notifier.received == []
    told.fires("Noted", instance="db-2")
    told.at("09:11:00")
    [only] = told.notifier.received
    assert "the business loses more than 300.00 EUR/min" in only.body


def test_a_loss_that_has_doubled_is_told_again_within_the_limits() -> None:
    told = world(shop(route()))
    told.at("09:00:00").fires("Noted", instance="db-1")
    told.at("09:01:00").fires("Noted", instance="db-2")
    told.at("09:01:30")
    assert [one.title for one in told.notifier.received] == [
        "Losing 300.00 EUR/min: checkout down [critical]",
        "Losing 1,300.00 EUR/min: orders down, checkout down [critical]",
    ]


def test_each_team_is_told_of_its_own_and_who_asks_for_it_of_all() -> None:
    told = world(
        shop(
            route(OPS),
            route("json://search.example", Rule(team="search")),
            route("json://all.example", Rule(team="search", about_all=True)),
        )
    )
    told.at("09:00:00").fires("Noted", instance="db-1")
    told.at("09:00:10")
    assert {one.address for one in told.notifier.received} == {OPS, "json://all.example"}


def test_what_concerns_no_team_concerns_everybody() -> None:
    world_ = shop(route(OPS), route("json://search.example", Rule(team="search")))
    parts = {one.id: replace(one, owner=None) for one in world_.service_map.components.values()}
    services = {one.id: replace(one, owner=None) for one in world_.service_map.services.values()}
    told = world(replace(world_, service_map=replace(world_.service_map, components=parts, services=services)))
    told.at("09:00:00").fires("Noted", instance="db-1")
    told.at("09:00:10")
    assert {one.address for one in told.notifier.received} == {OPS, "json://search.example"}


def test_an_address_that_two_teams_share_gets_one_message() -> None:
    told = world(shop(route(OPS, Rule(team="payments"), Rule(team="search"))))
    told.at("09:00:00").fires("Noted", instance="db-1").fires("Noted", instance="index-1")
    told.at("09:04:00")
    assert len(told.notifier.received) == 1


def test_by_severity_and_kind_only_what_was_asked_for_is_told() -> None:
    told = world(
        shop(
            route(OPS, Rule(team="payments", least=NoticeSeverity.CRITICAL)),
            route("json://failed.example", Rule(team="payments", kinds=frozenset({NoticeKind.RUN_FAILED}))),
            loss=0,
            playbooks=("restart.yml", "rebuild.yml"),
        )
    )
    told.executor.script("restart.yml", FAILS)
    told.executor.script("rebuild.yml", FAILS)
    told.at("09:00:00").fires("Down", instance="db-1")
    told.at("09:01:00")
    [failed] = told.notifier.to("json://failed.example")
    assert "restart.yml on db-1 failed (restart)" in failed.body
    handed = told.notifier.to(OPS)
    assert ["a person must take over" in one.body for one in handed] == [True]


# --- approvals, and who is told next ---------------------------------------------------------------------------------


def test_an_approval_is_asked_of_the_team_and_the_one_on_call_then_the_next_then_everybody() -> None:
    told = world(shop(route(), *people(), mode=Mode.APPROVE))
    told.at("09:00:00").fires("Down", instance="db-1")
    told.at("09:00:30")
    [asked] = told.notifier.to(ANA)
    run = told.run_of("db-1").id
    assert asked.title == "Losing 300.00 EUR/min: checkout down [critical]"
    assert f"→ bsm-remediate approve {run} (or reject {run})" in asked.body
    assert [len(told.notifier.to(one)) for one in (OPS, ANA, LI, KIM)] == [1, 1, 0, 0]
    told.at("09:09:50")
    assert told.notifier.to(LI) == []
    told.at("09:10:30")
    assert [len(told.notifier.to(one)) for one in (OPS, ANA, LI, KIM)] == [1, 1, 1, 0]
    told.at("09:20:30")
    assert [len(told.notifier.to(one)) for one in (OPS, ANA, LI, KIM)] == [1, 1, 1, 1]


def test_who_answers_ends_the_escalation_and_those_who_were_told_hear_that_it_is_over() -> None:
    told = world(shop(*people(), mode=Mode.APPROVE))
    told.at("09:00:00").fires("Down", instance="db-1")
    told.at("09:08:00").asks("approve", told.run_of("db-1").id)
    told.at("09:09:00").resolves("Down", instance="db-1")
    told.at("09:40:00")
    assert [len(told.notifier.to(one)) for one in (ANA, LI, KIM)] == [2, 0, 0]
    assert "Over:\n• restart.yml on db-1 (restart): mode approve: waits for approval" in told.notifier.to(ANA)[1].body


@pytest.mark.parametrize("answer", ["reject", "hold"])
def test_a_person_who_rejects_or_holds_has_answered(answer: str) -> None:
    told = world(shop(*people(), mode=Mode.APPROVE))
    told.at("09:00:00").fires("Down", instance="db-1")
    told.at("09:05:00").asks(answer, told.run_of("db-1").id if answer == "reject" else "db-1")
    told.at("09:50:00")
    assert [len(told.notifier.to(one)) for one in (LI, KIM)] == [0, 0]


def test_what_is_handed_over_is_escalated_until_somebody_holds_or_releases_it() -> None:
    told = world(shop(*people(), notify=NotifySettings(escalate_after=timedelta(minutes=2))))
    told.executor.script("restart.yml", FAILS)
    told.at("09:00:00").fires("Down", instance="db-1")
    told.at("09:01:00")
    assert "db-1 after restart.yml, a person must take over" in told.notifier.to(ANA)[0].body
    assert "bsm-remediate hold db-1 while you work, then release db-1" in told.notifier.to(ANA)[0].body
    told.at("09:02:00").asks("hold", "db-1")
    told.at("09:30:00")
    assert [len(told.notifier.to(one)) for one in (ANA, LI, KIM)] == [1, 0, 0]


def test_approvers_are_asked_rather_than_the_owner() -> None:
    told = world(
        shop(
            route(OPS),
            route("json://search.example", Rule(team="search", kinds=frozenset({NoticeKind.APPROVAL_NEEDED}))),
            mode=Mode.APPROVE,
            approvers=("search",),
        )
    )
    told.at("09:00:00").fires("Down", instance="db-1")
    told.at("09:00:30")
    assert "waits for approval" in told.notifier.to("json://search.example")[0].body
    assert "waits for approval" not in told.notifier.to(OPS)[0].body


# --- calendars -------------------------------------------------------------------------------------------------------


def by_day(zone: str = "Europe/Berlin") -> Calendar:
    hours = WeeklyHours(weekdays=frozenset(range(5)), since=time(8), until=time(18), timezone=ZoneInfo(zone))
    return Calendar(name="by-day", times=(hours,))


def test_outside_its_calendar_an_address_is_told_nothing_and_then_what_still_stands() -> None:
    later = replace(by_day(), times=(replace(by_day().times[0], since=time(11)),))  # type: ignore[type-var]
    told = world(shop(route(OPS, Rule(team="payments", when=later))))
    told.at("09:00:00").fires("Noted", instance="db-1")  # ten in Berlin
    told.at("09:30:00").fires("Noted", instance="db-2")
    told.at("09:40:00").resolves("Noted", instance="db-1")
    told.at("09:59:50")
    assert told.notifier.received == []
    told.fires("Noted", instance="db-1")
    told.at("10:00:30")
    [only] = told.notifier.received
    assert only.title == "Losing 1,300.00 EUR/min: orders down, checkout down [critical]"


def test_what_began_and_ended_outside_the_calendar_is_never_told() -> None:
    later = replace(by_day(), times=(replace(by_day().times[0], since=time(11)),))  # type: ignore[type-var]
    told = world(shop(route(OPS, Rule(team="payments", when=later))))
    told.at("09:00:00").fires("Noted", instance="db-1")
    told.at("09:30:00").resolves("Noted", instance="db-1")
    told.at("10:30:00")
    assert told.notifier.received == []


def test_an_end_is_told_when_the_calendar_is_in_force_again() -> None:
    morning = Calendar(
        name="twice",
        times=tuple(
            WeeklyHours(weekdays=frozenset({0}), since=since, until=until, timezone=ZoneInfo("UTC"))
            for since, until in ((time(9), time(9, 10)), (time(10), time(11)))
        ),
    )
    told = world(shop(route(OPS, Rule(team="payments", when=morning))))
    told.at("09:00:00").fires("Noted", instance="db-1")
    told.at("09:20:00").resolves("Noted", instance="db-1")
    told.at("09:59:59")
    assert len(told.notifier.received) == 1
    told.at("10:00:30")
    assert "all of it is over" in told.notifier.received[1].title


# --- other kinds -----------------------------------------------------------------------------------------------------


def test_three_runs_that_fail_open_the_breaker_which_is_told() -> None:
    kinds = frozenset({NoticeKind.BREAKER_OPEN})
    told = world(shop(route(OPS, Rule(team="payments", kinds=kinds))))
    told.executor.script("restart.yml", FAILS)
    for number, name in enumerate(("db-1", "db-2", "index-1")):
        told.at(f"09:{number}0:00").fires("Down", instance=name)
    told.at("09:30:00")
    [only] = told.notifier.received
    assert "restart is not run for another" in only.body
    assert "its last 3 runs failed" in only.body


def test_a_figure_beyond_its_threshold_is_told_as_performance() -> None:
    told = world(shop(route(OPS, Rule(team="payments", kinds=frozenset({NoticeKind.PERFORMANCE})))))
    slow = alert("Slow", since=BEGIN, severity="", source=METRICS, more={"metric_policy": "x"}, instance="db-1")
    told.store.record([replace(slow, annotations={"summary": "0.91 is above 0.85"})])
    told.at("09:01:00")
    [only] = told.notifier.received
    assert "Slow of db-1 is beyond its limit: 0.91 is above 0.85" in only.body


def test_a_forecast_is_told_as_performance_too() -> None:
    told = world(shop(route(OPS, Rule(team="payments", kinds=frozenset({NoticeKind.PERFORMANCE})))))
    more = {"metric_policy": "x", "metric_forecast": "expected"}
    told.store.record([alert("Slow", since=BEGIN, severity="", source=METRICS, more=more, instance="db-1")])
    told.at("09:01:00")
    assert "Slow of db-1 is expected to leave its limit" in told.notifier.received[0].body


def test_an_objective_that_burns_is_told_once_the_journal_reaches_back_far_enough() -> None:
    kinds = frozenset({NoticeKind.OBJECTIVE_BURNING})
    world_ = shop(route(OPS, Rule(team="payments", kinds=kinds)))
    services = {
        one.id: replace(one, availability=99.9) if one.id == "checkout" else one
        for one in world_.service_map.services.values()
    }
    told = world(replace(world_, service_map=replace(world_.service_map, services=services)))
    told.at("09:10:00").fires("Noted", instance="db-1")
    told.at("09:40:00")
    assert told.notifier.received == []
    told.at("10:02:00")
    [only] = told.notifier.received
    assert "the objective of checkout burns: over 1h its budget is used up" in only.body


def test_monitoring_in_doubt_is_told_to_everybody() -> None:
    told = Timeline(
        shop(route(OPS), route("json://search.example", Rule(team="search"))),
        MemoryStore(),
        lists=True,
        source_is_away=True,
    )
    told.at("09:10:00")
    assert {one.address for one in told.notifier.received} == {OPS, "json://search.example"}
    assert "monitoring is in doubt" in told.notifier.received[0].body


# --- failures --------------------------------------------------------------------------------------------------------


def test_a_receiver_that_is_away_is_tried_again_shown_and_told_late_but_truthfully() -> None:
    told = world(shop(route()))
    told.notifier.away.add(OPS)
    told.at("09:00:00").fires("Noted", instance="db-1")
    told.at("09:05:00")
    assert "can't be told since 09:00" in told.engine.telling_trouble
    assert told.engine.telling_trouble.endswith("nobody answers")
    told.resolves("Noted", instance="db-1")
    told.at("09:20:00")
    told.notifier.away.clear()
    told.at("10:00:00")
    first, second = told.notifier.received
    assert first.body.startswith("Late: it could not be delivered before; so it was at 2026-01-05 09:00 UTC.")
    assert "all of it is over" in second.title
    assert told.engine.telling_trouble == ""
    kinds = [one.kind for one in told.store.events(limit=9999) if one.kind.startswith("notice.")]
    assert kinds.count("notice.told") == 2
    assert 4 <= kinds.count("notice.failed") <= 10


def test_who_cannot_be_told_for_a_day_is_given_up_visibly_and_then_told_anew() -> None:
    told = world(shop(route()))
    told.notifier.away.add(OPS)
    told.at("09:00:00").fires("Noted", instance="db-1")
    told.clock.advance(60)
    for _ in range(26 * 6):
        told.clock.advance(600)
        told.tick()
    states = [one.facts["state"] for one in told.store.events(limit=99999) if one.kind == "notice.failed"]
    assert "given_up" in states
    told.notifier.away.clear()
    for _ in range(12):
        told.clock.advance(600)
        told.tick()
    assert "New:\n• [critical] 300.00 EUR/min" in told.notifier.received[-1].body


def test_a_receiver_that_hangs_delays_nobody_else() -> None:
    told = world(shop(route(), mode=Mode.AUTO))
    told.notifier.hangs_s = 100_000
    told.at("09:00:00").fires("Down", instance="db-1")
    told.at("09:00:40")
    assert told.run_of("db-1").started_at is not None
    told.at("09:03:00")
    assert "no answer within 60 s" in told.engine.telling_trouble
    assert told.notifier.calls == 1


def test_an_address_that_the_bundle_no_longer_names_is_given_up() -> None:
    told = world(shop(route()))
    told.notifier.away.add(OPS)
    told.at("09:00:00").fires("Noted", instance="db-1")
    told.at("09:01:00").reloads(replace(shop(route("json://new.example")), digest=BEGIN.isoformat()))  # type: ignore[arg-type]
    told.at("09:02:00")
    assert [one.address for one in told.notifier.received] == ["json://new.example"]
    gone = [one for one in told.store.messages() if one.to == OPS]
    assert [(one.state.value, one.failure) for one in gone] == [
        ("given_up", "the bundle doesn't name that address any more")
    ]


def test_a_new_leader_tells_nothing_again() -> None:
    told = world(shop(route(), *people(), mode=Mode.APPROVE))
    told.at("09:00:00").fires("Down", instance="db-1")
    told.at("09:01:00")
    before = len(told.notifier.received)
    told.restarts()
    told.at("09:08:00")
    assert len(told.notifier.received) == before == 2


def test_without_routes_nothing_is_written() -> None:
    told = world(shop())
    told.at("09:00:00").fires("Noted", instance="db-1")
    told.at("09:02:00")
    assert list(told.store.messages()) == []


def test_alert_text_in_a_message_is_one_line_of_plain_text_of_bounded_length() -> None:
    told = world(shop(route(OPS, Rule(team="payments", kinds=frozenset({NoticeKind.PERFORMANCE})))))
    evil = "<b>x</b>\x1b[31m\n\r@everyone [click](http://evil) `rm -rf`" + "A" * 10_000
    slow = alert("Slow", since=BEGIN, severity="", source=METRICS, more={"metric_policy": "x"}, instance="db-1")
    told.store.record([replace(slow, annotations={"summary": evil})])
    told.at("09:01:00")
    [only] = told.notifier.received
    assert len(only.body) <= 1_800
    assert not {"<", ">", "\x1b", "\r", "`"} & set(only.body)
    assert "@everyone" not in only.body
    assert "](" not in only.body
