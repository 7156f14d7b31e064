"""Calendars: from their sections, and the iCalendar files that these name, to domain values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from bsm_remediate.config.draft import Draft, Entry, nearest
from bsm_remediate.config.organisation_schema import CalendarSection
from bsm_remediate.domain.calendar import Calendar, Times, WeeklyHours

_KINDS = {
    "hours": ("timezone", "weekdays"),
    "ics": ("timezone",),
    "rrule": ("timezone", "start", "duration"),
    "holidays": ("timezone",),
}
"""What a calendar may be, and the keys that mean something with it."""
_COMMON = ("except",)
_MOST_BYTES = 4 * 1024 * 1024


class CalendarReader:
    """Reads all calendars of a bundle, with findings for what is wrong with them."""

    def __init__(self, draft: Draft, folder: Path) -> None:
        self._draft = draft
        self._folder = folder
        self._sections: dict[str, tuple[CalendarSection, Entry]] = {}
        self.files: list[Path] = []
        """The iCalendar files that were read."""

    def read(self) -> dict[str, Calendar]:
        """By name; those with errors are left out."""
        for name, entry in self._draft.entries("calendars"):
            section = self._draft.validated(CalendarSection, entry)
            if section is not None:
                self._sections[name] = section, entry
        times = {name: self._times(*one) for name, one in self._sections.items()}
        found: dict[str, Calendar] = {}
        for name in self._sections:
            self._add(name, times, found, ())
        return found

    def _add(
        self, name: str, times: dict[str, Times | None], found: dict[str, Calendar], above: tuple[str, ...]
    ) -> Calendar | None:
        """The calendar with its exceptions; `above`: those that it is an exception of."""
        section, entry = self._sections[name]
        its_own = times[name]
        if name in found or its_own is None:
            return found.get(name)
        exceptions = []
        for number, other in enumerate(section.exceptions):
            place = entry.place("except", number)
            if not self._draft.known(place, other, self._draft.names("calendars"), "calendar"):
                continue
            if other in (*above, name):
                self._draft.add(place.error("bad-calendar", f"'{other}' is an exception of itself"))
                return None
            calendar = self._add(other, times, found, (*above, name)) if other in self._sections else None
            if calendar is not None:
                exceptions.append(calendar)
        found[name] = Calendar(name=name, times=(its_own,), exceptions=tuple(exceptions))
        return found[name]

    def _times(self, section: CalendarSection, entry: Entry) -> Times | None:
        written = entry.value if isinstance(entry.value, dict) else {}
        kinds = [kind for kind in _KINDS if written.get(kind) is not None]
        if len(kinds) != 1:
            message = f"a calendar needs one of {', '.join(_KINDS)}" + (f", not {' and '.join(kinds)}" if kinds else "")
            self._draft.add(entry.place().error("bad-calendar", message))
            return None
        (kind,) = kinds
        for key in written.keys() - {kind, *_KINDS[kind], *_COMMON}:
            self._draft.add(entry.place(key, of_key=True).error("bad-calendar", f"'{key}' means nothing with '{kind}'"))
        zone = self._zone(section, entry, kind)
        return _READERS[kind](self, section, entry, zone) if zone is not None else None

    def _zone(self, section: CalendarSection, entry: Entry, kind: str) -> ZoneInfo | None:
        if section.timezone is None:
            if kind == "hours":
                self._draft.add(entry.place().error("no-timezone", "hours need a timezone", "like Europe/Berlin"))
                return None
            if kind == "holidays":
                hint = "say where, like timezone: Europe/Berlin"
                message = "without a timezone these days begin at midnight in UTC"
                self._draft.add(entry.place("holidays").warning("no-timezone", message, hint))
            return ZoneInfo("UTC")
        return read_zone(self._draft, entry, section.timezone)

    # --- kinds -----------------------------------------------------------------------------------------------------

    def _hours(self, section: CalendarSection, entry: Entry, zone: ZoneInfo) -> Times | None:
        if section.hours is None:
            return None
        weekdays = frozenset(range(7)) if section.weekdays is None else section.weekdays
        hours = tuple(
            WeeklyHours(weekdays=weekdays, since=since, until=until, timezone=zone) for since, until in section.hours
        )
        return hours[0] if len(hours) == 1 else Calendar(name=str(entry.path[-1]), times=hours)

    def _ics(self, section: CalendarSection, entry: Entry, zone: ZoneInfo) -> Times | None:
        from bsm_remediate.config.almanac import events_of  # large libraries, which few bundles need

        place = entry.place("ics")
        file = self._folder / str(section.ics)
        if Path(str(section.ics)).is_absolute() or not file.resolve().is_relative_to(self._folder.resolve()):
            self._draft.add(place.error("bad-calendar", "the file must lie in the folder of policies"))
            return None
        try:
            if file.stat().st_size > _MOST_BYTES:
                self._draft.add(place.error("bad-calendar", f"'{section.ics}' is larger than {_MOST_BYTES} bytes"))
                return None
            contents = file.read_bytes()
        except OSError as error:
            self._draft.add(place.error("unreadable", f"'{section.ics}' cannot be read: {error.strerror}"))
            return None
        self.files.append(file)
        return self._draft.attempt(place, "bad-calendar", lambda: events_of(contents, zone))

    def _rrule(self, section: CalendarSection, entry: Entry, zone: ZoneInfo) -> Times | None:
        from bsm_remediate.config.almanac import recurring

        rule, start, duration = section.rrule, section.start, section.duration
        if rule is None:
            return None
        written = entry.value if isinstance(entry.value, dict) else {}
        if start is None or duration is None:
            if {"start", "duration"} <= written.keys():
                return None  # what is wrong with them is said already
            message = "an rrule needs a start and a duration"
            self._draft.add(
                entry.place("rrule").error("bad-calendar", message, "start: 2026-01-30T08:00, duration: 4h")
            )
            return None
        begin = start.replace(tzinfo=zone)
        return self._draft.attempt(entry.place("rrule"), "bad-calendar", lambda: recurring(rule, begin, duration, zone))

    def _holidays(self, section: CalendarSection, entry: Entry, zone: ZoneInfo) -> Times | None:
        from bsm_remediate.config.almanac import public_holidays

        place = entry.place("holidays")
        return self._draft.attempt(place, "bad-calendar", lambda: public_holidays(str(section.holidays), zone))


_Reader = Callable[[CalendarReader, CalendarSection, Entry, ZoneInfo], Times | None]
_READERS: dict[str, _Reader] = {
    "hours": CalendarReader._hours,  # noqa: SLF001 - this module's own
    "ics": CalendarReader._ics,  # noqa: SLF001
    "rrule": CalendarReader._rrule,  # noqa: SLF001
    "holidays": CalendarReader._holidays,  # noqa: SLF001
}


def read_zone(draft: Draft, entry: Entry, name: str, *path: str) -> ZoneInfo | None:
    """The time zone of that name, written at `path` in `entry`; None with a finding when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = nearest(name, available_timezones()) or "names are like Europe/Berlin"
        place = entry.place(*path, "timezone")
        draft.add(place.error("bad-timezone", f"there is no time zone '{name}'", hint))
        return None
