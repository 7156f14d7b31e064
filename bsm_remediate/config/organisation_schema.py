"""What the bundle says of the business itself: goals, calendars, teams and people, and how they are told."""

from __future__ import annotations

from datetime import time
from typing import Literal

from pydantic import Field

from bsm_remediate.config.fields import (
    ClockTime,
    Day,
    Duration,
    Hours,
    Id,
    LocalTime,
    NoticeName,
    SomeTime,
    Text,
    Weekdays,
)
from bsm_remediate.config.schema_parts import Section as _Section


class GoalSection(_Section):
    """A named profile of weights."""

    weights: dict[Text, float] = Field(default_factory=dict, description="Weight by business function (default 1).")


class CalendarSection(_Section):
    """When something is in force: exactly one of `hours`, `ics`, `rrule` and `holidays`."""

    timezone: Text | None = Field(default=None, description="A zone like Europe/Berlin; `hours` need one, else UTC.")
    weekdays: Weekdays | None = Field(default=None, description="Days on which `hours` begin (default: all).")
    hours: Hours | None = Field(default=None, description="One range or several, like 08:00-18:00.")
    ics: Text | None = Field(default=None, description="An iCalendar file in the folder of policies; its events count.")
    rrule: Text | None = Field(default=None, description="A recurrence rule of RFC 5545, like FREQ=MONTHLY;BYDAY=-1FR.")
    start: LocalTime | None = Field(default=None, description="When the first of `rrule` begins, in that time zone.")
    duration: SomeTime | None = Field(default=None, description="How long each of `rrule` lasts.")
    holidays: Text | None = Field(default=None, description="Public holidays of a country, like DE, or a part, DE-BY.")
    exceptions: list[Id] = Field(
        default_factory=list, alias="except", description="Calendars: while one is in force, this one isn't."
    )


class OnCallSection(_Section):
    """Who is on call."""

    rotation: list[Text] = Field(min_length=1, description="People in turn.")
    every: SomeTime = Field(description="How long a turn lasts.")
    start: Day = Field(description="The day on which the first turn begins.")
    at: ClockTime = Field(default=time(0), description="At what time of the day turns change.")
    timezone: Text = Field(default="UTC", description="Whose clock that is.")


class NotifySection(_Section):
    """An address, and what goes there; where several say the same address, whatever one of them lets through."""

    to: Text = Field(description="Apprise address, `env:NAME` or `file:PATH` (where it is kept secret).")
    severity: Literal["info", "warning", "critical"] = Field(default="info", description="The least that goes there.")
    kinds: list[NoticeName] = Field(default_factory=list, description="Only these (default: all).")
    about: Literal["own", "all"] = Field(default="own", description="`all`: what concerns other teams, too.")
    when: Id | None = Field(
        default=None, description="Only while that calendar is in force; what still stands then is told then."
    )


class PersonSection(_Section):
    """A person who can be told when it is their turn."""

    notify: list[Text | NotifySection] = Field(default_factory=list, description="Their own addresses.")


class TeamSection(_Section):
    """People and their duties."""

    members: list[Text] = Field(default_factory=list, description="People.")
    on_call: OnCallSection | None = Field(default=None, description="The rotation.")
    notify: list[Text | NotifySection] = Field(default_factory=list, description="Where they are told.")
    duties: list[Literal["owner", "approver"]] = Field(default_factory=list, description="What they may do.")


class WeeklyReportSection(_Section):
    """What the week brought, as a message."""

    to: Id = Field(description="The team that gets it.")
    weekday: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"] = Field(default="mon", description="On that day.")
    at: ClockTime = Field(default=time(8), description="At that time.")
    timezone: Text = Field(default="UTC", description="Whose clock that is.")


class NotifySettingsSection(_Section):
    """When people are told."""

    loss_over: float = Field(default=0.0, ge=0, description="A loss of more than that per minute is told.")
    every: SomeTime | None = Field(default=None, description="At most one message to an address in that time (5m).")
    gather: Duration | None = Field(default=None, description="What comes within that time is one message (5s).")
    remind: SomeTime | None = Field(default=None, description="What still stands is told again after that time (4h).")
    escalate_after: SomeTime | None = Field(
        default=None, description="What nobody answers is told to the next person then (default: `approval`)."
    )
    burn: dict[Literal["1h", "6h", "3d"], float] | None = Field(
        default=None, description="How many times too fast an objective's budget may go (1h: 14.4, 6h: 6, 3d: 1)."
    )
    weekly_report: WeeklyReportSection | None = Field(default=None, description="The weekly report.")
