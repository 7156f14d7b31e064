"""Forecasts on a virtual timeline: who is warned, who is not, and what is said about it."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import cos, inf, nan, pi
from random import Random

import pytest

from bsm_remediate.domain import forecast, forecast_buckets, forecaster
from bsm_remediate.domain.forecast import Direction, Forecast, Grounds, Reach
from bsm_remediate.domain.forecast_confirmation import Confirmation
from bsm_remediate.domain.forecaster import Forecaster

MIDNIGHT = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
QUARTER = timedelta(minutes=15)


@dataclass(kw_only=True)
class Watched:
    """A series that is scraped every half minute, and a signal that hangs on its forecast."""

    threshold: float = 90.0
    direction: Direction = Direction.ABOVE
    horizon: timedelta = QUARTER
    reach: Reach = Reach.LEVEL
    step: timedelta = timedelta(seconds=30)
    now: datetime = MIDNIGHT
    signal: Confirmation = field(default_factory=Confirmation)
    switched: list[datetime] = field(default_factory=list)
    forecaster: Forecaster = field(default_factory=Forecaster)

    def reads(self, reading: Callable[[float], float], *, during: timedelta, asked: bool = True) -> Forecast:
        """`reading` gives the value after so many hours of this reading."""
        begun = self.now
        while self.now < begun + during:
            self.now += self.step
            self.forecaster.observe(self.now, reading((self.now - begun) / HOUR))
            if asked:
                self._switch()
        return self.expected()

    def passes(self, length: timedelta) -> Forecast:
        """Nothing comes in."""
        self.now += length
        self._switch()
        return self.expected()

    def expected(self) -> Forecast:
        return self.forecaster.expect(self.threshold, self.direction, self.horizon, self.now, reach=self.reach)

    def _switch(self) -> None:
        before, self.signal = self.signal, self.signal.after(self.expected(), self.now)
        if self.signal.is_on != before.is_on:
            self.switched.append(self.now)


def noisy(level: Callable[[float], float], *, noise: float = 1.0, spikes: float = 0.0) -> Callable[[float], float]:
    chance = Random(20260105)  # noqa: S311 - reproducible noise

    def reading(hours: float) -> float:
        spike = chance.uniform(30, 60) if chance.random() < spikes else 0.0
        return level(hours) + chance.gauss(0, noise) + spike

    return reading


def steady(hours: float) -> float:
    """Half full."""
    return 50.0 + 0.0 * hours


def usual_day(hours: float) -> float:
    """Quiet at midnight, busy at noon."""
    return 55.0 - 30.0 * cos(hours * pi / 12)


def test_a_leak_is_told_before_it_crosses_with_slope_time_and_confidence() -> None:
    disk = Watched(horizon=3 * HOUR)
    found = disk.reads(lambda hours: 50 + 10 * hours, during=2 * HOUR)
    assert (found.is_expected, found.grounds) == (True, Grounds.TREND)
    assert found.slope_per_hour == pytest.approx(10)
    assert found.time_to_crossing is not None
    assert abs(found.time_to_crossing - 2 * HOUR) < 2 * MINUTE
    assert found.confidence > 0.99
    assert found.reason.endswith("rises 10 per hour, reaches 90 in 2h, confidence 1.00")


def test_a_noisy_leak_switches_on_about_a_horizon_before_and_stays_on() -> None:
    disk = Watched()
    disk.reads(noisy(steady, noise=3), during=2 * HOUR)
    assert not disk.switched
    disk.reads(noisy(lambda hours: 50 + 20 * hours, noise=3), during=2 * HOUR)  # crosses after two hours
    (moment,) = disk.switched
    assert 8 * MINUTE < MIDNIGHT + 4 * HOUR - moment < 20 * MINUTE


def test_what_falls_towards_a_floor_is_told_as_well() -> None:
    free = Watched(threshold=10, direction=Direction.BELOW, horizon=3 * HOUR)
    found = free.reads(lambda hours: 50 - 10 * hours, during=2 * HOUR)
    assert found.is_expected
    assert "falls 10 per hour, reaches 10 in 2h" in found.reason


@pytest.mark.parametrize("spikes", [0.0, 0.05])
def test_spikes_beyond_the_threshold_never_switch_it_on(spikes: float) -> None:
    processor = Watched()
    processor.reads(noisy(steady, noise=3, spikes=spikes), during=12 * HOUR)
    assert not processor.switched


def test_one_spike_is_no_crossing_of_the_level_but_one_of_single_samples() -> None:
    processor = Watched()
    processor.reads(noisy(steady), during=HOUR)
    found = processor.reads(lambda _: 99.0, during=processor.step)
    assert not found.is_expected
    assert not processor.signal.is_on
    processor.reach = Reach.PEAK
    assert processor.expected().grounds is Grounds.BEYOND


def test_what_is_there_already_is_said_to_be() -> None:
    processor = Watched()
    found = processor.reads(lambda _: 95.0, during=HOUR)
    assert (found.grounds, found.confidence, found.time_to_crossing) == (Grounds.BEYOND, 1.0, timedelta())
    assert found.reason == "is at 95, which is above 90 already, confidence 1.00"


def test_a_constant_series_is_expected_to_stay() -> None:
    found = Watched().reads(steady, during=2 * HOUR)
    assert (found.slope_per_hour, found.time_to_crossing) == (0.0, None)
    assert found.confidence < 1e-9
    assert found.reason == "is at 50, has no trend, is not expected to reach 90 within 15m, confidence 0.00"


def test_a_deployment_that_moves_the_level_is_no_trend() -> None:
    memory = Watched()
    memory.reads(noisy(steady), during=2 * HOUR)
    memory.reads(noisy(lambda _: 80.0), during=2 * HOUR)
    assert not memory.switched


def test_a_restart_ends_a_leak_and_its_signal() -> None:
    memory = Watched()
    memory.reads(noisy(lambda hours: 40 + 40 * hours), during=70 * MINUTE)
    assert memory.signal.is_on
    memory.reads(noisy(lambda _: 40.0), during=QUARTER)
    assert not memory.signal.is_on


def test_a_busy_morning_is_no_leak_once_days_have_been_seen() -> None:
    web = Watched(horizon=3 * HOUR)
    web.reads(noisy(usual_day), during=3 * DAY, asked=False)
    web.step = 5 * MINUTE
    web.reads(noisy(usual_day), during=DAY)
    assert not web.switched


def test_on_a_busier_day_than_usual_the_noon_is_foreseen() -> None:
    web = Watched(horizon=3 * HOUR)
    web.reads(noisy(usual_day), during=3 * DAY, asked=False)
    found = web.reads(noisy(lambda hours: usual_day(hours) + 15), during=8 * HOUR)  # 85 now, 90 at 8:47
    assert found.is_expected
    assert found.time_to_crossing is not None
    assert abs(found.time_to_crossing - 47 * MINUTE) < 10 * MINUTE


def test_a_burst_that_comes_back_is_told_by_how_often_it_did() -> None:
    queue = Watched(horizon=2 * HOUR, reach=Reach.PEAK)

    def bursts(hours: float) -> float:
        return 95.0 if hours % 1.5 < 0.1 else 10.0

    queue.reads(bursts, during=DAY, asked=False)
    found = queue.reads(lambda _: 10.0, during=HOUR / 2, asked=False)
    assert (found.is_expected, found.grounds) == (True, Grounds.EARLIER)
    assert "by the way it went before" in found.reason


def test_a_source_that_is_away_foretells_nothing_and_heals_nothing() -> None:
    disk = Watched()
    disk.reads(lambda hours: 50 + 20 * hours, during=110 * MINUTE)
    assert disk.signal.is_on
    found = disk.passes(HOUR)
    assert (found.is_known, found.confidence) == (False, 0.0)
    assert found.reason == "no forecast: the newest sample is 1h old"
    assert disk.signal.is_on


def test_after_a_gap_the_trend_is_found_again() -> None:
    disk = Watched(horizon=HOUR)
    disk.reads(lambda hours: 20 + 10 * hours, during=2 * HOUR)
    disk.passes(3 * HOUR)
    found = disk.reads(lambda hours: 70 + 10 * hours, during=80 * MINUTE)
    assert found.is_expected
    assert found.slope_per_hour == pytest.approx(10, rel=0.01)


def test_irregular_scrapes_see_the_same_slope() -> None:
    disk, chance = Watched(horizon=3 * HOUR), Random(1)  # noqa: S311 - reproducible times
    while disk.now < MIDNIGHT + 4 * HOUR:
        disk.step = timedelta(seconds=chance.choice((5, 30, 70, 240, 600)))
        found = disk.reads(lambda _: 20 + 10 * ((disk.now - MIDNIGHT) / HOUR), during=disk.step)
    assert found.slope_per_hour == pytest.approx(10, rel=0.01)


def test_a_series_that_is_sampled_once_an_hour_is_seen_as_well() -> None:
    disk = Watched(horizon=DAY, step=HOUR)
    found = disk.reads(lambda hours: 20 + hours, during=2 * DAY + 12 * HOUR)
    assert found.is_expected
    assert found.time_to_crossing is not None
    assert abs(found.time_to_crossing - 10 * HOUR) < HOUR


def test_a_source_whose_clock_is_ahead_is_taken_at_its_word() -> None:
    disk = Watched(horizon=3 * HOUR)
    found = disk.reads(lambda hours: 50 + 10 * hours, during=2 * HOUR)
    disk.now -= 5 * MINUTE
    assert disk.expected() == found


@pytest.mark.parametrize("value", [nan, inf, -inf, 1e300])
def test_what_is_no_figure_is_left_out(value: float) -> None:
    disk = Watched()
    before = disk.reads(lambda hours: 50 + 10 * hours, during=2 * HOUR)
    assert not disk.forecaster.observe(disk.now + MINUTE, value)
    assert disk.expected() == before


def test_samples_that_come_late_or_twice_are_left_out() -> None:
    forecaster = Forecaster()
    assert forecaster.observe(MIDNIGHT, 1.0)
    assert not forecaster.observe(MIDNIGHT, 2.0)
    assert not forecaster.observe(MIDNIGHT - MINUTE, 3.0)


def test_nothing_is_foretold_from_a_few_samples() -> None:
    found = Watched().reads(steady, during=2 * MINUTE)
    assert found.reason == "no forecast: too few samples"


def test_the_examples_in_the_code_are_true() -> None:
    for module in (forecast, forecast_buckets, forecaster):
        tried = doctest.testmod(module)
        assert (tried.failed, tried.attempted > 0) == (0, True)


def test_a_horizon_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="give a time ahead, like 15m"):
        Forecaster().expect(90, Direction.ABOVE, timedelta(), MIDNIGHT)


def test_a_year_of_samples_takes_no_more_memory_than_a_week() -> None:
    forecaster, now = Forecaster(), MIDNIGHT
    for number in range(8 * 24 * 12):
        now += 5 * MINUTE
        forecaster.observe(now, float(number % 7))
    after_a_week = forecaster.history.memory
    for number in range(5000):
        now += 105 * MINUTE
        forecaster.observe(now, float(number % 7))
    assert forecaster.history.memory == after_a_week < 16_384


# --- confirmation -----------------------------------------------------------------------------------------------------


def said(confidence: float, minute: int) -> Forecast:
    return Forecast(
        threshold=90,
        direction=Direction.ABOVE,
        horizon=QUARTER,
        confidence=confidence,
        grounds=Grounds.TREND if confidence else Grounds.UNKNOWN,
        as_of=MIDNIGHT + minute * MINUTE,
    )


def test_one_sample_is_no_confirmation_of_itself_however_often_it_is_looked_at() -> None:
    processor = Watched(reach=Reach.PEAK, step=5 * MINUTE)
    processor.reads(noisy(steady), during=2 * HOUR)
    processor.reads(lambda _: 99.0, during=processor.step)
    for _ in range(8):
        assert processor.passes(timedelta(seconds=30)).grounds is Grounds.BEYOND
    assert not processor.signal.is_on
    processor.now += MINUTE
    processor.reads(lambda _: 99.0, during=processor.step)
    assert processor.signal.is_on


@pytest.mark.parametrize(
    ("story", "is_on"),
    [
        ([(0, 0.9)], False),  # once is not enough
        ([(0, 0.9), (0, 0.9)], False),  # nor twice at the same moment
        ([(0, 0.9), (1, 0.9)], False),  # nor for less than 90 s
        ([(0, 0.9), (1, 0.9), (2, 0.9)], True),
        ([(0, 0.9), (1, 0.6), (2, 0.9)], False),  # the count begins anew
        ([(0, 0.9), (1, 0.0), (2, 0.9)], False),  # the unknown says nothing
        ([(0, 0.9), (2, 0.9), (4, 0.6), (9, 0.6)], True),
        ([(0, 0.9), (2, 0.9), (4, 0.1)], True),
        ([(0, 0.9), (2, 0.9), (4, 0.1), (6, 0.1)], False),
        ([(0, 0.9), (2, 0.9), (4, 0.1), (5, 0.6), (6, 0.1)], True),
        ([(0, 0.9), (2, 0.9), (4, 0.0), (60, 0.0)], True),
    ],
)
def test_a_signal_changes_when_forecasts_agree_for_a_while(story: list[tuple[int, float]], *, is_on: bool) -> None:
    """Minutes, and the confidence told at them; 0 stands for what is unknown."""
    state = Confirmation()
    for minute, confidence in story:
        state = state.after(said(confidence, minute), MIDNIGHT + minute * MINUTE)
    assert state.is_on is is_on
