"""Whose turn it is, by the wall clock through both changes of it; who is told next when nobody answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bsm_remediate.domain.on_call import OnCall, people_to_tell

BERLIN = ZoneInfo("Europe/Berlin")
NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
AFTER = timedelta(minutes=15)


def rota(*people: str, every: str = "weekly", start: datetime | None = None, zone: str = "Europe/Berlin") -> OnCall:
    begin = start or datetime(2026, 1, 5, 9, tzinfo=BERLIN)
    length = {"weekly": timedelta(days=7), "daily": timedelta(days=1)}[every]
    return OnCall(rotation=people or ("ana", "li", "kim"), every=length, start=begin.astimezone(UTC), timezone=zone)


def berlin(month: int, day: int, hour: int, minute: int = 0, *, fold: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=BERLIN, fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "who"),
    [
        (berlin(1, 1, 0), "ana"),  # before the first turn
        (berlin(1, 5, 9), "ana"),
        (berlin(1, 12, 8, 59), "ana"),
        (berlin(1, 12, 9), "li"),
        (berlin(1, 26, 9), "ana"),
        # The clock goes forward on 29 March, in the week of the twelfth turn.
        (berlin(3, 23, 9), "kim"),
        (berlin(3, 30, 8, 59), "kim"),
        (berlin(3, 30, 9), "ana"),
        # And back on 25 October.
        (berlin(10, 19, 9), "kim"),
        (berlin(10, 26, 8, 59), "kim"),
        (berlin(10, 26, 9), "ana"),
    ],
)
def test_turns_change_at_nine_by_the_clock_on_the_wall_in_summer_and_in_winter(now: datetime, who: str) -> None:
    assert rota().person(now) == who


def test_a_turn_that_begins_in_the_hour_that_comes_twice_begins_once() -> None:
    nightly = rota(every="daily", start=datetime(2026, 10, 24, 2, 30, tzinfo=BERLIN))
    moments = [
        berlin(10, 25, 2, 29),
        berlin(10, 25, 2, 30),
        berlin(10, 25, 2, 10, fold=1),
        berlin(10, 25, 2, 59, fold=1),
        berlin(10, 26, 2, 29),
        berlin(10, 26, 2, 30),
    ]
    assert [nightly.person(one) for one in moments] == ["ana", "li", "li", "li", "li", "kim"]


def test_a_turn_that_would_begin_in_the_hour_that_is_left_out_begins_after_it() -> None:
    nightly = rota(every="daily", start=datetime(2026, 3, 28, 2, 30, tzinfo=BERLIN))
    moments = [
        berlin(3, 29, 1, 59),
        berlin(3, 29, 3, 0),
        berlin(3, 29, 3, 30),
        berlin(3, 30, 2, 29),
        berlin(3, 30, 2, 30),
    ]
    assert [nightly.person(one) for one in moments] == ["ana", "ana", "li", "li", "kim"]


@given(
    start=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)),  # noqa: DTZ001 - hypothesis wants them bare
    every=st.sampled_from([timedelta(hours=6), timedelta(hours=12), timedelta(days=1), timedelta(days=7)]),
    now=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
)
def test_the_turn_is_the_last_one_that_has_begun(start: datetime, every: timedelta, now: datetime, zone: str) -> None:
    """The oracle counts turn by turn."""
    there = ZoneInfo(zone)
    on_call = OnCall(rotation=("a",), every=every, start=start.replace(tzinfo=there).astimezone(UTC), timezone=zone)
    begin = on_call.start.astimezone(there).replace(tzinfo=None)
    number = 0
    while (begin + (number + 1) * every).replace(tzinfo=there).astimezone(UTC) <= now:
        number += 1
    assert on_call.turn(now) == number


# --- who is told ------------------------------------------------------------------------------------------------------


def told(
    minutes: float,
    *,
    members: tuple[str, ...] = ("ana", "li", "kim", "jo"),
    on_call: OnCall | None = rota("ana", "li", "kim"),  # noqa: B008 - a value
    reachable: tuple[str, ...] = ("ana", "li", "kim", "jo"),
    since: datetime = NINE,
) -> set[str]:
    until = since + timedelta(minutes=minutes)
    return set(people_to_tell(members, on_call, reachable, since=since, until=until, after=AFTER))


@pytest.mark.parametrize(
    ("minutes", "who"),
    [
        (0, {"ana"}),
        (14.9, {"ana"}),
        (15, {"ana", "li"}),
        (30, {"ana", "li", "kim"}),
        (44.9, {"ana", "li", "kim"}),
        (45, {"ana", "li", "kim", "jo"}),
        (9999, {"ana", "li", "kim", "jo"}),
    ],
)
def test_first_the_one_on_call_then_the_next_of_the_rotation_then_the_whole_team(minutes: float, who: set[str]) -> None:
    assert told(minutes) == who


def test_the_next_is_the_one_after_whoever_was_on_call_when_it_began() -> None:
    assert told(15, since=NINE + timedelta(days=14)) == {"kim", "ana"}


def test_who_takes_the_duty_over_meanwhile_is_told_then() -> None:
    since = berlin(1, 12, 8, 55)
    assert told(4, since=since) == {"ana"}
    assert told(5, since=since) == {"ana", "li"}


def test_who_cannot_be_reached_takes_no_turn() -> None:
    assert told(0, reachable=("li", "jo")) == {"li"}
    assert told(15, reachable=("li", "jo")) == {"li", "jo"}


def test_a_team_without_a_rotation_is_told_as_a_whole_at_once() -> None:
    assert told(0, on_call=None, reachable=("li", "jo", "somebody else")) == {"li", "jo"}


@pytest.mark.parametrize("day", [28, 29])
def test_minutes_are_minutes_also_in_the_night_when_the_clock_changes(day: int) -> None:
    since = berlin(3, day, 1, 50)
    assert told(14.9, since=since) == {"kim"}
    assert told(15, since=since) == {"kim", "ana"}


@given(st.lists(st.integers(0, 20_000), min_size=2, max_size=2), st.integers(0, 400))
def test_who_was_told_once_stays_told(minutes: list[int], days: int) -> None:
    earlier, later = sorted(minutes)
    since = NINE + timedelta(days=days)
    assert told(earlier, since=since) <= told(later, since=since)
