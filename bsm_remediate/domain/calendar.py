"""Calendars: when a loss rate, a freeze or a duty is in force."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Protocol
from zoneinfo import ZoneInfo

from bsm_remediate.domain.ids import aware

_DAY = timedelta(days=1)


class Times(Protocol):
    """A set of times. All moments are aware."""

    def is_in_force(self, now: datetime) -> bool:
        """Whether `now` is one of them; the start of a span counts, its end doesn't."""

    def edges(self, since: datetime, until: datetime) -> Iterable[datetime]:
        """Moments after `since` and before `until` at which it may begin or end, none left out at which it does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WeeklyHours:
    """Hours on certain weekdays in a time zone; hours that end at or before they begin run past midnight.

    By the wall clock of the zone, so that 08:00 stays 08:00 when summer time begins: an hour that comes twice counts
    twice, one that is skipped never is.
    """

    weekdays: frozenset[int]
    """0 is Monday: the day on which the hours begin."""
    since: time
    until: time
    """`time(0)` is midnight at the end of the day (`24:00`)."""
    timezone: ZoneInfo

    def is_in_force(self, now: datetime) -> bool:
        there = aware(now).astimezone(self.timezone)
        clock, day = there.time(), there.weekday()
        if self.since < self.until:
            return day in self.weekdays and self.since <= clock < self.until
        yesterday = (there - timedelta(days=1)).weekday()
        return (day in self.weekdays and clock >= self.since) or (yesterday in self.weekdays and clock < self.until)

    def edges(self, since: datetime, until: datetime) -> Iterable[datetime]:
        days = list(_days(since, until, self.timezone))
        found = {
            datetime.combine(day, clock, tzinfo=self.timezone).replace(fold=fold).astimezone(UTC)
            for day in days
            for clock in {self.since, self.until}
            for fold in (0, 1)
        }
        found.update(_clock_changes(days, self.timezone))
        return sorted(one for one in found if since < one < until)


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """From `begin` until before `end`."""

    begin: datetime
    end: datetime


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Calendar:
    """A named set of times: any of `times`, apart from those of `exceptions`."""

    name: str
    times: tuple[Times, ...]
    exceptions: tuple[Calendar, ...] = ()

    def is_in_force(self, now: datetime) -> bool:
        """Whether `now` (aware) lies within these times; their start counts, their end doesn't."""
        return any(one.is_in_force(now) for one in self.times) and not any(
            one.is_in_force(now) for one in self.exceptions
        )

    def edges(self, since: datetime, until: datetime) -> Iterable[datetime]:
        """Moments in between at which it may begin or end."""
        parts: tuple[Times, ...] = (*self.times, *self.exceptions)
        return sorted({edge for part in parts for edge in part.edges(since, until)})

    def spans(self, since: datetime, until: datetime) -> list[Span]:
        """When it is in force between `since` and `until`, cut off there."""
        moments = [since, *self.edges(since, until), until]
        found: list[Span] = []
        for begin, end in pairwise(moments):
            if not self.is_in_force(begin):
                continue
            if found and found[-1].end == begin:
                found[-1] = Span(begin=found[-1].begin, end=end)
            else:
                found.append(Span(begin=begin, end=end))
        return found


def _days(since: datetime, until: datetime, zone: ZoneInfo) -> Iterator[date]:
    """The days of the zone's own calendar that touch what lies between, and one more at each end."""
    day, last = since.astimezone(zone).date() - _DAY, until.astimezone(zone).date() + _DAY
    while day <= last:
        yield day
        day += _DAY


def _clock_changes(days: Sequence[date], zone: ZoneInfo) -> Iterator[datetime]:
    """The moments at which the zone's clock is set anew, to the second."""
    midnights = [datetime.combine(day, time(0), tzinfo=zone) for day in days]
    for before, after in pairwise(midnights):
        if before.utcoffset() == after.utcoffset():
            continue
        low, high = (int(one.timestamp()) for one in (before, after))
        offset = before.utcoffset()
        while high - low > 1:
            middle = (low + high) // 2
            if datetime.fromtimestamp(middle, zone).utcoffset() == offset:
                low = middle
            else:
                high = middle
        yield datetime.fromtimestamp(high, UTC)
