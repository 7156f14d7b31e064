"""A store in memory: every port of `records.Store`, held to the same contract tests as the one on a database."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from bsm_remediate.domain.alert import Alert, AlertKey
from bsm_remediate.domain.change import Change
from bsm_remediate.domain.chapter import Chapter, Portion, Progress, Recorded
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.ids import ChangeId, Fingerprint, PolicyId, RunId
from bsm_remediate.domain.message import Message
from bsm_remediate.domain.metric_history import Bucket, MetricSeries, Resolution
from bsm_remediate.domain.run import NEXT_STATES, Run, RunState
from bsm_remediate.domain.seal import Entry, Mark, SealKey, Seals
from bsm_remediate.domain.work_order import WorkOrder
from bsm_remediate.errors import ChangeNotRecorded, RunNotRecorded, StoreUnavailable
from bsm_remediate.records import Accepted, Control, Delivered, Standing
from bsm_remediate.testing.metric_history import MemoryMetricHistory
from bsm_remediate.testing.statistics import MemoryStatistics


class MemoryStore:
    """Implements `Store`. `is_away` makes every call fail as a lost database does."""

    def __init__(self) -> None:
        self._guard = threading.RLock()
        self._alerts: dict[AlertKey, tuple[int, Alert]] = {}
        self._received: list[Alert] = []
        self._seen: dict[AlertKey, datetime] = {}
        self._starts: dict[AlertKey, dict[datetime, datetime]] = {}
        self._deliveries: set[tuple[str, str]] = set()
        self._position = 0
        self._runs: dict[RunId, Run] = {}
        self._orders: dict[RunId, WorkOrder] = {}
        self._locks: dict[str, RunId] = {}
        self._fence = 0
        self._events: list[Event] = []
        self._sealed: list[Entry] = []
        self._rows_sealed = 0
        self._seals = Seals(begin=Mark(), begin_proof="", head=Mark(), waiting=0)
        self._statistics = MemoryStatistics()
        self._metrics = MemoryMetricHistory()
        self._controls: list[Control] = []
        self._standing = Standing()
        self._messages: dict[str, Message] = {}
        self._changes: dict[ChangeId, Change] = {}
        self.is_away = False

    def close(self) -> None:
        return

    @contextmanager
    def _open(self) -> Iterator[None]:
        if self.is_away:
            raise StoreUnavailable("the store is away")
        with self._guard:
            yield

    # --- alerts ----------------------------------------------------------------------------------------------------

    def record(self, alerts: Sequence[Alert], *, deliveries: Sequence[Delivered] = ()) -> Accepted:
        with self._open():
            self._deliveries.update((one.source, one.id) for one in deliveries)
            outcomes = [self._record(alert) for alert in alerts]
        return Accepted(
            new=outcomes.count("new"), repeated=outcomes.count("repeated"), outdated=outcomes.count("outdated")
        )

    def was_delivered(self, source: str, delivery: str) -> bool:
        with self._open():
            return (source, delivery) in self._deliveries

    def _record(self, alert: Alert) -> str:
        known = self._alerts.get(alert.key)
        if known is not None and not known[1].is_over and known[1].starts_at <= alert.starts_at == alert.received_at:
            alert = replace(alert, starts_at=known[1].starts_at)
        if known is not None and alert.starts_at < known[1].starts_at:
            return "outdated"
        if known is not None and _same(known[1], alert):
            self._seen[alert.key] = max(self._seen[alert.key], alert.received_at)
            return "repeated"
        self._position += 1
        if alert.is_firing:
            self._starts.setdefault(alert.key, {})[alert.starts_at] = alert.received_at
        self._alerts[alert.key] = (self._position, alert)
        self._received.append(alert)
        self._seen[alert.key] = max(self._seen.get(alert.key, alert.received_at), alert.received_at)
        return "new"

    def changes(self, *, after: int, limit: int = 5_000) -> tuple[Sequence[Alert], int]:
        with self._open():
            found = sorted((one for one in self._alerts.values() if one[0] > after), key=lambda one: one[0])[:limit]
        return [alert for _, alert in found], found[-1][0] if found else after

    def received(
        self, since: datetime, until: datetime, *, after: int = 0, limit: int = 5_000
    ) -> tuple[Sequence[Alert], int]:
        with self._open():
            placed = enumerate(self._received[after:], start=after + 1)
            found = [(place, alert) for place, alert in placed if since <= alert.received_at <= until][:limit]
        return [alert for _, alert in found], found[-1][0] if len(found) == limit else 0

    def active(self) -> Sequence[Alert]:
        with self._open():
            return [alert for _, alert in sorted(self._alerts.values(), key=lambda one: one[0]) if not alert.is_over]

    def current(self, keys: Sequence[AlertKey]) -> Sequence[Alert]:
        with self._open():
            return [self._alerts[key][1] for key in dict.fromkeys(keys) if key in self._alerts]

    def last_seen(self) -> Mapping[AlertKey, datetime]:
        with self._open():
            return {
                key: self._seen[key]
                for key, (_, alert) in self._alerts.items()
                if not alert.is_over and self._seen[key] > alert.received_at
            }

    def past_onsets(self, since: datetime) -> Mapping[AlertKey, Sequence[datetime]]:
        with self._open():
            found = {
                key: sorted(
                    begun
                    for begun, received_at in starts.items()
                    if received_at >= since and (self._alerts[key][1].is_over or begun < self._alerts[key][1].starts_at)
                )
                for key, starts in self._starts.items()
            }
        return {key: moments for key, moments in found.items() if moments}

    def heard_since(self, moment: datetime) -> frozenset[AlertKey]:
        with self._open():
            return frozenset(key for key, seen in self._seen.items() if seen >= moment)

    # --- runs ------------------------------------------------------------------------------------------------------

    def reserve(self, run: Run, events: Sequence[Event], order: WorkOrder) -> Run | None:
        with self._open():
            known = self._runs.get(run.id)
            if known is not None:
                _require_next(known, run)
            if any(self._locks.get(name, run.id) != run.id for name in run.locks):
                return None
            self._fence += 1
            reserved = replace(run, fence=self._fence)
            self._free(run.id)
            self._locks.update(dict.fromkeys(run.locks, run.id))
            self._runs[run.id] = reserved
            self._orders[run.id] = order
            self._append(events)
            return reserved

    def claim(self, run: RunId) -> Run | None:
        with self._open():
            known = self._runs.get(run)
            if known is None or known.state.is_over:
                return None
            self._fence += 1
            self._runs[run] = replace(known, fence=self._fence)
            return self._runs[run]

    def order(self, run: RunId) -> WorkOrder | None:
        with self._open():
            return self._orders.get(run)

    def insert(self, run: Run, events: Sequence[Event]) -> None:
        with self._open():
            self._runs[run.id] = run
            self._append(events)

    def update(self, run: Run, events: Sequence[Event], *, only_from: RunState | None = None) -> None:
        with self._open():
            known = self._runs.get(run.id)
            if known is None:
                raise RunNotRecorded(f"there is no run {run.id}")
            _require_next(known, run, only_from)
            if known.fence != run.fence:
                raise RunNotRecorded(f"run {run.id} has been taken over: fence {known.fence}, not {run.fence}")
            self._runs[run.id] = run
            if not run.state.holds_locks:
                self._free(run.id)
            self._append(events)

    def _free(self, run: RunId) -> None:
        self._locks = {name: holder for name, holder in self._locks.items() if holder != run}

    def runs(self, *, since: datetime) -> Sequence[Run]:
        with self._open():
            found = [
                run
                for run in self._runs.values()
                if not run.state.is_over or (run.ended_at is not None and run.ended_at >= since)
            ]
        return sorted(found, key=lambda run: run.planned_at)

    def run(self, run: RunId) -> Run | None:
        with self._open():
            return self._runs.get(run)

    # --- planned changes -------------------------------------------------------------------------------------------

    def put_change(self, change: Change, events: Sequence[Event]) -> None:
        with self._open():
            known = self._changes[change.id].version if change.id in self._changes else 0
            if change.version != known + 1:
                raise ChangeNotRecorded(f"change {change.id} was written by somebody else: it is version {known} now")
            self._changes[change.id] = change
            self._append(events)

    def change(self, change: ChangeId) -> Change | None:
        with self._open():
            return self._changes.get(change)

    def planned(self, *, since: datetime) -> Sequence[Change]:
        with self._open():
            found = [one for one in self._changes.values() if not one.is_over or one.proposed.at >= since]
        return sorted(found, key=lambda one: (one.proposed.at, one.id))

    # --- the journal -----------------------------------------------------------------------------------------------

    def append(self, events: Sequence[Event]) -> None:
        with self._open():
            self._append(events)

    def _append(self, events: Sequence[Event]) -> None:
        self._events.extend(events)

    def events(self, *, after: int = 0, subject: str | None = None, limit: int = 1000) -> Sequence[Event]:
        with self._open():
            return [
                replace(self._events[entry.row - 1], position=entry.position)
                for entry in self._sealed
                if entry.position > after and subject in {None, entry.subject}
            ][:limit]

    def latest_position(self) -> int:
        return self.seals().head.position

    def seal(self, key: SealKey, *, limit: int) -> Mark | None:
        with self._open():
            last = self._seals.head
            first = self._rows_sealed
            for row, event in enumerate(self._events[first : first + limit], start=first + 1):
                facts = json.dumps(dict(event.facts))
                unlinked = Entry(
                    last.position + 1, row, event.at.timestamp(), event.kind, event.subject, event.actor, facts, ""
                )
                last = Mark(position=unlinked.position, link=key.link(unlinked, last.link))
                self._sealed.append(unlinked._replace(link=last.link))
                self._rows_sealed = row
            self._seals = replace(self._seals, head=last)
            return last if self._rows_sealed > first else None

    def seals(self) -> Seals:
        with self._open():
            return replace(self._seals, waiting=len(self._events) - self._rows_sealed)

    def entries(self, *, after: int, limit: int) -> Sequence[Entry]:
        with self._open():
            return [entry for entry in self._sealed if entry.position > after][:limit]

    def drop(self, begin: Mark, proof: str) -> None:
        with self._open():
            if self._seals.begin.position < begin.position <= self._seals.head.position:
                self._seals = replace(self._seals, begin=begin, begin_proof=proof)
                self._sealed = [entry for entry in self._sealed if entry.position > begin.position]

    # --- messages to people ----------------------------------------------------------------------------------------

    def post(self, messages: Sequence[Message]) -> None:
        with self._open():
            for one in messages:
                self._messages.setdefault(one.id, one)

    def settle(self, message: Message, events: Sequence[Event]) -> None:
        with self._open():
            known = self._messages.get(message.id)
            if known is not None and known.waits:
                self._messages[message.id] = message
                self._append(events)

    def messages(self) -> Sequence[Message]:
        with self._open():
            in_order = sorted(self._messages.values(), key=lambda one: (one.at, one.id))
        latest = {(one.route, one.kind): one.id for one in in_order}
        return [one for one in in_order if one.waits or latest[one.route, one.kind] == one.id]

    # --- statistics ------------------------------------------------------------------------------------------------

    def recorded(self, *, since: datetime, until: datetime) -> Recorded:
        with self._open():
            return self._statistics.recorded(since=since, until=until)

    def progress(self) -> Progress:
        with self._open():
            return self._statistics.progress()

    def latest_chapters(self, keys: Collection[str]) -> Mapping[str, Chapter]:
        with self._open():
            return self._statistics.latest_chapters(keys)

    def keep(self, portion: Portion, *, after: int) -> bool:
        with self._open():
            return self._statistics.keep(portion, after=after)

    def rewind(self, position: int) -> None:
        with self._open():
            self._statistics.rewind(position)

    def forget(self, before: datetime) -> int:
        with self._open():
            return self._statistics.forget(before)

    # --- what metrics were -----------------------------------------------------------------------------------------

    def note_figures(self, buckets: Sequence[Bucket], new: Sequence[MetricSeries]) -> None:
        with self._open():
            self._metrics.note_figures(buckets, new)

    def metric_series(self, policy: PolicyId | None = None) -> Sequence[MetricSeries]:
        with self._open():
            return self._metrics.metric_series(policy)

    def buckets(
        self, series: Sequence[Fingerprint], resolution: Resolution, *, since: datetime, until: datetime
    ) -> Sequence[Bucket]:
        with self._open():
            return self._metrics.buckets(series, resolution, since=since, until=until)

    def rolled(self) -> Mapping[Resolution, datetime]:
        with self._open():
            return self._metrics.rolled()

    def roll(self, resolution: Resolution, through: datetime) -> None:
        with self._open():
            self._metrics.roll(resolution, through)

    def forget_buckets(self, series: Sequence[Fingerprint], before: Mapping[Resolution, datetime]) -> None:
        with self._open():
            self._metrics.forget_buckets(series, before)

    # --- people's controls -----------------------------------------------------------------------------------------

    def ask(self, control: Control) -> int:
        with self._open():
            number = len(self._controls) + 1
            self._controls.append(replace(control, id=number))
            return number

    def waiting(self) -> Sequence[Control]:
        with self._open():
            return [one for one in self._controls if one.done is None]

    def control(self, control: int) -> Control | None:
        with self._open():
            return self._controls[control - 1] if 0 < control <= len(self._controls) else None

    def answer(self, control: int, *, done: bool, answer: str, standing: Standing, events: Sequence[Event]) -> None:
        with self._open():
            self._controls[control - 1] = replace(self._controls[control - 1], done=done, answer=answer)
            self._standing = standing
            self._append(events)

    def standing(self) -> Standing:
        with self._open():
            return self._standing

    def stand(self, standing: Standing) -> None:
        with self._open():
            self._standing = standing


def _same(known: Alert, alert: Alert) -> bool:
    """Whether nothing has changed but the time of receipt."""
    return replace(alert, received_at=known.received_at) == known


def _require_next(known: Run, run: Run, only_from: RunState | None = None) -> None:
    if run.state not in NEXT_STATES[known.state] or only_from not in {None, known.state}:
        raise RunNotRecorded(f"run {run.id} is {known.state}, which cannot become {run.state}")
