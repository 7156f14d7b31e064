"""How many series one core observes and evaluates in a second, and what one series takes in memory."""

from __future__ import annotations

import copy
import time
import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from bsm_remediate.domain.forecast import Direction
from bsm_remediate.domain.forecaster import Forecaster

EPOCH = datetime(2026, 1, 5, tzinfo=UTC)
STEP = timedelta(seconds=30)
HORIZONS = (timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6))
_LOOKS = {"far below": 40.0, "near": 78.0}
"""Levels; the threshold is 90 and the noise 3."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Speed:
    """`evaluated` is a new sample and a forecast, per second of processor time of one core."""

    observed: float
    evaluated: Mapping[str, float]
    growing: int  # bytes of a series after a day and after eight days of samples: all the same
    bytes_each: int


def report(*, series: int, rounds: int) -> Speed:
    found = measured(series=series, rounds=rounds)
    print(f"{'observe alone':32}{found.observed:12,.0f} samples a second on one core")
    for what, rate in found.evaluated.items():
        print(f"{what:32}{rate:12,.0f} series a second on one core, a sample and a forecast each")
    print(f"{'memory':32}{found.bytes_each:12,} bytes a series, {found.growing:+,} after seven more days")
    return found


def measured(*, series: int, rounds: int) -> Speed:
    day, after_day = _bytes_after(samples=2880 * 1)
    _, after_week = _bytes_after(samples=2880 * 8)
    evaluated = {}
    for look, level in _LOOKS.items():
        filled = day if level == _LOOKS["far below"] else _filled(level, samples=2880 * 8)[0]
        for horizon in HORIZONS:
            rate = _evaluated(filled, level, horizon, series=series, rounds=rounds)
            evaluated[f"{look}, horizon {int(horizon.total_seconds() // 60)}m"] = rate
    return Speed(
        observed=_observed(), evaluated=evaluated, growing=after_week - after_day, bytes_each=max(after_day, after_week)
    )


def _observed() -> float:
    return max(_filled(50.0, samples=20_000)[1] for _ in range(3))


def _filled(level: float, *, samples: int) -> tuple[Forecaster, float]:
    """A series with its history, and how many samples a second it took."""
    values = np.random.default_rng(20260105).normal(level, 3.0, samples).tolist()
    moments = [EPOCH + number * STEP for number in range(samples)]
    forecaster = Forecaster()
    begun = time.process_time()
    for at, value in zip(moments, values, strict=True):
        forecaster.observe(at, value)
    return forecaster, samples / (time.process_time() - begun)


def _bytes_after(*, samples: int) -> tuple[Forecaster, int]:
    """What a copy of a filled series takes, everything it holds included."""
    filled, _ = _filled(40.0, samples=samples)
    filled.expect(90.0, Direction.ABOVE, HORIZONS[0], EPOCH + samples * STEP)  # it remembers its season
    number = 50
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    copies = [copy.deepcopy(filled) for _ in range(number)]
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return filled, (after - before) // len(copies)


def _evaluated(filled: Forecaster, level: float, horizon: timedelta, *, series: int, rounds: int) -> float:
    """All series get a sample and are asked, round by round 30 seconds later; the best round counts, as others share
    the machine.
    """
    kept = [copy.deepcopy(filled) for _ in range(series)]
    newest = filled.history.newest_s
    assert newest is not None
    now = datetime.fromtimestamp(newest, UTC)
    chance = np.random.default_rng(20260106)
    best = 0.0
    for _ in range(rounds):
        now += STEP
        values = chance.normal(level, 3.0, series).tolist()
        begun = time.process_time()
        for forecaster, value in zip(kept, values, strict=True):
            forecaster.observe(now, value)
            forecaster.expect(90.0, Direction.ABOVE, horizon, now)
        best = max(best, series / (time.process_time() - begun))
    return best
