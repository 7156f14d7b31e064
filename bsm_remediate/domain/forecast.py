"""A forecast: whether a series is expected to cross a threshold within a horizon, how surely, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bsm_remediate.domain.duration import format_duration

EXPECTED = 0.5
"""Confidence above which a crossing is likelier than none."""


class Direction(StrEnum):
    """On which side of the threshold trouble lies."""

    ABOVE = "above"
    BELOW = "below"


class Reach(StrEnum):
    """What counts as crossing."""

    LEVEL = "level"  # the level, a median over time: single spikes don't count
    PEAK = "peak"  # any single sample


class Grounds(StrEnum):
    """What a forecast rests on."""

    BEYOND = "beyond"  # it is there already
    TREND = "trend"
    SEASON = "season"  # the usual course of a day
    EARLIER = "earlier"  # where the series went from earlier moments
    UNKNOWN = "unknown"  # too few samples, or too old ones


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """`confidence` is the probability that `threshold` is crossed within `horizon`; 0 where nothing is known."""

    threshold: float
    direction: Direction
    horizon: timedelta
    confidence: float
    grounds: Grounds
    level: float | None = None  # now, spikes left out
    slope_per_hour: float | None = None  # the season taken out
    time_to_crossing: timedelta | None = None
    as_of: datetime | None = None  # the newest sample; none where there is none
    age: timedelta | None = None  # its age, where that is too much

    @property
    def is_known(self) -> bool:
        return self.grounds is not Grounds.UNKNOWN

    @property
    def is_expected(self) -> bool:
        return self.confidence > EXPECTED

    @property
    def reason(self) -> str:
        """In words, with the figures it rests on."""
        if not self.is_known:
            return "no forecast: " + (
                "too few samples" if self.age is None else f"the newest sample is {format_duration(self.age)} old"
            )
        return f"{', '.join((*self._course(), *self._crossing()))}, confidence {self.confidence:.2f}"

    def _course(self) -> tuple[str, ...]:
        level = () if self.level is None else (f"is at {figure(self.level)}",)
        if self.slope_per_hour is None or self.grounds is Grounds.BEYOND:
            return level
        if not self.slope_per_hour:
            return (*level, "has no trend")
        return (
            *level,
            f"{'rises' if self.slope_per_hour > 0 else 'falls'} {figure(abs(self.slope_per_hour))} per hour",
        )

    def _crossing(self) -> tuple[str, ...]:
        threshold, horizon = figure(self.threshold), format_duration(self.horizon)
        if self.grounds is Grounds.BEYOND:
            return (f"which is {self.direction} {threshold} already",)
        if self.time_to_crossing is None:
            return (f"is not expected to reach {threshold} within {horizon}",)
        ahead = format_duration(_rounded(self.time_to_crossing))
        if not self.is_expected:
            return (f"would reach {threshold} in {ahead} if at all",)
        how = {Grounds.SEASON: " as is usual at that hour", Grounds.EARLIER: " by the way it went before"}
        return (f"reaches {threshold} in {ahead}{how.get(self.grounds, '')}",)


def figure(value: float) -> str:
    """A number as people read it: four digits that count.

    >>> figure(1.23456), figure(26809100.0), figure(90.0)
    ('1.235', '26,810,000', '90')
    """
    rounded = float(f"{value:.4g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 1000 else f"{rounded:g}"


def _rounded(ahead: timedelta) -> timedelta:
    """To the minute above ten of them: nobody knows it to the second."""
    seconds = ahead.total_seconds()
    return timedelta(seconds=round(seconds / 60) * 60 if seconds >= 600 else round(seconds))
