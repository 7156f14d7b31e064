"""Durations as people write them: `30s`, `5m`, `1h30m`, `2d` (DESIGN 4)."""

from __future__ import annotations

import re
from datetime import timedelta

_FORM = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?", re.ASCII)
_LONGEST = timedelta(days=3660)


def parse_duration(text: str) -> timedelta:
    """The length of time that `text` means; raises `ValueError` unless it is like `30s`, `1h30m` or `2d`.

    >>> parse_duration("1h30m")
    datetime.timedelta(seconds=5400)
    """
    found = _FORM.fullmatch(text)
    if not text or found is None or len(text) > 32:
        raise ValueError(f"'{text}' is no duration like 30s, 5m, 1h30m or 2d")
    days, hours, minutes, seconds, milliseconds = (float(part or 0) for part in found.groups())
    try:
        length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds, milliseconds=milliseconds)
    except OverflowError:
        length = timedelta.max
    if length > _LONGEST:
        raise ValueError(f"'{text}' is longer than ten years")
    return length


def format_duration(length: timedelta) -> str:
    """`length` as people write it, to the second above one minute: `1h30m`, `4m10s`, `2.5s`.

    >>> format_duration(parse_duration("1h30m"))
    '1h30m'
    """
    seconds = length.total_seconds()
    if seconds < 0:
        return "-" + format_duration(-length)
    if seconds < 60:
        return f"{seconds:.1f}".rstrip("0").rstrip(".") + "s"
    whole = round(seconds)
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "m"), (whole % 60, "s")]
    return "".join(f"{number}{unit}" for number, unit in parts if number)
