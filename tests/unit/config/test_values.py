"""Durations, money, shares, rates, hours: as people write them."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from bsm_remediate.config.fields import (
    Duration,
    HostName,
    Hours,
    Id,
    Money,
    RateText,
    Share,
    SomeTime,
    Text,
    Weekdays,
)


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        (Duration, "30s", timedelta(seconds=30)),
        (Duration, "1h30m", timedelta(minutes=90)),
        (Duration, "2d", timedelta(days=2)),
        (Duration, "500ms", timedelta(milliseconds=500)),
        (Duration, "1.5s", timedelta(seconds=1.5)),
        (Duration, "0s", timedelta(0)),
        (Money, 300, 300.0),
        (Money, 0, 0.0),
        (Money, "300", 300.0),
        (Money, "300/min", 300.0),
        (Money, "18000/h", 300.0),
        (Money, "1440/d", 1.0),
        (Money, "2M/y", 2_000_000 / 525_600),
        (Money, "1.5k/h", 25.0),
        (Money, "3 k / h", 50.0),
        (Share, 0.25, 0.25),
        (Share, 1, 1.0),
        (Share, "25%", 0.25),
        (Share, "0%", 0.0),
        (RateText, "3/1h", (3, timedelta(hours=1))),
        (RateText, "10 / 30m", (10, timedelta(minutes=30))),
        (Weekdays, "mon-fri", frozenset(range(5))),
        (Weekdays, "sat,sun", frozenset({5, 6})),
        (Weekdays, ["Fri-Mon"], frozenset({4, 5, 6, 0})),
        (Hours, "08:00-18:00", ((time(8), time(18)),)),
        (Hours, ["22:00-06:00", "12:00-24:00"], ((time(22), time(6)), (time(12), time(0)))),
        (Text, 5432, "5432"),
        (Text, True, "true"),
        (HostName, "web-1.example.org", "web-1.example.org"),
        (Id, "web@web-1", "web@web-1"),
    ],
)
def test_what_people_write_means_what_they_mean(kind: Any, written: object, value: object) -> None:
    found = TypeAdapter(kind).validate_python(written)
    assert found == pytest.approx(value) if isinstance(value, float) else found == value


@pytest.mark.parametrize(
    ("kind", "written", "said"),
    [
        (Duration, 20, "with its unit"),
        (Duration, "20", "no duration"),
        (Duration, "", "no duration"),
        (Duration, "-5s", "no duration"),
        (Duration, "5 minutes", "no duration"),
        (Duration, "1m1h", "no duration"),
        (Duration, "99999d", "longer than ten years"),
        (Duration, "9" * 5_000 + "s", "no duration"),
        (Duration, True, "true is no duration"),
        (Duration, None, "nothing is no duration"),
        (SomeTime, "0s", "longer than 0s"),
        (Money, -1, "not be negative"),
        (Money, True, "true is no amount"),
        (Money, None, "nothing is no amount"),
        (Money, "18000/w", "no amount"),
        (Money, "1e5", "no amount"),
        (Money, "nan", "no amount"),
        (Money, "5 EUR", "no amount"),
        (Money, [1], "a list is no amount"),
        (Money, "999999999999999M", "less than 1e"),
        (Share, "130%", "between 0 and 1"),
        (Share, 30, "between 0 and 1"),
        (Share, "a third", "no share"),
        (Share, False, "false is no share"),
        (RateText, "often", "no rate"),
        (RateText, "0/1h", "no rate"),
        (RateText, "3/0s", "longer than 0s"),
        (RateText, "3/hour", "no duration"),
        (Weekdays, "mon-xyz", "no weekday"),
        (Weekdays, "every day", "no weekday"),
        (Hours, "08:00", "no range of hours"),
        (Hours, "8-18", "no time of day"),
        (Hours, "08:00-24:30", "no time of day"),
        (HostName, "web*", "no plain host name"),
        (HostName, "web-1:db-1", "no plain host name"),
        (HostName, "-x", "no plain host name"),
        (HostName, "all,!db", "no plain host name"),
        (HostName, "{{ x }}", "no plain host name"),
        (HostName, "web\n", "no plain host name"),
        (HostName, "wéb", "no plain host name"),
        (Id, "a b", "no id"),
        (Id, "../x", "no id"),
        (Id, "", "no id"),
        (Text, {"a": 1}, "a mapping is no text"),
    ],
)
def test_what_means_nothing_is_refused_in_words(kind: Any, written: object, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TypeAdapter(kind).validate_python(written)
