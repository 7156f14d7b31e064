"""Keeps what the figures of metric policies were (DESIGN 7).

Figures are gathered in memory by the minute, and written once the minute is over: a crash loses the minute that is
open. Hours are made of the minutes that are stored, and days of the hours, so these lose nothing; what was made twice
is the same, and is there once. Only the engine that leads keeps anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from bsm_remediate.domain.ids import Fingerprint, PolicyId
from bsm_remediate.domain.metric_history import KEEPS, Bucket, Gathering, MetricSeries, Resolution, due, rolled
from bsm_remediate.ports import Clock
from bsm_remediate.records import Store

_SETTLES = timedelta(seconds=15)
"""So long after its end a minute may still get a figure: a source took its time to answer."""
_CHUNK = 2_000
"""Buckets of a transaction: a few hundredths of a second for whoever waits to write."""
_TOGETHER = 50
"""Series whose buckets are made, and forgotten, at once: a few hundredths of a second, too."""
_COARSER = {Resolution.HOUR: Resolution.MINUTE, Resolution.DAY: Resolution.HOUR}


class MetricKeeper:
    """Called by the tick."""

    def __init__(self, store: Store, clock: Clock, *, keeps: Mapping[Resolution, timedelta] = KEEPS) -> None:
        """`keeps`: how long buckets of each resolution are kept."""
        self._store = store
        self._clock = clock
        self._keeps = keeps
        self.forget()

    def forget(self) -> None:
        """Another engine has led meanwhile, or does now: what is open is its to gather."""
        self._open: dict[Fingerprint, Gathering] = {}
        self._closed: list[tuple[Fingerprint, Gathering]] = []
        self._known: set[Fingerprint] = set()
        """Series that the store knows."""
        self._new: dict[Fingerprint, MetricSeries] = {}
        self._looked_at = 0
        """The minute in which it was last looked what is over."""
        self._through: dict[Resolution, datetime] | None = None
        self._work: Iterator[None] | None = None
        """What is left to do of the bucket that is being made."""

    def note(
        self, policy: PolicyId, series: Fingerprint, labels: Mapping[str, str], value: float, at: float, beyond_s: float
    ) -> None:
        """A finite figure, read at `at` (Unix seconds), and for how many seconds it stands beyond its threshold."""
        begin = int(at) // 60 * 60
        gathering = self._open.get(series)
        if gathering is None or gathering.begin != begin:
            if gathering is not None:
                self._closed.append((series, gathering))
            if series not in self._known:
                self._new[series] = MetricSeries(policy=policy, id=series, labels=labels)
            gathering = self._open[series] = Gathering(begin)
        gathering.add(value, beyond_s)

    def keep(self, *, within_s: float = math.inf) -> None:
        """Write the minutes that are over, make the coarser buckets that are due, forget what is old.

        After `within_s` seconds the rest is left to the next call, as it is after `StoreUnavailable`.
        """
        end = self._clock.monotonic() + within_s
        now = self._clock.now()
        self._close(now)
        while self._closed:
            self._write()
            if self._clock.monotonic() >= end:
                return
        self._work = self._work or self._coarser(now)
        for _ in self._work:
            if self._clock.monotonic() >= end:
                return
        self._work = None

    # --- minutes -----------------------------------------------------------------------------------------------------

    def _close(self, now: datetime) -> None:
        minute = int((now - _SETTLES).timestamp()) // 60 * 60
        if minute == self._looked_at:
            return
        self._looked_at = minute
        over = [(series, one) for series, one in self._open.items() if one.begin < minute]
        for series, _ in over:
            del self._open[series]
        self._closed += over

    def _write(self) -> None:
        some = self._closed[:_CHUNK]
        buckets = [
            Bucket(series, Resolution.MINUTE, datetime.fromtimestamp(one.begin, UTC), one.summary())
            for series, one in some
        ]
        new = [self._new[series] for series in dict.fromkeys(series for series, _ in some) if series in self._new]
        self._store.note_figures(buckets, new)
        del self._closed[: len(some)]
        for one in new:
            del self._new[one.id]
            self._known.add(one.id)

    # --- hours and days ----------------------------------------------------------------------------------------------

    def _coarser(self, now: datetime) -> Iterator[None]:
        """Make what is due, a few series at a time."""
        if self._through is None:
            self._through = dict(self._store.rolled())
        settled = now - 2 * _SETTLES - Resolution.MINUTE.length
        for resolution, finer in _COARSER.items():
            while (begin := due(resolution, self._through.get(resolution), now=settled, keeps=self._keeps)) is not None:
                series = self._store.metric_series()
                end = begin + resolution.length if series else resolution.begin(settled)
                if finer in _COARSER and self._through.get(finer, begin) < end:
                    break  # its hours aren't all made yet
                for some in _pages(series):
                    found = self._store.buckets(some, finer, since=begin, until=end)
                    self._store.note_figures(rolled(found, resolution), ())
                    if resolution is Resolution.HOUR:
                        self._store.forget_buckets(
                            some, {one: min(now - self._keeps[one], begin) for one in Resolution}
                        )
                    yield
                self._store.roll(resolution, end)
                self._through[resolution] = end
                self._known.clear()  # some may have been forgotten
                yield


def _pages(series: Sequence[MetricSeries]) -> Iterator[list[Fingerprint]]:
    for start in range(0, len(series), _TOGETHER):
        yield [one.id for one in series[start : start + _TOGETHER]]
