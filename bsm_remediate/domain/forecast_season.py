"""What a series usually does at each hour of the day, and whether that is worth believing.

Days are UTC days: what matters is that 24 hours lie between, not where they begin.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from bsm_remediate.domain.forecast_buckets import Floats, Recent

HOUR_S = 3600
_DAY = 24
_FEWEST_PAIRS = 24
"""Hours that must have been seen on two days before a day says anything about the next."""
_SURE = 2.0
"""Standard deviations of a sign test by which the day before must win."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Season:
    """The usual value of each hour of the day."""

    by_hour: Floats

    def at(self, times_s: Floats) -> Floats:
        """The usual values at these times: straight lines between the middles of hours."""
        position = times_s / HOUR_S - 0.5
        hour = np.floor(position)
        share = position - hour
        low = hour.astype(np.int64) % _DAY
        return self.by_hour[low] * (1 - share) + self.by_hour[(low + 1) % _DAY] * share


def hours_ahead(horizon_s: float) -> int:
    """The horizon in hours, of which a day has at most half: beyond, what lies a day back is nearer."""
    return min(max(1, round(horizon_s / HOUR_S)), _DAY // 2)


def daily(hours: Recent, *, ahead: int) -> Season | None:
    """The season of buckets of an hour; none unless the same hour of the day before foretold the values better than
    the value `ahead` hours before did, more often than chance would have it: just that is to be gained by a season.
    """
    numbers, values = hours.numbers, hours.medians
    if len(numbers) < _FEWEST_PAIRS * 2:
        return None
    by_number = np.full(int(numbers[-1] - numbers[0]) + 1, np.nan)
    by_number[numbers - numbers[0]] = values
    yesterday = np.abs(by_number[_DAY:] - by_number[:-_DAY])
    before = np.abs(by_number[_DAY:] - by_number[_DAY - ahead : -ahead])
    better, worse = np.count_nonzero(yesterday < before), np.count_nonzero(yesterday > before)  # NaN is neither
    if better + worse < _FEWEST_PAIRS or better - worse <= _SURE * sqrt(better + worse):
        return None
    return Season(by_hour=_profile(by_number, int(numbers[0]) % _DAY))


def _profile(by_number: Floats, first_hour: int) -> Floats:
    """The median of each hour of the day over the days; hours never seen count as usual."""
    days = -(-(first_hour + len(by_number)) // _DAY)
    table = np.full(days * _DAY, np.nan)
    table[first_hour : first_hour + len(by_number)] = by_number
    # Nothing but the shape of a day counts, so each hour is first compared with the day around it.
    around = _running_mean(table)
    ranked = np.sort((table - around).reshape(days, _DAY), axis=0)  # NaN goes last
    seen = np.count_nonzero(np.isfinite(ranked), axis=0)
    hour = np.arange(_DAY)
    low = ranked[np.maximum(seen - 1, 0) // 2, hour]
    high = ranked[np.minimum(seen // 2, days - 1), hour]
    return np.where(seen > 0, (low + high) / 2, 0.0)


def _running_mean(table: Floats) -> Floats:
    """The mean of the 24 hours around each hour, of those that are known."""
    known = np.isfinite(table)
    total = np.concatenate(((0.0,), np.cumsum(np.where(known, table, 0.0))))
    count = np.concatenate(((0,), np.cumsum(known)))
    low = np.clip(np.arange(len(table)) - _DAY // 2, 0, max(0, len(table) - _DAY))
    high = np.minimum(low + _DAY, len(table))
    mean: Floats = (total[high] - total[low]) / np.maximum(count[high] - count[low], 1)
    return mean
