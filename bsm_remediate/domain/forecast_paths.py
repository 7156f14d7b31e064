"""Where a series could go from here, judged by where it went from earlier moments.

Each earlier stretch as long as the horizon is set on to the present level, plus what the season adds: historical
simulation (Barone-Adesi, Giannopoulos & Vosper, VaR without Correlations for Portfolios of Derivative Securities,
J. Futures Markets 19, 1999), without a scale for volatility. The share of them that cross, recent ones counting more,
is the chance of a crossing; it needs no distribution, so bursts, steps and random walks get their own odds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bsm_remediate.domain.forecast_buckets import Floats

_HALF_LIFE = 2.0
"""Age, in horizons, at which an earlier stretch counts half."""
_UNSEEN = 0.5
"""Crossings and non-crossings supposed beforehand (Jeffreys' prior), so that a few stretches are never sure."""
_STILL = 1e-9
"""Share of the gap below which the greatest rise counts as none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Odds:
    """How likely a crossing is, and after how many buckets, by the stretches that crossed."""

    chance: float
    ahead: float | None
    stretches: float  # as many as there would be if they didn't overlap and all counted the same


def crossing_odds(levels: Floats, peaks: Floats, *, gap: float, season: Floats) -> Odds | None:
    """The odds that the series rises by `gap` (above 0) from its present level within the buckets of `season`.

    `levels` and `peaks` are bucket by bucket, oldest first, NaN where nothing is known, their own season taken out;
    `season` says how much more than now is usual in each bucket ahead. None where no stretch is long enough.
    """
    ahead = len(season)
    starts = len(levels) - ahead
    if starts < 1:
        return None
    paths = _after_each_start(peaks, starts, ahead)
    if season.any():
        paths = paths + season[:, None]
    rises = np.fmax.reduce(paths, axis=0) - levels[:starts]
    known = np.isfinite(rises)
    if not known.any():
        return None
    weights = _weights(starts, _HALF_LIFE * ahead) * known
    total = float(weights.sum())
    stretches = max(1.0, total * total / float(weights @ weights) / ahead)
    crossed = known & (rises >= gap)
    if not crossed.any():
        return Odds(chance=_beyond_all_seen(float(rises[known].max()), gap, stretches), ahead=None, stretches=stretches)
    share = float(weights[crossed].sum()) / total
    first = (paths[:, crossed] - levels[:starts][crossed] >= gap).argmax(axis=0)
    return Odds(
        chance=(share * stretches + _UNSEEN) / (stretches + 2 * _UNSEEN),
        ahead=float(np.median(first)) + 1.0,
        stretches=stretches,
    )


def _after_each_start(peaks: Floats, starts: int, ahead: int) -> Floats:
    """Row by row what came 1, 2, … buckets after each start: a view, as copying it costs more than all the rest."""
    row = np.ascontiguousarray(peaks)
    width = row.itemsize
    return np.ndarray((ahead, starts), row.dtype, row, offset=width, strides=(width, width))


@lru_cache(maxsize=256)
def _weights(starts: int, half_life: float) -> Floats:
    return np.exp2(-np.arange(starts - 1, -1, -1) / half_life)


def _beyond_all_seen(greatest: float, gap: float, stretches: float) -> float:
    """The chance of what never happened: less with the square of how far it lies beyond the greatest rise, as in
    Chebyshev's bound.
    """
    reach = greatest / gap
    return 0.0 if reach < _STILL else _UNSEEN / (stretches + 2 * _UNSEEN) * reach * reach
