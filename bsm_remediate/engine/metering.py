"""Metric policies: their figures are polled, and each series that is on becomes an alert like any other.

Readings are made in threads of their own, at most so many at once; the tick takes over what has arrived, and writes
what changed through the store as a webhook would. Only the engine that leads polls. What it doesn't remember of the
time before it led, it takes from the store, so that a new leader goes on within the hysteresis of the one before.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bsm_remediate.domain.alert import Alert, AlertKey, AlertStatus
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.foresight import Expected, Foresight
from bsm_remediate.domain.ids import Digest, Fingerprint, PolicyId
from bsm_remediate.domain.metric import (
    FORECAST_LABEL,
    METRICS,
    ON,
    POLICY_LABEL,
    WAS,
    Metric,
    alert_expected,
    alert_of,
    fingerprint_of,
    series_labels,
)
from bsm_remediate.domain.policy import Mode
from bsm_remediate.domain.polling import Schedule
from bsm_remediate.domain.threshold import Phase, Threshold, Watch
from bsm_remediate.engine.picture import Picture
from bsm_remediate.engine.reading import Reading, read
from bsm_remediate.engine.under_way import Spawn
from bsm_remediate.ports import AlertLog, Clock, MetricSource

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


@dataclass(slots=True)
class _Series:
    """One series of a policy."""

    labels: Mapping[str, str]
    watch: Watch = field(default_factory=Watch)
    is_told: bool = False
    """While it is unknown: whether the store has said so. A person may have ended that since."""
    foresight: Foresight | None = None
    expected: Expected | None = None
    expected_since: datetime | None = None


@dataclass(slots=True)
class _Metered:
    """One policy's metric."""

    policy: PolicyId
    metric: Metric
    schedule: Schedule
    series: dict[Fingerprint, _Series] = field(default_factory=dict)
    is_asked: bool = False
    """Whether a reading is under way."""
    is_tried: bool = False
    answered_at: datetime | None = None
    failure: str = ""
    """Of the last reading."""
    looked_at: datetime | None = None
    """When what it changes was last worked out; None: something is new."""

    def is_to_be_looked_at(self, now: datetime) -> bool:
        return self.is_tried and (self.looked_at is None or now - self.looked_at >= self.metric.every)


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
    ) -> None:
        """`usual` is asked where a policy names no source. `seed` spreads the readings over time."""
        self._sources = sources
        self._usual = usual
        self._clock = clock
        self._seed = seed
        self._foresights = foresights
        self._digest: Digest | None = None
        self._metered: dict[PolicyId, _Metered] = {}
        self._under_way = 0
        self._arrived: queue.SimpleQueue[tuple[_Metered, Reading, datetime]] = queue.SimpleQueue()

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
            return False
        changes = self._follow(bundle, picture) if bundle.digest != self._digest else []
        now = self._clock.now()
        for one in sorted(self._metered.values(), key=lambda one: one.schedule.due_at):
            if self._under_way < _AT_ONCE and not one.is_asked and one.schedule.is_due(now):
                one.is_asked = True
                self._under_way += 1
                spawn(lambda one=one: self._read(one, arrived), f"metric-{one.policy}")  # type: ignore[misc]
        while not self._arrived.empty():
            metered, found, asked_at = self._arrived.get()
            self._under_way -= 1
            if self._metered.get(metered.policy) is metered:
                self._take(metered, found, asked_at)
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
            self._metered[policy] = _Metered(policy, metric, schedule)
        orphans = []
        for alert in picture.alerts:
            if alert.source != METRICS:
                continue
            owner = self._metered.get(PolicyId(alert.labels.get(POLICY_LABEL, "")))
            if owner is None:
                orphans.append(replace(alert, status=AlertStatus.RESOLVED, ends_at=now, received_at=now))
            else:
                owner.series.setdefault(alert.fingerprint, _restored(alert, picture))
        return orphans

    # --- reading ---------------------------------------------------------------------------------------------------

    def _read(self, metered: _Metered, arrived: Callable[[], None]) -> None:
        asked_at = self._clock.now()
        self._arrived.put((metered, self._asked(metered.metric), asked_at))
        arrived()

    def _asked(self, metric: Metric) -> Reading:
        name = metric.source if metric.source is not None else self._usual
        return read(self._sources.get(name) if name is not None else None, metric.query, name=name or "")

    def _take(self, metered: _Metered, found: Reading, asked_at: datetime) -> None:
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
        for sample in found:
            labels = series_labels(sample.labels)
            print_ = fingerprint_of(metered.policy, labels)
            series = metered.series.get(print_)
            if series is None:
                series = metered.series[print_] = _Series(labels)
            self._saw(series, sample.value, asked_at, metered.metric.threshold)

    def _saw(self, series: _Series, value: float, at: datetime, threshold: Threshold) -> None:
        series.watch = watch = series.watch.saw(value, at, threshold)
        if self._foresights is None or threshold.forecast is None or watch.seen_at != at:
            return
        series.foresight = (series.foresight or self._foresights(threshold)).noted(value, at)
        series.expected = None if watch.was_on else series.foresight.crossing(threshold, at)
        series.expected_since = (series.expected_since or at) if series.expected is not None else None

    # --- what that changes -----------------------------------------------------------------------------------------

    def _changes(self, metered: _Metered, picture: Picture) -> Iterable[Alert]:
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
        self, metered: _Metered, series: _Series, known: Alert | None, picture: Picture, now: datetime
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

    def _is_gone(self, metered: _Metered, series: _Series, now: datetime) -> bool:
        """Whether its source answers, and hasn't known it for a day."""
        seen_at, answered_at = series.watch.seen_at, metered.answered_at
        if metered.failure or answered_at is None or series.watch.phase is not Phase.UNKNOWN:
            return False
        return now - (seen_at or series.watch.unknown_since or now) >= _FORGOTTEN


def _restored(alert: Alert, picture: Picture) -> _Series:
    """Where the series of `alert` stood when it was last written."""
    own = {"alertname", POLICY_LABEL, FORECAST_LABEL}
    labels = {name: value for name, value in alert.labels.items() if name not in own}
    if FORECAST_LABEL in alert.labels:
        return _Series(labels)
    seen_at = max(alert.received_at, picture.last_seen.get(alert.key, alert.received_at))
    if alert.is_firing:
        return _Series(labels, Watch(phase=Phase.ON, seen_at=seen_at, began_at=alert.starts_at))
    was_on = alert.annotations.get(WAS) == ON
    watch = Watch(
        phase=Phase.UNKNOWN,
        seen_at=seen_at,
        began_at=alert.starts_at if was_on else None,
        unknown_since=alert.received_at,
    )
    return _Series(labels, watch)


def _written(log: AlertLog, changes: Sequence[Alert]) -> bool:
    changed = 0
    for start in range(0, len(changes), _CHUNK):
        changed += log.record(changes[start : start + _CHUNK]).new
    return changed > 0
