"""A ring of recent time buckets: bounded memory for one series at one grain.

A bucket keeps the median of its values, their lowest and their highest. Coarser grains are fed with the medians of the
finer one, so their medians are medians of medians: the remedian (Rousseeuw & Bassett, The Remedian: A Robust Averaging
Method for Large Data Sets, JASA 85, 1990), which needs a handful of numbers where a median needs all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

_MOST = 16
"""Values held of an open bucket; when there would be more, every second one goes."""
_NEVER = -(2**52)
_NUMBER, _MEDIAN, _LOW, _HIGH = range(4)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recent:
    """The buckets that hold something, oldest first: their numbers, medians, and extremes."""

    numbers: Numbers
    medians: Floats
    lows: Floats
    highs: Floats


class Buckets:
    """The last `size` buckets of `width_s` seconds each."""

    __slots__ = ("_child", "_kept", "_skip", "_stride", "_table", "number", "size", "width_s")

    def __init__(self, *, width_s: int, size: int) -> None:
        self.width_s = width_s
        self.size = size
        self.number = _NEVER
        # One table, as one copy puts all four rows in order: numbers (exact, far below 2**53), medians, lows, highs.
        self._table = np.full((4, size), np.nan)
        self._table[_NUMBER] = _NEVER
        self._kept: list[float] = []
        self._child = _NEVER
        self._stride = 1
        self._skip = 0

    def add(self, at_s: float, value: float, *, child: int | None = None, peak: float | None = None) -> float:
        """Takes `value` in and gives the median of its bucket so far. `child` numbers the finer bucket of which `value`
        is the median so far (it replaces what that one said before), and `peak` is the sample that changed it.
        """
        number = int(at_s // self.width_s)
        place = number % self.size
        table = self._table
        sample = value if peak is None else peak
        if number != self.number:
            self.number = number
            self._kept, self._stride, self._skip, self._child = [], 1, 0, _NEVER
            table[_NUMBER, place] = number
            table[_LOW, place] = table[_HIGH, place] = sample
        elif sample > table[_HIGH, place]:
            table[_HIGH, place] = sample
        elif sample < table[_LOW, place]:
            table[_LOW, place] = sample
        self._keep(value, child)
        table[_MEDIAN, place] = found = middle_of(self._kept)
        return found

    def _keep(self, value: float, child: int | None) -> None:
        if child is not None and child == self._child:
            self._kept[-1] = value
            return
        self._child = _NEVER if child is None else child
        if self._skip:
            self._skip -= 1
            return
        self._kept.append(value)
        if len(self._kept) > _MOST:
            # Evenly thinned rather than cut off, so that a bucket's median speaks for all of its time.
            self._kept = self._kept[::2]
            self._stride *= 2
        self._skip = self._stride - 1

    def recent(self, now_s: float) -> Recent:
        """What is held of the last `size` buckets up to `now_s`."""
        newest = int(now_s // self.width_s)
        first = (newest + 1) % self.size
        # Unrolled from the oldest place on, so that numbers grow; places of older rounds are left out.
        table = np.concatenate((self._table[:, first:], self._table[:, :first]), axis=1)
        held = (table[_NUMBER] > newest - self.size) & (table[_NUMBER] <= newest)
        if not held.all():
            table = table[:, held]
        return Recent(
            numbers=table[_NUMBER].astype(np.int64), medians=table[_MEDIAN], lows=table[_LOW], highs=table[_HIGH]
        )

    @property
    def memory(self) -> int:
        """Bytes of its table."""
        return self._table.nbytes


def middle_of(values: list[float]) -> float:
    """The median of a few values; `statistics.median` says the same more slowly.

    >>> middle_of([3.0, 1.0, 2.0, 10.0])
    2.5
    """
    ranked = sorted(values)
    half = len(ranked) // 2
    return ranked[half] if len(ranked) % 2 else (ranked[half - 1] + ranked[half]) / 2
