"""Mended, but its alert still fires: look until the alert ends, and admit failure where it doesn't (DESIGN 5.6)."""

from __future__ import annotations

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
from bsm_remediate.ports import Clock, RunLog

LOOK_EVERY = timedelta(seconds=30)


class Unresolved:
    """Repeats the checks of restored components whose alert still fires."""

    def __init__(
        self,
        records: RunLog,
        remediation: Remediation,
        clock: Clock,
        *,
        firing: Callable[[tuple[AlertKey, ...]], tuple[Alert, ...]],
    ) -> None:
        self._records = records
        self._firing = firing
        self._remediation = remediation
        self._clock = clock
        self._looked: dict[RunId, datetime] = {}

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

    def _still_fires(self, run: Run) -> bool:
        """Whether an alert that the run was about still fires as it did then; a newer one is a new matter."""
        ended_at = run.ended_at
        return ended_at is not None and any(alert.starts_at <= ended_at for alert in self._firing(run.alerts))

    def _look(self, order: WorkOrder, run: Run, now: datetime) -> None:
        since = run.ended_at or now
        if now - since >= order.resolve_within:
            waited = format_duration(now - since)
            self._end_wait(
                order, run, RunEnd.STILL_FIRING, f"its checks held, but its alert still fires after {waited}"
            )
            return
        if not order.checks_beforehand():
            return
        holds, details = self._remediation.looks_restored(order, run)
        if not holds:
            self._end_wait(
                order, run, RunEnd.RELAPSED, f"its checks fail again after {format_duration(now - since)}: {details}"
            )

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
