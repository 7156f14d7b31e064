"""Runs and their locks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from bsm_remediate.adapters.sql.values import order_of, order_text, run_of, run_text
from bsm_remediate.domain.ids import RunId
from bsm_remediate.domain.run import NEXT_STATES, Run, RunState
from bsm_remediate.domain.work_order import WorkOrder
from bsm_remediate.errors import RunNotRecorded

_PUT = (
    "INSERT INTO bsm_run (id, state, component, policy, fence, planned_at, ended_at, is_over, value)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state, fence = excluded.fence,"
    " planned_at = excluded.planned_at, ended_at = excluded.ended_at, is_over = excluded.is_over,"
    " value = excluded.value"
)
_NEXT_FENCE = (
    "INSERT INTO bsm_fence (id, latest) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET latest = bsm_fence.latest + 1"
    " RETURNING latest"
)


_PUT_ORDER = (
    "INSERT INTO bsm_work_order (run, value) VALUES (?, ?) ON CONFLICT (run) DO UPDATE SET value = excluded.value"
)


def reserve(connection: Connection, run: Run, order: WorkOrder) -> Run | None:
    """Take the locks of `run` and write it with a new fence; None, and nothing written, when one is taken."""
    known = find(connection, run.id)
    if known is not None:
        _require_next(known, run)
    marks = ",".join("?" * len(run.locks))
    query = f"SELECT 1 FROM bsm_lock WHERE run <> ? AND name IN ({marks}) LIMIT 1"  # noqa: S608 - only question marks
    if connection.exec_driver_sql(query, (run.id, *run.locks)).first() is not None:
        return None
    reserved = replace(run, fence=connection.exec_driver_sql(_NEXT_FENCE).scalar_one())
    connection.exec_driver_sql("DELETE FROM bsm_lock WHERE run = ?", (run.id,))
    connection.exec_driver_sql(
        "INSERT INTO bsm_lock (name, run, fence) VALUES (?, ?, ?)",
        [(name, run.id, reserved.fence) for name in run.locks],
    )
    put(connection, reserved)
    connection.exec_driver_sql(_PUT_ORDER, (run.id, order_text(order)))
    return reserved


def claim(connection: Connection, run: RunId) -> Run | None:
    """Give `run` a new fence; None when it is over."""
    known = find(connection, run)
    if known is None or known.state.is_over:
        return None
    claimed = replace(known, fence=connection.exec_driver_sql(_NEXT_FENCE).scalar_one())
    connection.exec_driver_sql("UPDATE bsm_lock SET fence = ? WHERE run = ?", (claimed.fence, run))
    put(connection, claimed)
    return claimed


def order(connection: Connection, run: RunId) -> WorkOrder | None:
    text = connection.exec_driver_sql("SELECT value FROM bsm_work_order WHERE run = ?", (run,)).scalar()
    return order_of(text) if text is not None else None


def put(connection: Connection, run: Run) -> None:
    connection.exec_driver_sql(
        _PUT,
        (
            run.id,
            run.state.value,
            run.component,
            run.policy,
            run.fence,
            run.planned_at.timestamp(),
            run.ended_at.timestamp() if run.ended_at is not None else None,
            run.state.is_over,
            run_text(run),
        ),
    )


def update(connection: Connection, run: Run, only_from: RunState | None) -> None:
    """Write the new value of `run`. Raises `RunNotRecorded` when it may not follow what is stored."""
    known = find(connection, run.id)
    if known is None:
        raise RunNotRecorded(f"there is no run {run.id}")
    _require_next(known, run, only_from)
    if known.fence != run.fence:
        raise RunNotRecorded(f"run {run.id} has been taken over: fence {known.fence}, not {run.fence}")
    put(connection, run)
    if not run.state.holds_locks:
        connection.exec_driver_sql("DELETE FROM bsm_lock WHERE run = ?", (run.id,))


def _require_next(known: Run, run: Run, only_from: RunState | None = None) -> None:
    if run.state not in NEXT_STATES[known.state] or only_from not in {None, known.state}:
        raise RunNotRecorded(f"run {run.id} is {known.state}, which cannot become {run.state}")


def find(connection: Connection, run: RunId) -> Run | None:
    text = connection.exec_driver_sql("SELECT value FROM bsm_run WHERE id = ?", (run,)).scalar()
    return run_of(text) if text is not None else None


def since(connection: Connection, moment: datetime) -> Sequence[Run]:
    """Unfinished runs, and those that ended at or after `moment`, oldest first."""
    rows = connection.exec_driver_sql(
        "SELECT value FROM bsm_run WHERE is_over = ? OR ended_at >= ? ORDER BY planned_at, number",
        (False, moment.timestamp()),
    )
    return [run_of(text) for (text,) in rows]
