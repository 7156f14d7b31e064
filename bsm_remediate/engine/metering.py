"""Metric policies: their figures are polled, and each series that is on becomes an alert like any other.

Readings are made in threads of their own, at most so many at once; the tick takes over what has arrived, and writes
what changed through the store as a webhook would. Only the engine that leads polls. What it doesn't remember of the
time before it led, it takes from the store, so that a new leader goes on within the hysteresis of the one before.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import isfinite

from bsm_remediate.domain.alert import Alert, AlertKey, AlertStatus
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.foresight import Foresight
from bsm_remediate.domain.ids import Digest, Fingerprint, PolicyId
from bsm_remediate.domain.metric import (
    METRICS,
    POLICY_LABEL,
    alert_expected,
    alert_of,
    fingerprint_of,
    series_labels,
)
from bsm_remediate.domain.policy import Mode
from bsm_remediate.domain.polling import Schedule
from bsm_remediate.domain.sample import Series
from bsm_remediate.domain.threshold import Phase, Threshold
from bsm_remediate.engine.metered import Metered, MeteredSeries, restored
from bsm_remediate.engine.metric_keeper import MetricKeeper
from bsm_remediate.engine.picture import Picture
from bsm_remediate.engine.reading import Reading, read, read_past
from bsm_remediate.engine.under_way import Spawn
from bsm_remediate.ports import Clock, MetricSource
from bsm_remediate.records import AlertLog

_log = logging.getLogger(__name__)

_AT_ONCE = 8
_TOUCHED_EVERY = timedelta(minutes=1)
_FORGOTTEN = timedelta(days=1)
"""A series that its source no longer knows is over after so long."""
_ALIKE = timedelta(milliseconds=1)
"""Times that differ by less are one time: the store keeps them as numbers."""
_CHUNK = 2_000

Foresights = Callable[[Threshold], Foresight]
"""Makes what looks ahead on one series."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a reading brought."""

    metered: Metered
    found: Reading
    asked_at: datetime
    past: Sequence[Series] = ()
    """What the figures were, for what looks ahead; asked once, with the first reading."""


class Metering:
    """All metric policies of the bundle. Its methods are called by the tick."""

    def __init__(
        self,
        sources: Mapping[str, MetricSource],
        *,
        usual: str | None,
        clock: Clock,
        seed: int = 0,
        foresights: Foresights | None = None,
        keeper: MetricKeeper | None = None,
    ) -> None:
        """`usual` is asked where a policy names no source. `seed` spreads the readings over time. `keeper` is told
        every figure.
        """
        self._sources = sources
        self._usual = usual
        self._clock = clock
        self._seed = seed
        self._foresights = foresights
        self._keeper = keeper
        self._digest: Digest | None = None
        self._metered: dict[PolicyId, Metered] = {}
        self._under_way = 0
        self._arrived: queue.SimpleQueue[_Answer] = queue.SimpleQueue()

    @property
    def is_complete(self) -> bool:
        """Whether each metric was read, or tried, since this engine leads: it acts only then."""
        return all(one.is_tried for one in self._metered.values())

    @property
    def trouble(self) -> str:
        """Which figures can't be read, and why; empty when all can."""
        failing = [one for one in self._metered.values() if one.failure]
        shown = "; ".join(f"the metric of {one.policy} can't be read: {one.failure}" for one in failing[:3])
        return f"{shown}; and {len(failing) - 3} more" if len(failing) > 3 else shown

    def refresh(
        self,
        bundle: Bundle,
        log: AlertLog,
        picture: Picture,
        *,
        leads: bool,
        spawn: Spawn,
        arrived: Callable[[], None],
    ) -> bool:
        """Start the readings that are due and take over those that arrived; whether any alert changed."""
        if not leads:
            self._metered, self._digest = {}, None
            if self._keeper is not None:
                self._keeper.forget()
            return False
        changes = self._follow(bundle, picture) if bundle.digest != self._digest else []
        now = self._clock.now()
        for one in sorted(self._metered.values(), key=lambda one: one.schedule.due_at):
            if self._under_way < _AT_ONCE and not one.is_asked and one.schedule.is_due(now):
                one.is_asked = True
                self._under_way += 1
                spawn(lambda one=one: self._read(one, arrived), f"metric-{one.policy}")  # type: ignore[misc]
        while not self._arrived.empty():
            answer = self._arrived.get()
            self._under_way -= 1
            if self._metered.get(answer.metered.policy) is answer.metered:
                self._take(answer)
        for one in self._metered.values():
            if one.is_to_be_looked_at(now):
                changes += self._changes(one, picture)
                one.looked_at = now
        changed = _written(log, changes)
        self._digest = bundle.digest  # what is over is over once that is written
        return changed

    # --- which metrics there are -----------------------------------------------------------------------------------

    def _follow(self, bundle: Bundle, picture: Picture) -> list[Alert]:
        """Meter what `bundle` says; what it no longer says is over."""
        wanted = {one.id: one.metric for one in bundle.policies.values() if one.metric and one.mode is not Mode.OFF}
        known, self._metered = self._metered, {}
        now = self._clock.now()
        for policy, metric in wanted.items():
            before = known.get(policy)
            if before is not None and before.metric == metric:
                self._metered[policy] = before
                continue
            schedule = Schedule(name=policy, every=metric.every, seed=self._seed, due_at=now)
            self._metered[policy] = Metered(policy, metric, schedule)
        orphans = []
        for alert in picture.alerts:
            if alert.source != METRICS:
                continue
            owner = self._metered.get(PolicyId(alert.labels.get(POLICY_LABEL, "")))
            if owner is None:
                orphans.append(replace(alert, status=AlertStatus.RESOLVED, ends_at=now, received_at=now))
            else:
                owner.series.setdefault(alert.fingerprint, restored(alert, picture))
        return orphans

    # --- reading ---------------------------------------------------------------------------------------------------

    def _read(self, metered: Metered, arrived: Callable[[], None]) -> None:
        asked_at, metric = self._clock.now(), metered.metric
        name = metric.source if metric.source is not None else self._usual
        source = self._sources.get(name) if name is not None else None
        is_first = metered.answered_at is None and metric.threshold.forecast is not None
        past = read_past(source, metric.query, now=asked_at) if is_first and self._foresights is not None else ()
        self._arrived.put(_Answer(metered, read(source, metric.query, name=name or ""), asked_at, past))
        arrived()

    def _take(self, answer: _Answer) -> None:
        metered, found, asked_at = answer.metered, answer.found, answer.asked_at
        metered.is_asked, metered.is_tried, metered.looked_at = False, True, None
        now = self._clock.now()
        if isinstance(found, str):
            if not metered.failure:
                _log.warning("metric.unreachable policy=%s: %s", metered.policy, found)
            metered.failure = found
            metered.schedule = metered.schedule.failed(now)
            return
        if metered.failure:
            _log.warning("metric.reachable policy=%s: it answers again", metered.policy)
        metered.failure, metered.answered_at = "", asked_at
        metered.schedule = metered.schedule.answered(now)
        foresights = self._remembering(metered, answer)
        keeper, at_s, every_s = self._keeper, asked_at.timestamp(), metered.metric.every.total_seconds()
        threshold = metered.metric.threshold
        for sample in found:
            labels = series_labels(sample.labels)
            print_ = fingerprint_of(metered.policy, labels)
            series = metered.series.get(print_)
            if series is None:
                series = metered.series[print_] = MeteredSeries(labels)
            series.foresight = series.foresight or foresights.get(print_)
            self._saw(series, sample.value, asked_at, threshold)
            if keeper is not None and isfinite(sample.value):
                beyond_s = every_s if threshold.is_beyond(sample.value) else 0.0
                keeper.note(metered.policy, print_, series.labels, sample.value, at_s, beyond_s)

    def keep(self, *, within_s: float) -> None:
        """Write what the figures were."""
        if self._keeper is not None:
            self._keeper.keep(within_s=within_s)

    def _remembering(self, metered: Metered, answer: _Answer) -> Mapping[Fingerprint, Foresight]:
        """What looks ahead, by series, with what the figures were before this engine led."""
        found: dict[Fingerprint, Foresight] = {}
        if self._foresights is None:
            return found
        for series in answer.past:
            print_ = fingerprint_of(metered.policy, series_labels(series.labels))
            foresight = found.get(print_) or self._foresights(metered.metric.threshold)
            for at, value in series.points:
                foresight = foresight.noted(value, at) if isfinite(value) and at < answer.asked_at else foresight
            found[print_] = foresight
        return found

    def _saw(self, series: MeteredSeries, value: float, at: datetime, threshold: Threshold) -> None:
        series.watch = watch = series.watch.saw(value, at, threshold)
        if self._foresights is None or threshold.forecast is None or watch.seen_at != at:
            return
        series.foresight = (series.foresight or self._foresights(threshold)).noted(value, at)
        series.expected = None if watch.was_on else series.foresight.crossing(threshold, at)
        series.expected_since = (series.expected_since or at) if series.expected is not None else None

    # --- what that changes -----------------------------------------------------------------------------------------

    def _changes(self, metered: Metered, picture: Picture) -> Iterable[Alert]:
        now = self._clock.now()
        threshold = metered.metric.threshold
        for print_, series in list(metered.series.items()):
            series.watch = series.watch.missed(now, threshold)
            known = next(iter(picture.firing([AlertKey(METRICS, print_)])), None)
            if self._is_gone(metered, series, now):
                del metered.series[print_]
                if known is not None:
                    yield replace(known, status=AlertStatus.RESOLVED, ends_at=now, received_at=now)
            elif series.watch.phase is Phase.UNKNOWN:
                series.expected = series.expected_since = None
                series.is_told = series.is_told or (known is not None and known.status is AlertStatus.UNKNOWN)
                if not series.is_told:
                    yield alert_of(metered.policy, series.labels, series.watch, threshold, now)
            else:
                series.is_told = False
                yield from self._told(metered, series, known, picture, now)

    def _told(
        self, metered: Metered, series: MeteredSeries, known: Alert | None, picture: Picture, now: datetime
    ) -> Iterable[Alert]:
        """What is to be written so that the store says what the series says."""
        watch, policy = series.watch, metered.policy
        since = watch.began_at if watch.is_on else series.expected_since if series.expected is not None else None
        if since is None:
            if known is not None:
                yield replace(known, status=AlertStatus.RESOLVED, ends_at=now, received_at=now)
            return
        if known is not None and known.is_firing and abs(known.starts_at - since) < _ALIKE:
            seen = max(known.received_at, picture.last_seen.get(known.key, known.received_at))
            if now - seen >= _TOUCHED_EVERY:
                yield replace(known, received_at=now)
            return
        if known is not None and since - known.starts_at >= _ALIKE:
            # What was there before is another matter: it ends, so that this one has its own beginning.
            yield replace(known, status=AlertStatus.RESOLVED, ends_at=now, received_at=now)
        if watch.is_on or series.expected is None:
            yield alert_of(policy, series.labels, watch, metered.metric.threshold, now)
        else:
            yield alert_expected(policy, series.labels, series.expected, since=since, now=now)

    def _is_gone(self, metered: Metered, series: MeteredSeries, now: datetime) -> bool:
        """Whether its source answers, and hasn't known it for a day."""
        seen_at, answered_at = series.watch.seen_at, metered.answered_at
        if metered.failure or answered_at is None or series.watch.phase is not Phase.UNKNOWN:
            return False
        return now - (seen_at or series.watch.unknown_since or now) >= _FORGOTTEN


def _written(log: AlertLog, changes: Sequence[Alert]) -> bool:
    changed = 0
    for start in range(0, len(changes), _CHUNK):
        changed += log.record(changes[start : start + _CHUNK]).new
    return changed > 0
