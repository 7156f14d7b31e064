"""Mended, but its alert still fires: look until the alert ends, and admit failure where it doesn't (DESIGN 5.6).

The looks are made in a thread of their own: a check by playbook may take a minute, and a tick must not.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from bsm_remediate.domain.alert import Alert, AlertKey
from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.ids import RunId
from bsm_remediate.domain.run import Run, RunEnd, RunState
from bsm_remediate.domain.work_order import WorkOrder
from bsm_remediate.engine.remediation import Remediation
from bsm_remediate.engine.under_way import Spawn
from bsm_remediate.ports import Clock
from bsm_remediate.records import RunLog

LOOK_EVERY = timedelta(seconds=30)


class Unresolved:
    """Repeats the checks of restored components whose alert still fires. Its methods are called by the tick."""

    def __init__(
        self,
        records: RunLog,
        remediation: Remediation,
        clock: Clock,
        *,
        firing: Callable[[tuple[AlertKey, ...]], tuple[Alert, ...]],
        spawn: Spawn,
        arrived: Callable[[], None],
    ) -> None:
        self._records = records
        self._firing = firing
        self._remediation = remediation
        self._clock = clock
        self._spawn = spawn
        self._tell = arrived
        self._looked: dict[RunId, datetime] = {}
        self._looking: set[RunId] = set()
        self._seen: queue.SimpleQueue[tuple[RunId, bool, str]] = queue.SimpleQueue()

    def look_again(self, runs: tuple[Run, ...]) -> None:
        """Look at those that are due; a failing check, or the end of `resolve_within`, ends the wait."""
        now = self._clock.now()
        waiting = {run.id: run for run in runs if run.end in (RunEnd.RESTORED, RunEnd.ALREADY_OK)}
        self._looked = {run: at for run, at in self._looked.items() if run in waiting}
        for run in waiting.values():
            if run.ended_at is None or now - self._looked.get(run.id, run.ended_at) < LOOK_EVERY:
                continue
            order = self._records.order(run.id) if self._still_fires(run) else None
            if order is not None:
                self._looked[run.id] = now
                self._look(order, run, now)
        while not self._seen.empty():
            seen, holds, details = self._seen.get()
            self._looking.discard(seen)
            order = self._records.order(seen)
            if seen in waiting and not holds and order is not None:
                self._relapsed(order, waiting[seen], details)

    def _still_fires(self, run: Run) -> bool:
        """Whether an alert that the run was about still fires as it did then; a newer one is a new matter."""
        ended_at = run.ended_at
        return ended_at is not None and any(alert.starts_at <= ended_at for alert in self._firing(run.alerts))

    def _look(self, order: WorkOrder, run: Run, now: datetime) -> None:
        since = run.ended_at or now
        if order.weights is not None and order.is_last:
            return  # a pool may be pressed for long, and is as well served as it can be: each look asks what helps
        if now - since >= order.resolve_within:
            waited = format_duration(now - since)
            self._end_wait(
                order, run, RunEnd.STILL_FIRING, f"its checks held, but its alert still fires after {waited}"
            )
            return
        if order.checks_beforehand() and run.id not in self._looking:
            self._looking.add(run.id)
            self._spawn(lambda: self._look_beside(order, run), f"look-{run.id}")

    def _look_beside(self, order: WorkOrder, run: Run) -> None:
        holds, details = True, ""
        try:
            holds, details = self._remediation.looks_restored(order, run)
        finally:
            self._seen.put((run.id, holds, details))  # a look that could not be made has seen no relapse
            self._tell()

    def _relapsed(self, order: WorkOrder, run: Run, details: str) -> None:
        now = self._clock.now()
        after = format_duration(now - (run.ended_at or now))
        self._end_wait(order, run, RunEnd.RELAPSED, f"its checks fail again after {after}: {details}")

    def _end_wait(self, order: WorkOrder, run: Run, end: RunEnd, outcome: str) -> None:
        if run.state is RunState.SUCCEEDED:
            last = order.is_last
            state = RunState.ESCALATED if last else RunState.FAILED
            if last:
                outcome = order.hand_over(outcome, self._clock.now())
        else:
            state = RunState.CANCELLED
        changed = replace(run, state=state, end=end, outcome=outcome, ended_at=self._clock.now())
        event = Event(
            kind=f"run.{end}", at=self._clock.now(), subject=run.id, facts={"state": state.value, "outcome": outcome}
        )
        self._records.update(changed, [event])
