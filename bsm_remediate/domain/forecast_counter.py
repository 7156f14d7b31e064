"""A counter's rate: what thresholds and forecasts of counters are about."""

from __future__ import annotations

from datetime import datetime
from math import isfinite


class CounterRate:
    """The rate of a counter per second, sample by sample; a counter that falls has begun again at 0, as Prometheus has
    it. What it counted between its last sample and its reset is lost, so that rate is a little low.
    """

    __slots__ = ("_at", "_count")

    def __init__(self) -> None:
        self._at: datetime | None = None
        self._count = 0.0

    def observe(self, at: datetime, count: float) -> float | None:
        """The rate since the sample before; None for the first one and for what is no count or no newer."""
        if not isfinite(count) or count < 0 or (self._at is not None and at <= self._at):
            return None
        before, at_before = self._count, self._at
        self._count, self._at = count, at
        if at_before is None:
            return None
        grown = count - before if count >= before else count
        return grown / (at - at_before).total_seconds()
