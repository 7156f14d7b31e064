"""The almanac: times that well-known standards tell. iCalendar events and recurrence rules (RFC 5545), public holidays.

Its libraries take a fifth of a second to import; only bundles that use them pay it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import holidays
import icalendar
import recurring_ical_events

from bsm_remediate.domain.calendar import Span, Times

_CHUNK = timedelta(days=32)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_CHUNKS = 64
_MOST_EVENTS = 10_000
_TOO_OFTEN = frozenset({"SECONDLY", "MINUTELY"})
_MOST_A_DAY = 288


def events_of(contents: bytes, zone: ZoneInfo) -> Times:
    """While an event of that iCalendar file takes place; times without a zone are meant in `zone`. Cancelled events
    don't count. Raises `ValueError`.
    """
    try:
        calendar = icalendar.Calendar.from_ical(contents)
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise ValueError(f"this is no iCalendar file: {error}") from None
    if not isinstance(calendar, icalendar.Calendar):
        raise ValueError("this is no iCalendar file: it doesn't begin with VCALENDAR")
    events = calendar.walk("VEVENT")
    if not events:
        raise ValueError("there is no event in it")
    if len(events) > _MOST_EVENTS:
        raise ValueError(f"there are more than {_MOST_EVENTS} events in it")
    for event in events:
        rules = event.get("RRULE", [])
        for rule in rules if isinstance(rules, list) else [rules]:
            _check(rule)
    return _Events(calendar, zone)


def recurring(rule: str, start: datetime, duration: timedelta, zone: ZoneInfo) -> Times:
    """For `duration` from `start`, and each time that `rule` says. Raises `ValueError`."""
    try:
        read = icalendar.vRecur.from_ical(rule)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"'{rule}' is no recurrence rule like FREQ=MONTHLY;BYDAY=-1FR: {error}") from None
    if "FREQ" not in read:
        raise ValueError(f"'{rule}' is no recurrence rule like FREQ=MONTHLY;BYDAY=-1FR: it has no FREQ")
    _check(read)
    event = icalendar.Event()
    event.add("uid", "rule")
    event.add("dtstart", start)
    event.add("dtend", start + duration)
    event.add("rrule", read)
    calendar = icalendar.Calendar()
    calendar.add_component(event)
    times = _Events(calendar, zone)
    try:
        times.is_in_force(start)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"'{rule}' cannot be followed: {error}") from None
    return times


def public_holidays(place: str, zone: ZoneInfo) -> Times:
    """The public holidays of a country (`DE`), or of a part of it (`DE-BY`), from midnight to midnight in `zone`.
    Raises `ValueError`.
    """
    country, _, part = place.partition("-")
    try:
        return _Holidays(holidays.country_holidays(country, subdiv=part or None), zone)
    except NotImplementedError:
        raise ValueError(
            f"no holidays are known for '{place}'; countries are like DE, their parts like DE-BY"
        ) from None


def _check(rule: icalendar.vRecur) -> None:
    frequency = [str(one).upper() for one in rule.get("FREQ", [])]
    if _TOO_OFTEN & set(frequency):
        raise ValueError(f"FREQ={frequency[0]} is too often for a calendar")
    a_day = 24 if "HOURLY" in frequency else 1
    for key in ("BYHOUR", "BYMINUTE", "BYSECOND"):
        a_day *= max(len(rule.get(key, [])), 1)
    if a_day > _MOST_A_DAY:
        raise ValueError(f"the rule recurs more than {_MOST_A_DAY} times a day")


class _Events:
    """Recurring events, expanded for some weeks at a time."""

    def __init__(self, calendar: icalendar.Calendar, zone: ZoneInfo) -> None:
        self._events = recurring_ical_events.of(calendar)
        self._zone = zone
        self._chunks: dict[int, list[Span]] = {}

    def is_in_force(self, now: datetime) -> bool:
        return any(span.begin <= now < span.end for span in self._chunk((now - _EPOCH) // _CHUNK))

    def edges(self, since: datetime, until: datetime) -> Iterable[datetime]:
        chunks = range((since - _EPOCH) // _CHUNK, (until - _EPOCH) // _CHUNK + 1)
        moments = {one for number in chunks for span in self._chunk(number) for one in (span.begin, span.end)}
        return sorted(one for one in moments if since < one < until)

    def _chunk(self, number: int) -> list[Span]:
        found = self._chunks.get(number)
        if found is None:
            if len(self._chunks) >= _MOST_CHUNKS:
                self._chunks.clear()
            begin = _EPOCH + number * _CHUNK
            events = self._events.between(begin, begin + _CHUNK)
            found = self._chunks[number] = [
                Span(begin=self._moment(event.start), end=self._moment(event.end))
                for event in events
                if str(event.get("STATUS", "")).upper() != "CANCELLED"
            ]
        return found

    def _moment(self, written: date | datetime) -> datetime:
        if not isinstance(written, datetime):
            written = datetime.combine(written, time(0))
        return (written if written.tzinfo is not None else written.replace(tzinfo=self._zone)).astimezone(UTC)


class _Holidays:
    """Whole days."""

    def __init__(self, days: holidays.HolidayBase, zone: ZoneInfo) -> None:
        self._days = days
        self._zone = zone

    def is_in_force(self, now: datetime) -> bool:
        return now.astimezone(self._zone).date() in self._days

    def edges(self, since: datetime, until: datetime) -> Iterable[datetime]:
        day, found = since.astimezone(self._zone).date(), []
        while (midnight := datetime.combine(day, time(0), tzinfo=self._zone).astimezone(UTC)) < until:
            if midnight > since:
                found.append(midnight)
            day += timedelta(days=1)
        return found
