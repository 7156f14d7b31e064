"""The store: every port of `records.Store` on one database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime

import orjson
from sqlalchemy import Connection

from bsm_remediate.adapters.sql import alerts, changes, journal, metric_history, runs, statistics
from bsm_remediate.adapters.sql import messages as outbox
from bsm_remediate.adapters.sql.database import Database, open_database
from bsm_remediate.adapters.sql.deliveries import is_known, remember
from bsm_remediate.adapters.sql.stored_texts import TextReader
from bsm_remediate.adapters.sql.values import standing_of, standing_text, storable
from bsm_remediate.domain.alert import Alert, AlertKey
from bsm_remediate.domain.change import Change
from bsm_remediate.domain.chapter import Chapter, Portion, Progress, Recorded
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.ids import ChangeId, Fingerprint, PolicyId, RunId
from bsm_remediate.domain.message import Message
from bsm_remediate.domain.metric_history import Bucket, MetricSeries, Resolution
from bsm_remediate.domain.run import Run, RunState
from bsm_remediate.domain.seal import Entry, Mark, SealKey, Seals
from bsm_remediate.domain.work_order import WorkOrder
from bsm_remediate.records import Accepted, Control, Delivered, Standing

_EVERYTHING = 5_000


def open_store(url: str) -> SqlStore:
    """The store of `url`, migrated. Raises `StoreUnavailable` or `WrongUsage`."""
    return SqlStore(open_database(url))


class SqlStore:
    """Safe to use from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._texts = TextReader(database)
        self._require_leading: Callable[[Connection], None] = lambda _connection: None

    def decides_under(self, require_leading: Callable[[Connection], None]) -> None:
        """From now on what only a leader may write needs that: it raises `StoreUnavailable` when another one leads."""
        self._require_leading = require_leading

    def close(self) -> None:
        self._database.close()

    # --- alerts ----------------------------------------------------------------------------------------------------

    def record(self, received: Sequence[Alert], *, deliveries: Sequence[Delivered] = ()) -> Accepted:
        with self._database.write() as connection:
            if deliveries:
                remember(connection, deliveries)
            return alerts.record(connection, received)

    def was_delivered(self, source: str, delivery: str) -> bool:
        with self._database.read() as connection:
            return is_known(connection, source, delivery)

    def changes(self, *, after: int, limit: int = _EVERYTHING) -> tuple[Sequence[Alert], int]:
        with self._database.read() as connection:
            return alerts.changes(connection, self._texts, after=after, limit=limit)

    def received(
        self, since: datetime, until: datetime, *, after: int = 0, limit: int = 5_000
    ) -> tuple[Sequence[Alert], int]:
        with self._database.read() as connection:
            return alerts.received(connection, since, until, after=after, limit=limit)

    def active(self) -> Sequence[Alert]:
        with self._database.read() as connection:
            return alerts.active(connection)

    def current(self, keys: Sequence[AlertKey]) -> Sequence[Alert]:
        with self._database.read() as connection:
            return alerts.current(connection, keys)

    def last_seen(self) -> Mapping[AlertKey, datetime]:
        with self._database.read() as connection:
            return alerts.last_seen(connection)

    def past_onsets(self, since: datetime) -> Mapping[AlertKey, Sequence[datetime]]:
        with self._database.read() as connection:
            return alerts.past_onsets(connection, since)

    def heard_since(self, moment: datetime) -> frozenset[AlertKey]:
        with self._database.read() as connection:
            return frozenset(alerts.heard_since(connection, moment))

    # --- runs ------------------------------------------------------------------------------------------------------

    def reserve(self, run: Run, events: Sequence[Event], order: WorkOrder) -> Run | None:
        with self._database.write() as connection:
            self._require_leading(connection)
            reserved = runs.reserve(connection, run, order)
            if reserved is not None:
                journal.append(connection, events)
            return reserved

    def claim(self, run: RunId) -> Run | None:
        with self._database.write() as connection:
            return runs.claim(connection, run)

    def order(self, run: RunId) -> WorkOrder | None:
        with self._database.read() as connection:
            return runs.order(connection, run)

    def insert(self, run: Run, events: Sequence[Event]) -> None:
        with self._database.write() as connection:
            self._require_leading(connection)
            runs.put(connection, run)
            journal.append(connection, events)

    def update(self, run: Run, events: Sequence[Event], *, only_from: RunState | None = None) -> None:
        with self._database.write() as connection:
            runs.update(connection, run, only_from)
            journal.append(connection, events)

    def runs(self, *, since: datetime) -> Sequence[Run]:
        with self._database.read() as connection:
            return runs.since(connection, since)

    def run(self, run: RunId) -> Run | None:
        with self._database.read() as connection:
            return runs.find(connection, run)

    # --- planned changes -------------------------------------------------------------------------------------------

    def put_change(self, change: Change, events: Sequence[Event]) -> None:
        with self._database.write() as connection:
            self._require_leading(connection)
            changes.put(connection, change)
            journal.append(connection, events)

    def change(self, change: ChangeId) -> Change | None:
        with self._database.read() as connection:
            return changes.find(connection, change)

    def planned(self, *, since: datetime) -> Sequence[Change]:
        with self._database.read() as connection:
            return changes.since(connection, since)

    # --- the journal -----------------------------------------------------------------------------------------------

    def append(self, events: Sequence[Event]) -> None:
        with self._database.write() as connection:
            journal.append(connection, events)

    def events(self, *, after: int = 0, subject: str | None = None, limit: int = 1000) -> Sequence[Event]:
        with self._database.read() as connection:
            return journal.events(connection, after=after, subject=subject, limit=limit)

    def latest_position(self) -> int:
        return self.seals().head.position

    def seal(self, key: SealKey, *, limit: int) -> Mark | None:
        with self._database.read() as connection:
            if not journal.is_waiting(connection):
                return None
        with self._database.write() as connection:
            return journal.seal(connection, key, limit=limit)

    def seals(self) -> Seals:
        with self._database.read() as connection:
            return journal.seals(connection)

    def entries(self, *, after: int, limit: int) -> Sequence[Entry]:
        with self._database.read() as connection:
            return journal.entries(connection, after=after, limit=limit)

    def drop(self, begin: Mark, proof: str) -> None:
        with self._database.write() as connection:
            journal.drop(connection, begin, proof)

    # --- messages to people ----------------------------------------------------------------------------------------

    def post(self, messages: Sequence[Message]) -> None:
        with self._database.write() as connection:
            self._require_leading(connection)
            outbox.post(connection, messages)

    def settle(self, message: Message, events: Sequence[Event]) -> None:
        with self._database.write() as connection:
            if outbox.settle(connection, message):
                journal.append(connection, events)

    def messages(self) -> Sequence[Message]:
        with self._database.read() as connection:
            return outbox.messages(connection)

    # --- statistics ------------------------------------------------------------------------------------------------

    def recorded(self, *, since: datetime, until: datetime) -> Recorded:
        with self._database.read() as connection:
            return statistics.recorded(connection, since=since, until=until)

    def progress(self) -> Progress:
        with self._database.read() as connection:
            return statistics.progress(connection)

    def latest_chapters(self, keys: Collection[str]) -> Mapping[str, Chapter]:
        with self._database.read() as connection:
            return statistics.latest_chapters(connection, keys)

    def keep(self, portion: Portion, *, after: int) -> bool:
        with self._database.write() as connection:
            return statistics.keep(connection, portion, after=after)

    def rewind(self, position: int) -> None:
        with self._database.write() as connection:
            statistics.rewind(connection, position)

    def forget(self, before: datetime) -> int:
        with self._database.write() as connection:
            return statistics.forget(connection, before)

    # --- what metrics were -----------------------------------------------------------------------------------------

    def note_figures(self, buckets: Sequence[Bucket], new: Sequence[MetricSeries]) -> None:
        with self._database.write() as connection:
            metric_history.note(connection, buckets, new)

    def metric_series(self, policy: PolicyId | None = None) -> Sequence[MetricSeries]:
        with self._database.read() as connection:
            return metric_history.series(connection, policy)

    def buckets(
        self, series: Sequence[Fingerprint], resolution: Resolution, *, since: datetime, until: datetime
    ) -> Sequence[Bucket]:
        with self._database.read() as connection:
            return metric_history.buckets(connection, series, resolution, since=since, until=until)

    def rolled(self) -> Mapping[Resolution, datetime]:
        with self._database.read() as connection:
            return metric_history.rolled(connection)

    def roll(self, resolution: Resolution, through: datetime) -> None:
        with self._database.write() as connection:
            metric_history.roll(connection, resolution, through)

    def forget_buckets(self, series: Sequence[Fingerprint], before: Mapping[Resolution, datetime]) -> None:
        with self._database.write() as connection:
            metric_history.forget(connection, series, before)

    # --- people's controls -----------------------------------------------------------------------------------------

    def ask(self, control: Control) -> int:
        with self._database.write() as connection:
            asked = connection.exec_driver_sql(
                "INSERT INTO bsm_control (verb, target, reason, who, asked_at, until, details)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)"
                " RETURNING id",
                (
                    *(storable(text) for text in (control.verb, control.target, control.reason, control.who)),
                    control.asked_at.timestamp(),
                    control.until.timestamp() if control.until is not None else None,
                    storable(orjson.dumps(dict(control.details)).decode()),
                ),
            )
            return int(asked.scalar_one())

    def waiting(self) -> Sequence[Control]:
        return self._controls("done IS NULL ORDER BY id", ())

    def control(self, control: int) -> Control | None:
        found = self._controls("id = ?", (control,))
        return found[0] if found else None

    def _controls(self, where: str, parameters: tuple[int, ...]) -> list[Control]:
        columns = "id, verb, target, reason, who, asked_at, until, done, answer, details"
        query = f"SELECT {columns} FROM bsm_control WHERE {where}"  # noqa: S608 - ours
        with self._database.read() as connection:
            rows = connection.exec_driver_sql(query, parameters)
            return [
                Control(
                    id=number,
                    verb=verb,
                    target=target,
                    reason=reason,
                    who=who,
                    asked_at=datetime.fromtimestamp(asked_at, UTC),
                    until=datetime.fromtimestamp(until, UTC) if until is not None else None,
                    done=bool(done) if done is not None else None,
                    answer=answer,
                    details=orjson.loads(details),
                )
                for number, verb, target, reason, who, asked_at, until, done, answer, details in rows
            ]

    def answer(self, control: int, *, done: bool, answer: str, standing: Standing, events: Sequence[Event]) -> None:
        with self._database.write() as connection:
            self._require_leading(connection)
            connection.exec_driver_sql(
                "UPDATE bsm_control SET done = ?, answer = ? WHERE id = ?", (done, answer, control)
            )
            _stand(connection, standing)
            journal.append(connection, events)

    def standing(self) -> Standing:
        with self._database.read() as connection:
            text = connection.exec_driver_sql("SELECT value FROM bsm_standing WHERE id = 1").scalar()
        return standing_of(text) if text is not None else Standing()

    def stand(self, standing: Standing) -> None:
        with self._database.write() as connection:
            self._require_leading(connection)
            _stand(connection, standing)


def _stand(connection: Connection, standing: Standing) -> None:
    connection.exec_driver_sql(
        "INSERT INTO bsm_standing (id, value) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET value = excluded.value",
        (standing_text(standing),),
    )
