"""Carrying out one run: look once more, playbook, checks, hold; rollback where it failed (DESIGN 5.6).

Every change is recorded, with its event, before it takes effect. A failed alternative isn't retried here: its
remediation returns to the planner, which may find something more valuable first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from bsm_remediate.domain.alert import Alert, AlertKey
from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.event import Event, Json
from bsm_remediate.domain.playbook import PlaybookEvent, PlaybookOutcome, PlaybookResult
from bsm_remediate.domain.policy import Check, CheckKind
from bsm_remediate.domain.run import Run, RunEnd, RunState
from bsm_remediate.domain.verification import (
    Observation,
    Progress,
    Verification,
    checks_after_run,
    checks_beforehand,
)
from bsm_remediate.engine.job import Job
from bsm_remediate.ports import Clock, EventLog, Executor, Prober, RunLog

_log = logging.getLogger(__name__)

_END_OF = {
    PlaybookOutcome.FAILED: RunEnd.PLAYBOOK_FAILED,
    PlaybookOutcome.UNREACHABLE: RunEnd.UNREACHABLE,
    PlaybookOutcome.TIMED_OUT: RunEnd.TIMED_OUT,
    PlaybookOutcome.NO_HOST_MATCHED: RunEnd.NO_HOST_MATCHED,
    PlaybookOutcome.NOT_STARTED: RunEnd.PLAYBOOK_FAILED,
    PlaybookOutcome.DIED: RunEnd.PLAYBOOK_FAILED,
}
_TOLD = {"ok", "changed", "failed", "unreachable"}
"""Kinds of playbook events that the journal keeps; the rest stays in the artifacts."""


class RunRecords(RunLog, EventLog, Protocol):
    """Where runs and their events are written."""


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
    ) -> None:
        self._records = records
        self._executor = executor
        self._prober = prober
        self._clock = clock
        self._firing = firing

    def carry_out(self, job: Job, cancelled: Callable[[], bool]) -> Run:
        """Take `job` from where its run stands to its end; returns the run as it ended."""
        run = job.run
        if run.state is RunState.QUEUED:
            run = self._look_once_more(job, run, cancelled)
        if run.state is RunState.QUEUED:
            run = self._play(job, run, cancelled)
        if run.state is RunState.VERIFYING:
            run = self._verify(job, run, cancelled)
        return run

    def looks_restored(self, job: Job) -> tuple[bool, str]:
        """Whether all checks that don't come from the alert hold now (and there are any), with the details."""
        seen = [self._look(check, job) for check in checks_beforehand(job.policy)]
        failing = [one for one in seen if not one.holds]
        details = "; ".join(one.detail for one in failing or seen)
        return bool(seen) and not failing, details

    def fail(self, job: Job, run: Run, end: RunEnd, outcome: str) -> Run:
        """End `run` as failed: undo it where it says how, then on to the next alternative or to a person. What can't be
        undone goes to a person at once, and its component is quarantined.
        """
        rolled_back, outcome = self._rolled_back(job, run, outcome)
        if rolled_back is False:
            end = RunEnd.ROLLBACK_FAILED
        if rolled_back is False or job.is_last_alternative:
            state = RunState.ESCALATED
            why = f"{run.component} is quarantined" if rolled_back is False else "no alternative is left"
            outcome = job.hand_over(outcome, self._clock.now(), why=why)
            _log.warning("run.escalated run=%s component=%s: %s", run.id, run.component, outcome)
        else:
            state = RunState.ROLLED_BACK if rolled_back else RunState.FAILED
        return self._record(run, f"run.{state}", state=state, end=end, outcome=outcome, ended_at=self._clock.now())

    # --- the stages ------------------------------------------------------------------------------------------------

    def _look_once_more(self, job: Job, run: Run, cancelled: Callable[[], bool]) -> Run:
        if cancelled():
            return self._cancelled(run)
        if run.attempt > 0:
            return run  # a repetition: half done counts as not done, whatever the checks say
        holds, details = self.looks_restored(job)
        if not holds:
            return run
        return self._record(
            run,
            "run.already_ok",
            state=RunState.CANCELLED,
            end=RunEnd.ALREADY_OK,
            outcome=f"already ok, nothing was run: {details}",
            ended_at=self._clock.now(),
        )

    def _play(self, job: Job, run: Run, cancelled: Callable[[], bool]) -> Run:
        started = self._clock.now()
        run = self._record(
            run,
            "run.started",
            facts={"playbook": run.playbook, "hosts": list(job.hosts()), "attempt": run.attempt + 1},
            state=RunState.RUNNING,
            attempt=run.attempt + 1,
            started_at=started,
        )
        result = self._executor.execute(job.call(run, job.alternative), on_event=self._tell, cancelled=cancelled)
        if result.outcome is PlaybookOutcome.SUCCEEDED:
            return self._record(run, "run.playbook_ended", facts=_facts(result), state=RunState.VERIFYING)
        if result.outcome is PlaybookOutcome.CANCELLED:
            return self._cancelled(run)
        self._records.append([self._event("run.playbook_ended", run, _facts(result))])
        return self.fail(job, run, _END_OF[result.outcome], result.reason)

    def _verify(self, job: Job, run: Run, cancelled: Callable[[], bool]) -> Run:
        checks = checks_after_run(job.policy)
        verification = Verification.of(checks, started_at=self._clock.now())
        pause = min(check.every for check in checks).total_seconds()
        while True:
            for check in verification.due(self._clock.now()):
                verification = verification.observe(self._look(check, job))
            now = self._clock.now()
            progress = verification.progress(now)
            run = self._note_pass(run, progress, verification, now)
            if progress is Progress.PASSED:
                return self._succeeded(run, verification.reason(now))
            if progress is Progress.FAILED:
                reason = f"not restored {verification.reason(now)}"
                return self.fail(job, replace(run, passed_at=None), RunEnd.NOT_VERIFIED, reason)
            if self._clock.wait(pause, until=cancelled):
                return self._cancelled(run)

    def _note_pass(self, run: Run, progress: Progress, verification: Verification, now: datetime) -> Run:
        holding = progress in (Progress.HOLDING, Progress.PASSED)
        if holding and run.passed_at is None:
            return self._record(run, "run.checks_hold", facts={"checks": verification.reason(now)}, passed_at=now)
        if progress is Progress.WAITING and run.passed_at is not None:
            return self._record(run, "run.checks_broke", facts={"checks": verification.reason(now)}, passed_at=None)
        return run

    def _succeeded(self, run: Run, checks: str) -> Run:
        now = self._clock.now()
        took = format_duration(now - run.started_at) if run.started_at is not None else "no time"
        return self._record(
            run,
            "run.succeeded",
            state=RunState.SUCCEEDED,
            end=RunEnd.RESTORED,
            outcome=f"restored after {took}: {checks}",
            ended_at=now,
        )

    def _cancelled(self, run: Run) -> Run:
        return self._record(
            run,
            "run.cancelled",
            state=RunState.CANCELLED,
            end=RunEnd.BY_A_PERSON,
            outcome="cancelled by a person",
            ended_at=self._clock.now(),
        )

    def _rolled_back(self, job: Job, run: Run, outcome: str) -> tuple[bool | None, str]:
        """Whether the run was undone (None: there was nothing to undo it by), and what people are told."""
        rollback = job.alternative.rollback
        if rollback is None or run.attempt == 0:
            return None, outcome
        self._records.append([self._event("run.rollback_started", run, {"playbook": rollback.playbook})])
        result = self._executor.execute(job.call(run, rollback), on_event=self._tell, cancelled=lambda: False)
        self._records.append([self._event("run.rollback_ended", run, _facts(result))])
        if result.outcome is PlaybookOutcome.SUCCEEDED:
            return True, f"{outcome}; rolled back by {rollback.playbook}"
        return False, f"{outcome}; its rollback failed too: {result.reason}"

    # --- looking and telling ---------------------------------------------------------------------------------------

    def _look(self, check: Check, job: Job) -> Observation:
        if check.kind is not CheckKind.ALERT:
            return self._prober.look(check, job.component)
        firing = self._firing(job.run.alerts)
        detail = f"{firing[0].name} still fires" if firing else "its alert no longer fires"
        return Observation(check=check, at=self._clock.now(), holds=not firing, detail=detail)

    def _tell(self, event: PlaybookEvent) -> None:
        if event.kind not in _TOLD:
            return
        facts: dict[str, Json] = {"status": event.kind, "host": event.host, "task": event.task}
        if event.message:
            facts["message"] = event.message
        if event.duration_s is not None:
            facts["duration_s"] = round(event.duration_s, 3)
        self._records.append([Event(kind="run.task", at=event.at, subject=event.run, facts=facts)])

    def _record(self, run: Run, kind: str, *, facts: dict[str, Json] | None = None, **change: object) -> Run:
        changed: Run = replace(run, **change)  # type: ignore[arg-type]
        told: dict[str, Json] = {"state": changed.state.value, **(facts or {})}
        if changed.outcome != run.outcome:
            told["outcome"] = changed.outcome
        self._records.update(changed, [self._event(kind, changed, told)])
        return changed

    def _event(self, kind: str, run: Run, facts: dict[str, Json]) -> Event:
        known: dict[str, Json] = {"component": run.component, "policy": run.policy}
        return Event(kind=kind, at=self._clock.now(), subject=run.id, facts={**known, **facts})


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
