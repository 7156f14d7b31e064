"""What is remembered of one series: three rings of buckets, whatever came in and however long."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from bsm_remediate.domain.forecast_buckets import Buckets, Floats, Recent, middle_of
from bsm_remediate.domain.forecast_season import Season, daily, hours_ahead

_GRAINS = ((60, 120), (600, 144), (3600, 168))
"""Width in seconds and number of buckets: two hours, a day, a week."""
_SPAN = 6.0
"""Horizons that a grain must hold to be used: earlier stretches to compare with, beside the trend's window."""
_SMOOTHING = 16
"""Samples over which the usual interval is averaged."""
SPIKE_PROOF = 5
"""Values of which the median is the level: two spikes among them don't count."""


_LARGEST = 1e100
"""Nothing measured is larger, and squares of it are still numbers."""


class SeriesHistory:
    """A bounded memory of one series. Same samples in the same order, same memory.

    Samples that are no numbers, and those no newer than the newest, are left out; `observe` says so.
    """

    __slots__ = ("_grains", "_season", "interval_s", "newest_s")

    def __init__(self) -> None:
        self._grains = tuple(Buckets(width_s=width_s, size=size) for width_s, size in _GRAINS)
        self._season: tuple[tuple[int, int], Season | None] | None = None
        self.newest_s: float | None = None
        self.interval_s = 0.0  # between samples, usually

    def observe(self, at: datetime, value: float) -> bool:
        """Takes one sample in; whether it counted. Costs the same whatever came before."""
        at_s = at.timestamp()
        if not -_LARGEST < value < _LARGEST or (self.newest_s is not None and at_s <= self.newest_s):
            return False
        if self.newest_s is not None:
            self._clock(at_s - self.newest_s)
        self.newest_s = at_s
        minutes, tens, hours = self._grains
        inner = minutes.add(at_s, value)
        inner = tens.add(at_s, inner, child=minutes.number, peak=value)
        hours.add(at_s, inner, child=tens.number, peak=value)
        return True

    def _clock(self, passed_s: float) -> None:
        """A gap is no interval, so none counts for more than four of them."""
        if not self.interval_s:
            self.interval_s = passed_s
        else:
            self.interval_s += (min(passed_s, 4 * self.interval_s) - self.interval_s) / _SMOOTHING

    @property
    def memory(self) -> int:
        """Bytes of what grows to its bound: the arrays of all rings."""
        return sum(grain.memory for grain in self._grains)

    def grain(self, horizon_s: float) -> Buckets:
        """The finest grain that holds enough of such horizons."""
        return next((one for one in self._grains if one.width_s * one.size >= _SPAN * horizon_s), self._grains[-1])

    def season(self, horizon_s: float) -> Season | None:
        """The daily season up to the last full hour. Kept until the next one, as it can't change before."""
        hours = self._grains[-1]
        asked = (hours.number, ahead := hours_ahead(horizon_s))
        if self._season is None or self._season[0] != asked:
            full = hours.recent((hours.number - 1) * hours.width_s)
            self._season = (asked, daily(full, ahead=ahead))
        return self._season[1]

    def level(self, now_s: float, *, within_s: float) -> tuple[float, float, float] | None:
        """The median of what the newest minutes say, and the extremes of the last; none if nothing is held.

        A series that is sampled once an hour has too few such minutes, so coarser buckets speak for it.
        """
        for grain in self._grains:
            recent = grain.recent(now_s)
            if len(recent.numbers) >= SPIKE_PROOF:
                break
        number = len(recent.numbers)
        if not number:
            return None
        newer = int(recent.numbers.searchsorted((now_s - within_s) // grain.width_s, side="right"))
        medians = recent.medians[min(newer, max(0, number - SPIKE_PROOF)) :]
        return middle_of(medians.tolist()), float(recent.lows[-1]), float(recent.highs[-1])


def dense(recent: Recent, values: Floats) -> Floats:
    """`values` with NaN for the buckets between that hold nothing."""
    length = int(recent.numbers[-1] - recent.numbers[0]) + 1
    if length == len(values):
        return values
    spread = np.full(length, np.nan)
    spread[recent.numbers - recent.numbers[0]] = values
    return spread


def without_spikes(values: Floats) -> Floats:
    """The median of each value and the two on either side, so that one or two wild ones count for nothing."""
    reach = SPIKE_PROOF // 2
    if len(values) < SPIKE_PROOF:
        return np.full(len(values), middle_of(values.tolist())) if len(values) else values
    # Parted along columns: a few long rows are cheaper than many short ones.
    shifted = np.stack([values[at : len(values) - 2 * reach + at] for at in range(SPIKE_PROOF)])
    shifted.partition(reach, axis=0)
    inner = shifted[reach]
    return np.concatenate((np.repeat(inner[:1], reach), inner, np.repeat(inner[-1:], reach)))
