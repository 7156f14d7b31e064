"""What a planned change costs and which window is picked, by example."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from bsm_remediate.domain.bundle import Bundle, Settings
from bsm_remediate.domain.calendar import Calendar, Span, WeeklyHours
from bsm_remediate.domain.change import NEXT_STATES, Change, ChangeState, Word
from bsm_remediate.domain.change_cost import ChangeCost
from bsm_remediate.domain.change_objectives import Objectives
from bsm_remediate.domain.change_window import Offer, chosen, offers, open_spans
from bsm_remediate.domain.ids import ChangeId, Digest, NodeId
from bsm_remediate.domain.planned_change import ChangeTimes, PlannedChange
from bsm_remediate.domain.policy import Alternative
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.service_map import Deadline, Service
from bsm_remediate.testing.builders import TCP_CHECK, bundle, component, either, service

BERLIN = ZoneInfo("Europe/Berlin")
NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)


def hours(name: str, since: str, until: str, zone: ZoneInfo = BERLIN) -> Calendar:
    clock = [time.fromisoformat(one) for one in (since, until)]
    days = frozenset(range(7))
    return Calendar(name=name, times=(WeeklyHours(weekdays=days, since=clock[0], until=clock[1], timezone=zone),))


def change(
    *nodes: str,
    minutes: float = 10,
    success: float = 1.0,
    undo_minutes: float | None = None,
    calendars: tuple[str, ...] = (),
) -> PlannedChange:
    undo = None
    if undo_minutes is not None:
        undo = Alternative(playbook="undo.yml", duration=timedelta(minutes=undo_minutes))
    components = tuple(NodeId(one) for one in nodes or ("db-1",))
    return PlannedChange(
        name="upgrade",
        components=components,
        on=components[0],
        do=Alternative(playbook="up.yml", duration=timedelta(minutes=minutes), success=success, rollback=undo),
        verify=(TCP_CHECK,),
        times=ChangeTimes(calendars=calendars),
        digest=Digest("sha256:1"),
    )


def shop(*services: Service, calendars: Iterable[Calendar] = (), settings: Settings | None = None) -> Bundle:
    return bundle(component("db-1"), component("db-2"), *services, calendars=calendars, settings=settings)


def cost(made: Bundle, planned: PlannedChange) -> ChangeCost:
    return ChangeCost(made, RollUp(made.service_map), planned, goal="default")


def found(made: Bundle, planned: PlannedChange, since: datetime, until: datetime) -> list[Offer]:
    costs = cost(made, planned)
    return offers(
        costs, Objectives(costs.down, costs.duration, {}), open_spans(planned, made, since, until), planned.needs
    )


# --- what it costs ---------------------------------------------------------------------------------------------------


def test_what_redundancy_holds_costs_nothing() -> None:
    made = shop(service("checkout", requires=either("db-1", "db-2"), loss=60))
    assert cost(made, change("db-1")).at(NINE).expected == 0
    assert cost(made, change("db-1", "db-2")).at(NINE).expected == 600


def test_the_risk_is_the_chance_that_it_fails_times_what_undoing_it_costs_more() -> None:
    made = shop(service("checkout", requires=["db-1"], loss=60))
    undone = cost(made, change(success=0.75, undo_minutes=20)).at(NINE)
    assert (undone.planned, undone.risk) == (600, 0.25 * 20 * 60)
    by_a_person = cost(made, change(success=0.75)).at(NINE)
    assert by_a_person.risk == 0.25 * 30 * 60
    quicker = replace(made, settings=Settings(person=timedelta(minutes=4)))
    assert cost(quicker, change(success=0.75)).at(NINE).risk == 0.25 * 4 * 60


def test_grace_money_per_outage_and_deadlines_count_as_in_any_outage() -> None:
    usual = service("checkout", requires=["db-1"], loss=60)
    assert cost(shop(replace(usual, grace=timedelta(minutes=4))), change()).at(NINE).planned == 360
    assert cost(shop(replace(usual, per_outage=500)), change()).at(NINE).planned == 1100
    forgiven = replace(usual, grace=timedelta(minutes=15), per_outage=500)
    assert cost(shop(forgiven), change()).at(NINE).planned == 0
    due = Deadline(by=time(10), needs=timedelta(minutes=55), timezone=ZoneInfo("UTC"))
    assert cost(shop(replace(usual, deadline=due)), change()).at(NINE).planned == 300


def test_the_goal_decides_and_money_is_shown() -> None:
    made = bundle(component("db-1"), service("pay", requires=["db-1"], function="sales"), goals={"sale": {"sales": 5}})
    under = ChangeCost(made, RollUp(made.service_map), change(), goal="sale").at(NINE)
    assert (under.expected, under.weighted) == (600, 3000)


# --- which window ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "lasts"), [((3, 28), "3h"), ((3, 29), "2h"), ((10, 24), "3h"), ((10, 25), "4h")], ids=str
)
def test_a_window_lasts_as_long_as_the_clock_lets_it(day: tuple[int, int], lasts: str) -> None:
    made = shop(calendars=[hours("night", "01:00", "04:00")])
    midnight = datetime(2026, *day, tzinfo=BERLIN)
    long = change(minutes=300, calendars=("night",))
    (offer,) = found(made, long, midnight.astimezone(UTC), (midnight + timedelta(hours=12)).astimezone(UTC))
    assert offer.refusal == f"it needs 5h with undoing it, that window has {lasts}"


def test_a_begin_follows_the_wall_clock_through_the_night_of_the_change() -> None:
    """Until 02:00 in Berlin it is dear; on 29 March the clock goes from 02:00 to 03:00 then."""
    checkout = service("checkout", requires=["db-1"], loss=1, by_calendar={"late": 60})
    made = shop(checkout, calendars=[hours("night", "00:00", "06:00"), hours("late", "20:00", "02:00")])
    begins = []
    for day in (28, 29, 30):
        since = datetime(2026, 3, day, tzinfo=BERLIN).astimezone(UTC)
        pick = chosen(found(made, change(calendars=("night",)), since, since + timedelta(hours=12)))
        assert pick is not None
        assert pick.begin is not None
        begins.append(f"{pick.begin.astimezone(BERLIN):%H:%M}")
    assert begins == ["02:00", "03:00", "02:00"]


def test_the_rollback_must_fit_into_the_same_window() -> None:
    made = shop(calendars=[hours("night", "01:00", "02:00")])
    until = NINE + timedelta(days=1)
    assert chosen(found(made, change(minutes=40, undo_minutes=20, calendars=("night",)), NINE, until)) is not None
    assert chosen(found(made, change(minutes=40, undo_minutes=21, calendars=("night",)), NINE, until)) is None


def test_a_freeze_cuts_windows_off_and_one_whose_calendar_is_gone_leaves_none() -> None:
    frozen = Settings(freeze=("sale",))
    night, sale = hours("night", "01:00", "04:00"), hours("sale", "02:00", "03:00")
    until = NINE + timedelta(days=1)
    spans = open_spans(change(calendars=("night",)), shop(calendars=[night, sale], settings=frozen), NINE, until)
    assert [f"{one.begin.astimezone(BERLIN):%H:%M}-{one.end.astimezone(BERLIN):%H:%M}" for one in spans] == [
        "01:00-02:00",
        "03:00-04:00",
    ]
    assert open_spans(change(calendars=("night",)), shop(calendars=[night], settings=frozen), NINE, until) == []


# --- objectives ------------------------------------------------------------------------------------------------------


def test_downtime_counts_in_every_window_that_has_the_change_in_it_also_in_later_ones() -> None:
    promised = replace(service("checkout", requires=["db-1"]), availability=99.0, window=timedelta(hours=10))  # 6 m
    ahead = Span(begin=NINE + timedelta(hours=5), end=NINE + timedelta(hours=5, minutes=3))
    objectives = Objectives([promised], timedelta(minutes=4), {promised.id: [ahead]})
    (near,) = objectives.at(NINE)
    assert (near.used_s, near.needs_s, near.is_kept) == (180, 240, False)
    (far,) = objectives.at(NINE - timedelta(hours=6))
    assert (far.used_s, far.is_kept) == (0, True)


def test_a_service_that_is_degraded_meanwhile_is_available() -> None:
    promised = replace(service("checkout", requires=["db-1"]), availability=100.0)
    assert not cost(shop(promised), change("db-2")).down
    assert [one.id for one in cost(shop(promised), change("db-1")).down] == ["checkout"]


# --- states ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", list(ChangeState))
def test_a_change_goes_only_where_its_way_leads(state: ChangeState) -> None:
    one = Change(
        id=ChangeId("c1"),
        name="upgrade",
        state=state,
        proposed=Word(who="ana", at=NINE),
        earliest=NINE,
        latest=NINE,
        written=Digest("sha256:1"),
        slot=None,
    )
    for following in ChangeState:
        if following in NEXT_STATES[state]:
            assert one.to(following).state is following
        else:
            with pytest.raises(ValueError, match="cannot become"):
                one.to(following)
