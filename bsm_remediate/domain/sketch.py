"""Sketches: percentiles of many figures in little room, within a relative error, and of several together (DDSketch with
uniform collapse: Masson, Rim and Lee 2019; Epicoco and others 2020).

A figure is counted in a bin whose limits are a constant factor apart, so whoever takes the bin's middle for the figure
is off by `ERROR` of it at most. When there are too many bins, each two neighbours become one, and the error doubles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil, exp, log
from sys import float_info

ERROR = 0.01
"""Of each figure, while the bins don't become too many."""
MOST_BINS = 256
_WIDTH = log((1 + ERROR) / (1 - ERROR))
"""Of a bin of level 0, as a logarithm."""
_SCALE = 1 / _WIDTH
_MIDDLE = 40_000
"""Number of the bin that ends with 1. The smallest figure there is lies in bin 2,779, the greatest in bin 75,490; those
below zero have the same numbers below zero, and zero has 0: bins are in the order of their figures."""
_LARGEST_EXPONENT = log(float_info.max)


def bin_of(value: float) -> int:
    """The bin, of level 0, of a finite figure."""
    if value > 0.0:
        return _MIDDLE + ceil(log(value) * _SCALE)
    return -(_MIDDLE + ceil(log(-value) * _SCALE)) if value < 0.0 else 0


def error_of(level: int) -> float:
    """How far a percentile of a sketch of that level is off at most, as a share of it."""
    width = exp(_WIDTH * 2**level) if level < 12 else float("inf")
    return (width - 1) / (width + 1) if width != float("inf") else 1.0


class Sketch:
    """Counts by bin. `level` says how often neighbours were joined."""

    __slots__ = ("bins", "level")

    def __init__(self, bins: Mapping[int, int] | None = None, level: int = 0) -> None:
        self.bins: dict[int, int] = dict(bins) if bins is not None else {}
        self.level = level
        if len(self.bins) > MOST_BINS:
            self._join()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sketch) and (self.level, self.bins) == (other.level, other.bins)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Sketch({dict(sorted(self.bins.items()))}, {self.level})"

    @property
    def count(self) -> int:
        return sum(self.bins.values())

    def add(self, value: float) -> None:
        """One more figure, a finite one."""
        number = bin_of(value)
        for _ in range(self.level):
            number = _joined(number)
        self.bins[number] = self.bins.get(number, 0) + 1
        if len(self.bins) > MOST_BINS:
            self._join()

    def percentile(self, share: float) -> float:
        """About the figure that `share` (above 0, up to 1) of all, at least one, aren't above."""
        wanted = ceil(share * self.count)
        for number in sorted(self.bins):
            wanted -= self.bins[number]
            if wanted <= 0:
                return _figure(number, self.level)
        raise ValueError("nothing was counted")

    def _join(self) -> None:
        while len(self.bins) > MOST_BINS:
            self.bins = _joined_bins(self.bins)
            self.level += 1

    # --- as bytes ----------------------------------------------------------------------------------------------------

    def packed(self) -> bytes:
        """The level, and by bin the distance to the one before and the count; seven bits a byte."""
        found = bytearray([self.level])
        before = 0
        for number in sorted(self.bins):
            distance = number - before
            _put(found, distance << 1 if distance >= 0 else (-distance << 1) - 1)
            _put(found, self.bins[number])
            before = number
        return bytes(found)

    @classmethod
    def of(cls, packed: bytes) -> Sketch:
        """What `packed` made."""
        numbers = iter(_numbers(packed[1:]))
        bins: dict[int, int] = {}
        number = 0
        for distance, count in zip(numbers, numbers, strict=True):
            number += -((distance + 1) >> 1) if distance & 1 else distance >> 1
            bins[number] = count
        return cls(bins, packed[0])


def together(sketches: Iterable[Sketch]) -> Sketch:
    """All figures of `sketches`: the same as if one had counted them, whatever the order."""
    found = list(sketches)
    level = max((one.level for one in found), default=0)
    bins: dict[int, int] = {}
    for one in found:
        theirs: Mapping[int, int] = one.bins
        for _ in range(level - one.level):
            theirs = _joined_bins(theirs)
        for number, count in theirs.items():
            bins[number] = bins.get(number, 0) + count
    return Sketch(bins, level)


def _joined(number: int) -> int:
    """The bin of the next level."""
    if number == 0:
        return 0
    return _MIDDLE - (_MIDDLE - number) // 2 if number > 0 else -_joined(-number)


def _joined_bins(bins: Mapping[int, int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for number, count in bins.items():
        wider = _joined(number)
        found[wider] = found.get(wider, 0) + count
    return found


def _figure(number: int, level: int) -> float:
    """What stands for the figures of a bin: as far, as a share, from its lower end as from its upper one."""
    if number == 0:
        return 0.0
    if number < 0:
        return -_figure(-number, level)
    width = _WIDTH * 2**level
    below_upper = log((exp(width) + 1) / 2) if width < _LARGEST_EXPONENT else width - log(2)
    return exp(min((number - _MIDDLE) * width - below_upper, _LARGEST_EXPONENT))


def _put(found: bytearray, number: int) -> None:
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)


def _numbers(packed: bytes) -> list[int]:
    """In one loop, since a report reads a million of these; nearly every number is a byte."""
    found = []
    number = shift = 0
    for byte in packed:
        if byte > 0x7F:
            number |= (byte & 0x7F) << shift
            shift += 7
        elif shift:
            found.append(number | byte << shift)
            number = shift = 0
        else:
            found.append(byte)
    return found
