"""The window of a planned change, against trying every minute and counting its cost minute by minute."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsm_remediate.domain.bundle import Bundle, Settings
from bsm_remediate.domain.calendar import Calendar, Span, WeeklyHours
from bsm_remediate.domain.change_cost import ChangeCost
from bsm_remediate.domain.change_objectives import Objectives
from bsm_remediate.domain.change_window import MINUTE, chosen, offers, open_spans
from bsm_remediate.domain.formula import Gate
from bsm_remediate.domain.ids import Digest, NodeId
from bsm_remediate.domain.planned_change import ChangeTimes, PlannedChange
from bsm_remediate.domain.policy import Alternative
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.service_map import Deadline, Service
from bsm_remediate.domain.state import State
from bsm_remediate.testing.builders import TCP_CHECK, bundle, component, either, service

ZONES = [ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/New_York")]
CLOCK = st.integers(0, 287).map(lambda five: time(five // 12, five % 12 * 5))
DAYS = st.sampled_from([(3, 28), (3, 29), (10, 25), (11, 1), (1, 5), (10, 3), (4, 4)])
SHORT = st.integers(0, 120).map(lambda minutes: timedelta(minutes=minutes))
SOME = st.integers(1, 90).map(lambda minutes: timedelta(minutes=minutes))


@st.composite
def calendars(draw: st.DrawFn, name: str) -> Calendar:
    def hours() -> WeeklyHours:
        weekdays = frozenset(draw(st.sets(st.integers(0, 6), min_size=1)))
        zone = draw(st.sampled_from(ZONES))
        return WeeklyHours(weekdays=weekdays, since=draw(CLOCK), until=draw(CLOCK), timezone=zone)

    return Calendar(name=name, times=tuple(hours() for _ in range(draw(st.integers(1, 2)))))


@st.composite
def services(draw: st.DrawFn, name: str) -> Service:
    choices: list[Gate | list[str]] = [["a"], ["a", "b"], either("a", "b"), either("b", "c"), ["c"]]
    requires = draw(st.sampled_from(choices))
    by_calendar = {one: float(draw(st.integers(0, 20))) for one in draw(st.sets(st.sampled_from(["day", "fair"])))}
    made = service(name, requires=requires, loss=float(draw(st.integers(0, 9))), by_calendar=by_calendar)
    deadline = None
    if draw(st.booleans()):
        deadline = Deadline(by=draw(CLOCK), needs=draw(SHORT), timezone=draw(st.sampled_from(ZONES)))
    return replace(
        made,
        grace=draw(st.sampled_from([timedelta(0), timedelta(minutes=10), timedelta(minutes=45)])),
        per_outage=float(draw(st.sampled_from([0, 0, 50]))),
        deadline=deadline,
        availability=draw(st.sampled_from([None, 99.0, 97.0, 90.0])),
        window=draw(st.sampled_from([timedelta(hours=12), timedelta(days=1), timedelta(days=3)])),
    )


@dataclass(frozen=True, kw_only=True)
class World:
    bundle: Bundle
    change: PlannedChange
    since: datetime
    until: datetime
    downtimes: dict[NodeId, list[Span]]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    names = ["s1", "s2"][: draw(st.integers(1, 2))]
    frozen = ("frozen",) if draw(st.booleans()) else ()
    made = bundle(
        component("a"),
        component("b"),
        component("c"),
        *(draw(services(name)) for name in names),
        calendars=[draw(calendars(name)) for name in ("day", "fair", "nights", "frozen")],
        settings=Settings(freeze=frozen),
    )
    since = datetime(2026, *draw(DAYS), draw(st.integers(0, 23)), tzinfo=UTC)
    rollback = Alternative(playbook="undo.yml", duration=draw(SOME)) if draw(st.booleans()) else None
    change = PlannedChange(
        name="upgrade",
        components=tuple(NodeId(one) for one in draw(st.sampled_from([["a"], ["a", "b"], ["c"]]))),
        on=NodeId("a"),
        do=Alternative(
            playbook="up.yml", duration=draw(SOME), success=draw(st.sampled_from([1.0, 0.75, 0.5])), rollback=rollback
        ),
        verify=(TCP_CHECK,),
        times=ChangeTimes(calendars=("nights",) if draw(st.booleans()) else ()),
        digest=Digest("sha256:1"),
    )
    downtimes: dict[NodeId, list[Span]] = {}
    for name in names:
        moment = since - timedelta(days=2)
        for _ in range(draw(st.integers(0, 3))):
            moment += timedelta(minutes=draw(st.integers(0, 1500)))
            end = moment + draw(SOME)
            downtimes.setdefault(NodeId(name), []).append(Span(begin=moment, end=end))
            moment = end
    hours = draw(st.integers(1, 30))
    return World(bundle=made, change=change, since=since, until=since + timedelta(hours=hours), downtimes=downtimes)


# --- slow and obvious ------------------------------------------------------------------------------------------------


def is_open(world: World, minute: datetime) -> bool:
    known = world.bundle.calendars
    wanted = not world.change.times.calendars or any(
        known[one].is_in_force(minute) for one in world.change.times.calendars
    )
    return wanted and not any(known[one].is_in_force(minute) for one in world.bundle.settings.freeze)


def hit(world: World) -> list[tuple[Service, float]]:
    states = RollUp(world.bundle.service_map).states(dict.fromkeys(world.change.components, State.DOWN))
    parts = {State.DOWN: 1.0, State.DEGRADED: 0.5}
    found = world.bundle.service_map.services.items()
    return [(one, parts[states[node]]) for node, one in found if states.get(node, State.OK) in parts]


def lost(world: World, one: Service, begin: datetime, length: timedelta) -> float:
    free = begin + one.grace
    if one.deadline is not None:
        free = max(free, one.deadline.next_after(begin) - one.deadline.needs)
    end, total, minute = begin + length, 0.0, max(free, begin)
    if free <= end:
        total += one.per_outage
    while minute < end:
        known = world.bundle.calendars
        rates = [rate for name, rate in one.loss_per_minute.by_calendar if known[name].is_in_force(minute)]
        total += max(rates, default=one.loss_per_minute.default)
        minute += MINUTE
    return total


def cost(world: World, begin: datetime) -> float:
    do = world.change.do
    longer = do.duration + (do.rollback.duration if do.rollback is not None else timedelta(minutes=30))
    total = 0.0
    for one, part in hit(world):
        well, badly = (lost(world, one, begin, length) for length in (do.duration, longer))
        total += part * (do.success * well + (1 - do.success) * badly)
    return total


def breaks(world: World, begin: datetime) -> bool:
    """Whether some window of an objective's length has too many minutes down, some of them by the change."""
    end = begin + world.change.do.duration
    for one, part in hit(world):
        if one.availability is None or part < 1:
            continue
        spans = world.downtimes.get(one.id, [])
        mine = Span(begin=begin, end=end)
        for last in [end, *(span.end for span in spans if span.end > end)]:
            first = last - one.window
            if not (mine.begin < last and mine.end > first):
                continue
            down = sum(max((min(s.end, last) - max(s.begin, first)) / MINUTE, 0) for s in [*spans, mine])
            if down > (1 - one.availability / 100) * (one.window / MINUTE) + 1e-6:
                return True
    return False


def every_minute(world: World) -> list[tuple[float, datetime]]:
    """What each begin costs that is allowed."""
    minutes = [world.since + number * MINUTE for number in range(int((world.until - world.since) / MINUTE))]
    allowed = [is_open(world, minute) for minute in minutes]
    needs = int(world.change.needs / MINUTE)
    fits = [minutes[n] for n in range(len(minutes) - needs + 1) if all(allowed[n : n + needs])]
    return [(cost(world, begin), begin) for begin in fits if not breaks(world, begin)]


# --- the same, quickly -----------------------------------------------------------------------------------------------


@settings(max_examples=80)
@given(worlds())
def test_no_minute_is_better_than_the_begin_that_is_picked(world: World) -> None:
    found = ChangeCost(world.bundle, RollUp(world.bundle.service_map), world.change, goal="default")
    objectives = Objectives(found.down, found.duration, world.downtimes)
    spans = open_spans(world.change, world.bundle, world.since, world.until)
    pick = chosen(offers(found, objectives, spans, world.change.needs))
    possible = every_minute(world)
    if pick is None or pick.begin is None or pick.cost is None:
        assert possible == []
        return
    assert not breaks(world, pick.begin)
    assert pick.cost.expected == pytest.approx(cost(world, pick.begin))
    least = min(costs for costs, _ in possible)
    assert pick.cost.expected == pytest.approx(least)
    assert pick.begin == min(begin for costs, begin in possible if costs == pytest.approx(least))
