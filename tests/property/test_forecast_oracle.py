"""The parts of a forecast against slow and obvious readings of what they say, and what holds for every series."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import combinations
from math import erf, inf, isnan, nan, sqrt
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bsm_remediate.domain.forecast import Direction, Forecast, Grounds, Reach
from bsm_remediate.domain.forecast_buckets import Buckets
from bsm_remediate.domain.forecast_history import without_spikes
from bsm_remediate.domain.forecast_paths import crossing_odds
from bsm_remediate.domain.forecast_trend import fitted
from bsm_remediate.domain.forecaster import Forecaster

EPOCH = datetime(2026, 1, 5, tzinfo=UTC)
READINGS = st.integers(-1000, 1000).map(lambda number: number / 8)
PASSING = st.one_of(st.integers(1, 90), st.integers(60, 7200), st.integers(3600, 200_000))
"""Seconds between two samples: scrapes, gaps, outages."""
SAMPLES = st.lists(st.tuples(PASSING, READINGS), min_size=1, max_size=60)
QUESTIONS = st.tuples(READINGS, st.sampled_from(Direction), st.integers(1, 2880), st.sampled_from(Reach))
"""Threshold, direction, horizon in minutes, and what counts as reaching it."""


def watched(samples: list[tuple[int, float]], *, sign: float = 1.0, scale: float = 1.0) -> tuple[Forecaster, datetime]:
    forecaster, now = Forecaster(), EPOCH
    for passing, value in samples:
        now += timedelta(seconds=passing)
        forecaster.observe(now, value * sign * scale)
    return forecaster, now


def asked(forecaster: Forecaster, question: tuple[float, Direction, int, Reach], now: datetime) -> Forecast:
    threshold, direction, minutes, reach = question
    return forecaster.expect(threshold, direction, timedelta(minutes=minutes), now, reach=reach)


# --- the parts --------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(PASSING, READINGS), min_size=1, max_size=40))
def test_buckets_say_what_sorting_all_samples_into_their_times_says(samples: list[tuple[int, float]]) -> None:
    buckets, at_s = Buckets(width_s=600, size=144), 0.0
    slowly: dict[int, list[float]] = defaultdict(list)
    for passing, value in samples:
        at_s += passing
        buckets.add(at_s, value)
        slowly[int(at_s // 600)].append(value)
    held = {number: values for number, values in slowly.items() if number > at_s // 600 - 144 and len(values) <= 16}
    recent = buckets.recent(at_s)
    found = {
        int(number): (mid, low, high)
        for number, mid, low, high in zip(recent.numbers, recent.medians, recent.lows, recent.highs, strict=True)
        if int(number) in held
    }
    assert found == {number: (median(values), min(values), max(values)) for number, values in held.items()}
    assert list(recent.numbers) == sorted(recent.numbers)


@given(st.lists(READINGS, min_size=17, max_size=200))
def test_a_full_bucket_keeps_its_extremes_and_a_median_from_all_of_its_time(values: list[float]) -> None:
    buckets = Buckets(width_s=600, size=4)
    for second, value in enumerate(values):
        buckets.add(float(second), value)
    recent = buckets.recent(0.0)
    assert (recent.lows[0], recent.highs[0]) == (min(values), max(values))
    stride = next(2**power for power in range(10) if (len(values) - 1) // 2**power < 16)
    assert recent.medians[0] == median(values[::stride])


@given(st.lists(READINGS, min_size=6, max_size=12), READINGS)
def test_the_trend_is_the_median_slope_of_all_pairs_and_sure_by_counting_them(
    values: list[float], steepness: float
) -> None:
    times = [float(place) for place in range(len(values))]
    trend = fitted(np.array(times), np.array(values))
    if trend is None:
        return  # what follows a jump is too short
    kept = next(n for n in range(6, len(values) + 1) if n * (n - 1) // 2 == len(trend.slopes))
    rest = list(zip(times, values, strict=True))[len(values) - kept :]
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(rest, 2)]
    assert trend.slope == pytest.approx(median(slopes))
    assert trend.level == pytest.approx(median(value - median(slopes) * at for at, value in rest))
    count = sum((slope > steepness) - (slope < steepness) for slope in slopes)
    assert trend.spread >= sqrt(kept * (kept - 1) * (2 * kept + 5) / 18) - 1e-9  # never surer than Kendall's test
    assert trend.surely_above(steepness) == pytest.approx(0.5 * (1 + erf(count / trend.spread / sqrt(2))))


@given(
    st.lists(st.one_of(READINGS, st.just(nan)), min_size=2, max_size=30),
    st.lists(READINGS, min_size=1, max_size=8),
    st.integers(1, 400).map(lambda number: number / 4),
)
def test_the_odds_are_those_of_walking_each_earlier_stretch(
    levels: list[float], season: list[float], gap: float
) -> None:
    ahead = len(season)
    found = crossing_odds(np.array(levels), np.array(levels), gap=gap, season=np.array(season))
    weights, crossed = [], []
    starts = len(levels) - ahead
    for start in range(starts):
        rises = [levels[start + 1 + step] + season[step] - levels[start] for step in range(ahead)]
        rise = max((one for one in rises if not isnan(one)), default=-inf)
        if rise > -inf:
            weights.append(0.5 ** ((starts - 1 - start) / (2 * ahead)))
            crossed.append(rise >= gap)
    if not weights:
        assert found is None
        return
    assert found is not None
    number = max(1.0, sum(weights) ** 2 / sum(one * one for one in weights) / ahead)
    share = sum(weight for weight, did in zip(weights, crossed, strict=True) if did) / sum(weights)
    assert found.stretches == pytest.approx(number)
    if share:
        assert found.chance == pytest.approx((share * number + 0.5) / (number + 1))
        assert found.ahead is not None
        assert 1 <= found.ahead <= ahead
    else:
        assert 0 <= found.chance <= 0.5 / (number + 1)
        assert found.ahead is None


@given(st.lists(READINGS, max_size=20))
def test_spikes_are_left_out_by_the_median_of_five(values: list[float]) -> None:
    found = without_spikes(np.array(values)).tolist()
    if len(values) < 5:
        assert found == [median(values)] * len(values) if values else found == []
        return
    middle = [median(values[place - 2 : place + 3]) for place in range(2, len(values) - 2)]
    assert found == [middle[0]] * 2 + middle + [middle[-1]] * 2


# --- the whole --------------------------------------------------------------------------------------------------------


@given(SAMPLES, QUESTIONS)
def test_the_same_samples_give_the_same_answer_however_often_it_is_asked(
    samples: list[tuple[int, float]], question: tuple[float, Direction, int, Reach]
) -> None:
    once, now = watched(samples)
    curious, moment = Forecaster(), EPOCH
    for passing, value in samples:
        moment += timedelta(seconds=passing)
        curious.observe(moment, value)
        asked(curious, question, moment)
    assert asked(once, question, now) == asked(curious, question, moment) == asked(once, question, now)


@given(SAMPLES, QUESTIONS)
def test_below_is_above_upside_down(
    samples: list[tuple[int, float]], question: tuple[float, Direction, int, Reach]
) -> None:
    threshold, direction, minutes, reach = question
    other = Direction.BELOW if direction is Direction.ABOVE else Direction.ABOVE
    upright, now = watched(samples)
    upside_down, _ = watched(samples, sign=-1.0)
    one = asked(upright, question, now)
    mirrored = asked(upside_down, (-threshold, other, minutes, reach), now)
    assert (one.confidence, one.grounds) == (mirrored.confidence, mirrored.grounds)
    assert one.time_to_crossing == mirrored.time_to_crossing
    assert one.level == (None if mirrored.level is None else -mirrored.level)


@given(SAMPLES, QUESTIONS)
def test_another_unit_changes_no_confidence(
    samples: list[tuple[int, float]], question: tuple[float, Direction, int, Reach]
) -> None:
    threshold, direction, minutes, reach = question
    plain, now = watched(samples)
    in_kib, _ = watched(samples, scale=1024.0)
    one = asked(plain, question, now)
    other = asked(in_kib, (threshold * 1024.0, direction, minutes, reach), now)
    assert (one.confidence, one.grounds) == (other.confidence, other.grounds)


@given(SAMPLES, QUESTIONS, READINGS)
def test_a_threshold_further_away_is_never_surer_to_be_crossed(
    samples: list[tuple[int, float]], question: tuple[float, Direction, int, Reach], further: float
) -> None:
    threshold, _, minutes, reach = question
    forecaster, now = watched(samples)
    near = asked(forecaster, (threshold, Direction.ABOVE, minutes, reach), now)
    far = asked(forecaster, (threshold + abs(further), Direction.ABOVE, minutes, reach), now)
    assert far.confidence <= near.confidence + 1e-12


@given(SAMPLES, QUESTIONS)
def test_what_is_expected_is_expected_at_a_time(
    samples: list[tuple[int, float]], question: tuple[float, Direction, int, Reach]
) -> None:
    forecaster, now = watched(samples)
    found = asked(forecaster, question, now)
    assert not found.is_expected or found.time_to_crossing is not None
    assert ("not expected" in found.reason) <= (not found.is_expected)


@given(
    st.lists(st.tuples(PASSING, st.floats()), max_size=60),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(Direction),
    st.integers(1, 20_000),
    st.integers(-7200, 400_000),
)
def test_whatever_comes_in_there_is_an_answer(
    samples: list[tuple[int, float]], threshold: float, direction: Direction, minutes: int, later_s: int
) -> None:
    forecaster, now = watched(samples)
    found = asked(forecaster, (threshold, direction, minutes, Reach.LEVEL), now + timedelta(seconds=later_s))
    assert 0 <= found.confidence <= 1
    assert found.reason
    assert (found.grounds is Grounds.UNKNOWN) <= (found.confidence == 0)
    assert found.time_to_crossing is None or timedelta() <= found.time_to_crossing <= found.horizon
