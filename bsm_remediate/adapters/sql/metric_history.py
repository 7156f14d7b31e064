"""What the figures of metric policies were, in buckets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import orjson
from sqlalchemy import Connection, bindparam, text

from bsm_remediate.adapters.sql.database import DriverCursor
from bsm_remediate.adapters.sql.values import storable
from bsm_remediate.domain.ids import Fingerprint, PolicyId
from bsm_remediate.domain.metric_history import Bucket, MetricSeries, Resolution, Summary
from bsm_remediate.domain.sketch import Sketch

_DIGITS = 15
"""Of a fingerprint, in hex: two of a million series share them with a chance of one in two million."""
_NOTE = (
    "INSERT INTO bsm_metric_bucket (resolution, series, begin, count, total, low, high, beyond_s, sketch)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_NEW = (
    "INSERT INTO bsm_metric_series (id, policy, fingerprint, labels) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET labels = excluded.labels"
)
_SERIES = text("SELECT policy, fingerprint, labels FROM bsm_metric_series ORDER BY policy, labels")
_SERIES_OF = text(
    "SELECT policy, fingerprint, labels FROM bsm_metric_series WHERE policy = :policy ORDER BY policy, labels"
)
_BUCKETS = text(
    "SELECT series, begin, count, total, low, high, beyond_s, sketch FROM bsm_metric_bucket"
    " WHERE resolution = :resolution AND series IN :series AND begin >= :since AND begin < :until"
    " ORDER BY series, begin"
).bindparams(bindparam("series", expanding=True))
_ROLLED = text("SELECT resolution, through FROM bsm_metric_roll")
_ROLL = text(
    "INSERT INTO bsm_metric_roll (resolution, through) VALUES (:resolution, :through)"
    " ON CONFLICT (resolution) DO UPDATE SET through = excluded.through"
)
_FORGET = "DELETE FROM bsm_metric_bucket WHERE resolution = ? AND series = ? AND begin < ?"
_FORGET_SERIES = text(
    "DELETE FROM bsm_metric_series WHERE id IN :series AND NOT EXISTS (SELECT 1 FROM bsm_metric_bucket b"
    " WHERE b.resolution IN (60, 3600, 86400) AND b.series = bsm_metric_series.id)"
).bindparams(bindparam("series", expanding=True))
_TOGETHER = 500
"""Series of one question."""


def note(connection: Connection, buckets: Sequence[Bucket], new: Sequence[MetricSeries]) -> None:
    cursor = DriverCursor(connection)
    if new:
        known = [(_id(one.id), storable(one.policy), one.id, _labels_text(one.labels)) for one in new]
        cursor.executemany(_NEW, list[tuple[object, ...]](known))
    if buckets:
        cursor.executemany(_NOTE, [_row(one) for one in buckets])


def series(connection: Connection, policy: PolicyId | None) -> list[MetricSeries]:
    return [
        MetricSeries(policy=PolicyId(name), id=Fingerprint(print_), labels=orjson.loads(labels))
        for name, print_, labels in (
            connection.execute(_SERIES)
            if policy is None
            else connection.execute(_SERIES_OF, {"policy": storable(policy)})
        )
    ]


def buckets(
    connection: Connection,
    of: Sequence[Fingerprint],
    resolution: Resolution,
    *,
    since: datetime,
    until: datetime,
) -> list[Bucket]:
    found: list[Bucket] = []
    for start in range(0, len(of), _TOGETHER):
        ids = {_id(one): one for one in of[start : start + _TOGETHER]}
        asked = {
            "resolution": int(resolution),
            "series": list(ids),
            "since": since.timestamp(),
            "until": until.timestamp(),
        }
        found += [
            Bucket(
                ids[one],
                resolution,
                datetime.fromtimestamp(begin, UTC),
                Summary(count, total, low, high, beyond_s, Sketch.of(bytes(sketch))),
            )
            for one, begin, count, total, low, high, beyond_s, sketch in connection.execute(_BUCKETS, asked)
        ]
    return found


def rolled(connection: Connection) -> dict[Resolution, datetime]:
    rows = connection.execute(_ROLLED)
    return {Resolution(resolution): datetime.fromtimestamp(through, UTC) for resolution, through in rows}


def roll(connection: Connection, resolution: Resolution, through: datetime) -> None:
    connection.execute(_ROLL, {"resolution": int(resolution), "through": int(through.timestamp())})


def forget(connection: Connection, of: Sequence[Fingerprint], before: Mapping[Resolution, datetime]) -> None:
    ids = [_id(one) for one in of]
    cursor = DriverCursor(connection)
    for resolution, moment in before.items():
        cursor.executemany(_FORGET, [(int(resolution), one, int(moment.timestamp())) for one in ids])
    connection.execute(_FORGET_SERIES, {"series": ids})


def _id(fingerprint: Fingerprint) -> int:
    return int(fingerprint[:_DIGITS], 16)


def _labels_text(labels: Mapping[str, str]) -> str:
    return storable(orjson.dumps(dict(sorted(labels.items()))).decode())


def _row(one: Bucket) -> tuple[object, ...]:
    summary = one.summary
    return (
        int(one.resolution),
        _id(one.series),
        int(one.begin.timestamp()),
        summary.number,
        summary.total,
        summary.low,
        summary.high,
        summary.beyond_s,
        summary.sketch.packed(),
    )
