"""Dry runs of planned changes: their playbook in check mode on the real hosts, before anybody approves."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.change import Change, ChangeState, Trial
from bsm_remediate.domain.change_work import order_of_change, run_of_change
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.ids import ChangeId, RunId
from bsm_remediate.domain.planned_change import PlannedChange
from bsm_remediate.domain.work_order import WorkOrder
from bsm_remediate.engine.dry_run import dry_run
from bsm_remediate.engine.under_way import Spawn
from bsm_remediate.errors import ChangeNotRecorded, RemediationError, StoreUnavailable
from bsm_remediate.ports import Clock, Executor
from bsm_remediate.records import ChangeLog

_log = logging.getLogger(__name__)
_TRIED_ON = frozenset({ChangeState.PROPOSED, ChangeState.DRY_RUN_OK, ChangeState.DRY_RUN_FAILED})
_ATTEMPTS = 5


class ChangeTrials:
    """At most one of each change at a time, each in a thread of its own. One that its engine didn't outlive has to be
    asked for again.
    """

    def __init__(
        self,
        executor: Executor,
        records: ChangeLog,
        clock: Clock,
        *,
        bundle: Callable[[], Bundle],
        spawn: Spawn,
        stop: Callable[[], bool],
        ended: Callable[[], None],
    ) -> None:
        """`stop` ends those under way; `ended` hears of each end."""
        self._executor = executor
        self._records = records
        self._clock = clock
        self._bundle = bundle
        self._spawn = spawn
        self._stop = stop
        self._ended = ended
        self._under_way: set[ChangeId] = set()
        self._guard = threading.Lock()

    def ask(self, change: Change, planned: PlannedChange, who: str) -> str:
        """Begin one of `change`, as `who` asked; or say why not."""
        try:
            order = order_of_change(planned, self._bundle())
        except RemediationError as error:
            return str(error)
        if change.id in self._under_way:
            return f"a dry run of {change.id} is under way"
        facts = {"change": change.name, "playbook": planned.do.playbook}
        event = Event(kind="change.dry_run_started", at=self._clock.now(), subject=change.id, facts=facts, actor=who)
        self._records.put_change(replace(change, version=change.version + 1), [event])
        with self._guard:
            self._under_way.add(change.id)
        self._spawn(lambda: self._carry_out(change, planned, order), f"dry-run-{change.id}")
        return ""

    def _carry_out(self, change: Change, planned: PlannedChange, order: WorkOrder) -> None:
        try:
            run = replace(run_of_change(change, planned, self._bundle(), self._clock.now()), id=RunId(change.id))
            found = dry_run(self._executor, run, order, cancelled=self._stop)
            if not self._stop():
                trial = Trial(is_sound=found.is_sound, words=found.words(), at=self._clock.now(), digest=change.written)
                facts = {"change": change.name, **found.facts()}
                event = Event(kind="change.dry_run_ended", at=trial.at, subject=change.id, facts=facts)
                self._note(change, trial, event)
        except StoreUnavailable as error:
            _log.warning("change.dry_run_not_recorded change=%s: %s", change.id, error)
        except Exception:  # noqa: BLE001 - the outermost frame of the thread
            _log.exception("change.dry_run_failed change=%s", change.id)
        finally:
            with self._guard:
                self._under_way.discard(change.id)
            self._ended()

    def _note(self, change: Change, trial: Trial, event: Event) -> None:
        """Write it into the change as it is by then: somebody may have moved it on meanwhile."""
        for _ in range(_ATTEMPTS):
            known = self._records.change(change.id)
            if known is None or known.is_over or known.written != trial.digest:
                return
            state = ChangeState.DRY_RUN_OK if trial.is_sound else ChangeState.DRY_RUN_FAILED
            state = state if known.state in _TRIED_ON else known.state
            try:
                self._records.put_change(replace(known, state=state, trial=trial, version=known.version + 1), [event])
            except ChangeNotRecorded:
                continue
            return
