"""Planned changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from bsm_remediate.adapters.sql.values import change_of, change_text
from bsm_remediate.domain.change import Change
from bsm_remediate.domain.ids import ChangeId
from bsm_remediate.errors import ChangeNotRecorded

_PUT = (
    "INSERT INTO bsm_changes (id, state, version, proposed_at, is_over, value) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET state = excluded.state, version = excluded.version, is_over = excluded.is_over,"
    " value = excluded.value"
)


def put(connection: Connection, change: Change) -> None:
    """Write `change`. Raises `ChangeNotRecorded` unless it is the next value of what is stored."""
    query = "SELECT version FROM bsm_changes WHERE id = ?"
    known = connection.exec_driver_sql(query, (change.id,)).scalar() or 0
    if change.version != known + 1:
        raise ChangeNotRecorded(f"change {change.id} was written by somebody else: it is version {known} now")
    row = (change.id, change.state.value, change.version, change.proposed.at.timestamp(), change.is_over)
    connection.exec_driver_sql(_PUT, (*row, change_text(change)))


def find(connection: Connection, change: ChangeId) -> Change | None:
    text = connection.exec_driver_sql("SELECT value FROM bsm_changes WHERE id = ?", (change,)).scalar()
    return change_of(text) if text is not None else None


def since(connection: Connection, moment: datetime) -> Sequence[Change]:
    """Those that aren't over, and those proposed at or after `moment`, oldest first."""
    rows = connection.exec_driver_sql(
        "SELECT value FROM bsm_changes WHERE is_over = ? OR proposed_at >= ? ORDER BY proposed_at, id",
        (False, moment.timestamp()),
    )
    return [change_of(text) for (text,) in rows]
