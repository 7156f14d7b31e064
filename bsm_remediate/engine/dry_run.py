"""Dry runs: the playbook of a run that waits for approval, in check mode on the real hosts, so that whoever approves
sees what would change. It takes no locks and counts as no attempt: it changes nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.dry_run import Change, DryRun
from bsm_remediate.domain.event import ENGINE, Event
from bsm_remediate.domain.ids import RunId
from bsm_remediate.domain.playbook import PlaybookEvent
from bsm_remediate.domain.run import Run
from bsm_remediate.domain.work_order import WorkOrder
from bsm_remediate.engine.under_way import Spawn
from bsm_remediate.errors import RemediationError, StoreUnavailable
from bsm_remediate.ports import Clock, Executor
from bsm_remediate.records import EventLog

_log = logging.getLogger(__name__)


def dry_run(executor: Executor, run: Run, order: WorkOrder, *, cancelled: Callable[[], bool]) -> DryRun:
    """What `run` would change, as `order` has it. Takes as long as its playbook does in check mode."""
    changes: list[Change] = []
    skipped = 0

    def hear(event: PlaybookEvent) -> None:
        nonlocal skipped
        skipped += event.kind == "skipped"
        if event.kind == "changed":
            changes.append(Change(host=event.host or "", task=event.task or "", diff=event.diff))

    call = order.call(run, order.play)
    # A name of its own: its folder must not be taken for that of an attempt.
    call = replace(call, run=RunId(f"{run.id}-dry"), attempt=run.attempt + 1, check_mode=True)
    result = executor.execute(call, on_event=hear, cancelled=cancelled)
    return DryRun(playbook=call.playbook, result=result, changes=tuple(changes), skipped=skipped)


class DryRuns:
    """At most one of each run at a time, each in a thread of its own; what it found becomes an event of the run."""

    def __init__(
        self,
        executor: Executor,
        journal: EventLog,
        clock: Clock,
        *,
        bundle: Callable[[], Bundle],
        order: Callable[[Run], WorkOrder | None],
        spawn: Spawn,
        stop: Callable[[], bool],
    ) -> None:
        """`order` says what a run would do by `bundle`; `stop` ends those under way."""
        self._executor = executor
        self._journal = journal
        self._clock = clock
        self._bundle = bundle
        self._order = order
        self._spawn = spawn
        self._stop = stop
        self._under_way: set[RunId] = set()
        self._guard = threading.Lock()

    def approval_asked(self, run: Run) -> None:
        """With `settings: dry_run` each approval comes with one."""
        if self._bundle().settings.dry_run:
            self.ask(run, ENGINE)

    def ask(self, run: Run, who: str) -> str:
        """Begin one of `run`, which waits for approval, as `who` asked; or say why not."""
        policy = self._bundle().policies.get(run.policy)
        if policy is None or run.bundle != self._bundle().digest:
            return f"run {run.id} was planned by another bundle; look at the plan again"
        if not policy.do[run.alternative].check:
            return f"{run.playbook} can't run in check mode, says policy {run.policy} (`check: false`)"
        try:
            order = self._order(run)
        except RemediationError as error:
            return str(error)
        if order is None:
            return f"what run {run.id} would do isn't known now; look at the plan again"
        if run.id in self._under_way:
            return f"a dry run of {run.id} is under way"
        facts = {"component": run.component, "policy": run.policy, "playbook": run.playbook}
        started = Event(kind="run.dry_run_started", at=self._clock.now(), subject=run.id, facts=facts, actor=who)
        self._journal.append([started])
        with self._guard:
            self._under_way.add(run.id)
        self._spawn(lambda: self._carry_out(run, order, facts), f"dry-run-{run.id}")
        return ""

    def _carry_out(self, run: Run, order: WorkOrder, facts: dict[str, str]) -> None:
        try:
            found = dry_run(self._executor, run, order, cancelled=self._stop)
            event = Event(
                kind="run.dry_run_ended", at=self._clock.now(), subject=run.id, facts={**facts, **found.facts()}
            )
            self._journal.append([event])
        except StoreUnavailable as error:
            _log.warning("run.dry_run_not_journalled run=%s: %s", run.id, error)
        except Exception:  # noqa: BLE001 - the outermost frame of the thread
            _log.exception("run.dry_run_failed run=%s", run.id)
        finally:
            with self._guard:
                self._under_way.discard(run.id)
