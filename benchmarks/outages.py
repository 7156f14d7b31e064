"""Outages to be ordered: made ones of three families, and made ones on real graphs.

`tiered` is a data centre: two core switches, racks with a switch each, hosts with a storage box per few racks, database
clusters of one to five members, replicated microservices that call each other, and business services. Switches, storage
and hosts fail with what stands on them. `random` has formulas of all kinds over anything below, `allof` only `all`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bsm_remediate.domain.formula import Gate
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.loss_curve import LossCurve
from bsm_remediate.domain.ordering.circuit import Circuit
from bsm_remediate.domain.ordering.job import Crew, RepairJob, Worth
from bsm_remediate.domain.ordering.reduction import reduced
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.service_map import Component, LossRates, Service, ServiceMap
from bsm_remediate.testing.builders import at_least_of, either, every

SHORTEST_S, LONGEST_S = 10.0, 2400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Outage:
    """What failed in which map, and what a person would have known about it."""

    rollup: RollUp
    failed: tuple[NodeId, ...]
    """As the alerts came in."""
    jobs: tuple[RepairJob, ...]
    crew: Crew
    severity: Mapping[NodeId, float]
    """As alert rules have it: follows the value behind a component only loosely."""

    def asked(self) -> dict[str, Any]:
        """What the reduction is asked beside the map."""
        own = dict.fromkeys(self.failed, 2)
        levels = self.rollup.levels(own)
        worth = {}
        for service in self.rollup.service_map.services.values():
            if level := levels.get(service.id, 0):
                full = LossCurve(service.loss_per_minute.default / 60)
                worth[service.id] = Worth(full=full, degraded=service.degraded, is_down=level == 2)
        return {"own": own, "jobs": self.jobs, "under_way": {}, "worth": worth}

    def circuit(self) -> Circuit:
        return reduced(self.rollup, **self.asked())


def outage(family: str, failed: int, *, seed: int, executors: int, size: int | None = None) -> Outage:
    """`failed` components fail in a map of about `size` components (by default a little over twice as many)."""
    chance = random.Random(seed)
    service_map, order = FAMILIES[family](chance, size or 2 * failed + 20)
    names = order(failed)
    return of(service_map, names, chance=chance, executors=executors)


def of(service_map: ServiceMap, names: Sequence[NodeId], *, chance: random.Random, executors: int) -> Outage:
    """That outage, with durations and severities drawn."""
    jobs = []
    for number, name in enumerate(names):
        seconds = min(max(chance.lognormvariate(5.2, 1.0), SHORTEST_S), LONGEST_S)
        host = service_map.components[name].host
        locks = frozenset({f"component:{name}", f"host:{host}"})
        jobs.append(RepairJob(id=number, fixes=frozenset({name}), work_s=seconds, duration_s=seconds, locks=locks))
    severity = {name: chance.gauss(3, 1.2) for name in names}
    return Outage(
        rollup=RollUp(service_map),
        failed=tuple(names),
        jobs=tuple(jobs),
        crew=Crew(executors=dict.fromkeys(range(executors), 0.0)),
        severity=severity,
    )


# --- families ---------------------------------------------------------------------------------------------------------

Drawn = tuple[ServiceMap, Callable[[int], list[NodeId]]]
"""A map, and which components fail when so many do."""


class _Growing:
    """A map that grows from below."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.components: dict[NodeId, Component] = {}
        self.services: dict[NodeId, Service] = {}

    def add(self, name: str, requires: Gate | None = None, *, host: str = "") -> NodeId:
        node = NodeId(name)
        self.components[node] = Component(id=node, host=host or name, requires=requires)
        return node

    def serve(self, number: int, requires: Gate) -> None:
        node = NodeId(f"service-{number}")
        rate = LossRates(default=self.chance.lognormvariate(3.0, 1.3))
        self.services[node] = Service(id=node, loss_per_minute=rate, requires=requires)

    def some(self, names: Sequence[NodeId], most: int) -> list[NodeId]:
        return self.chance.sample(names, min(self.chance.randint(1, most), len(names)))

    def drawn(self) -> ServiceMap:
        return ServiceMap(components=self.components, services=self.services)


def tiered(chance: random.Random, size: int) -> Drawn:
    grown = _Growing(chance)
    cores = [grown.add("core-1"), grown.add("core-2")]
    number_of_racks = max(size // 60, 2)
    racks, storage, hosts = [], [], []
    by_rack: dict[NodeId, list[NodeId]] = {}
    for number in range(number_of_racks):
        rack = grown.add(f"rack-{number}", either(*cores))
        racks.append(rack)
        if number % 4 == 0:
            storage.append(grown.add(f"storage-{number}"))
        for place in range(max(min(size // number_of_racks // 3, 18), 3)):
            host = grown.add(f"host-{number}-{place}", every(rack, storage[-1]) if place % 3 == 0 else every(rack))
            by_rack.setdefault(rack, []).append(host)
            hosts.append(host)
    clusters: list[Gate] = []
    while len(grown.components) < size * 0.55:
        members = [
            grown.add(f"db-{len(clusters)}-{place}", every(host), host=str(host))
            for place, host in enumerate(grown.some(hosts, 5))
        ]
        clusters.append(either(*members) if len(members) < 3 else at_least_of(len(members) // 2 + 1, *members))
    called: list[Gate] = []
    number = 0
    while len(grown.components) < size:
        needs = [chance.choice(clusters)] + ([chance.choice(called)] if called and chance.random() < 0.5 else [])
        replicas = [
            grown.add(f"app-{number}-{place}", every(host, *needs), host=str(host))
            for place, host in enumerate(grown.some(hosts, 3))
        ]
        called.append(either(*replicas))
        number += 1
    for one in range(max(size // 3, 5)):
        grown.serve(one, every(*chance.sample(called, min(chance.randint(1, 3), len(called)))))
    service_map = grown.drawn()
    on_host: dict[NodeId, list[NodeId]] = {}
    for component in service_map.components.values():
        if component.host != component.id:
            on_host.setdefault(NodeId(component.host), []).append(component.id)

    def fail(failed: int) -> list[NodeId]:
        """Correlated: a switch, storage or a host fails, and some of what stands on it needs a repair of its own."""
        found: dict[NodeId, None] = {}
        everything = list(service_map.components)
        while len(found) < failed:
            kind = chance.random()
            if kind < 0.1:
                rack = chance.choice(racks)
                group = [rack, *(host for host in by_rack[rack] if chance.random() < 0.3)]
            elif kind < 0.5:
                host = chance.choice(hosts)
                group = [host, *(one for one in on_host.get(host, ()) if chance.random() < 0.6)]
            elif kind < 0.52:
                group = [chance.choice([*cores, *storage])]
            else:
                group = [chance.choice(everything)]
            found.update(dict.fromkeys(group))
        return list(found)[:failed]

    return service_map, fail


def layered(chance: random.Random, size: int, *, redundant: bool) -> Drawn:
    grown = _Growing(chance)
    names: list[NodeId] = []
    for number in range(size):
        gate = None
        if number > 5 and chance.random() < 0.75:
            below = grown.some(names[-200:], 4)
            gate = _gate(chance, below) if redundant else every(*below)
        names.append(grown.add(f"c{number}", gate, host=f"host-{chance.randrange(max(size // 2, 1))}"))
    for number in range(max(size // 3, 5)):
        below = grown.some(names, 4)
        grown.serve(number, _gate(chance, below) if redundant else every(*below))
    service_map = grown.drawn()
    return service_map, lambda failed: chance.sample(names, failed)


def _gate(chance: random.Random, below: Sequence[NodeId]) -> Gate:
    kind = chance.random()
    if kind < 0.5 or len(below) == 1:
        return every(*below)
    if kind < 0.75 or len(below) == 2:
        return either(*below)
    return at_least_of(2, *below)


FAMILIES: dict[str, Callable[[random.Random, int], Drawn]] = {
    "tiered": tiered,
    "random": lambda chance, size: layered(chance, size, redundant=True),
    "allof": lambda chance, size: layered(chance, size, redundant=False),
}
