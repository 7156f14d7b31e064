"""Thresholds: when a figure switches a signal on and off, with hysteresis. Pure: values with their times in, phase out.

One `Watch` follows one series. A figure must be beyond the limit for as long as `hold` says, without one on the near
side between, and goes off once it reaches `clear`; between the two it stays what it is. Without figures it becomes
unknown, and what was on then is on again with the next figure that isn't clear.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from bsm_remediate.domain.duration import format_duration

RESTLESS, RECENTLY, CALM = 3, timedelta(minutes=30), timedelta(minutes=5)
"""What came on so often of late goes off only once it has been clear for so long."""


class Side(StrEnum):
    ABOVE = "above"
    BELOW = "below"


class Phase(StrEnum):
    OFF = "off"
    PENDING = "pending"
    """Beyond the limit, not yet for long enough."""
    ON = "on"
    UNKNOWN = "unknown"
    """There were no figures for too long."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Threshold:
    """The limit of a figure."""

    side: Side
    limit: float
    clear: float
    """On the near side of `limit`, or the limit itself."""
    hold: timedelta = timedelta(0)
    stale_after: timedelta
    """Without a figure for so long it is unknown."""
    forecast: timedelta | None = None
    """Also on when it is expected to be crossed within that time."""

    def is_beyond(self, value: float) -> bool:
        return value > self.limit if self.side is Side.ABOVE else value < self.limit

    def is_clear(self, value: float) -> bool:
        """Whether `value` switches it off."""
        return value <= self.clear if self.side is Side.ABOVE else value >= self.clear

    def __str__(self) -> str:
        held = f" for {format_duration(self.hold)}" if self.hold else ""
        cleared = f", clear at {self.clear:g}" if self.clear != self.limit else ""
        return f"{self.side} {self.limit:g}{held}{cleared}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """Where one series stands."""

    phase: Phase = Phase.OFF
    value: float | None = None
    """The last figure; None before the first."""
    seen_at: datetime | None = None
    began_at: datetime | None = None
    """Since when it is on, or was when it became unknown; while it is pending, since when it is beyond."""
    clear_since: datetime | None = None
    """While it is on though its figures are clear: it was restless of late."""
    unknown_since: datetime | None = None
    onsets: tuple[datetime, ...] = ()
    """When it came on of late."""

    @property
    def is_on(self) -> bool:
        return self.phase is Phase.ON

    @property
    def was_on(self) -> bool:
        """Whether it is on, or was when it became unknown."""
        return self.phase is Phase.ON or (self.phase is Phase.UNKNOWN and self.began_at is not None)

    def saw(self, value: float, at: datetime, threshold: Threshold) -> Watch:
        """After the figure `value` at `at`, which is later than those before; what is no number is no figure."""
        if math.isnan(value):
            return self.missed(at, threshold)
        if self.was_on:
            return self._seen_on(value, at, threshold)
        if not threshold.is_beyond(value):
            return Watch(value=value, seen_at=at, onsets=self._recent(at))
        began_at = self.began_at if self.began_at is not None else at  # pending, or not beyond before
        if at - began_at < threshold.hold:
            return Watch(phase=Phase.PENDING, value=value, seen_at=at, began_at=began_at, onsets=self._recent(at))
        onsets = (*self._recent(at), at)
        return Watch(phase=Phase.ON, value=value, seen_at=at, began_at=at, onsets=onsets)

    def missed(self, at: datetime, threshold: Threshold) -> Watch:
        """At `at` there was no figure."""
        if self.phase is Phase.UNKNOWN or (self.seen_at is not None and at - self.seen_at < threshold.stale_after):
            return self
        began_at = self.began_at if self.is_on else None
        return replace(self, phase=Phase.UNKNOWN, began_at=began_at, clear_since=None, unknown_since=at)

    def _seen_on(self, value: float, at: datetime, threshold: Threshold) -> Watch:
        clear_since = (self.clear_since or at) if threshold.is_clear(value) else None
        if clear_since is not None and at - clear_since >= self._rest(at):
            return Watch(value=value, seen_at=at, onsets=self._recent(at))
        return Watch(
            phase=Phase.ON,
            value=value,
            seen_at=at,
            began_at=self.began_at,
            clear_since=clear_since,
            onsets=self._recent(at),
        )

    def _rest(self, at: datetime) -> timedelta:
        """How long it must be clear before it goes off."""
        return CALM if len(self._recent(at)) >= RESTLESS else timedelta(0)

    def _recent(self, at: datetime) -> tuple[datetime, ...]:
        return tuple(one for one in self.onsets if at - one < RECENTLY) if self.onsets else ()
