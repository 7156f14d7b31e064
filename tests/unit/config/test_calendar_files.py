"""Calendars as they are written, and what is said of those that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bsm_remediate.config.loader import Loaded, load_bundle

Load = Callable[[str], Loaded]
FAIR = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:1\r\n"
    "DTSTART;VALUE=DATE:20261201\r\nDTEND;VALUE=DATE:20261203\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


def written(calendars: str) -> str:
    return f"components: {{c: {{}}}}\ncalendars:\n{calendars}"


def in_force(loaded: Loaded, name: str, *moments: str) -> list[bool]:
    assert loaded.bundle is not None, loaded.findings
    return [loaded.bundle.calendars[name].is_in_force(datetime.fromisoformat(one)) for one in moments]


def test_shops_are_closed_on_holidays_and_at_stocktaking(load: Load) -> None:
    found = load(
        written(
            "  open: {timezone: Europe/Berlin, weekdays: mon-sat, hours: '08:00-20:00', except: [holidays, stock]}\n"
            "  holidays: {holidays: DE-BY, timezone: Europe/Berlin}\n"
            "  stock: {rrule: 'FREQ=MONTHLY;BYDAY=-1FR', start: 2026-01-30T16:00, duration: 4h, "
            "timezone: Europe/Berlin}\n"
        )
    )
    assert in_force(
        found,
        "open",
        "2026-11-23T12:00+01:00",
        "2026-11-23T07:59+01:00",
        "2026-12-25T12:00+01:00",  # Christmas Day
        "2026-06-04T12:00+02:00",  # Corpus Christi is a holiday in Bavaria, not in all of Germany
        "2026-11-27T15:59+01:00",
        "2026-11-27T16:00+01:00",  # the last Friday of the month
        "2026-11-20T16:00+01:00",
    ) == [True, False, False, False, True, False, True]


def test_an_icalendar_file_lies_beside_the_bundle_and_belongs_to_its_digest(load: Load, tmp_path: Path) -> None:
    bundle = written("  fair: {ics: fair.ics, timezone: Europe/Berlin}\n")
    (tmp_path / "fair.ics").write_text(FAIR, newline="")
    first = load(bundle)
    days = ("2026-11-30T23:59+01:00", "2026-12-01T00:00+01:00", "2026-12-02T23:59+01:00", "2026-12-03T00:00+01:00")
    assert in_force(first, "fair", *days) == [False, True, True, False]
    (tmp_path / "fair.ics").write_text(FAIR.replace("20261203", "20261204"), newline="")
    second = load(bundle)
    assert in_force(second, "fair", *days) == [False, True, True, True]
    assert first.bundle is not None
    assert second.bundle is not None
    assert first.bundle.digest != second.bundle.digest


@pytest.mark.parametrize(
    ("calendar", "said"),
    [
        ("{}", "a calendar needs one of hours, ics, rrule, holidays"),
        ("{hours: '08:00-09:00'}", "hours need a timezone"),
        ("{hours: '08:00-09:00', timezone: Europe/Berlim}", "there is no time zone 'Europe/Berlim'"),
        (
            "{hours: '08:00-09:00', timezone: UTC, ics: x.ics}",
            "needs one of hours, ics, rrule, holidays, not hours and",
        ),
        ("{hours: '08:00-09:00', timezone: UTC, duration: 1h}", "'duration' means nothing with 'hours'"),
        ("{hours: '08:00-09:00', timezone: UTC, except: [c]}", "'c' is an exception of itself"),
        ("{hours: '08:00-09:00', timezone: UTC, except: [d]}", "there is no calendar 'd'"),
        ("{rrule: FREQ=DAILY, duration: 1h}", "an rrule needs a start and a duration"),
        ("{rrule: FREQ=SECONDLY, start: 2026-01-01T00:00, duration: 1h}", "FREQ=SECONDLY is too often"),
        ("{rrule: 'FREQ=HOURLY;BYMINUTE=%s', start: 2026-01-01T00:00, duration: 1m}", "more than 288 times a day"),
        ("{rrule: sometimes, start: 2026-01-01T00:00, duration: 1h}", "it has no FREQ"),
        ("{rrule: FREQ=DAILY, start: 2026-01-01T00:00Z, duration: 1h}", "names an offset"),
        ("{rrule: FREQ=DAILY, start: noon, duration: 1h}", "'noon' is no time like"),
        ("{holidays: XX, timezone: UTC}", "no holidays are known for 'XX'"),
        ("{holidays: DE-XX, timezone: UTC}", "no holidays are known for 'DE-XX'"),
        ("{ics: ../fair.ics}", "the file must lie in the folder of policies"),
        ("{ics: /fair.ics}", "the file must lie in the folder of policies"),
        ("{ics: nowhere.ics}", "'nowhere.ics' cannot be read"),
        ("{ics: bundle.yml}", "this is no iCalendar file"),
    ],
)
def test_what_is_wrong_with_a_calendar_is_said_where_it_stands(load: Load, calendar: str, said: str) -> None:
    (found,) = load(written("  c: " + calendar.replace("%s", ",".join(str(one) for one in range(20))))).findings
    assert said in found.message
    assert found.line == 3


def test_holidays_without_a_zone_are_days_in_utc_and_that_is_said(load: Load) -> None:
    found = load(written("  c: {holidays: DE}\n"))
    assert [one.code for one in found.findings] == ["no-timezone"]
    assert in_force(found, "c", "2026-12-25T00:00+00:00", "2026-12-25T00:00+01:00") == [True, False]


def test_a_service_may_have_grace_a_price_per_outage_and_a_deadline(load: Load) -> None:
    found = load(
        "currency: EUR\ncomponents: {c: {}}\nservices:\n  s:\n    requires: [c]\n    loss_per_minute: 50\n"
        "    grace: 10m\n    per_outage: 500\n    deadline: {by: '05:00', needs: 2h, timezone: Europe/Berlin}\n"
    )
    assert found.bundle is not None
    (service,) = found.bundle.service_map.services.values()
    assert (service.grace.total_seconds(), service.per_outage) == (600, 500)
    assert service.deadline is not None
    due = service.deadline.next_after(datetime(2026, 1, 5, 4, 0, tzinfo=UTC))
    assert due == datetime(2026, 1, 6, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("grace: -5m", "no duration"),
        ("per_outage: -1", "greater than or equal to 0"),
        ("per_outage: .nan", "no number"),
        ("deadline: {by: '25:00', needs: 2h}", "no time of day"),
        ("deadline: {by: '05:00', needs: 0s}", "must be longer than 0s"),
        ("deadline: {by: '05:00', needs: 25h}", "can't need a day"),
        ("deadline: {by: '05:00', needs: 2h, timezone: Mars}", "no time zone 'Mars'"),
    ],
)
def test_prices_that_mean_nothing_are_refused(load: Load, key: str, said: str) -> None:
    base = "currency: EUR\ncomponents: {c: {}}\nservices:\n  s:\n    requires: [c]\n    loss_per_minute: 5\n"
    found = load(f"{base}    {key}\n")
    assert found.bundle is None
    assert said in found.findings[0].message
    assert found.findings[0].line == 7


def test_a_whole_bundle_of_files_reads_the_calendar_beside_them(tmp_path: Path) -> None:
    (tmp_path / "map.yml").write_text(written("  fair: {ics: fair.ics}\n"))
    (tmp_path / "fair.ics").write_text(FAIR, newline="")
    found = load_bundle(tmp_path, inventory=None, playbooks=None, scrutinise=False)
    assert in_force(found, "fair", "2026-12-01T00:00+00:00") == [True]
