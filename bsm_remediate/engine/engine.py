"""The engine: level-triggered, it compares what is wanted with what is, again and again (DESIGN 3).

    alerts ─► Picture ─► Situation ─► Evaluator ─► Plan ─► reserve ─► Remediation ─► Run
    people's controls ─► Standing ──┘

A tick that is late, doubled or lost changes nothing that the next one doesn't mend.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import uuid4

from bsm_remediate.domain.bundle import DEFAULT_GOAL, Bundle
from bsm_remediate.domain.decision import Decision, Verdict
from bsm_remediate.domain.episode import latest_episodes
from bsm_remediate.domain.evaluation import Evaluation, Evaluator
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.ids import NodeId, PolicyId, RunId
from bsm_remediate.domain.plan import Step
from bsm_remediate.domain.policy import Mode
from bsm_remediate.domain.run import Run, RunEnd, RunState
from bsm_remediate.domain.situation import Situation
from bsm_remediate.engine.history import with_history
from bsm_remediate.engine.job import Job, job_for
from bsm_remediate.engine.people import serve_people
from bsm_remediate.engine.picture import Picture
from bsm_remediate.engine.remediation import Remediation
from bsm_remediate.engine.unresolved import Unresolved
from bsm_remediate.engine.workers import Spawn, Workers, spawn_thread
from bsm_remediate.errors import RunNotRecorded
from bsm_remediate.ports import Clock, Executor, Prober, Store

_log = logging.getLogger(__name__)

_CANCELLED_WITHIN_S = 20.0
_LONGEST_REST_S = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineOptions:
    """What differs between deployments of the same bundle."""

    max_mode: Mode = Mode.AUTO
    goal: str = DEFAULT_GOAL
    executors: int | None = None
    asks_age: bool = True
    """Whether signals older than their policy wait for a person; a plan that a person starts asks no age."""
    only: frozenset[tuple[NodeId, PolicyId]] | None = None
    """Restricts what is started to these pairs (`apply`); None: everything that is decided."""


class Engine:
    """Ticks. Safe to wake from any thread; `tick` itself runs in one."""

    def __init__(
        self,
        *,
        evaluator: Evaluator,
        store: Store,
        executor: Executor,
        prober: Prober,
        clock: Clock,
        reload: Callable[[], Evaluator | str] = lambda: "this engine has no bundle to reload",
        options: EngineOptions = EngineOptions(),
        spawn: Spawn = spawn_thread,
    ) -> None:
        self._evaluator = evaluator
        self._store = store
        self._clock = clock
        self._reload_bundle = reload
        self._options = options
        self._picture = Picture(store)
        self._remediation = Remediation(
            records=store, executor=executor, prober=prober, clock=clock, firing=self._picture.firing
        )
        self._workers = Workers(self._remediation.carry_out, spawn=spawn, ended=self.wake)
        self._unresolved = Unresolved(store, self._remediation, clock)
        self._told: dict[tuple[NodeId | None, PolicyId | None], Verdict] = {}
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self.evaluation: Evaluation | None = None
        """The latest; replaced as a whole, so readers of other threads see one moment."""
        self.refused_bundle = ""
        """Why the last reload was refused; empty when it was taken."""

    @property
    def bundle(self) -> Bundle:
        return self._evaluator.bundle

    def wake(self) -> None:
        """Something happened: tick soon."""
        self._wake.set()

    def stop(self) -> None:
        """Start nothing more and leave `run_until_stopped`."""
        self._stopping.set()
        self._wake.set()

    def drain(self, timeout_s: float) -> bool:
        """Wait for the runs under way; whether all ended. Those left are taken up by the next start."""
        return self._workers.wait_until_idle(timeout_s)

    def wait(self, seconds: float) -> None:
        """Rest until something happens, at most for so long."""
        self._wake.wait(seconds)
        self._wake.clear()

    def cancel_all(self) -> None:
        """Stop all runs under way and wait until nothing of them is left."""
        for run in self._workers.under_way():
            self._workers.cancel(run)
        self.drain(_CANCELLED_WITHIN_S)

    def is_busy(self) -> bool:
        return bool(self._workers.under_way())

    def run_until_stopped(self, *, every_s: float = 1.0) -> None:
        """Tick on every wake-up, and each `every_s` for what makes no noise (time, other processes)."""
        while not self._stopping.is_set():
            self._wake.clear()
            began = self._clock.monotonic()
            try:
                self.tick()
            except Exception:  # noqa: BLE001 - the outermost loop of the engine
                # The store may be away for a while; the next tick begins from what it says then.
                _log.exception("engine.tick_failed")
            # In a storm a look takes long: alerts must be stored meanwhile, so it never takes more than half the time.
            self._stopping.wait(min(self._clock.monotonic() - began, _LONGEST_REST_S))
            self._wake.wait(every_s)

    # --- start -----------------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Take up what an earlier engine left. Call while holding the lease and before the first tick.

        The guard process killed that engine's playbooks with it (within a second): a run in the middle of one is
        repeated, or, when declared `once`, goes to a person, since nobody can know how far it came.
        """
        now = self._clock.now()
        self._note_active_policies()
        interrupted = [run for run in self._store.runs(since=now) if run.state is RunState.RUNNING]
        if interrupted:
            self._clock.wait(2.0)
        for run in interrupted:
            if run.once:
                outcome = "the engine died in its middle and it may not be repeated; a person must look"
                changed = replace(
                    run,
                    state=RunState.OUTCOME_UNKNOWN,
                    end=RunEnd.ENGINE_DIED,
                    outcome=outcome,
                    ended_at=self._clock.now(),
                )
                self._update(changed, "run.outcome_unknown")
            else:
                self._update(replace(run, state=RunState.QUEUED), "run.repeated")

    def _note_active_policies(self) -> None:
        """Since when each policy acts: signals from before wait for a person (DESIGN 4)."""
        standing = self._store.standing()
        now = self._clock.now()
        acting = {policy.id for policy in self.bundle.policies.values() if policy.do and policy.mode >= Mode.APPROVE}
        since = {policy: standing.policy_active_since.get(policy, now) for policy in acting}
        if since != standing.policy_active_since:
            self._store.stand(replace(standing, policy_active_since=since))

    # --- one tick --------------------------------------------------------------------------------------------------

    def tick(self) -> Evaluation:
        """Read, evaluate, act; returns what was found."""
        self._picture.refresh(self._clock.now())
        self._serve_people()
        situation = self.situation()
        evaluation = self._evaluator.evaluate(situation)
        self.evaluation = evaluation
        self._tell(evaluation)
        if not self._stopping.is_set():
            self._unresolved.look_again(situation.runs, self._job)
            self._take_up(situation.runs)
            self._act(evaluation, situation)
        return evaluation

    def situation(self) -> Situation:
        """Everything that is the case now."""
        situation = Situation(
            at=self._clock.now(),
            alerts=self._picture.alerts,
            last_seen=self._picture.last_seen,
            goal=self._options.goal,
            executors=self._options.executors,
            max_mode=self._options.max_mode,
        )
        known = with_history(situation, self._store)
        goal = known.goal if known.goal in self.bundle.goals else DEFAULT_GOAL
        return replace(
            known, goal=goal, policy_active_since=known.policy_active_since if self._options.asks_age else None
        )

    def _serve_people(self) -> None:
        served = serve_people(
            store=self._store,
            bundle=self.bundle,
            picture=self._picture,
            workers=self._workers,
            reload=self._reload,
            now=self._clock.now(),
        )
        if served:
            self._picture.refresh(self._clock.now())

    def _reload(self) -> str:
        found = self._reload_bundle()
        if isinstance(found, str):
            self.refused_bundle = found
            return found
        self.refused_bundle = ""
        self._evaluator = found
        self._note_active_policies()
        return ""

    def _tell(self, evaluation: Evaluation) -> None:
        """Journal every decision whose verdict changed."""
        verdicts = {(one.component, one.policy): one for one in evaluation.decisions}
        changed = [one for key, one in verdicts.items() if self._told.get(key) is not one.verdict]
        self._told = {key: one.verdict for key, one in verdicts.items()}
        if changed:
            self._store.append([_decided(one, evaluation) for one in changed])

    # --- acting ----------------------------------------------------------------------------------------------------

    def _act(self, evaluation: Evaluation, situation: Situation) -> None:
        waiting = {
            (run.component, run.policy, run.alternative): run
            for run in situation.runs
            if run.state is RunState.AWAITING_APPROVAL
        }
        busy = sum(run.state.holds_executor for run in situation.runs)
        free = (situation.executors or self.bundle.settings.executors) - busy
        started = False
        for step in evaluation.plan.steps:
            decision = step.decision
            if decision.component is None or decision.policy is None or not self._may_start(decision):
                continue
            known = waiting.pop((decision.component, decision.policy, decision.alternative), None)
            if decision.verdict is not Verdict.RUN:
                if known is None:
                    run = self._run_of(step, evaluation, situation, RunState.AWAITING_APPROVAL)
                    self._store.insert(run, [_run_event("run.awaiting_approval", run)])
            elif free > 0 and not started:
                # One start a tick: what it disturbs must count before the next is decided (quorum).
                started = self._start(step, evaluation, situation, known)
        held = {(one.component, one.policy) for one in evaluation.plan.held}
        for run in waiting.values():
            if (run.component, run.policy) not in held:  # a pause or a symptom passes, and the approval still stands
                self._withdraw(run)
        if started:
            self.wake()

    def _may_start(self, decision: Decision) -> bool:
        only = self._options.only
        return only is None or (decision.component, decision.policy) in only

    def _start(self, step: Step, evaluation: Evaluation, situation: Situation, known: Run | None) -> bool:
        fresh = self._run_of(step, evaluation, situation, RunState.QUEUED)
        if known is not None:
            fresh = replace(fresh, id=known.id, remediation=known.remediation, approved_by=known.approved_by)
        reserved = self._store.reserve(fresh, [_run_event("run.queued", fresh)])
        if reserved is None:
            return False
        job = self._job(reserved)
        if job is None:
            raise RunNotRecorded(f"run {reserved.id} was planned by a bundle that doesn't have it")
        self._workers.start(job)
        return True

    def _run_of(self, step: Step, evaluation: Evaluation, situation: Situation, state: RunState) -> Run:
        decision = step.decision
        component, policy = decision.component, decision.policy
        if component is None or policy is None:
            raise RunNotRecorded("a step without a component or policy")
        episode = latest_episodes(situation.runs).get((component, policy)) if decision.alternative else None
        return Run(
            id=RunId(uuid4().hex[:12]),
            remediation=episode.remediation if episode is not None else uuid4().hex[:12],
            component=component,
            host=step.host,
            policy=policy,
            playbook=step.alternative.playbook,
            alternative=decision.alternative,
            state=state,
            reason=step.reason if state is RunState.QUEUED else decision.reason,
            expected_duration_s=step.expected_duration_s,
            planned_at=evaluation.plan.at,
            once=step.alternative.once,
            alerts=decision.alerts,
            bundle=self.bundle.digest,
            locks=step.locks,
        )

    def _take_up(self, runs: tuple[Run, ...]) -> None:
        """Give a worker to runs that hold locks but have none: left by an earlier engine, or by a failed worker."""
        under_way = self._workers.under_way()
        for run in runs:
            if run.state.holds_locks and run.id not in under_way:
                current = self._store.run(run.id)
                if current is None or not current.state.holds_locks:
                    continue
                job = self._job(current)
                if job is None:
                    self._give_up(current)
                else:
                    self._workers.start(job)

    def _give_up(self, run: Run) -> None:
        outcome = "the bundle no longer has its policy or component; a person must look"
        state = RunState.ESCALATED
        ended = replace(run, state=state, end=RunEnd.REFUSED, outcome=outcome, ended_at=self._clock.now())
        self._update(ended, "run.escalated")

    def _withdraw(self, run: Run) -> None:
        """End an approval that nobody needs any more."""
        ended = replace(
            run,
            state=RunState.CANCELLED,
            end=RunEnd.SIGNAL_GONE,
            outcome="nothing to do any more",
            ended_at=self._clock.now(),
        )
        self._update(ended, "run.cancelled")

    def _job(self, run: Run) -> Job | None:
        impact = self.evaluation.impact if self.evaluation is not None else None
        return job_for(run, bundle=self.bundle, impact=impact, alerts=self._picture.firing(run.alerts))

    def _update(self, run: Run, kind: str) -> None:
        self._store.update(run, [_run_event(kind, run)])


def _run_event(kind: str, run: Run) -> Event:
    at = run.ended_at or run.planned_at
    facts = {
        "component": run.component,
        "policy": run.policy,
        "playbook": run.playbook,
        "host": run.host,
        "state": run.state.value,
        "reason": run.outcome or run.reason,
        "bundle": run.bundle,
    }
    return Event(kind=kind, at=at, subject=run.id, facts=facts)


def _decided(decision: Decision, evaluation: Evaluation) -> Event:
    facts = {"policy": decision.policy, "verdict": decision.verdict.value, "reason": decision.reason}
    return Event(kind="decision.made", at=evaluation.plan.at, subject=decision.component or "", facts=facts)
