"""The robust trend of a few buckets: its slope, and how surely it is steeper than a slope that is asked about.

The slope is Theil's and Sen's, the median of the slopes of all pairs, which 29 % of wild values can't move (Sen,
Estimates of the Regression Coefficient Based on Kendall's Tau, JASA 63, 1968). How surely it is steeper than b is
Kendall's test of `value - b * time`: pairs that rise more against pairs that rise less. Neighbours that resemble each
other make that test too sure of itself, so its variance grows by (1 + r) / (1 - r) as in Hamed & Rao, A modified
Mann-Kendall trend test for autocorrelated data, J. Hydrology 204, 1998; r is taken from signs alone, as spikes must not
move it either.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import erf, pi, sin, sqrt

import numpy as np

from bsm_remediate.domain.forecast_buckets import Floats, Numbers

FEWEST = 6
"""Points below which there is no trend."""
_JUMP = 8.0
"""A step between neighbours this many times the usual one is a jump: a reset, a deployment."""
_SETTLED = 4
"""Points on either side of a jump whose medians say whether the level has moved or it was a spike."""
_STEADIEST = sin(pi * 0.4)
"""The highest autocorrelation believed: above, a few dozen points can't tell it from 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trend:
    """`level` is the trend line's value at the time 0 of `fitted`; slopes are per unit of that time."""

    level: float
    slope: float
    slopes: Floats
    spread: float  # standard deviation of Kendall's count where there is no trend

    def surely_above(self, slope: float) -> float:
        """The probability that the true slope is greater than `slope`."""
        count = np.count_nonzero(self.slopes > slope) - np.count_nonzero(self.slopes < slope)
        return 0.5 * (1.0 + erf(count / self.spread / sqrt(2.0)))


def fitted(times: Floats, values: Floats) -> Trend | None:
    """The trend of `values` since they last jumped to another level; none if that leaves too few."""
    start = since_jump(values)
    times, values = times[start:], values[start:]
    number = len(values)
    if number < FEWEST:
        return None
    left, right = _pairs(number)
    slopes = (values[right] - values[left]) / (times[right] - times[left])
    slope = middle(slopes)
    rest = values - slope * times
    level = middle(rest)
    inflation = _inflation(rest - level)
    return Trend(
        level=level,
        slope=slope,
        slopes=slopes,
        spread=sqrt(number * (number - 1) * (2 * number + 5) / 18 * inflation),
    )


def since_jump(values: Floats) -> int:
    """Where what follows the greatest jump begins; 0 where the level never jumped."""
    if len(values) < 3:
        return 0
    steps = np.abs(values[1:] - values[:-1])
    at = int(steps.argmax())
    height = float(steps[at])
    if height <= _JUMP * middle(steps):
        return 0
    before, after = values[max(0, at + 1 - _SETTLED) : at + 1], values[at + 1 : at + 1 + _SETTLED]
    return at + 1 if abs(middle(after) - middle(before)) > height / 2 else 0


def middle(values: Floats) -> float:
    """The median, in a fifth of the time that `np.median` takes for a few values."""
    half = len(values) // 2
    parted = values.copy()
    parted.partition(half)
    upper = float(parted[half])
    return upper if len(values) % 2 else (float(parted[:half].max()) + upper) / 2


def _inflation(rest: Floats) -> float:
    """How much autocorrelation widens the test's variance: 1 for noise, more for what wanders."""
    signs = np.sign(rest)
    agreement = float(signs[1:] @ signs[:-1]) / (len(rest) - 1)
    likeness = min(max(sin(pi / 2 * agreement), 0.0), _STEADIEST)
    return (1 + likeness) / (1 - likeness)


@cache
def _pairs(number: int) -> tuple[Numbers, Numbers]:
    left, right = np.triu_indices(number, 1)
    return left, right
