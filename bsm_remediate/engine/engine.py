"""The engine: level-triggered, it compares what is wanted with what is, again and again (DESIGN 3).

    alerts ─► Picture ─► Situation ─► Evaluator ─► Plan ─► Dispatcher ─► Workflows ─► Remediation ─► Run
    sources' own lists ─► Monitoring ──┤
    figures ─► Metering ───────────────┤
    people's controls ─► Standing ─────┘

A tick that is late, doubled or lost changes nothing that the next one doesn't mend. Of several replicas each keeps the
picture, takes alerts and carries out runs; the one that leads decides.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from bsm_remediate.domain.alert import Alert, AlertKey
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.evaluation import Evaluation, Evaluator
from bsm_remediate.domain.policy import Mode
from bsm_remediate.domain.pool import Weights
from bsm_remediate.domain.run import Run
from bsm_remediate.domain.situation import Pause, Situation
from bsm_remediate.domain.work_order import WorkOrder, work_order
from bsm_remediate.engine.approvals import escalate_unanswered
from bsm_remediate.engine.bundle_in_force import BundleInForce
from bsm_remediate.engine.change_office import ChangeOffice
from bsm_remediate.engine.change_planning import ChangePlanning
from bsm_remediate.engine.change_trials import ChangeTrials
from bsm_remediate.engine.changes import Changes
from bsm_remediate.engine.chronicle import Chronicle
from bsm_remediate.engine.circumstances import Circumstances
from bsm_remediate.engine.dispatcher import Dispatcher
from bsm_remediate.engine.dry_run import DryRuns
from bsm_remediate.engine.metering import Metering
from bsm_remediate.engine.monitoring import EVERY, Monitoring
from bsm_remediate.engine.options import EngineOptions
from bsm_remediate.engine.people import serve_people
from bsm_remediate.engine.picture import Picture
from bsm_remediate.engine.remediation import Remediation
from bsm_remediate.engine.rhythm import Rhythm
from bsm_remediate.engine.sealer import Sealer
from bsm_remediate.engine.standing_notes import note_active_policies, note_quarantines
from bsm_remediate.engine.start_gate import StartGate
from bsm_remediate.engine.statistics_keeper import StatisticsKeeper
from bsm_remediate.engine.telling import Telling
from bsm_remediate.engine.under_way import Spawn, UnderWay, spawn_thread
from bsm_remediate.engine.unresolved import Unresolved
from bsm_remediate.ports import AlertSource, Clock, Executor, Lease, LoadMeter, Prober, Workflows
from bsm_remediate.records import Store

_log = logging.getLogger(__name__)

_CANCELLED_WITHIN_S = 20.0
_LEFT_WITHIN_S = 10.0
"""Longer than a look at a check, or the end of a playbook that is killed."""
_SEALS_WITHIN_S = 0.5
"""Then the engine looks again first: in a storm it writes faster than it may spend time on sealing."""
_FOLLOWS_WITHIN_S = 0.2
"""Whoever reads takes what isn't read yet from the journal."""

_USUAL = EngineOptions()


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
        workflows: Workflows,
        lease: Lease,
        sealer: Sealer,
        statistics: StatisticsKeeper | None = None,
        sources: Sequence[AlertSource] = (),
        metrics: Metering | None = None,
        reload: Callable[[], Evaluator | str] = lambda: "this engine has no bundle to reload",
        brake: Callable[[], Pause | None] = lambda: None,
        meter: LoadMeter | None = None,
        telling: Telling | None = None,
        options: EngineOptions = _USUAL,
        spawn: Spawn = spawn_thread,
    ) -> None:
        """`brake` is a pause from outside the store, for when that can't be written. Without a `meter` no weights of
        pools are set; without `telling` nobody is told.
        """
        self._in_force = BundleInForce(evaluator, reload, taken=self._bundle_taken)
        self._rhythm = Rhythm(clock)
        self.wake = self._rhythm.wake
        """Something happened: tick soon."""
        self.unseen_s = self._rhythm.unseen_s
        self.wait = self._rhythm.wait
        self._store = store
        self._clock = clock
        self._options = options
        self._picture = Picture(store)
        self._workflows = workflows
        self._lease = lease
        self._leaving = threading.Event()
        self._gate = StartGate(store, clock, bundle=lambda: self.bundle, brake=brake, saw=lease.saw)
        remediation = Remediation(
            records=store,
            executor=executor,
            prober=prober,
            clock=clock,
            firing=self._still_on,
            gate=self._gate,
            may_act=lease.is_valid,
            remains_s=lease.remains_s,
            leaving=self._leaving.is_set,
            outgrown=lambda run: self.evaluation.outgrown.get(run, "") if self.evaluation is not None else "",
        )
        self._under_way = UnderWay(remediation, store, clock, ended=self.wake)
        self._monitoring = Monitoring(sources, clock=clock, spawn=spawn, arrived=self.wake)
        self._circumstances = Circumstances(
            store,
            clock,
            picture=self._picture,
            monitoring=self._monitoring,
            meter=meter,
            brake=brake,
            options=options,
        )
        self._dry_runs = DryRuns(
            executor,
            store,
            clock,
            bundle=lambda: self.bundle,
            order=self._order,
            spawn=spawn,
            stop=lambda: self._leaving.is_set() or not lease.is_valid(),
        )
        self._metering = metrics or Metering({}, usual=None, clock=clock)
        self._spawn = spawn
        self._dispatcher = Dispatcher(
            store=store,
            clock=clock,
            workflows=workflows,
            under_way=self._under_way.runs,
            order=self._order,
            only=options.only,
            asked=self._dry_runs.approval_asked,
        )
        self._unresolved = Unresolved(
            store, remediation, clock, firing=self._picture.firing, spawn=spawn, arrived=self.wake
        )
        self._changes, self._office = self._planned_changes(executor)
        self._is_leading = False
        self._chronicle = Chronicle(store)
        self._telling = telling
        self._sealer = sealer
        self._statistics = statistics or StatisticsKeeper(store, clock)
        self._is_starting = False
        """Whether the latest tick started something and the next may start more."""
        self.evaluation: Evaluation | None = None
        """The latest; replaced as a whole, so readers of other threads see one moment."""

    def _planned_changes(self, executor: Executor) -> tuple[Changes, ChangeOffice]:
        rollup = lambda: self._in_force.evaluator.rollup  # noqa: E731 - a reload brings another
        planning = ChangePlanning(
            self._store, bundle=lambda: self.bundle, rollup=rollup, goal=lambda: self._circumstances.goal(self.bundle)
        )
        trials = ChangeTrials(
            executor,
            self._store,
            self._clock,
            bundle=lambda: self.bundle,
            spawn=self._spawn,
            stop=lambda: self._leaving.is_set() or not self._lease.is_valid(),
            ended=self.wake,
        )
        changes = Changes(
            store=self._store,
            clock=self._clock,
            workflows=self._workflows,
            planning=planning,
            bundle=lambda: self.bundle,
            rollup=rollup,
        )
        return changes, ChangeOffice(planning, trial=trials.ask)

    @property
    def bundle(self) -> Bundle:
        return self._in_force.evaluator.bundle

    @property
    def refused_bundle(self) -> str:
        """Why the last reload was refused; empty when it was taken."""
        return self._in_force.refusal

    @property
    def max_mode(self) -> Mode:
        """No policy goes further here."""
        return self._options.max_mode

    def stop(self) -> None:
        """Start nothing more and leave `run_until_stopped`."""
        self._rhythm.stop()

    def drain(self, timeout_s: float) -> bool:
        """Wait for the playbooks under way, then leave what isn't over to the next start or to the other replicas;
        whether all playbooks ended by themselves.
        """
        is_idle = self._under_way.wait_until_idle(timeout_s)
        self._leaving.set()
        self._under_way.wait_until_empty(_LEFT_WITHIN_S)
        return is_idle

    def close_journal(self) -> None:
        """Seal what was written last, and tell the head."""
        self._sealer.seal()
        self._sealer.tell()

    @property
    def journal_trouble(self) -> str:
        """What is wrong with what was sealed; empty when all is well."""
        return self._sealer.trouble

    def cancel_all(self) -> None:
        """Stop all runs under way and wait until nothing of them is left."""
        for run in self._under_way.runs():
            self._under_way.cancel(run)
        self._under_way.wait_until_empty(_CANCELLED_WITHIN_S)

    def behind(self, served: int) -> Sequence[str]:
        """Live engines of this database that haven't seen yet what stood when so many controls were answered."""
        return self._lease.behind(served)

    @property
    def doubt(self) -> str:
        """Why monitoring can't be relied on, as the latest tick saw it; empty when it can."""
        return self.evaluation.situation.doubt if self.evaluation is not None else ""

    @property
    def metric_trouble(self) -> str:
        """Which figures can't be read, and why; empty when all can, or this engine doesn't lead."""
        return self._metering.trouble

    @property
    def telling_trouble(self) -> str:
        """Which people can't be told, and why; empty when all can, or this engine doesn't lead."""
        return self._telling.trouble if self._telling is not None and self._is_leading else ""

    @property
    def notifications(self) -> Mapping[str, int]:
        """Attempts to reach people since the start, by their result."""
        return self._telling.attempts if self._telling is not None else {}

    def is_busy(self) -> bool:
        """Whether runs are under way, or are about to be taken up again."""
        known = self.evaluation.situation.runs if self.evaluation is not None else ()
        return bool(self._under_way.runs()) or any(run.state.holds_locks for run in known)

    def run_until_stopped(self, *, every_s: float = 1.0) -> None:
        """Tick on every wake-up, and each `every_s` for what makes no noise (time, other processes)."""
        self._rhythm.run(self.tick, every_s=every_s, is_starting=lambda: self._is_starting)

    # --- start -----------------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Take up what an earlier engine left. Call while holding the lease and before the first tick."""
        self._lead()
        self._workflows.launch(self._under_way.carry_out)

    def _lead(self) -> bool:
        """Whether this engine decides; what it does first when it begins to."""
        leads = self._lease.leads()
        if leads and not self._is_leading:
            self._sealer.seal()  # what those before wrote last: the journal is read from here on
            self._statistics.follow()
            self._note_active_policies()
            self._chronicle.forget()
            if self._telling is not None:
                self._telling.forget()
        self._is_leading = leads
        return leads

    def _bundle_taken(self) -> None:
        if self._is_leading:
            self._note_active_policies()

    def _note_active_policies(self) -> None:
        note_active_policies(self._store, self.bundle, cap=self._options.max_mode, now=self._clock.now())

    # --- one tick --------------------------------------------------------------------------------------------------

    def tick(self) -> Evaluation:
        """Read, evaluate, act; returns what was found."""
        leads = self._lead()
        self._read_all(leads=leads)
        if leads:
            self._serve_people()
        standing = self._store.standing()
        self._in_force.follow(standing.reloads)
        for run in standing.cancelling:
            self._under_way.cancel(run)
        self._gate.has_seen(standing)
        situation = self.situation()
        evaluation = self._in_force.evaluator.evaluate(situation)
        self.evaluation = evaluation
        if leads:
            self._decide(evaluation)
            self._sealer.seal(within_s=_SEALS_WITHIN_S)
            self._statistics.follow(within_s=_FOLLOWS_WITHIN_S)
            self._metering.keep(within_s=_FOLLOWS_WITHIN_S)
            if self._telling is not None:
                self._telling.tell(evaluation, self.bundle, self._changes.open)
        return evaluation

    def _decide(self, evaluation: Evaluation) -> None:
        """What only the engine that leads does."""
        self._chronicle.tell(evaluation, self.bundle)
        if self._rhythm.is_stopping:
            return
        self._dispatcher.withdraw(evaluation.overtaken)
        dead = self._lease.dead()
        self._workflows.take_over(dead)
        for replica in dead:
            self._lease.bury(replica)
        runs = evaluation.situation.runs
        note_quarantines(self._store, runs)
        escalate_unanswered(runs, bundle=self.bundle, records=self._store, now=self._clock.now())
        self._unresolved.look_again(runs)
        self._dispatcher.take_up(runs)
        self._changes.move_on()
        if self._monitoring.is_complete and self._metering.is_complete:
            self._act(evaluation)

    def _read_all(self, *, leads: bool) -> None:
        """What the store says, mended by what the sources list and the figures say."""
        watchdog = self.bundle.settings.watchdog
        self._picture.watch(watchdog.alertname if watchdog is not None else "")
        beat = min(EVERY, watchdog.within / 4) if watchdog is not None else EVERY
        self._picture.refresh(self._clock.now(), last_seen_every=beat)
        changed = self._monitoring.refresh(self._store, self._picture, touched_within=beat)
        if self._metering.refresh(
            self.bundle, self._store, self._picture, leads=leads, spawn=self._spawn, arrived=self.wake
        ):
            changed = True
        if changed:
            self._picture.refresh(self._clock.now(), last_seen_every=timedelta(0))

    def _act(self, evaluation: Evaluation) -> None:
        again = self._dispatcher.act(
            evaluation,
            executors=evaluation.situation.executors or self.bundle.settings.executors,
            bundle=self.bundle.digest,
            looks_different=lambda keys: self._monitoring.look_again(keys, self._store, self._picture),
        )
        if not again and self._options.begins_changes:  # what restores comes first
            again = self._changes.start(
                evaluation, executors=evaluation.situation.executors or self.bundle.settings.executors
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

    def _order(self, run: Run) -> WorkOrder | None:
        impact = self.evaluation.impact if self.evaluation is not None else None
        alerts, weights = self._picture.firing(run.alerts), self._weights(run)
        if run.pool and weights is None:
            return None
        return work_order(run, bundle=self.bundle, impact=impact, alerts=alerts, weights=weights)

    def _weights(self, run: Run) -> Weights | None:
        steps = self.evaluation.plan.steps if self.evaluation is not None and run.pool else ()
        planned = (one.rebalancing for one in steps if one.locks == run.locks)
        return next((one.weights for one in planned if one is not None), None)

    def situation(self) -> Situation:
        """Everything that is the case now."""
        return self._circumstances.now(self.bundle, self.evaluation, leads=self._is_leading)

    def _serve_people(self) -> None:
        served = serve_people(
            store=self._store,
            bundle=self.bundle,
            picture=self._picture,
            reload=self._in_force.reload,
            dry_run=self._dry_runs.ask,
            now=self._clock.now(),
            further=self._office.verbs,
        )
        if served:
            self._picture.refresh(self._clock.now())
