"""The engine: level-triggered, it compares what is wanted with what is, again and again (DESIGN 3).

    alerts ─► Picture ─► Situation ─► Evaluator ─► Plan ─► Dispatcher ─► Remediation ─► Run
    sources' own lists ─► Monitoring ──┤
    people's controls ─► Standing ─────┘

A tick that is late, doubled or lost changes nothing that the next one doesn't mend.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from bsm_remediate.domain.alert import Alert, AlertKey
from bsm_remediate.domain.bundle import DEFAULT_GOAL, Bundle
from bsm_remediate.domain.decision import Decision, Verdict
from bsm_remediate.domain.evaluation import Evaluation, Evaluator
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.ids import NodeId, PolicyId
from bsm_remediate.domain.policy import Mode
from bsm_remediate.domain.run import Run, RunEnd, RunState
from bsm_remediate.domain.situation import Situation
from bsm_remediate.engine.dispatcher import Dispatcher, run_event
from bsm_remediate.engine.history import with_history
from bsm_remediate.engine.job import Job, job_for
from bsm_remediate.engine.monitoring import EVERY, Monitoring
from bsm_remediate.engine.people import serve_people
from bsm_remediate.engine.picture import Picture
from bsm_remediate.engine.remediation import Remediation
from bsm_remediate.engine.shadow import ShadowJournal
from bsm_remediate.engine.unresolved import Unresolved
from bsm_remediate.engine.workers import Spawn, Workers, spawn_thread
from bsm_remediate.ports import AlertSource, Clock, Executor, Prober, Store

_log = logging.getLogger(__name__)

_CANCELLED_WITHIN_S = 20.0
_SHORTEST_REST_S = 0.05
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
        sources: Sequence[AlertSource] = (),
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
            records=store, executor=executor, prober=prober, clock=clock, firing=self._still_on
        )
        self._workers = Workers(self._remediation.carry_out, spawn=spawn, ended=self.wake)
        self._monitoring = Monitoring(sources, clock=clock, spawn=spawn, arrived=self.wake)
        self._dispatcher = Dispatcher(store=store, clock=clock, workers=self._workers, job=self._job, only=options.only)
        self._unresolved = Unresolved(store, self._remediation, clock)
        self._told: dict[tuple[NodeId | None, PolicyId | None], Verdict] = {}
        self._shadow = ShadowJournal(store)
        self._is_starting = False
        """Whether the latest tick started something and the next may start more."""
        self._woken_at: float | None = None
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self.evaluation: Evaluation | None = None
        """The latest; replaced as a whole, so readers of other threads see one moment."""
        self.refused_bundle = ""
        """Why the last reload was refused; empty when it was taken."""

    @property
    def bundle(self) -> Bundle:
        return self._evaluator.bundle

    @property
    def max_mode(self) -> Mode:
        """No policy goes further here."""
        return self._options.max_mode

    def wake(self) -> None:
        """Something happened: tick soon."""
        if self._woken_at is None:
            self._woken_at = self._clock.monotonic()
        self._wake.set()

    def unseen_s(self) -> float:
        """For how many seconds something has waited to be looked at; 0 when nothing does."""
        woken_at = self._woken_at
        return self._clock.monotonic() - woken_at if woken_at is not None else 0.0

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

    @property
    def doubt(self) -> str:
        """Why monitoring can't be relied on, as the latest tick saw it; empty when it can."""
        return self.evaluation.situation.doubt if self.evaluation is not None else ""

    def is_busy(self) -> bool:
        return bool(self._workers.under_way())

    def run_until_stopped(self, *, every_s: float = 1.0) -> None:
        """Tick on every wake-up, and each `every_s` for what makes no noise (time, other processes)."""
        while not self._stopping.is_set():
            self._wake.clear()
            self._woken_at = None
            began = self._clock.monotonic()
            try:
                self.tick()
            except Exception:  # noqa: BLE001 - the outermost loop of the engine
                # The store may be away for a while; the next tick begins from what it says then.
                _log.exception("engine.tick_failed")
            # Alerts must be stored meanwhile: looks take little of each second, in a storm never more than two thirds.
            took = self._clock.monotonic() - began
            self._stopping.wait(min(max(took / 2, 0.0 if self._is_starting else _SHORTEST_REST_S), _LONGEST_REST_S))
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
        cap = self._options.max_mode
        acting = {one.id for one in self.bundle.policies.values() if one.do and min(one.mode, cap) >= Mode.APPROVE}
        since = {policy: standing.policy_active_since.get(policy, now) for policy in acting}
        noted = replace(standing, policy_active_since=since, max_mode=self._options.max_mode)
        if noted != standing:
            self._store.stand(noted)

    # --- one tick --------------------------------------------------------------------------------------------------

    def tick(self) -> Evaluation:
        """Read, evaluate, act; returns what was found."""
        self._read_all()
        self._serve_people()
        situation = self.situation()
        evaluation = self._evaluator.evaluate(situation)
        self.evaluation = evaluation
        self._tell(evaluation)
        if not self._stopping.is_set():
            self._unresolved.look_again(situation.runs, self._job)
            self._dispatcher.take_up(situation.runs)
            if self._monitoring.is_complete:
                self._act(evaluation)
        return evaluation

    def _read_all(self) -> None:
        """What the store says, mended by what the sources list."""
        watchdog = self.bundle.settings.watchdog
        self._picture.watch(watchdog.alertname if watchdog is not None else "")
        beat = min(EVERY, watchdog.within / 4) if watchdog is not None else EVERY
        self._picture.refresh(self._clock.now(), last_seen_every=beat)
        if self._monitoring.refresh(self._store, self._picture, touched_within=beat):
            self._picture.refresh(self._clock.now(), last_seen_every=timedelta(0))

    def _act(self, evaluation: Evaluation) -> None:
        again = self._dispatcher.act(
            evaluation,
            executors=evaluation.situation.executors or self.bundle.settings.executors,
            bundle=self.bundle.digest,
            looks_different=lambda keys: self._monitoring.look_again(keys, self._store, self._picture),
        )
        self._is_starting = again
        if again:
            self.wake()

    def _still_on(self, keys: tuple[AlertKey, ...]) -> tuple[Alert, ...]:
        """Those of `keys` that fire; one whose resolve came, but which its source still lists as suppressed, isn't gone
        (DESIGN 5.6).
        """
        firing = self._picture.firing(keys)
        if firing:
            return firing
        suppressed = self._monitoring.still_suppressed(keys)
        for alert in suppressed:
            self.read_source(alert.source)
        return suppressed

    def read_source(self, name: str) -> None:
        """Ask that source for its list at the next tick: something it sent was incomplete. Safe from any thread."""
        self._monitoring.want(name)
        self.wake()

    def _job(self, run: Run) -> Job | None:
        impact = self.evaluation.impact if self.evaluation is not None else None
        return job_for(run, bundle=self.bundle, impact=impact, alerts=self._picture.firing(run.alerts))

    def _update(self, run: Run, kind: str) -> None:
        self._store.update(run, [run_event(kind, run)])

    def situation(self) -> Situation:
        """Everything that is the case now."""
        situation = Situation(
            at=self._clock.now(),
            alerts=self._picture.alerts,
            last_seen=self._picture.last_seen,
            goal=self._options.goal,
            executors=self._options.executors,
            max_mode=self._options.max_mode,
            suppressed=self._monitoring.suppressed_now(self._picture),
            doubt=self._monitoring.doubt(self.bundle.settings.watchdog, self._picture),
            standing_order=tuple(step.key for step in self.evaluation.plan.steps) if self.evaluation else (),
        )
        known = with_history(situation, self._store)
        goal = known.goal if known.goal in self.bundle.goals else DEFAULT_GOAL
        return replace(
            known,
            goal=goal,
            policy_active_since=(known.policy_active_since or {}) if self._options.asks_age else None,
            max_mode=self._options.max_mode,
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
        events = [_decided(one, evaluation) for one in changed]
        events += self._shadow.events(evaluation, self.bundle)
        if events:
            self._store.append(events)
        self._told = {key: one.verdict for key, one in verdicts.items()}
        self._shadow.written()


def _decided(decision: Decision, evaluation: Evaluation) -> Event:
    facts = {"policy": decision.policy, "verdict": decision.verdict.value, "reason": decision.reason}
    return Event(kind="decision.made", at=evaluation.plan.at, subject=decision.component or "", facts=facts)
