"""Calendars and what is lost under them, against counting second by second."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsm_remediate.config.almanac import events_of, public_holidays, recurring
from bsm_remediate.domain.calendar import Calendar, Times, WeeklyHours
from bsm_remediate.domain.loss import Prices
from bsm_remediate.domain.service_map import Deadline, Service
from bsm_remediate.testing.builders import service

ZONES = [ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut")]
BERLIN = ZONES[1]
FAIR = (
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n"
    b"BEGIN:VEVENT\r\nUID:1\r\nDTSTART:20260328T200000\r\nDTEND:20260329T060000\r\nRRULE:FREQ=DAILY;COUNT=3\r\n"
    b"EXDATE:20260329T200000\r\nEND:VEVENT\r\n"
    b"BEGIN:VEVENT\r\nUID:2\r\nDTSTART;VALUE=DATE:20261024\r\nDTEND;VALUE=DATE:20261026\r\nEND:VEVENT\r\n"
    b"BEGIN:VEVENT\r\nUID:3\r\nSTATUS:CANCELLED\r\nDTSTART:20260101T000000Z\r\nDTEND:20270101T000000Z\r\nEND:VEVENT\r\n"
    b"END:VCALENDAR\r\n"
)
QUARTERS = st.integers(0, 95).map(lambda quarter: time(quarter // 4, quarter % 4 * 15))


@st.composite
def times(draw: st.DrawFn) -> Times:
    kind = draw(st.integers(0, 5))
    zone = draw(st.sampled_from(ZONES))
    if kind == 0:
        return public_holidays("DE", zone)
    if kind == 1:
        return events_of(FAIR, zone)
    if kind == 2:
        rule = draw(st.sampled_from(["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=SA,SU", "FREQ=MONTHLY;BYDAY=-1SU"]))
        return recurring(
            rule, datetime(2026, 1, 4, 1, 30, tzinfo=zone), timedelta(hours=draw(st.integers(1, 30))), zone
        )
    weekdays = frozenset(draw(st.sets(st.integers(0, 6), min_size=1)))
    return WeeklyHours(weekdays=weekdays, since=draw(QUARTERS), until=draw(QUARTERS), timezone=zone)


@st.composite
def calendars(draw: st.DrawFn, name: str = "open") -> Calendar:
    exceptions = draw(st.lists(times(), max_size=1))
    return Calendar(
        name=name,
        times=tuple(draw(st.lists(times(), min_size=1, max_size=2))),
        exceptions=tuple(Calendar(name="closed", times=(one,)) for one in exceptions),
    )


MOMENTS = st.sampled_from([(3, 28), (3, 29), (10, 24), (10, 25), (10, 31), (11, 1), (12, 24)]).flatmap(
    lambda day: st.integers(0, 95).map(lambda q: datetime(2026, *day, tzinfo=UTC) + timedelta(minutes=15 * q))
)


@settings(max_examples=100, deadline=None)
@given(calendars(), MOMENTS)
def test_spans_are_the_quarters_of_an_hour_in_force(calendar: Calendar, since: datetime) -> None:
    """All times here begin and end on a quarter of an hour, and so do the clocks of all zones here."""
    quarters = [since + timedelta(minutes=15 * one) for one in range(4 * 36)]
    until = quarters[-1] + timedelta(minutes=15)
    spans = calendar.spans(since, until)
    for quarter in quarters:
        assert calendar.is_in_force(quarter) is any(span.begin <= quarter < span.end for span in spans)
    assert all(one.begin < one.end for one in spans)
    assert all(one.end < other.begin for one, other in pairwise(spans))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(calendars(), min_size=1, max_size=2),
    MOMENTS,
    st.integers(0, 100),
    st.booleans(),
    st.integers(0, 6 * 60).map(lambda minutes: timedelta(minutes=5 * minutes)),
    st.integers(0, 20 * 60),
)
def test_what_an_outage_costs_is_the_sum_over_its_minutes(
    found: list[Calendar], at: datetime, per_outage: int, is_due: bool, age: timedelta, minutes: int
) -> None:
    by_calendar = {f"c{number}": 60.0 * (number + 2) for number in range(len(found))}
    base = service("s", requires=["c"], loss=60, by_calendar=by_calendar)
    shop = Service(
        id=base.id,
        loss_per_minute=base.loss_per_minute,
        requires=base.requires,
        grace=timedelta(minutes=45),
        per_outage=float(per_outage),
        deadline=Deadline(by=time(5), needs=timedelta(hours=2), timezone=BERLIN) if is_due else None,
    )
    named = dict(zip(by_calendar, found, strict=True))
    prices, since = Prices(named, at), at - age
    curve = prices.from_now(shop, since=since, horizon_s=30 * 3600.0)
    lost = 0.0
    was_free = prices.now(shop, since=since) == 0
    for minute in range(0, minutes, 5):
        now = Prices(named, at + timedelta(minutes=minute)).now(shop, since=since)
        if now and was_free:
            lost += per_outage
            was_free = False
        lost += 5 * now
    end = (minutes + 4) // 5 * 5
    assert curve.just_before(end * 60.0) == pytest.approx(lost)
