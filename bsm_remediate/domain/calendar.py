"""Calendars: when a loss rate, a freeze or a duty is in force. Weekly hours for now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from bsm_remediate.domain.ids import aware


@dataclass(frozen=True, kw_only=True, slots=True)
class WeeklyHours:
    """Hours on certain weekdays in a time zone; hours that end at or before they begin run past midnight."""

    weekdays: frozenset[int]
    """0 is Monday: the day on which the hours begin."""
    since: time
    until: time
    """`time(0)` is midnight at the end of the day (`24:00`)."""
    timezone: ZoneInfo

    def is_in_force(self, now: datetime) -> bool:
        """By the wall clock of the zone, so that 08:00 stays 08:00 when summer time begins."""
        there = aware(now).astimezone(self.timezone)
        clock, day = there.time(), there.weekday()
        if self.since < self.until:
            return day in self.weekdays and self.since <= clock < self.until
        yesterday = (there - timedelta(days=1)).weekday()
        return (day in self.weekdays and clock >= self.since) or (yesterday in self.weekdays and clock < self.until)


@dataclass(frozen=True, kw_only=True, slots=True)
class Calendar:
    """A named set of times."""

    name: str
    hours: tuple[WeeklyHours, ...]

    def is_in_force(self, now: datetime) -> bool:
        """Whether `now` (aware) lies within these hours; their start counts, their end doesn't."""
        return any(hours.is_in_force(now) for hours in self.hours)
