"""Carrying out one run: look once more, playbook, checks, hold; rollback where it failed (DESIGN 5.6).

Every change is recorded, with its event, before it takes effect. A stage begins from what is recorded, so that it can
be entered again after a crash, here or on another replica, and does only what is left. A failed alternative isn't
retried here: its remediation returns to the planner, which may find something more valuable first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from bsm_remediate.domain.alert import Alert, AlertKey
from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.event import Json
from bsm_remediate.domain.ids import RunId
from bsm_remediate.domain.playbook import PlaybookOutcome, PlaybookResult
from bsm_remediate.domain.policy import Check, CheckKind
from bsm_remediate.domain.run import OUTDATED_AFTER, Run, RunEnd, RunState
from bsm_remediate.domain.verification import Observation, Progress, Verification
from bsm_remediate.domain.work_order import Play, WorkOrder
from bsm_remediate.engine.run_journal import RunJournal, RunRecords
from bsm_remediate.engine.start_gate import StartGate
from bsm_remediate.ports import Clock, Executor, Prober

_log = logging.getLogger(__name__)

_END_OF = {
    PlaybookOutcome.FAILED: RunEnd.PLAYBOOK_FAILED,
    PlaybookOutcome.UNREACHABLE: RunEnd.UNREACHABLE,
    PlaybookOutcome.TIMED_OUT: RunEnd.TIMED_OUT,
    PlaybookOutcome.NO_HOST_MATCHED: RunEnd.NO_HOST_MATCHED,
    PlaybookOutcome.NOT_STARTED: RunEnd.PLAYBOOK_FAILED,
    PlaybookOutcome.DIED: RunEnd.PLAYBOOK_FAILED,
}
_LOOK_FOR_LEASE_S = 60.0


class Stage(Protocol):
    """Runs one stage so that it is not entered again once it has ended, whatever happens to this process."""

    def __call__(self, name: str, work: Callable[[], None], /) -> None: ...


@dataclass(frozen=True, slots=True)
class _Work:
    """One run being carried out here."""

    run: RunId
    order: WorkOrder
    fence: int
    cancelled: Callable[[], bool]


class Remediation:
    """The workflow of runs; one instance serves all, each run in a thread of its own."""

    def __init__(
        self,
        *,
        records: RunRecords,
        executor: Executor,
        prober: Prober,
        clock: Clock,
        firing: Callable[[tuple[AlertKey, ...]], tuple[Alert, ...]],
        gate: StartGate,
        may_act: Callable[[], bool],
        remains_s: float,
        leaving: Callable[[], bool],
        outgrown: Callable[[RunId], str] = lambda _run: "",
    ) -> None:
        """`gate` has the last word before a new run's playbook. `may_act` turns false when this engine has lost its
        lease: its playbooks are ended then. `remains_s`: those of an engine that died may be ending for so long after
        its runs were taken up. `leaving`: the engine ends, and what is under way is left to the next one as it stands.
        `outgrown`: why a run that waits for its checks must give way to the next; empty: it needn't.
        """
        self._records = records
        self._journal = RunJournal(records, clock, leaving=leaving)
        self._executor = executor
        self._prober = prober
        self._clock = clock
        self._firing = firing
        self._gate = gate
        self._may_act = may_act
        self._remains_s = remains_s
        self._leaving = leaving
        self._outgrown = outgrown

    def carry_out(self, run: RunId, stage: Stage, cancelled: Callable[[], bool]) -> None:
        """Take `run` from where it stands to its end. Raises `RunNotRecorded` when another engine has taken it over, or
        may do so since this one ends.
        """
        order = self._journal.patiently(lambda: self._records.order(run))
        claimed = self._journal.patiently(lambda: self._records.claim(run))
        if order is None or claimed is None:
            return
        self._resume(claimed)
        work = _Work(run, order, claimed.fence, cancelled)
        stage("look once more", lambda: self._look_once_more(work))
        stage("playbook", lambda: self._play(work))
        stage("verification", lambda: self._verify(work))
        stage("end", lambda: self._end(work))

    def looks_restored(
        self, order: WorkOrder, run: Run, cancelled: Callable[[], bool] = lambda: False
    ) -> tuple[bool, str]:
        """Whether all checks that don't come from the alert hold now (and there are any), with the details."""
        seen = [self._look(check, order, run, cancelled) for check in order.checks_beforehand()]
        failing = [one for one in seen if not one.holds]
        details = "; ".join(one.detail for one in failing or seen)
        return bool(seen) and not failing, details

    # --- the stages ------------------------------------------------------------------------------------------------

    def _resume(self, run: Run) -> None:
        """What becomes of a run whose engine died in the middle of its playbook: it is repeated, or, when it may happen
        only once, goes to a person, since nobody can know how far it came.
        """
        if run.state is not RunState.RUNNING or run.end is not None:
            return
        if run.once:
            self._clock.wait(self._remains_s)  # its locks are free then; a repetition waits for what is left by itself
            outcome = "the engine died in its middle and it may not be repeated; a person must look"
            self._journal.over(run, RunState.OUTCOME_UNKNOWN, RunEnd.ENGINE_DIED, outcome)
        else:
            self._journal.record(run, "run.repeated", state=RunState.QUEUED)

    def _look_once_more(self, work: _Work) -> None:
        run = self._current(work)
        if run.state is not RunState.QUEUED:
            return
        if work.cancelled():
            self._cancel(run)
            return
        if run.attempt > 0:
            return  # a repetition: half done counts as not done, whatever the checks say
        age = self._clock.now() - run.planned_at
        if age > OUTDATED_AFTER:
            outcome = f"was decided {format_duration(age)} ago: it is decided anew"
            self._journal.over(run, RunState.CANCELLED, RunEnd.DECIDED_ANEW, outcome)
            return
        holds, details = self.looks_restored(work.order, run, lambda: self._is_to_stop(work))
        if self._is_to_stop(work):
            self._cancel(self._current(work))
        elif holds:
            self._journal.over(
                run, RunState.CANCELLED, RunEnd.ALREADY_OK, f"already ok, nothing was run: {details}", "run.already_ok"
            )

    def _play(self, work: _Work) -> None:
        while (run := self._current(work)).state is RunState.QUEUED:
            begun = self._begin(run, work)
            if begun is None:
                return
            run = begun
            result = self._execute(work, run, work.order.play, work.cancelled)
            if result is None:
                work = self._go_on(work)
            elif result.outcome is PlaybookOutcome.SUCCEEDED:
                self._journal.record(run, "run.playbook_ended", facts=_facts(result), state=RunState.VERIFYING)
            elif result.outcome is PlaybookOutcome.CANCELLED:
                self._cancel(run)
            else:
                end, reason = _END_OF[result.outcome], result.reason
                self._journal.record(run, "run.playbook_ended", facts=_facts(result), end=end, outcome=reason)

    def _begin(self, run: Run, work: _Work) -> Run | None:
        """`run` with its next attempt; None when a person has ordered otherwise since it was decided. A repetition goes
        on: it is under way, which only `cancel` ends.
        """
        if run.attempt == 0:  # the engine that leads, elsewhere, may not know of it: not to be decided anew at once
            self._clock.wait(
                OUTDATED_AFTER.total_seconds(),
                until=lambda: not self._gate.is_braked() or work.cancelled() or self._leaving(),
            )
        begun = self._journal.begin(
            run,
            self._gate.pass_through if run.attempt == 0 else _nothing_against_it,
            facts={"playbook": run.playbook, "hosts": list(work.order.hosts), "attempt": run.attempt + 1},
            state=RunState.RUNNING,
            attempt=run.attempt + 1,
            started_at=self._clock.now(),
        )
        if isinstance(begun, Run):
            return begun
        self._journal.over(run, RunState.CANCELLED, RunEnd.DECIDED_ANEW, f"not begun: {begun}")
        return None

    def _execute(self, work: _Work, run: Run, play: Play, cancelled: Callable[[], bool]) -> PlaybookResult | None:
        """What became of `play`; None when it was ended since this engine lost its lease, or is leaving."""
        result = self._executor.execute(
            work.order.call(run, play),
            on_event=self._journal.task,
            cancelled=lambda: cancelled() or not self._may_act() or self._leaving(),
        )
        lost = result.outcome is PlaybookOutcome.CANCELLED and not cancelled()
        return None if lost else result

    def _go_on(self, work: _Work) -> _Work:
        """Once this engine has its lease again: with the run, unless another has taken it."""
        _log.warning("run.broken_off run=%s: its playbook was ended", work.run)
        while not self._clock.wait(_LOOK_FOR_LEASE_S, until=lambda: self._may_act() or self._leaving()):
            pass
        self._current(work)
        claimed = self._journal.patiently(lambda: self._records.claim(work.run))
        if claimed is not None:
            self._resume(claimed)
            return replace(work, fence=claimed.fence)
        return work

    def _verify(self, work: _Work) -> None:
        run = self._current(work)
        if run.state is not RunState.VERIFYING or run.end is not None:
            return
        checks = work.order.checks
        verification = Verification.of(checks, started_at=self._clock.now(), held_since=run.passed_at)
        pause = min(check.every for check in checks).total_seconds()
        while True:
            for check in verification.due(self._clock.now()):
                seen = self._look(check, work.order, run, lambda: self._is_to_stop(work))
                if self._is_to_stop(work):
                    break  # what was cut off says nothing
                verification = verification.observe(seen)
            if self._is_to_stop(work):
                self._cancel(self._current(work))
                return
            now = self._clock.now()
            progress = verification.progress(now)
            run = self._note_pass(run, progress, verification.reason(now))
            if progress is Progress.PASSED:
                took = format_duration(now - run.started_at) if run.started_at is not None else "no time"
                outcome = f"restored after {took}: {verification.reason(now)}"
                self._journal.over(run, RunState.SUCCEEDED, RunEnd.RESTORED, outcome)
                return
            if progress is Progress.FAILED:
                reason = f"not restored {verification.reason(now)}"
                run = replace(run, passed_at=None)
                self._journal.record(run, "run.not_verified", end=RunEnd.NOT_VERIFIED, outcome=reason)
                return
            outgrown = self._outgrown(run.id) if progress is Progress.WAITING else ""
            if outgrown:
                self._journal.over(run, RunState.CANCELLED, RunEnd.DECIDED_ANEW, outgrown)
                return
            self._clock.wait(pause, until=lambda: self._is_to_stop(work))

    def _note_pass(self, run: Run, progress: Progress, reason: str) -> Run:
        holding = progress in (Progress.HOLDING, Progress.PASSED)
        if holding and run.passed_at is None:
            return self._journal.record(run, "run.checks_hold", facts={"checks": reason}, passed_at=self._clock.now())
        if progress is Progress.WAITING and run.passed_at is not None:
            return self._journal.record(run, "run.checks_broke", facts={"checks": reason}, passed_at=None)
        return run

    def _end(self, work: _Work) -> None:
        """End a run that failed: undo it where it says how, then on to the next alternative or to a person. What can't
        be undone goes to a person at once, and its component is quarantined.
        """
        run = self._current(work)
        if run.state.is_over or run.end is None:
            return
        end, outcome, order = run.end, run.outcome, work.order
        undone, outcome = self._undone(work, run, outcome)
        if undone is False:
            end = RunEnd.ROLLBACK_FAILED
        if undone is False or order.is_last:
            state = RunState.ESCALATED
            why = f"{run.component} is quarantined" if undone is False else "no alternative is left"
            outcome = order.hand_over(outcome, self._clock.now(), why=why)
            _log.warning("run.escalated run=%s component=%s: %s", run.id, run.component, outcome)
        else:
            state = RunState.ROLLED_BACK if undone else RunState.FAILED
        self._journal.over(run, state, end, outcome)

    def _undone(self, work: _Work, run: Run, outcome: str) -> tuple[bool | None, str]:
        """Whether the run was undone (None: there was nothing to undo it by), and what people are told."""
        rollback = work.order.rollback
        if rollback is None or run.attempt == 0:
            return None, outcome
        while True:
            self._journal.note(run, "run.rollback_started", {"playbook": rollback.playbook})
            result = self._execute(work, run, rollback, lambda: False)
            if result is not None:
                break
            work = self._go_on(work)
            run = self._current(work)
        self._journal.note(run, "run.rollback_ended", _facts(result))
        if result.outcome is PlaybookOutcome.SUCCEEDED:
            return True, f"{outcome}; rolled back by {rollback.playbook}"
        return False, f"{outcome}; its rollback failed too: {result.reason}"

    # --- what is ---------------------------------------------------------------------------------------------------

    def _current(self, work: _Work) -> Run:
        return self._journal.current(work.run, fence=work.fence)

    def _cancel(self, run: Run) -> None:
        self._journal.over(run, RunState.CANCELLED, RunEnd.BY_A_PERSON, "cancelled by a person")

    def _is_to_stop(self, work: _Work) -> bool:
        return work.cancelled() or self._leaving()

    def _look(self, check: Check, order: WorkOrder, run: Run, cancelled: Callable[[], bool]) -> Observation:
        if check.kind is not CheckKind.ALERT:
            return self._prober.look(check, order.component, cancelled=cancelled)
        firing = self._firing(run.alerts)
        detail = f"{firing[0].name} still fires" if firing else "its alert no longer fires"
        return Observation(check=check, at=self._clock.now(), holds=not firing, detail=detail)


def _nothing_against_it(_run: Run, begin: Callable[[], None]) -> str:
    begin()
    return ""


def _facts(result: PlaybookResult) -> dict[str, Json]:
    return {
        "playbook_outcome": result.outcome.value,
        "detail": result.reason,
        "exit_code": result.exit_code,
        "duration_s": round(result.duration_s, 3),
        "changed": result.changed,
        "artifacts": result.artifacts,
        "artifacts_digest": result.digest,
    }
