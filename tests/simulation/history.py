"""One random history of alerts, deaths, delays and people's wishes, second by second, and what it may never show.

Each promise (docs/promises.md) is a method `_require_…`, asked at the moment when it could be broken.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bsm_remediate.domain.alert import Alert, AlertStatus
from bsm_remediate.domain.bundle import Bundle, Settings, StormLimit
from bsm_remediate.domain.evaluation import Evaluator
from bsm_remediate.domain.ids import Fingerprint, NodeId, RunId
from bsm_remediate.domain.playbook import PlaybookCall, PlaybookOutcome
from bsm_remediate.domain.policy import Alternative, Evidence, GuardLimits, Mode, Rate
from bsm_remediate.domain.run import RunState
from bsm_remediate.domain.state import State
from bsm_remediate.engine.engine import Engine
from bsm_remediate.engine.sealer import Sealer
from bsm_remediate.errors import StoreUnavailable
from bsm_remediate.records import Control
from bsm_remediate.testing.builders import alternative, at_least_of, bundle, component, either, policy, service
from bsm_remediate.testing.clock import VirtualClock
from bsm_remediate.testing.executor import Scripted, SimulatedExecutor, SimulatedProber
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.testing.timeline import KEYS
from tests.simulation.mortal import (
    Killed,
    Life,
    MortalClock,
    MortalExecutor,
    MortalStore,
    SharedWorkflows,
    SimulatedLease,
)

BEGIN = datetime(2026, 1, 5, 9, tzinfo=UTC)
POOLS = {"web": (("web-1", "web-2"), 1), "db": (("db-1", "db-2", "db-3"), 2)}
"""Members of each redundant set, and how many its service needs."""
DEAD_AFTER_S, CUT_OFF_AFTER_S = 4, 2
_MOST_RUNS = 4


def world() -> Bundle:
    hours = timedelta(hours=1)

    def acts(name: str, mode: Mode = Mode.AUTO, *do: Alternative, sets: State | None = None) -> object:
        return policy(
            name,
            match={"alertname": name},
            mode=mode,
            do=do or (alternative("first.yml", seconds=3), alternative("second.yml", seconds=5)),
            evidence=Evidence.DIRECT,
            sets=sets,
            resolve_within=timedelta(seconds=30),
            guard=GuardLimits(
                cooldown=timedelta(seconds=5), max_runs_per_component=Rate(count=_MOST_RUNS, window=hours)
            ),
        )

    undone = replace(alternative("first.yml", seconds=3), rollback=alternative("undo.yml", seconds=2))
    return bundle(
        *(component(one) for members, _ in POOLS.values() for one in members),
        component("queue", host="shared"),
        component("mail", host="shared"),
        service("shop", requires=either("web-1", "web-2"), loss=100),
        service("orders", requires=at_least_of(2, "db-1", "db-2", "db-3"), loss=70),
        service("post", requires=["queue", "mail"], loss=10),
        acts("Down"),  # type: ignore[arg-type]
        acts("Slow", Mode.AUTO, undone, alternative("second.yml", seconds=5), sets=State.DEGRADED),  # type: ignore[arg-type]
        acts("Once", Mode.AUTO, replace(alternative("once.yml", seconds=4), once=True)),  # type: ignore[arg-type]
        acts("Ask", Mode.APPROVE),  # type: ignore[arg-type]
        settings=Settings(
            executors=3, settle=timedelta(seconds=2), storm=StormLimit(share=1.0), approval=timedelta(hours=5)
        ),
    )


class History:
    """Everything that happens, from one seed. Raises `AssertionError` where a promise is broken."""

    def __init__(self, seed: int, *, engines: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self.clock = VirtualClock(BEGIN)
        self.store = MemoryStore()
        self.bundle = world()
        self.prober = SimulatedProber(self.clock)
        self.executor = SimulatedExecutor(self.clock, effect=lambda call: self.prober.broken.discard(call.component.id))
        self.workflows = SharedWorkflows()
        self.number = 0
        self.engines: dict[str, tuple[Engine, Life, SimulatedLease]] = {}
        self.dead_since: dict[str, datetime] = {}
        self.cut_off_since: dict[str, datetime] = {}
        self.firing: dict[str, Alert] = {}
        self.acknowledged: set[Fingerprint] = set()
        self.working: Counter[str] = Counter()
        self.executions: Counter[tuple[RunId, str]] = Counter()
        self.paused_at: datetime | None = None
        self.told: list[str] = []
        self.broken: list[str] = []
        """Told here, since a run's own thread must not hear of it."""
        for _ in range(engines):
            self._start()

    # --- engines ---------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self.number += 1
        life = Life(f"engine-{self.number}")
        clock = MortalClock(self.clock, life)
        lease = SimulatedLease(life.name, self._dead, self._forget)
        store = MortalStore(self.store, life)
        engine = Engine(
            evaluator=Evaluator(self.bundle),
            store=store,
            executor=MortalExecutor(self.executor, life, began=self._began, ended=self._ended),
            prober=self.prober,
            clock=clock,
            workflows=self.workflows.of(life, clock),
            lease=lease,
            sealer=Sealer(store, KEYS, clock),
            spawn=clock.spawn,
        )
        self.engines[life.name] = (engine, life, lease)
        self._elect()
        self._alive(life, engine.recover)

    def _forget(self, name: str) -> None:
        self.dead_since.pop(name, None)

    def _dead(self) -> list[str]:
        late = self.clock.now() - timedelta(seconds=DEAD_AFTER_S)
        return [name for name, since in self.dead_since.items() if since <= late]

    def _alive(self, life: Life, act: object) -> None:
        try:
            act()  # type: ignore[operator]
        except Killed:
            self._bury(life)
        except StoreUnavailable:
            pass  # as the engine's own loop does: the next tick begins from what the store says then

    def _bury(self, life: Life) -> None:
        self.told.append(f"{self._second()} {life.name} dies")
        del self.engines[life.name]
        self.cut_off_since.pop(life.name, None)
        self.dead_since[life.name] = self.clock.now()

    def _elect(self) -> None:
        """The first whose beats arrive; a new one only once the old one's have been missing for long enough."""
        leader = next((one for one in self.engines.values() if one[2].is_leader), None)
        now = self.clock.now()
        if leader is not None:
            since = self.cut_off_since.get(leader[1].name)
            if since is None or now - since < timedelta(seconds=DEAD_AFTER_S):
                return
            leader[2].is_leader = False
        free = [one for name, one in self.engines.items() if name not in self.cut_off_since]
        waiting = [since for since in self.dead_since.values() if now - since < timedelta(seconds=DEAD_AFTER_S)]
        if free and not (waiting and leader is None):
            free[0][2].is_leader = True

    # --- a second --------------------------------------------------------------------------------------------------

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self._harm()
            self._alerts()
            self._people()
            self._second_passes()
            self._require_unbroken()
        self._calm_down()
        self._require_unbroken()

    def _require_unbroken(self) -> None:
        if self.broken:
            raise AssertionError(self.broken[0])

    def _second_passes(self) -> None:
        self.clock.advance(1)
        for name, since in self.cut_off_since.items():
            lease = self.engines[name][2]
            lease.is_cut_off = self.clock.now() - since >= timedelta(seconds=CUT_OFF_AFTER_S)
            if self.clock.now() - since >= timedelta(seconds=DEAD_AFTER_S):
                self.dead_since.setdefault(name, since)
        self._elect()
        for engine, life, _ in list(self.engines.values()):
            if life.name in self.cut_off_since:
                continue  # it can't read the store, so its tick fails
            self._alive(life, engine.tick)
            if not life.is_dead:
                self.clock.rest()
        for _, life, _ in list(self.engines.values()):
            if life.is_dead:
                self._bury(life)  # one of its runs' threads met its end

    def _second(self) -> int:
        return int((self.clock.now() - BEGIN).total_seconds())

    def _harm(self) -> None:
        if self.dice.random() < 0.06 and self.engines:
            _, life, _ = self.dice.choice(list(self.engines.values()))
            life.dies_at, life.dies_after_it = self.dice.randrange(1, 30), self.dice.random() < 0.5
        if self.dice.random() < 0.03 and len(self.engines) > 1:
            name = self.dice.choice(list(self.engines))
            if name not in self.cut_off_since:
                self.told.append(f"{self._second()} {name} is cut off")
                self.cut_off_since[name] = self.clock.now()
                self.engines[name][1].is_cut_off = True
        for name in list(self.cut_off_since):
            if self.dice.random() < 0.15:
                self._mend(name)
        if self.dice.random() < 0.02:
            self.store.is_away = True
        elif self.dice.random() < 0.3:
            self.store.is_away = False
        if not self.engines or self.dice.random() < 0.1:
            self._start_if_few()

    def _mend(self, name: str) -> None:
        del self.cut_off_since[name]
        self.dead_since.pop(name, None)
        self.engines[name][2].is_cut_off = False
        self.engines[name][1].is_cut_off = False

    def _start_if_few(self) -> None:
        if len(self.engines) < 2 and not self.store.is_away:
            self._start()

    def _alerts(self) -> None:
        components = [*(one for members, _ in POOLS.values() for one in members), "queue", "mail"]
        if self.dice.random() < 0.12:
            where = self.dice.choice(components)
            if where not in self.firing:
                name = self.dice.choice(["Down", "Slow", "Slow", "Once", "Ask"])
                self._script(where)
                self.prober.broken.add(NodeId(where))
                self._post(where, name, AlertStatus.FIRING)
        for where in list(self.firing):
            if NodeId(where) not in self.prober.broken and self.dice.random() < 0.3:
                self._post(where, self.firing[where].name, AlertStatus.RESOLVED)
            elif self.dice.random() < 0.05:
                self._post(where, self.firing[where].name, AlertStatus.FIRING)  # a repeat

    def _script(self, where: str) -> None:
        """How the next playbooks on that host go."""
        outcomes = [PlaybookOutcome.SUCCEEDED] * 3 + [PlaybookOutcome.FAILED, PlaybookOutcome.UNREACHABLE]
        host = "shared" if where in ("queue", "mail") else where
        for playbook in ("first.yml", "second.yml", "once.yml", "undo.yml"):
            script = Scripted(duration_s=self.dice.uniform(1, 9), outcome=self.dice.choice(outcomes))
            self.executor.script(playbook, script, host=host)

    def _post(self, where: str, name: str, status: AlertStatus) -> None:
        now = self.clock.now()
        known = self.firing.get(where)
        print_ = known.fingerprint if known is not None else Fingerprint(f"{where}-{self._second()}")
        alert = Alert(
            source="test",
            fingerprint=print_,
            status=status,
            labels={"alertname": name, "instance": where, "severity": "critical"},
            starts_at=known.starts_at if known is not None else now,
            received_at=now,
        )
        try:
            self.store.record([alert])
        except StoreUnavailable:
            if known is None:
                self.prober.broken.discard(NodeId(where))  # nobody has heard of it: it was no failure
            return
        self.acknowledged.add(print_)
        self.told.append(f"{self._second()} {name} {status} {where}")
        if status is AlertStatus.FIRING:
            self.firing[where] = alert
        else:
            del self.firing[where]

    def _people(self) -> None:
        if self.store.is_away or self.dice.random() > 0.1:
            return
        verb = self.dice.choice(["approve", "approve", "approve", "reject", "cancel", "pause", "resume", "resume"])
        waiting = {"approve": RunState.AWAITING_APPROVAL, "reject": RunState.AWAITING_APPROVAL}
        wanted = waiting.get(verb, RunState.RUNNING)
        runs = [run.id for run in self.store.runs(since=BEGIN) if run.state is wanted]
        target = self.dice.choice(runs) if runs and verb in {*waiting, "cancel"} else ""
        if target or verb in {"pause", "resume"}:
            self.told.append(f"{self._second()} {verb} {target}")
            self.store.ask(Control(verb=verb, target=target, reason="so", who="ana", asked_at=self.clock.now()))

    # --- the promises ----------------------------------------------------------------------------------------------

    def _began(self, call: PlaybookCall) -> None:
        self.told.append(f"{self._second()} {call.playbook} {call.attempt} begins on {call.component.id} ({call.run})")
        self._require_recorded_before_it_acts(call)
        self._require_nobody_else_on_the_host(call)
        self._require_once_is_once(call)
        if call.attempt == 1 and call.playbook != "undo.yml":
            self._require_no_service_goes_down_by_it(call)
            self._require_not_paused()
        self.executions[call.run, call.playbook] += 1
        self.working[call.hosts[0]] += 1

    def _ended(self, call: PlaybookCall) -> None:
        self.working[call.hosts[0]] -= 1

    def _promise(self, holds: object, what: str) -> None:
        if not holds:
            self.broken.append("\n".join([*self.told[-40:], what]))

    def _require_recorded_before_it_acts(self, call: PlaybookCall) -> None:
        run = self.store.run(call.run)
        self._promise(run is not None and run.attempt == call.attempt, f"{call.run} acts before it is recorded")
        self._promise(run is not None and run.fence == call.fence, f"{call.run} acts with an old fence")

    def _require_nobody_else_on_the_host(self, call: PlaybookCall) -> None:
        self._promise(self.working[call.hosts[0]] == 0, f"two at once on {call.hosts[0]}")

    def _require_once_is_once(self, call: PlaybookCall) -> None:
        is_again = call.playbook == "once.yml" and self.executions[call.run, call.playbook] > 0
        self._promise(not is_again, f"{call.run} happens a second time")

    def _require_no_service_goes_down_by_it(self, call: PlaybookCall) -> None:
        for members, need in POOLS.values():
            if call.component.id not in members:
                continue
            broken = self.prober.broken  # one whose checks hold counts as mended, though its alert may still fire
            down = {one for one, alert in self.firing.items() if alert.name != "Slow" and NodeId(one) in broken}
            serving = {one for one in members if one not in down and not self.working[one]}
            left = serving - {call.component.id}
            self._promise(len(serving) < need or len(left) >= need, f"{call.component.id} takes its service down")

    def _require_not_paused(self) -> None:
        pauses = self.store.standing().pauses
        late = [one for one in pauses if one.since < self.clock.now() - timedelta(seconds=1)]
        self._promise(not late, "a run begins while the engine is paused")

    def _calm_down(self) -> None:
        """Harm ends; then everything must come to its end."""
        self.store.is_away = False
        for name in list(self.cut_off_since):
            self._mend(name)
        for _, life, _ in self.engines.values():
            life.dies_at = None
        if not self.engines:
            self._start()
        self.store.ask(Control(verb="resume", reason="so", who="ana", asked_at=self.clock.now()))
        for _ in range(90):
            for run in self.store.runs(since=BEGIN):
                if run.state is RunState.AWAITING_APPROVAL and run.approved_by is None:
                    self.store.ask(
                        Control(verb="approve", target=run.id, reason="so", who="ana", asked_at=self.clock.now())
                    )
            for where in list(self.firing):
                if NodeId(where) not in self.prober.broken:
                    self._post(where, self.firing[where].name, AlertStatus.RESOLVED)
            self._second_passes()
        self._require_all_is_settled()

    def _require_all_is_settled(self) -> None:
        known = {alert.fingerprint for alert in self.store.changes(after=0, limit=10_000)[0]}
        self._promise(self.acknowledged <= known, f"lost: {self.acknowledged - known}")
        under_way = [run for run in self.store.runs(since=BEGIN) if run.state.holds_locks]
        self._promise(not under_way, f"unfinished: {[(run.id, run.state) for run in under_way]}")
        self._promise(sum(self.working.values()) == 0, f"still working: {self.working}")
        runs = Counter(run.component for run in self.store.runs(since=BEGIN) if run.attempt > 0)
        self._promise(all(number <= _MOST_RUNS * 4 for number in runs.values()), f"too many runs: {runs}")
        (engine, _, _) = next(iter(self.engines.values()))
        plan = engine.tick().plan
        held = {one.component for one in plan.held}
        left = [where for where in self.firing if NodeId(where) not in held]
        self._promise(not left, f"nobody says why nothing is done about {left}; held {plan.held}")
