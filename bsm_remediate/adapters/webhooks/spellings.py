"""Texts, times and tags in the forms in which senders spell them. Whatever they hold stays text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

from bsm_remediate.adapters.webhooks.delivery import kind, moment, parse
from bsm_remediate.errors import MalformedAlerts

_MOST_WORDS = 100
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")
_UNITS = ((1e11, 1), (1e14, 1_000), (1e17, 1_000_000), (1e20, 1_000_000_000))
"""Up to which number an epoch counts seconds, milliseconds, microseconds, nanoseconds; the first ends in 5138."""


def text_of(value: Any, pointer: str) -> str:
    """`value` as a label says it: `true`, `7`, `a, b` for a list; "" for nothing. Raises `MalformedAlerts`."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list) and len(value) <= _MOST_WORDS and not any(isinstance(one, list | dict) for one in value):
        return ", ".join(text for one in value if (text := text_of(one, pointer)))
    raise MalformedAlerts(f"must be text or a number, not {kind(value)}", field=pointer)


def time_of(value: Any, pointer: str, *, zone: tzinfo | None) -> datetime:
    """The time of an RFC 3339 text, of one without a zone in `zone`, or of an epoch in seconds to nanoseconds, in UTC.

    Raises `MalformedAlerts`.
    """
    if isinstance(value, str):
        text = value.strip()
        if not text.isdecimal() or not text.isascii():
            return _written(text, pointer, zone)
        value = int(text[:24])
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedAlerts(f"must be a time like 2026-01-05T09:00:00Z or an epoch, not {kind(value)}", field=pointer)
    unit = next((unit for limit, unit in _UNITS if 0 <= value < limit), None)
    if unit is None:
        raise MalformedAlerts("is no epoch in seconds, milliseconds, microseconds or nanoseconds", field=pointer)
    return datetime.fromtimestamp(value / unit, UTC)


def _written(text: str, pointer: str, zone: tzinfo | None) -> datetime:
    if zone is not None:
        try:
            naive = datetime.fromisoformat(text)
            if naive.tzinfo is None:
                return naive.replace(tzinfo=zone).astimezone(UTC)
        except OverflowError:
            return naive.replace(tzinfo=UTC)
        except ValueError:
            pass  # said below, with the place
    return moment(text, pointer)


def zone_of(offset: str) -> tzinfo | None:
    """The zone of an offset like `+02:00`; None if it is none."""
    found = _OFFSET.fullmatch(offset)
    if found is None or int(found[2]) > 14 or int(found[3]) > 59:
        return None
    length = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-length if found[1] == "-" else length)


def tags_of(value: Any, pointer: str) -> dict[str, str]:
    """Tags by name: of an object, of `[{"name": …, "value": …}]`, of `a:1,b:2` or a list of such, of any of them as
    JSON in a text. Tags without a value have nothing to say and are left out. Raises `MalformedAlerts`.
    """
    if isinstance(value, str):
        value = _parsed(value) if value[:1] in {"[", "{"} else value.split(",")
    if isinstance(value, dict):
        return {name: text for name, one in value.items() if (text := text_of(one, pointer))}
    if value is None:
        return {}
    if not isinstance(value, list):
        raise MalformedAlerts(f"must hold tags, not {kind(value)}", field=pointer)
    tags: dict[str, str] = {}
    for one in value:
        name, text = _tag(one, pointer)
        if name and text:
            tags[name] = text
    return tags


def _tag(one: Any, pointer: str) -> tuple[str, str]:
    if isinstance(one, dict):
        name = next((one[member] for member in ("name", "tag", "key") if member in one), None)
        return text_of(name, pointer), text_of(one.get("value"), pointer)
    name, found, text = text_of(one, pointer).partition(":")
    return (name.strip(), text.strip()) if found else ("", "")


def _parsed(text: str) -> Any:
    try:
        return parse(text.encode(errors="replace"))
    except MalformedAlerts:
        return text.split(",")
