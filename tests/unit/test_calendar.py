"""Weekly hours by the wall clock of their zone, also on the days when clocks change in Berlin."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from bsm_remediate.domain.bundle import Team
from bsm_remediate.domain.calendar import Calendar, WeeklyHours
from bsm_remediate.domain.on_call import OnCall

BERLIN = ZoneInfo("Europe/Berlin")
WEEKDAYS = frozenset(range(5))
OFFICE = WeeklyHours(weekdays=WEEKDAYS, since=time(8), until=time(18), timezone=BERLIN)
NIGHT = WeeklyHours(weekdays=frozenset({4, 5}), since=time(22), until=time(6), timezone=BERLIN)


def utc(month: int, day: int, hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, second, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "is_in_force"),
    [
        (utc(3, 27, 6, 59, 59), False),
        (utc(3, 27, 7), True),  # Friday in winter: 08:00 is 07:00 UTC
        (utc(3, 27, 16, 59, 59), True),
        (utc(3, 27, 17), False),
        (utc(3, 30, 5, 59, 59), False),
        (utc(3, 30, 6), True),  # Monday, summer time began on Sunday: 08:00 is 06:00 UTC
        (utc(3, 30, 15, 59, 59), True),
        (utc(3, 30, 16), False),
        (utc(10, 23, 6), True),
        (utc(10, 26, 6), False),  # winter again
        (utc(10, 26, 7), True),
        (utc(3, 29, 9), False),  # Sunday
    ],
)
def test_office_hours_stay_office_hours_when_summer_time_begins_and_ends(now: datetime, is_in_force: bool) -> None:
    assert OFFICE.is_in_force(now) is is_in_force


@pytest.mark.parametrize(
    ("now", "is_in_force"),
    [
        (utc(3, 27, 20, 59), False),  # Friday 21:59
        (utc(3, 27, 21), True),  # Friday 22:00
        (utc(3, 28, 4, 59), True),  # Saturday 05:59
        (utc(3, 28, 5), False),
        (utc(3, 28, 21), True),  # Saturday 22:00
        (utc(3, 29, 0, 59, 59), True),  # 01:59:59, and then it is three o'clock
        (utc(3, 29, 1), True),
        (utc(3, 29, 3, 59), True),  # Sunday 05:59, an hour early in UTC
        (utc(3, 29, 4), False),
        (utc(3, 29, 21), False),  # Sunday night isn't among the days
        (utc(3, 27, 4), False),  # the morning after a Thursday
    ],
)
def test_hours_past_midnight_belong_to_the_day_on_which_they_begin(now: datetime, is_in_force: bool) -> None:
    assert NIGHT.is_in_force(now) is is_in_force


def test_an_hour_that_comes_twice_counts_twice() -> None:
    hour = WeeklyHours(weekdays=frozenset({6}), since=time(2), until=time(3), timezone=BERLIN)
    begin = utc(10, 24, 22)
    minutes = sum(hour.is_in_force(begin + timedelta(minutes=one)) for one in range(25 * 60))
    assert minutes == 120


def test_an_hour_that_the_clock_skips_never_is() -> None:
    hour = WeeklyHours(weekdays=frozenset({6}), since=time(2), until=time(3), timezone=BERLIN)
    begin = utc(3, 28, 23)
    assert not any(hour.is_in_force(begin + timedelta(minutes=one)) for one in range(23 * 60))


def test_until_midnight_and_the_whole_day_are_ordinary_hours() -> None:
    evening = WeeklyHours(weekdays=frozenset({0}), since=time(20), until=time(0), timezone=BERLIN)
    assert evening.is_in_force(utc(1, 5, 22, 59, 59))
    assert not evening.is_in_force(utc(1, 5, 23))
    whole = WeeklyHours(weekdays=frozenset({0}), since=time(0), until=time(0), timezone=BERLIN)
    begin = utc(1, 4, 23)
    assert sum(whole.is_in_force(begin + timedelta(hours=one)) for one in range(-48, 72)) == 24


def test_a_calendar_is_in_force_while_any_of_its_hours_are() -> None:
    both = Calendar(name="both", times=(OFFICE, NIGHT))
    assert both.is_in_force(utc(1, 9, 12))
    assert both.is_in_force(utc(1, 9, 23))
    assert not both.is_in_force(utc(1, 9, 19))


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        OFFICE.is_in_force(datetime(2026, 1, 5, 9))  # noqa: DTZ001


def test_the_rotation_turns_and_begins_with_its_first_member() -> None:
    week = OnCall(rotation=("ana", "li"), every=timedelta(days=7), start=utc(1, 5, 0))
    team = Team(name="payments", members=("ana", "li"), on_call=week)
    assert [team.on_call_person(utc(1, 5, 9) + timedelta(weeks=one)) for one in (-3, 0, 1, 2)] == [
        "ana",
        "ana",
        "li",
        "ana",
    ]
    assert Team(name="nobody", members=("li",)).on_call_person(utc(1, 5, 9)) is None


def test_spans_follow_the_clock_when_it_is_set_back_and_forth() -> None:
    def spans(since: time, until: time, month: int, day: int) -> list[tuple[datetime, datetime]]:
        hours = WeeklyHours(weekdays=frozenset({6}), since=since, until=until, timezone=BERLIN)
        found = Calendar(name="c", times=(hours,)).spans(utc(month, day - 1, 12), utc(month, day, 12))
        return [(one.begin, one.end) for one in found]

    assert spans(time(2, 15), time(2, 45), 10, 25) == [
        (utc(10, 25, 0, 15), utc(10, 25, 0, 45)),
        (utc(10, 25, 1, 15), utc(10, 25, 1, 45)),
    ]
    assert spans(time(2, 30), time(4), 10, 25) == [
        (utc(10, 25, 0, 30), utc(10, 25, 1)),
        (utc(10, 25, 1, 30), utc(10, 25, 3)),
    ]
    assert spans(time(2, 30), time(4), 3, 29) == [(utc(3, 29, 1), utc(3, 29, 2))]
    assert spans(time(2), time(3), 3, 29) == []
    assert spans(time(8), time(18), 3, 29) == [(utc(3, 29, 6), utc(3, 29, 12))]


def test_a_calendar_is_not_in_force_while_one_of_its_exceptions_is() -> None:
    but_nights = Calendar(name="days", times=(OFFICE, NIGHT), exceptions=(Calendar(name="nights", times=(NIGHT,)),))
    assert but_nights.is_in_force(utc(1, 9, 12))
    assert not but_nights.is_in_force(utc(1, 9, 23))
