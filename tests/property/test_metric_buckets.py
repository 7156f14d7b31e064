"""What metrics were, bucket by bucket, against the figures themselves; whoever dies in the middle."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bsm_remediate.domain.ids import Fingerprint, PolicyId
from bsm_remediate.domain.metric_history import Gathering, Resolution, Summary, stretches, summed
from bsm_remediate.engine.metric_keeper import MetricKeeper
from bsm_remediate.errors import StoreUnavailable
from bsm_remediate.testing.clock import VirtualClock
from bsm_remediate.testing.store import MemoryStore

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BUSY = PolicyId("busy")
A, B = Fingerprint("a" * 32), Fingerprint("b" * 32)
FIGURES = st.floats(-1e6, 1e6).map(lambda one: round(one, 3))
Told = list[tuple[int, Fingerprint, float]]
"""Minute, series, figure."""


@st.composite
def figures(draw: st.DrawFn) -> Told:
    minutes = sorted(draw(st.sets(st.integers(0, 1_200), max_size=40)))
    return [(3 * minute, draw(st.sampled_from([A, B])), draw(FIGURES)) for minute in minutes]


def of(some: list[float]) -> Summary:
    gathering = Gathering(0)
    for one in some:
        gathering.add(one, 10.0)
    return gathering.summary()


def is_same(found: Summary, expected: Summary) -> bool:
    """But for the last digits of a sum, which depend on its order."""
    near = abs(found.total - expected.total) <= 1e-9 * max(abs(expected.total), 1e6)
    return near and found._replace(total=0.0) == expected._replace(total=0.0)


class Dying(MemoryStore):
    """Fails at its call number `fails_at`, before or after what it was to do."""

    fails_at, is_done_first = 0, False

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in {"note_figures", "metric_series", "buckets", "rolled", "roll", "forget_buckets"}:
            return found
        call: Callable[..., Any] = found

        def dying(*arguments: Any, **named: Any) -> Any:
            self.fails_at -= 1
            if self.fails_at == 0 and not self.is_done_first:
                raise StoreUnavailable("it is away")
            result = call(*arguments, **named)
            if self.fails_at == 0:
                raise StoreUnavailable("it has gone away")
            return result

        return dying


@given(figures(), st.data())
@settings(max_examples=150, deadline=None)
def test_hours_and_days_are_what_their_figures_were_whoever_dies(told: Told, data: st.DataObject) -> None:
    """An engine that dies once its minutes are written; of the others it may lose the open one."""
    store, clock = Dying(), VirtualClock(BEGIN)
    keeper = MetricKeeper(store, clock)
    keeper.keep()
    known: defaultdict[tuple[Resolution, Fingerprint, datetime], list[float]] = defaultdict(list)
    for minute, series, figure in told:
        at = BEGIN + timedelta(minutes=minute)
        clock.advance(max((at - clock.now()).total_seconds(), 0.0))
        keeper.note(BUSY, series, {"instance": series}, figure, at.timestamp(), 10.0)
        for resolution in Resolution:
            known[resolution, series, resolution.begin(at)].append(figure)
        if data.draw(st.booleans()):
            clock.advance(80)
            store.fails_at, store.is_done_first = data.draw(st.integers(0, 12)), data.draw(st.booleans())
            with suppress(StoreUnavailable):
                keeper.keep()
            store.fails_at = 0
            keeper.keep()  # the database is back
            if data.draw(st.booleans()):
                keeper = MetricKeeper(store, clock)
    clock.advance(timedelta(days=2).total_seconds())
    keeper.keep()
    for resolution in (Resolution.HOUR, Resolution.DAY):
        found = store.buckets([A, B], resolution, since=BEGIN, until=BEGIN + timedelta(days=9))
        expected = {key: some for key, some in known.items() if key[0] is resolution}
        assert {(one.resolution, one.series, one.begin) for one in found} == expected.keys()
        for one in found:
            assert is_same(one.summary, of(expected[one.resolution, one.series, one.begin]))


@given(st.lists(st.lists(FIGURES, min_size=1, max_size=20), min_size=1, max_size=6))
def test_buckets_together_are_what_all_their_figures_were(parts: list[list[float]]) -> None:
    whole = summed(of(part) for part in parts)
    assert whole is not None
    assert is_same(whole, of([one for part in parts for one in part]))


@given(st.integers(0, 6000), st.integers(0, 6000), st.integers(0, 110), st.integers(0, 5))
def test_stretches_cover_each_minute_of_a_time_once_with_buckets_that_are_made(
    one: int, other: int, hours: int, days: int
) -> None:
    since, until = (BEGIN + timedelta(minutes=minute) for minute in sorted((one, other)))
    through = {
        Resolution.HOUR: BEGIN + timedelta(hours=hours),
        Resolution.DAY: BEGIN + timedelta(days=min(days, hours // 24)),
    }
    found = stretches(since, until, through)
    covered = [minute for stretch in found for minute in _minutes(stretch.since, stretch.until)]
    assert covered == _minutes(since, until)
    for stretch in found:
        assert stretch.resolution.begin(stretch.since) == stretch.since
        assert stretch.resolution is Resolution.MINUTE or stretch.until <= through[stretch.resolution]
    assert sum(stretch.resolution is Resolution.MINUTE for stretch in found) <= 2


def _minutes(since: datetime, until: datetime) -> list[datetime]:
    return [since + number * MINUTE for number in range(int((until - since) / MINUTE))]
