"""What the figures of metric policies were: buckets of a minute, an hour and a day for each series, each made of the
finer ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from sys import float_info
from typing import NamedTuple

from bsm_remediate.domain.ids import Fingerprint, PolicyId
from bsm_remediate.domain.sketch import Sketch, together


class Resolution(IntEnum):
    """Seconds of a bucket; those of a day begin at midnight, UTC."""

    MINUTE = 60
    HOUR = 3600
    DAY = 86_400

    @property
    def length(self) -> timedelta:
        return timedelta(seconds=self)

    @property
    def finer(self) -> Resolution | None:
        """What its buckets are made of."""
        return {Resolution.HOUR: Resolution.MINUTE, Resolution.DAY: Resolution.HOUR}.get(self)

    def begin(self, moment: datetime) -> datetime:
        """Of the bucket that `moment` lies in."""
        return datetime.fromtimestamp(moment.timestamp() // self * self, UTC)


NAMES = {"1m": Resolution.MINUTE, "1h": Resolution.HOUR, "1d": Resolution.DAY}
KEEPS = {
    Resolution.MINUTE: timedelta(days=2),
    Resolution.HOUR: timedelta(days=90),
    Resolution.DAY: timedelta(days=730),
}
"""How long buckets are kept, unless settings say otherwise."""


SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
"""The percentiles that are shown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricSeries:
    """A series of a policy's metric."""

    policy: PolicyId
    id: Fingerprint
    labels: Mapping[str, str]


class Summary(NamedTuple):  # made by the ten thousand
    """What several figures, at least one, were. All are finite."""

    number: int
    total: float
    low: float
    high: float
    beyond_s: float
    """For how many seconds it was beyond the policy's threshold: each figure stands for the time to the next poll."""
    sketch: Sketch

    @property
    def mean(self) -> float:
        return min(max(self.total / self.number, self.low), self.high)

    def percentile(self, share: float) -> float:
        """Within the sketch's error, and within what there was."""
        return min(max(self.sketch.percentile(share), self.low), self.high)


class Bucket(NamedTuple):
    """What a series was in the time from `begin` on."""

    series: Fingerprint
    resolution: Resolution
    begin: datetime
    summary: Summary


def summed(summaries: Iterable[Summary]) -> Summary | None:
    """All of them as one; None of none."""
    found = list(summaries)
    if len(found) <= 1:
        return found[0] if found else None
    return Summary(
        number=sum(one.number for one in found),
        total=_finite(sum(one.total for one in found)),
        low=min(one.low for one in found),
        high=max(one.high for one in found),
        beyond_s=sum(one.beyond_s for one in found),
        sketch=together(one.sketch for one in found),
    )


def rolled(buckets: Iterable[Bucket], resolution: Resolution) -> list[Bucket]:
    """The coarser buckets that `buckets` make."""
    found: dict[tuple[Fingerprint, datetime], list[Summary]] = {}
    for one in buckets:
        found.setdefault((one.series, resolution.begin(one.begin)), []).append(one.summary)
    return [
        Bucket(series, resolution, begin, summary)
        for (series, begin), summaries in found.items()
        if (summary := summed(summaries)) is not None
    ]


def _finite(total: float) -> float:
    """Of very great figures the sum may be none."""
    return min(max(total, -float_info.max), float_info.max)


class Gathering:
    """The figures of a series within one bucket, while it is open."""

    __slots__ = ("begin", "beyond_s", "count", "high", "low", "sketch", "total")

    def __init__(self, begin: int) -> None:
        self.begin = begin
        """Unix seconds."""
        self.count = 0
        self.total = self.beyond_s = 0.0
        self.low, self.high = float("inf"), float("-inf")
        self.sketch = Sketch()

    def add(self, value: float, beyond_s: float) -> None:
        """A finite figure, and for how long it was beyond the threshold."""
        self.count += 1
        self.total += value
        self.beyond_s += beyond_s
        self.low = min(self.low, value)
        self.high = max(self.high, value)
        self.sketch.add(value)

    def summary(self) -> Summary:
        return Summary(self.count, _finite(self.total), self.low, self.high, self.beyond_s, self.sketch)


class Stretch(NamedTuple):
    """From when to when which buckets are looked at."""

    resolution: Resolution
    since: datetime
    until: datetime


def stretches(since: datetime, until: datetime, through: Mapping[Resolution, datetime]) -> list[Stretch]:
    """The fewest buckets that make up the time from `since` to `until`, to the minute: days within, hours and minutes
    at the ends. `through`: up to when coarser ones are made.
    """
    return list(_stretches(Resolution.DAY, since, until, through))


def _stretches(
    resolution: Resolution, since: datetime, until: datetime, through: Mapping[Resolution, datetime]
) -> Iterator[Stretch]:
    finer = resolution.finer
    begin, end = resolution.begin(since), resolution.begin(until)
    if finer is None:
        begin = begin if begin == since else begin + resolution.length
        if begin < until:
            yield Stretch(resolution, begin, until)
        return
    begin = begin if begin == since else begin + resolution.length
    end = min(end, through.get(resolution, begin))
    if begin >= end:
        yield from _stretches(finer, since, until, through)
        return
    yield from _stretches(finer, since, begin, through)
    yield Stretch(resolution, begin, end)
    yield from _stretches(finer, end, until, through)


def due(
    resolution: Resolution, through: datetime | None, *, now: datetime, keeps: Mapping[Resolution, timedelta]
) -> datetime | None:
    """The begin of the next coarser bucket that can be made of finer ones; None while there is none."""
    finer = resolution.finer
    if finer is None:
        return None
    begin = through if through is not None else resolution.begin(now - keeps[finer])
    return begin if begin + resolution.length <= now else None
