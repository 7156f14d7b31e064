"""From plan to runs: reserves what may start, hands it to a worker, asks for approvals, withdraws what nobody needs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from uuid import uuid4

from bsm_remediate.domain.alert import AlertKey
from bsm_remediate.domain.approval import approval_digest
from bsm_remediate.domain.decision import Verdict
from bsm_remediate.domain.episode import latest_episodes
from bsm_remediate.domain.evaluation import Evaluation
from bsm_remediate.domain.event import Event, Json
from bsm_remediate.domain.ids import Digest, NodeId, PolicyId, RunId
from bsm_remediate.domain.overtaken import Overtaken
from bsm_remediate.domain.plan import Step
from bsm_remediate.domain.run import OUTDATED_AFTER, Run, RunEnd, RunState
from bsm_remediate.domain.situation import Situation
from bsm_remediate.domain.work_order import WorkOrder
from bsm_remediate.errors import RemediationError, RunNotRecorded
from bsm_remediate.ports import Clock, Workflows
from bsm_remediate.records import Store

_MOST_PROMISED = 100
"""Services named in an event as what a run restores."""


class Dispatcher:
    """Acts on evaluations, one start a tick: what that disturbs must count before the next is decided (quorum)."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        workflows: Workflows,
        under_way: Callable[[], frozenset[RunId]],
        order: Callable[[Run], WorkOrder | None],
        only: frozenset[tuple[NodeId, PolicyId]] | None,
        asked: Callable[[Run], None] = lambda _run: None,
    ) -> None:
        """`under_way` are the runs that this engine carries out itself; `order` says what a run is to do, None when the
        bundle doesn't have it; `only` restricts what is started; `asked` hears of each new approval that is waited for.
        """
        self._store = store
        self._clock = clock
        self._workflows = workflows
        self._under_way = under_way
        self._order = order
        self._only = only
        self._asked = asked

    def act(
        self,
        evaluation: Evaluation,
        *,
        executors: int,
        bundle: Digest,
        looks_different: Callable[[Sequence[AlertKey]], bool],
    ) -> bool:
        """Start at most one step; whether the next tick should follow at once.

        `looks_different` asks the sources once more, right before the start, about the alerts that caused it; when it
        says so nothing is started.
        """
        situation = evaluation.situation
        waiting = {
            (run.component, run.policy, run.alternative): run
            for run in situation.runs
            if run.state is RunState.AWAITING_APPROVAL
        }
        if self._clock.now() - situation.at > OUTDATED_AFTER:
            return True  # decided too long ago: the next tick decides anew
        free = executors - sum(run.state.holds_executor for run in situation.runs)
        again = False
        for step in evaluation.plan.steps:
            decision = step.decision
            if decision.component is None or decision.policy is None:
                continue
            if self._only is not None and (decision.component, decision.policy) not in self._only:
                continue
            known = waiting.pop((decision.component, decision.policy, decision.alternative), None)
            if known is not None and known.digest != run_of_step(step, situation, known.state, bundle).digest:
                self._end(known, RunState.CANCELLED, RunEnd.DECIDED_ANEW, "the plan has changed: it is asked for anew")
                again = True
                continue
            if decision.verdict is not Verdict.RUN:
                if known is None:
                    run = run_of_step(step, situation, RunState.AWAITING_APPROVAL, bundle)
                    self._store.insert(run, [run_event("run.awaiting_approval", run, step)])
                    self._asked(run)
            elif free > 0 and not again:
                again = looks_different(decision.alerts) or self._start(step, situation, known, bundle)
        held = {(one.component, one.policy) for one in evaluation.plan.held}
        for run in waiting.values():
            if (run.component, run.policy) not in held:  # a pause or a symptom passes, and the approval still stands
                self._withdraw(run)
        return again

    def withdraw(self, overtaken: Iterable[Overtaken]) -> None:
        """End those before they begin; one that has begun meanwhile goes on."""
        for one in overtaken:
            ended = replace(
                one.run,
                state=RunState.CANCELLED,
                end=RunEnd.DECIDED_ANEW,
                outcome=f"not begun: {one.reason}",
                ended_at=self._clock.now(),
            )
            with contextlib.suppress(RunNotRecorded):
                self._store.update(ended, [run_event("run.cancelled", ended)], only_from=RunState.QUEUED)

    def take_up(self, runs: tuple[Run, ...]) -> None:
        """See to it that every run that holds locks is carried out: one may have been reserved by an engine that died
        before it could start it.
        """
        under_way = self._under_way()
        for run in runs:
            if run.state.holds_locks and run.id not in under_way:
                if self._store.order(run.id) is not None:
                    self._workflows.start(run.id, is_new=False)
                else:
                    outcome = "what it was to do isn't known: it began with an earlier version; a person must look"
                    self._end(run, RunState.ESCALATED, RunEnd.REFUSED, outcome)

    def _start(self, step: Step, situation: Situation, known: Run | None, bundle: Digest) -> bool:
        fresh = run_of_step(step, situation, RunState.QUEUED, bundle)
        if known is not None:
            fresh = replace(fresh, id=known.id, remediation=known.remediation, approved_by=known.approved_by)
        try:
            order = self._order(fresh)
        except RemediationError as error:
            self._refuse(fresh, str(error))
            return True
        if order is None:
            raise RunNotRecorded(f"run {fresh.id} was planned by a bundle that doesn't have it")
        reserved = self._store.reserve(fresh, [run_event("run.queued", fresh, step)], order)
        if reserved is None:
            return False
        self._workflows.start(reserved.id, is_new=True)
        return True

    def _refuse(self, run: Run, why: str) -> None:
        """A template that can't be filled in for this component: nothing is run, a person must look."""
        refused = replace(run, state=RunState.ESCALATED, end=RunEnd.REFUSED, outcome=why, ended_at=self._clock.now())
        self._store.insert(refused, [run_event("run.escalated", refused)])

    def _withdraw(self, run: Run) -> None:
        """End an approval that nobody needs any more."""
        self._end(run, RunState.CANCELLED, RunEnd.SIGNAL_GONE, "nothing to do any more")

    def _end(self, run: Run, state: RunState, end: RunEnd, outcome: str) -> None:
        ended = replace(run, state=state, end=end, outcome=outcome, ended_at=self._clock.now())
        self._store.update(ended, [run_event(f"run.{state}", ended)])


def run_of_step(step: Step, situation: Situation, state: RunState, bundle: Digest) -> Run:
    decision = step.decision
    component, policy = decision.component, decision.policy
    if component is None or policy is None:
        raise RunNotRecorded("a step without a component or policy")
    episode = latest_episodes(situation.runs).get((component, policy)) if decision.alternative else None
    run = Run(
        id=RunId(uuid4().hex[:12]),
        remediation=episode.remediation if episode is not None else uuid4().hex[:12],
        component=component,
        host=step.host,
        policy=policy,
        playbook=step.alternative.playbook,
        alternative=decision.alternative,
        state=state,
        reason=step.reason,
        expected_duration_s=step.expected_duration_s,
        planned_at=situation.at,
        once=step.alternative.once,
        alerts=decision.alerts,
        bundle=bundle,
        locks=step.locks,
    )
    return replace(run, digest=approval_digest(run))


def run_event(kind: str, run: Run, step: Step | None = None) -> Event:
    """What the journal says of `run` when it is planned, queued or ended by the engine; with what its `step` promises
    when it is planned.
    """
    facts: dict[str, Json] = {
        "component": run.component,
        "policy": run.policy,
        "playbook": run.playbook,
        "host": run.host,
        "state": run.state.value,
        "reason": run.outcome or run.reason,
        "bundle": run.bundle,
    }
    if step is not None:
        facts |= {"order": step.order, "restores": list(step.restores[:_MOST_PROMISED])}
        if step.decision.at_stake is not None:
            facts["at_stake"] = step.decision.at_stake
    return Event(kind=kind, at=run.ended_at or run.planned_at, subject=run.id, facts=facts)
