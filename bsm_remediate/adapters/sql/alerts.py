"""Alerts: immutable changes, and which of them counts (DESIGN 5.6, Order of deliveries)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from hashlib import blake2b
from sys import intern
from typing import Any

from sqlalchemy import Connection

from bsm_remediate.adapters.sql.database import DriverCursor
from bsm_remediate.adapters.sql.packed import PackedTexts, Texts, packed
from bsm_remediate.adapters.sql.stored_texts import TextReader
from bsm_remediate.domain.alert import Alert, AlertKey, AlertStatus
from bsm_remediate.domain.ids import Fingerprint
from bsm_remediate.records import Accepted

_CHUNK = 400
"""Keys per look-up; SQLite takes a limited number of parameters."""

_INSERT_CHANGE = (
    "INSERT INTO bsm_alert_change"
    " (position, source, fingerprint, status, labels, annotations, starts_at, ends_at, received_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_PUT_CURRENT = (
    "INSERT INTO bsm_alert (source, fingerprint, position, status, starts_at, content, last_seen)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (source, fingerprint) DO UPDATE SET position = excluded.position,"
    " status = excluded.status, starts_at = excluded.starts_at, content = excluded.content,"
    " last_seen = CASE WHEN excluded.last_seen > bsm_alert.last_seen THEN excluded.last_seen"
    " ELSE bsm_alert.last_seen END"
)
_TOUCH = "UPDATE bsm_alert SET last_seen = ? WHERE source = ? AND fingerprint = ? AND last_seen < ?"
_CHANGED = (
    "SELECT c.position, c.source, c.fingerprint, c.status, c.labels, c.annotations, c.starts_at, c.ends_at,"
    " c.received_at FROM bsm_alert a JOIN bsm_alert_change c ON c.position = a.position"
)

_Known = tuple[float, str, bool]
"""starts_at and digest of the content of the change that counts, and whether it is over."""


def record(connection: Connection, alerts: Sequence[Alert]) -> Accepted:
    """Write `alerts`, in the caller's transaction."""
    cursor = DriverCursor(connection)
    known, position = _known(cursor, {alert.key for alert in alerts})
    changes: list[tuple[object, ...]] = []
    current: dict[AlertKey, tuple[Any, ...]] = {}
    touched: dict[AlertKey, float] = {}
    outdated = 0
    for alert in alerts:
        labels, annotations = packed(alert.labels), packed(alert.annotations)
        starts_at, seen = alert.starts_at.timestamp(), alert.received_at.timestamp()
        ends_at = alert.ends_at.timestamp() if alert.ends_at is not None else None
        content = blake2b(f"{alert.status.value} {ends_at} {labels} {annotations}".encode(), digest_size=16).hexdigest()
        before = known.get(alert.key)
        if before is not None and starts_at == seen and not before[2] and before[0] <= starts_at:
            starts_at = before[0]  # a start that is the receipt is none: nobody knows it, or a clock is ahead
        if before is not None and starts_at < before[0]:
            outdated += 1
        elif before is not None and before[:2] == (starts_at, content):
            touched[alert.key] = max(seen, touched.get(alert.key, seen))
        else:
            position += 1
            key = alert.key
            known[key] = (starts_at, content, alert.is_over)
            earlier = current[key][-1] if key in current else seen
            latest = max(seen, earlier, touched.pop(key, seen))
            changes.append((position, *key, alert.status.value, labels, annotations, starts_at, ends_at, seen))
            current[key] = (*key, position, alert.status.value, starts_at, content, latest)
    if changes:
        cursor.executemany(_INSERT_CHANGE, changes)
        cursor.executemany(_PUT_CURRENT, list(current.values()))
    if touched:
        cursor.executemany(_TOUCH, [(seen, *key, seen) for key, seen in touched.items()])
    return Accepted(new=len(changes), repeated=len(alerts) - len(changes) - outdated, outdated=outdated)


def changes(connection: Connection, texts: TextReader, *, after: int, limit: int) -> tuple[list[Alert], int]:
    """The alerts that changed after that position, as they are now, and the position reached. They may be held for
    long, so their texts stay in the database.
    """
    cursor = DriverCursor(connection)
    cursor.execute(f"{_CHANGED} WHERE a.position > ? ORDER BY a.position LIMIT ?", (after, limit))
    rows = cursor.fetchall()
    texts.remember({row[0]: (row[4], row[5]) for row in rows})
    return [_alert(row, *texts.at(row[0])) for row in rows], rows[-1][0] if rows else after


def received(
    connection: Connection, since: datetime, until: datetime, *, after: int, limit: int
) -> tuple[list[Alert], int]:
    rows = connection.exec_driver_sql(
        "SELECT position, source, fingerprint, status, labels, annotations, starts_at, ends_at, received_at"
        " FROM bsm_alert_change WHERE position > ? AND received_at >= ? AND received_at <= ? ORDER BY position LIMIT ?",
        (after, since.timestamp(), until.timestamp(), limit),
    ).fetchall()
    return [_alert_with_texts(row) for row in rows], rows[-1][0] if len(rows) == limit else 0


def active(connection: Connection) -> list[Alert]:
    rows = connection.exec_driver_sql(f"{_CHANGED} WHERE a.status IN ('firing', 'unknown') ORDER BY a.position")
    return [_alert_with_texts(row) for row in rows]


def current(connection: Connection, keys: Sequence[AlertKey]) -> list[Alert]:
    query = f"{_CHANGED} WHERE a.source = ? AND a.fingerprint = ?"
    rows = (connection.exec_driver_sql(query, tuple(key)).first() for key in dict.fromkeys(keys))
    return [_alert_with_texts(row) for row in rows if row is not None]


def last_seen(connection: Connection) -> dict[AlertKey, datetime]:
    rows = connection.exec_driver_sql(
        "SELECT a.source, a.fingerprint, a.last_seen FROM bsm_alert a"
        " JOIN bsm_alert_change c ON c.position = a.position"
        " WHERE a.status IN ('firing', 'unknown') AND a.last_seen > c.received_at"
    )
    return {AlertKey(source, Fingerprint(print_)): _time(seen) for source, print_, seen in rows}


def past_onsets(connection: Connection, since: datetime) -> dict[AlertKey, list[datetime]]:
    rows = connection.exec_driver_sql(
        "SELECT DISTINCT c.source, c.fingerprint, c.starts_at FROM bsm_alert_change c"
        " JOIN bsm_alert a ON a.source = c.source AND a.fingerprint = c.fingerprint"
        " WHERE c.status = 'firing' AND c.received_at >= ? AND (a.status = 'resolved' OR c.starts_at < a.starts_at)"
        " ORDER BY c.starts_at",
        (since.timestamp(),),
    )
    found: dict[AlertKey, list[datetime]] = {}
    for source, print_, starts_at in rows:
        found.setdefault(AlertKey(source, Fingerprint(print_)), []).append(_time(starts_at))
    return found


def heard_since(connection: Connection, moment: datetime) -> set[AlertKey]:
    rows = connection.exec_driver_sql(
        "SELECT source, fingerprint FROM bsm_alert WHERE last_seen >= ?", (moment.timestamp(),)
    )
    return {AlertKey(source, Fingerprint(print_)) for source, print_ in rows}


def _known(cursor: DriverCursor, keys: Iterable[AlertKey]) -> tuple[dict[AlertKey, _Known], int]:
    """What counts now of `keys`, and the latest position."""
    wanted = list(keys)
    found: dict[AlertKey, _Known] = {}
    latest = 0
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        parameters = tuple(part for key in chunk for part in key)
        cursor.execute(_look_up(len(chunk)), parameters)
        for source, print_, starts_at, content, status, position in cursor.fetchall():
            latest = position
            if content is not None:
                is_over = status == AlertStatus.RESOLVED.value
                found[AlertKey(source, Fingerprint(print_))] = (starts_at, content, is_over)
    return found, latest


@cache
def _look_up(number: int) -> str:
    marks = ",".join(["(?,?)"] * number)
    # Joined and in this order: `IN (VALUES …)` would make SQLite scan the whole table.
    return (
        f"WITH wanted(source, fingerprint) AS (VALUES {marks})"  # noqa: S608 - only question marks go in
        " SELECT w.source, w.fingerprint, a.starts_at, a.content, a.status,"
        " (SELECT coalesce(max(position), 0) FROM bsm_alert_change)"
        " FROM wanted w LEFT JOIN bsm_alert a ON a.source = w.source AND a.fingerprint = w.fingerprint"
    )


@lru_cache(maxsize=1024)
def _time(seconds: float) -> datetime:
    """One value for all alerts of a delivery: in a storm a hundred thousand of them are held."""
    return datetime.fromtimestamp(seconds, UTC)


def _alert_with_texts(row: Any) -> Alert:
    return _alert(row, PackedTexts(row[4]), PackedTexts(row[5]))


def _alert(row: Any, labels: Texts, annotations: Texts) -> Alert:
    _, source, print_, status, _, _, starts_at, ends_at, received_at = row
    return Alert(
        source=intern(source),
        fingerprint=Fingerprint(print_),
        status=AlertStatus(status),
        labels=labels,
        annotations=annotations,
        starts_at=_time(starts_at),
        ends_at=_time(ends_at) if ends_at is not None else None,
        received_at=_time(received_at),
    )
