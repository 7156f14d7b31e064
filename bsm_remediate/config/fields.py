"""Kinds of values in a bundle, as pydantic types: each reads its text once and says what is wrong with it."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainValidator, WithJsonSchema

from bsm_remediate.domain.duration import parse_duration

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,199}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}", re.ASCII)
_MONEY = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*([kM]?)\s*(?:/\s*(min|h|d|y))?", re.ASCII)
_PER_MINUTE = {None: 1.0, "min": 1.0, "h": 60.0, "d": 1440.0, "y": 525_600.0}
_TIMES = {"": 1.0, "k": 1e3, "M": 1e6}
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)\s*%", re.ASCII)
_RATE = re.compile(r"(\d{1,6})\s*/\s*(\S+)", re.ASCII)
_CLOCK = re.compile(r"([01]\d|2[0-4]):([0-5]\d)", re.ASCII)
_WHOLE = 100
_TOO_MUCH = 1e15
"""From here on cents are lost, and sums with them."""


def shown(value: object) -> str:
    """`value` as it stands in the file, for people."""
    if isinstance(value, dict | list):
        return "a list" if isinstance(value, list) else "a mapping"
    if value is None:
        return "nothing"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is no duration; write it with its unit, like 30s, 5m, 1h30m or 2d")
    return parse_duration(value)


def _some_time(value: object) -> timedelta:
    length = _duration(value)
    if length <= timedelta(0):
        raise ValueError(f"{shown(value)} is no time at all; it must be longer than 0s")
    return length


def money_per_minute(value: object) -> float:
    """Money per minute: `300`, `18000/h`, `2M/y`. Raises `ValueError`."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
    else:
        found = _MONEY.fullmatch(value.strip()) if isinstance(value, str) else None
        if found is None:
            raise ValueError(f"{shown(value)} is no amount of money per minute like 300, 18000/h or 2M/y")
        number = float(found[1]) * _TIMES[found[2]] / _PER_MINUTE[found[3]]
    if not 0 <= number < _TOO_MUCH:
        raise ValueError(f"{shown(value)} must {'not be negative' if number < 0 else f'be less than {_TOO_MUCH:g}'}")
    return number


def _share(value: object) -> float:
    if isinstance(value, str) and (found := _SHARE.fullmatch(value)):
        number = float(found[1]) / _WHOLE
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
    else:
        raise ValueError(f"{shown(value)} is no share like 0.25 or 25%")
    if not 0 <= number <= 1:
        raise ValueError(f"{shown(value)} must lie between 0 and 1 (0% and 100%)")
    return number


def parse_rate(value: object) -> tuple[int, timedelta]:
    """A rate like `3/1h`. Raises `ValueError`."""
    found = _RATE.fullmatch(str(value))
    if found is None or int(found[1]) < 1:
        raise ValueError(f"{shown(value)} is no rate like 3/1h")
    return int(found[1]), _some_time(found[2])


def read_id(value: object) -> str:
    """An id of a service, component, policy, …. Raises `ValueError`."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError(f"{shown(value)} is no id: letters, digits, and . _ - @ after the first")
    return value


def _host(value: object) -> str:
    if not isinstance(value, str) or not _HOST.fullmatch(value):
        raise ValueError(f"{shown(value)} is no plain host name: letters, digits, and . _ - after the first")
    return value


def _text(value: object) -> str:
    """Numbers are welcome where text is wanted: `shard: 1` means "1"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is no text")
    return value


def parse_clock(text: str) -> time:
    """`08:00`, up to `24:00` (midnight at the end of the day, given as `time(0)`). Raises `ValueError`."""
    found = _CLOCK.fullmatch(text.strip())
    if found is None or (found[1] == "24" and found[2] != "00"):
        raise ValueError(f"'{text}' is no time of day like 08:00")
    return time(int(found[1]) % 24, int(found[2]))


_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def parse_weekdays(value: object) -> frozenset[int]:
    """`mon-fri`, `sat,sun` or a list of days; 0 is Monday. Raises `ValueError`."""
    parts = value if isinstance(value, list) else str(value).split(",")
    days: set[int] = set()
    for part in parts:
        first, dash, last = (one.strip().lower() for one in str(part).partition("-"))
        if first not in _DAYS or (dash and last not in _DAYS):
            raise ValueError(f"'{part}' is no weekday or range of weekdays like mon-fri")
        start, end = _DAYS.index(first), _DAYS.index(last if dash else first)
        days.update((start + step) % 7 for step in range((end - start) % 7 + 1))
    return frozenset(days)


def _hours(value: object) -> tuple[tuple[time, time], ...]:
    parts = value if isinstance(value, list) else str(value).split(",")
    found = []
    for part in parts:
        since, dash, until = str(part).partition("-")
        if not dash:
            raise ValueError(f"'{part}' is no range of hours like 08:00-18:00")
        found.append((parse_clock(since), parse_clock(until)))
    return tuple(found)


def _day(value: object) -> date:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"{shown(value)} is no date like 2026-01-05") from None


def _local_time(value: object) -> datetime:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"{shown(value)} is no time like 2026-01-30T08:00") from None
    if found.tzinfo is not None:
        raise ValueError(f"{shown(value)} names an offset; the calendar's time zone says it")
    return found


def _schema(kind: str, *, examples: list[Any], pattern: str | None = None) -> WithJsonSchema:
    written: dict[str, Any] = {"type": kind, "examples": examples}
    if pattern is not None:
        written["pattern"] = pattern
    return WithJsonSchema(written)


_NUMBER_OR_TEXT = ["number", "string"]
_DURATION = _schema("string", examples=["30s", "1h30m"], pattern="^([0-9.]+(ms|s|m|h|d))+$")
Duration = Annotated[timedelta, PlainValidator(_duration), _DURATION]
SomeTime = Annotated[timedelta, PlainValidator(_some_time), _DURATION]
"""A duration above 0."""
Money = Annotated[
    float,
    PlainValidator(money_per_minute),
    WithJsonSchema({"type": _NUMBER_OR_TEXT, "examples": [300, "18000/h", "2M/y"]}),
]
Share = Annotated[float, PlainValidator(_share), WithJsonSchema({"type": _NUMBER_OR_TEXT, "examples": [0.25, "25%"]})]
RateText = Annotated[tuple[int, timedelta], PlainValidator(parse_rate), _schema("string", examples=["3/1h"])]
Id = Annotated[str, PlainValidator(read_id), _schema("string", examples=["db-1"])]
HostName = Annotated[str, PlainValidator(_host), _schema("string", examples=["db-1"])]
Text = Annotated[str, BeforeValidator(_text), WithJsonSchema({"type": ["string", "number", "boolean"]})]
Weekdays = Annotated[
    frozenset[int],
    PlainValidator(parse_weekdays),
    WithJsonSchema({"type": ["string", "array"], "examples": ["mon-fri", ["sat", "sun"]]}),
]
Hours = Annotated[
    tuple[tuple[time, time], ...],
    PlainValidator(_hours),
    WithJsonSchema({"type": ["string", "array"], "examples": ["08:00-18:00"]}),
]
ClockTime = Annotated[
    time, PlainValidator(lambda value: parse_clock(str(value))), _schema("string", examples=["05:00"])
]
LocalTime = Annotated[datetime, PlainValidator(_local_time), _schema("string", examples=["2026-01-30T08:00"])]
Day = Annotated[date, PlainValidator(_day), _schema("string", examples=["2026-01-05"])]
StateName = Literal["ok", "degraded", "down"]
ModeName = Literal["off", "shadow", "approve", "auto"]
NoticeName = Literal[
    "loss_over",
    "objective_burning",
    "performance",
    "approval_needed",
    "handed_over",
    "run_failed",
    "change_approval",
    "change_over",
    "breaker_open",
    "storm",
    "doubt",
]
