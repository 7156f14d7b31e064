"""Two engines on one store that lead in turns, the worst case for what an engine might only remember; and a shop."""

from __future__ import annotations

from pathlib import Path

from bsm_remediate.config.loader import load_bundle
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.evaluation import Evaluation, Evaluator
from bsm_remediate.engine.engine import Engine
from bsm_remediate.engine.sealer import Sealer
from bsm_remediate.testing.timeline import KEYS, Timeline
from tests.simulation.mortal import Life, MortalClock, SharedWorkflows, SimulatedLease

SHOP = """
currency: EUR
services:
  checkout: {loss_per_minute: 300, requires: [db-1]}
  search: {loss_per_minute: 50, requires: [s-1]}
  web: {loss_per_minute: 80, requires: [w-1, w-2, w-3]}
components:
  db-1: {owner: payments}
  s-1: {host: shared}
  t-1: {host: shared}
  w-1: {}
  w-2: {}
  w-3: {}
pools:
  farm: {members: {w-1: {capacity: 1}, w-2: {capacity: 1}, w-3: {capacity: 1}}, serves: [web]}
calendars:
  nights: {timezone: UTC, hours: "22:00-06:00"}
teams:
  payments: {members: [ana, li], on_call: {rotation: [li], every: 7d, start: 2025-12-29}}
  search: {members: [kim]}
policies:
  restart:
    match: {alertname: Down}
    evidence: direct
    do: [{playbook: restart.yml, expect: {duration: 20s}}]
    verify: [{tcp: "{{ component.address }}:80", within: 30s}]
    guard: {cooldown: 0s, max_runs: 50/1h, canary: 1}
    mode: auto
  rebuild:
    match: {alertname: Corrupt}
    evidence: direct
    do: [{playbook: rebuild.yml, expect: {duration: 20s}}]
    verify: [{tcp: "{{ component.address }}:80", within: 30s}]
    guard: {approvers: [payments]}
    mode: approve
settings: {executors: 4, guard: {storm: {all: 90%, set: 100%, at_least: 10}}}
"""


def bundle_of(text: str, folder: Path) -> Bundle:
    (folder / "shop.yml").write_text(text)
    loaded = load_bundle(folder, inventory=None, playbooks=None, scrutinise=False)
    assert loaded.bundle is not None, loaded.findings
    return loaded.bundle


class Pair(Timeline):
    """A timeline of two engines: whenever a run has changed the other one leads. Each carries out what it started."""

    def _started(self) -> Engine:
        workflows = SharedWorkflows()
        self._turn = 0
        self._led_at: set[tuple[str, str]] = set()
        self._pair = [self._one(name, workflows) for name in ("a", "b")]
        self._pair[0][1].is_leader = True
        for engine, _ in self._pair:
            engine.recover()
            engine.tick()
        return self._pair[0][0]

    def _one(self, name: str, workflows: SharedWorkflows) -> tuple[Engine, SimulatedLease]:
        life = Life(name)
        clock = MortalClock(self.clock, life)
        lease = SimulatedLease(name, list, lambda _name: None)
        engine = Engine(
            evaluator=Evaluator(self._bundle),
            store=self.store,
            executor=self.executor,
            prober=self.prober,
            clock=clock,
            workflows=workflows.of(life, clock),
            lease=lease,
            sealer=Sealer(self.store, KEYS, clock),
            sources=[self.source] if self._lists else [],
            brake=lambda: self.brake,
            reload=lambda: Evaluator(self._bundle),
            options=self._options,
            spawn=clock.spawn,
        )
        return engine, lease

    def tick(self) -> Evaluation:
        """Tick both until nothing more is started at this moment."""
        while True:
            before = self._ids()
            if before != self._led_at:
                self._turn, self._led_at = 1 - self._turn, before
            for number, (_, lease) in enumerate(self._pair):
                lease.is_leader = number == self._turn
            evaluations = [engine.tick() for engine, _ in self._pair]
            self.clock.rest()
            self.engine = self._pair[self._turn][0]
            if self._ids() == before:
                return evaluations[self._turn]
