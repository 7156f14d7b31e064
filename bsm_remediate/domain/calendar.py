"""Calendars: when a loss rate, a freeze or a duty is in force. Weekly hours for now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo


@dataclass(frozen=True, kw_only=True, slots=True)
class WeeklyHours:
    """Hours on certain weekdays in a time zone; `until` at or before `since` runs past midnight."""

    weekdays: frozenset[int]
    """0 is Monday."""
    since: time
    until: time
    """`time(0)` as `until` is midnight at the end of the day (`24:00`)."""
    timezone: ZoneInfo


@dataclass(frozen=True, kw_only=True, slots=True)
class Calendar:
    """A named set of times."""

    name: str
    hours: tuple[WeeklyHours, ...]

    def is_in_force(self, now: datetime) -> bool:
        """Whether `now` (aware) lies within these hours, by the wall clock of their zone; the start counts, the end doesn't."""
        raise NotImplementedError
