"""The threshold machine, against an oracle that looks at the whole history anew each time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from bsm_remediate.domain.threshold import CALM, RECENTLY, RESTLESS, Phase, Side, Threshold, Watch

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
Poll = tuple[datetime, float | None]
_FIGURES = st.sampled_from([None, math.nan, -math.inf, 0.0, 5.0, 6.0, 7.0, 8.0, 9.0, math.inf])


@st.composite
def thresholds(draw: st.DrawFn) -> Threshold:
    side = draw(st.sampled_from(Side))
    limit, clear = (
        (8.0, draw(st.sampled_from([6.0, 7.0, 8.0])))
        if side is Side.ABOVE
        else (6.0, draw(st.sampled_from([6.0, 7.0, 8.0])))
    )
    hold, stale = draw(st.sampled_from([0, 30, 60, 120])), draw(st.sampled_from([45, 90, 400]))
    return Threshold(
        side=side, limit=limit, clear=clear, hold=timedelta(seconds=hold), stale_after=timedelta(seconds=stale)
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Poll]:
    at, found = NINE, []
    # Long quiet stretches, and restless ones.
    pauses = st.sampled_from([30, 30, 30, 60, 300, 1200])
    for figure in draw(st.lists(_FIGURES, min_size=1, max_size=40)):
        at += timedelta(seconds=draw(pauses))
        found.append((at, figure))
    return found


def _watched(history: Sequence[Poll], threshold: Threshold) -> Watch:
    watch = Watch()
    for at, figure in history:
        watch = watch.missed(at, threshold) if figure is None else watch.saw(figure, at, threshold)
    return watch


class _Oracle:
    """By the words of the page, looking back over everything at every moment."""

    def __init__(self, history: Sequence[Poll], threshold: Threshold) -> None:
        self.history = [(at, None if value is None or math.isnan(value) else value) for at, value in history]
        self.threshold = threshold
        self.ons: list[bool] = []
        for number in range(len(self.history)):
            self.ons.append(self._is_on(number))

    def _is_unknown(self, number: int) -> bool:
        at = self.history[number][0]
        seen = [moment for moment, value in self.history[: number + 1] if value is not None]
        return not any(at - moment < self.threshold.stale_after for moment in seen)

    def phase(self, number: int) -> Phase:
        if self.history[number][1] is None and self._was_unknown_by(number):
            return Phase.UNKNOWN
        if self.ons[number]:
            return Phase.ON
        return Phase.PENDING if self._beyond_since(number) is not None else Phase.OFF

    def _was_unknown_by(self, number: int) -> bool:
        """Whether it has been found to be unknown since the last figure."""
        while number >= 0 and self.history[number][1] is None:
            if self._is_unknown(number):
                return True
            number -= 1
        return False

    def _beyond_since(self, number: int) -> datetime | None:
        """Since when every figure is beyond the limit, without a time of being unknown between, nor of being on."""
        since = None
        while number >= 0 and not (number < len(self.ons) and self.ons[number]):
            at, value = self.history[number]
            if value is None:
                if self._was_unknown_by(number):
                    break
            elif self._beyond(value):
                since = at
            else:
                break
            number -= 1
        return since

    def _beyond(self, value: float) -> bool:
        return value > self.threshold.limit if self.threshold.side is Side.ABOVE else value < self.threshold.limit

    def _clear(self, value: float) -> bool:
        return value <= self.threshold.clear if self.threshold.side is Side.ABOVE else value >= self.threshold.clear

    def _is_on(self, number: int) -> bool:
        at, value = self.history[number]
        before = number > 0 and self.ons[number - 1]
        if value is None:
            return before
        if not before:
            since = self._beyond_since(number)
            return since is not None and at - since >= self.threshold.hold
        if not self._clear(value):
            return True
        onsets = [n for n in range(number) if self.ons[n] and not (n > 0 and self.ons[n - 1])]
        recent = [n for n in onsets if at - self.history[n][0] < RECENTLY]
        return len(recent) >= RESTLESS and at - self._clear_since(number) < CALM

    def _clear_since(self, number: int) -> datetime:
        since = self.history[number][0]
        while number >= 0 and self.ons[number - 1]:
            at, value = self.history[number]
            if value is None and self._was_unknown_by(number):
                break
            if value is not None and not self._clear(value):
                break
            if value is not None:
                since = at
            number -= 1
        return since


@settings(max_examples=400)
@given(histories(), thresholds())
def test_the_machine_says_what_the_whole_history_says(history: list[Poll], threshold: Threshold) -> None:
    oracle = _Oracle(history, threshold)
    for number in range(len(history)):
        watch = _watched(history[: number + 1], threshold)
        assert watch.phase is oracle.phase(number)
        assert watch.was_on is oracle.ons[number]


@given(histories(), thresholds())
def test_without_a_figure_nothing_comes_on_or_goes_off(history: list[Poll], threshold: Threshold) -> None:
    watch = _watched(history, threshold)
    at = history[-1][0]
    for pause in (1, 30, 600, 100_000):
        later = watch.missed(at + timedelta(seconds=pause), threshold)
        assert later.was_on is watch.was_on
        assert later.phase in {watch.phase, Phase.UNKNOWN}
    assert watch.missed(at + threshold.stale_after, threshold).phase is Phase.UNKNOWN


@given(histories(), thresholds())
def test_what_is_below_is_what_is_above_upside_down(history: list[Poll], threshold: Threshold) -> None:
    side = Side.BELOW if threshold.side is Side.ABOVE else Side.ABOVE
    turned = Threshold(
        side=side,
        limit=-threshold.limit,
        clear=-threshold.clear,
        hold=threshold.hold,
        stale_after=threshold.stale_after,
    )
    upside_down = [(at, None if value is None else -value) for at, value in history]
    assert _watched(history, threshold).phase is _watched(upside_down, turned).phase


@given(histories(), thresholds())
def test_a_watch_stays_small(history: list[Poll], threshold: Threshold) -> None:
    polls = [(NINE + timedelta(minutes=5 * n), 9.0 if n % 2 else 0.0) for n in range(100)]
    last = polls[-1][0]
    again = [(last + (at - NINE), value) for at, value in history]
    assert len(_watched([*polls, *again], threshold).onsets) <= RECENTLY / timedelta(seconds=30)
