"""A timeline: tell what fires and resolves when, and what is expected to run or to be held. Time is virtual.

shop.at("09:00:00").fires("PostgresDown", instance="db-1")
shop.at("09:00:05").expect(running={"db-1"})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from hashlib import sha256

from bsm_remediate.domain.alert import Alert, AlertStatus
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.evaluation import Evaluation, Evaluator
from bsm_remediate.domain.ids import Fingerprint, NodeId
from bsm_remediate.domain.playbook import PlaybookCall
from bsm_remediate.domain.run import Run
from bsm_remediate.domain.seal import Keyring, SealKey
from bsm_remediate.domain.situation import Pause
from bsm_remediate.engine.delivery import Delivery
from bsm_remediate.engine.engine import Engine
from bsm_remediate.engine.metering import Foresights, Metering
from bsm_remediate.engine.metric_keeper import MetricKeeper
from bsm_remediate.engine.options import EngineOptions
from bsm_remediate.engine.sealer import Sealer
from bsm_remediate.engine.telling import Telling
from bsm_remediate.engine.week import Week
from bsm_remediate.records import Control, Store
from bsm_remediate.testing.balancer import SimulatedBalancer
from bsm_remediate.testing.clock import VirtualClock
from bsm_remediate.testing.executor import SimulatedExecutor, SimulatedProber
from bsm_remediate.testing.figures import SimulatedFigures
from bsm_remediate.testing.notifier import SimulatedNotifier
from bsm_remediate.testing.source import SimulatedSource
from bsm_remediate.testing.workflows import MemoryWorkflows, SoleLease

BEGIN = datetime(2026, 1, 5, 8, 59, 0, tzinfo=UTC)
"""A Monday."""
_TICK_S = 1.0
KEYS = Keyring([SealKey("a key that seals nothing but the journals of tests")])


class Timeline:
    """An engine on a virtual clock, with simulated hosts. Each component is as healthy as the last run left it."""

    def __init__(
        self,
        bundle: Bundle,
        store: Store,
        *,
        options: EngineOptions | None = None,
        lists: bool = False,
        source_is_away: bool = False,
        foresights: Foresights | None = None,
    ) -> None:
        """With `lists` the engine also reads the source's own list, which may be away from the start."""
        self.clock = VirtualClock(BEGIN)
        self.source = SimulatedSource(self.clock)
        self.source.is_away = source_is_away
        self.loses_webhooks = False
        """While it is true, what fires and resolves is known to the source only."""
        self.figures = SimulatedFigures(self.clock)
        self._foresights = foresights
        self._lists = lists
        self.store = store
        self.executor = SimulatedExecutor(self.clock, effect=self._mended)
        self.prober = SimulatedProber(self.clock)
        self.balancer = SimulatedBalancer()
        self.notifier = SimulatedNotifier(self.clock)
        self.lease = SoleLease()
        self._bundle = bundle
        self.brake: Pause | None = None
        """A pause from outside the store."""
        self._options = options or EngineOptions()
        self._broken: dict[str, datetime] = {}
        self.engine = self._started()

    def _mended(self, call: PlaybookCall) -> None:
        if call.weights is not None:
            self.balancer.set(call.weights)
        else:
            self.healthy(call.component.id)

    def _started(self) -> Engine:
        engine: Engine
        spawn = self.clock.spawn
        delivery = Delivery(
            self.store,
            self.notifier,
            self.clock,
            spawn=spawn,
            arrived=lambda: engine.wake(),  # noqa: PLW0108
        )
        engine = Engine(
            evaluator=Evaluator(self._bundle),
            store=self.store,
            executor=self.executor,
            prober=self.prober,
            clock=self.clock,
            workflows=MemoryWorkflows(self.clock.spawn),
            lease=self.lease,
            sealer=Sealer(self.store, KEYS, self.clock),
            sources=[self.source] if self._lists else [],
            metrics=Metering(
                {"prometheus": self.figures},
                usual="prometheus",
                clock=self.clock,
                foresights=self._foresights,
                keeper=MetricKeeper(self.store, self.clock),
            ),
            brake=lambda: self.brake,
            meter=self.balancer,
            telling=Telling(self.store, delivery, Week(self.store, spawn=spawn, arrived=lambda: engine.wake())),  # noqa: PLW0108
            reload=lambda: Evaluator(self._bundle),
            options=self._options,
            spawn=self.clock.spawn,
        )
        engine.recover()
        engine.tick()
        return engine

    # --- the world -------------------------------------------------------------------------------------------------

    def at(self, clock_time: str) -> Timeline:
        """Let time pass until then, ticking each second."""
        target = datetime.combine(BEGIN.date(), time.fromisoformat(clock_time), tzinfo=UTC)
        while self.clock.now() < target:
            self.clock.advance(min(_TICK_S, (target - self.clock.now()).total_seconds()))
            self.tick()
        return self

    def tick(self) -> Evaluation:
        """Tick until nothing more is started at this moment."""
        while True:
            before = self._ids()
            evaluation = self.engine.tick()
            self.clock.rest()
            if self._ids() == before:
                return evaluation

    def _ids(self) -> set[tuple[str, str]]:
        return {(run.id, run.state) for run in self.store.runs(since=BEGIN)}

    def fires(self, name: str, *, severity: str = "critical", since: datetime | None = None, **labels: str) -> Timeline:
        """The alert begins now (or began at `since`); its component's checks fail from now on."""
        if since is not None:
            self._broken[_fingerprint({"alertname": name, "severity": severity, **labels})] = since
        return self._post(name, AlertStatus.FIRING, {"severity": severity, **labels})

    def resolves(self, name: str, *, severity: str = "critical", **labels: str) -> Timeline:
        return self._post(name, AlertStatus.RESOLVED, {"severity": severity, **labels})

    def _post(self, name: str, status: AlertStatus, labels: Mapping[str, str]) -> Timeline:
        whole = {"alertname": name, **labels}
        print_ = _fingerprint(whole)
        now = self.clock.now()
        if status is AlertStatus.FIRING:
            self._broken.setdefault(print_, now)
            self.broken(labels.get("instance", ""))
        alert = Alert(
            source=self.source.name,
            fingerprint=print_,
            status=status,
            labels=whole,
            starts_at=self._broken.get(print_, now),
            ends_at=None if status is AlertStatus.FIRING else now,
            received_at=now,
        )
        self.source.put(alert)
        if not self.loses_webhooks:
            self.store.record([alert])
        self.tick()
        return self

    def reloads(self, bundle: Bundle) -> Timeline:
        """From now on the engine has that bundle."""
        self._bundle = bundle
        self.asks("reload")
        return self

    def restarts(self) -> Timeline:
        """Another engine goes on with what the store says."""
        self.engine = self._started()
        return self

    def forget(self) -> Timeline:
        """Alerts that fire from now on begin anew, whatever fired before."""
        self._broken.clear()
        return self

    def broken(self, component: str) -> Timeline:
        """From now on its checks fail."""
        self.prober.broken.add(NodeId(component))
        return self

    def healthy(self, component: str) -> Timeline:
        """From now on its checks hold."""
        self.prober.broken.discard(NodeId(component))
        return self

    def asks(
        self,
        verb: str,
        target: str = "",
        *,
        reason: str = "",
        until: datetime | None = None,
        who: str = "ana",
        **details: str,
    ) -> str:
        """A person asks for something; returns the engine's answer."""
        now = self.clock.now()
        wish = Control(verb=verb, target=target, reason=reason, who=who, asked_at=now, until=until, details=details)
        number = self.store.ask(wish)
        self.tick()
        answered = self.store.control(number)
        return (answered.answer or "") if answered is not None else ""

    # --- what is ---------------------------------------------------------------------------------------------------

    def runs(self) -> list[Run]:
        return list(self.store.runs(since=BEGIN))

    def run_of(self, component: str) -> Run:
        """The latest run of that component."""
        return [run for run in self.runs() if run.component == component][-1]

    def running(self) -> set[str]:
        return {str(run.component) for run in self.runs() if run.state.holds_locks}

    def held(self) -> dict[str, str]:
        evaluation = self.tick()
        return {str(one.component): one.verdict.value for one in evaluation.plan.held}

    def expect(self, *, running: set[str] | None = None, held: Mapping[str, str] | None = None) -> Timeline:
        """Assert what is running now, and what is held by which verdict (others may be held too)."""
        found_held = self.held()
        if running is not None and self.running() != running:
            raise AssertionError(f"running: {sorted(self.running())}, expected {sorted(running)}; held: {found_held}")
        for component, verdict in (held or {}).items():
            if found_held.get(component) != verdict:
                raise AssertionError(f"held: {found_held}, expected {component}: {verdict}")
        return self

    def wait_until(self, holds: Callable[[], bool], *, within_s: int = 600) -> Timeline:
        """Let time pass until `holds`."""
        for _ in range(within_s):
            if holds():
                return self
            self.clock.advance(_TICK_S)
            self.tick()
        raise AssertionError(f"it didn't come true within {within_s} s")


def _fingerprint(labels: Mapping[str, str]) -> Fingerprint:
    return Fingerprint(sha256(repr(sorted(labels.items())).encode()).hexdigest()[:16])
