"""From what is remembered of a series to a forecast.

Two answers are made and the surer one given: the robust trend of the last two horizons, and what became of earlier
moments. Both see the series without its daily season where it has one, and add that of the hours ahead.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from bsm_remediate.domain.forecast import Direction, Forecast, Grounds, Reach
from bsm_remediate.domain.forecast_buckets import Floats, Recent
from bsm_remediate.domain.forecast_history import SeriesHistory, dense, without_spikes
from bsm_remediate.domain.forecast_paths import Odds, crossing_odds
from bsm_remediate.domain.forecast_season import HOUR_S, Season
from bsm_remediate.domain.forecast_trend import FEWEST, Trend, fitted

_WINDOW = 2.0
"""Horizons that the trend looks back."""
_LEAST_POINTS, _MOST_POINTS = 12, 32
"""Buckets of the trend: more than its window where that holds few, and not so many that all pairs cost much."""
_PER_BUCKET = 5.0
"""Samples in a bucket that make its median proof against one spike."""
_STALE_INTERVALS, _STALE_SHARE = 3.0, 0.25
"""Age of the newest sample, in intervals and as a share of the horizon, beyond both of which nothing is foretold."""


class Forecaster:
    """Forecasts of one series from its history.

    >>> noon, disk = datetime(2026, 1, 5, 12, tzinfo=UTC), Forecaster()
    >>> for minute in range(120):
    ...     seen = disk.observe(noon + timedelta(minutes=minute), 50 + minute / 6)
    >>> now = noon + timedelta(minutes=120)
    >>> print(disk.expect(90, Direction.ABOVE, timedelta(hours=3), now).reason)
    is at 69.17, rises 10 per hour, reaches 90 in 2h, confidence 1.00
    """

    __slots__ = ("history",)

    def __init__(self, history: SeriesHistory | None = None) -> None:
        self.history = SeriesHistory() if history is None else history

    def observe(self, at: datetime, value: float) -> bool:
        """Takes one sample in; whether it counted."""
        return self.history.observe(at, value)

    def expect(
        self,
        threshold: float,
        direction: Direction,
        horizon: timedelta,
        now: datetime,
        *,
        reach: Reach = Reach.LEVEL,
    ) -> Forecast:
        """Whether `threshold` is crossed within `horizon` from `now`. Asking changes nothing.

        Raises `ValueError` unless `horizon` is longer than nothing.
        """
        if horizon <= timedelta():
            raise ValueError(f"a forecast for {horizon} looks at nothing; give a time ahead, like 15m")
        newest = self.history.newest_s
        # A source whose clock is ahead of ours has nothing to say about its past.
        now_s = now.timestamp() if newest is None else max(newest, now.timestamp())
        as_of = None if newest is None else datetime.fromtimestamp(newest, UTC)
        asked = _Asked(threshold=threshold, direction=direction, horizon=horizon, now_s=now_s, as_of=as_of, reach=reach)
        if newest is None:
            return asked.unknown()
        age_s = asked.now_s - newest
        if age_s > max(_STALE_INTERVALS * self.history.interval_s, _STALE_SHARE * horizon.total_seconds()):
            return asked.unknown(age=timedelta(seconds=age_s))
        view = _View.of(self.history, asked)
        return asked.unknown(age=timedelta(seconds=age_s)) if view is None else view.forecast()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    threshold: float
    direction: Direction
    horizon: timedelta
    now_s: float
    as_of: datetime | None
    reach: Reach

    @property
    def sign(self) -> float:
        """What values are multiplied by so that trouble is always above."""
        return 1.0 if self.direction is Direction.ABOVE else -1.0

    def unknown(self, *, age: timedelta | None = None) -> Forecast:
        return self.answer(0.0, Grounds.UNKNOWN, age=age)

    def answer(
        self,
        confidence: float,
        grounds: Grounds,
        *,
        level: float | None = None,
        slope: float | None = None,
        ahead_s: float | None = None,
        age: timedelta | None = None,
    ) -> Forecast:
        """The forecast in the series' own sense: `level` and `slope` (per second) still have trouble above."""
        return Forecast(
            threshold=self.threshold,
            direction=self.direction,
            horizon=self.horizon,
            confidence=confidence,
            grounds=grounds,
            level=None if level is None else level * self.sign,
            slope_per_hour=None if slope is None else slope * self.sign * HOUR_S,
            as_of=self.as_of,
            time_to_crossing=None if ahead_s is None else timedelta(seconds=min(ahead_s, self.horizon.total_seconds())),
            age=age,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _View:
    """The series as the question sees it: trouble above, one grain, the season known."""

    asked: _Asked
    recent: Recent
    width_s: int
    level: float
    peak: float
    medians: Floats
    highs: Floats
    season: Season | None
    is_sparse: bool

    @classmethod
    def of(cls, history: SeriesHistory, asked: _Asked) -> _View | None:
        """None where the last week holds nothing."""
        horizon_s = asked.horizon.total_seconds()
        grain = history.grain(horizon_s)
        recent = grain.recent(asked.now_s)
        upwards = asked.sign > 0
        now = history.level(asked.now_s, within_s=grain.width_s)
        if now is None:
            return None
        median, low, high = now
        return cls(
            asked=asked,
            recent=recent,
            width_s=grain.width_s,
            level=median * asked.sign,
            peak=high if upwards else -low,
            medians=recent.medians * asked.sign,
            highs=recent.highs if upwards else -recent.lows,
            season=history.season(horizon_s),
            is_sparse=grain.width_s < _PER_BUCKET * history.interval_s,
        )

    def forecast(self) -> Forecast:
        asked, threshold = self.asked, self.asked.threshold * self.asked.sign
        reached = max(self.peak, self.level) if asked.reach is Reach.PEAK else self.level
        if reached >= threshold:
            return asked.answer(1.0, Grounds.BEYOND, level=reached, ahead_s=0.0)
        ahead_s, usual_now, usual = self._ahead()
        trend = self._trend()
        odds = self._odds(threshold - self.level, usual - usual_now)
        if trend is None and odds is None:
            return asked.unknown()
        slope = None if trend is None else trend.slope
        sure, crossing_s = (0.0, None) if trend is None else _by_trend(trend, threshold, ahead_s, usual)
        if odds is None or (trend is not None and sure > odds.chance):
            return asked.answer(sure, Grounds.TREND, level=self.level, slope=slope, ahead_s=crossing_s)
        crosses_as_usual = self.level - usual_now + float(usual.max()) >= threshold
        return asked.answer(
            odds.chance,
            Grounds.SEASON if crosses_as_usual else Grounds.EARLIER,
            level=self.level,
            slope=slope,
            ahead_s=None if odds.ahead is None else odds.ahead * self.width_s,
        )

    def _ahead(self) -> tuple[Floats, float, Floats]:
        """The ends of the buckets ahead, in seconds from now, and what the season says of now and of them."""
        number = max(1, round(self.asked.horizon.total_seconds() / self.width_s))
        ahead_s: Floats = np.arange(number + 1, dtype=np.float64) * (self.asked.horizon.total_seconds() / number)
        usual = self._usual(ahead_s + self.asked.now_s)
        return ahead_s[1:], float(usual[0]), usual[1:]

    def _usual(self, times_s: Floats) -> Floats:
        return np.zeros(len(times_s)) if self.season is None else self.season.at(times_s) * self.asked.sign

    def _middles_s(self) -> Floats:
        middles: Floats = (self.recent.numbers.astype(np.float64) + 0.5) * self.width_s
        return middles

    def _trend(self) -> Trend | None:
        """Over the last two horizons, in seconds from now."""
        times = self._middles_s() - self.asked.now_s
        window_s = _WINDOW * self.asked.horizon.total_seconds()
        inside = len(times) - int(times.searchsorted(-window_s))
        start = max(0, len(times) - min(max(inside, _LEAST_POINTS), _MOST_POINTS))
        if len(times) - start < FEWEST:
            return None
        times = times[start:]
        return fitted(times, self.medians[start:] - self._usual(times + self.asked.now_s))

    def _odds(self, gap: float, usual: Floats) -> Odds | None:
        """What became of earlier moments, measured on the level alone or on single samples."""
        if not len(self.medians):
            return None
        own = self._usual(self._middles_s())
        levels = without_spikes(self.medians - own) if self.is_sparse else self.medians - own
        peaks = levels if self.asked.reach is Reach.LEVEL else self.highs - own
        return crossing_odds(dense(self.recent, levels), dense(self.recent, peaks), gap=gap, season=usual)


def _by_trend(trend: Trend, threshold: float, ahead_s: Floats, usual: Floats) -> tuple[float, float | None]:
    """How surely the trend crosses, and when its own line does."""
    needed = (threshold - usual - trend.level) / ahead_s
    sure = trend.surely_above(float(needed.min()))
    crossing = needed <= trend.slope
    if not crossing.any():
        return sure, None
    first = int(crossing.argmax())
    if trend.slope > 0 and not usual.any():
        return sure, max(0.0, (threshold - trend.level) / trend.slope)
    return sure, float(ahead_s[first])
