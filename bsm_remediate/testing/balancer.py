"""A stand-in for a load balancer, or for what starts replicas, and the metric that watches it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.pool import Load, Pool, Weights


class SimulatedBalancer:
    """Implements `LoadMeter`: the traffic of each pool lies by the weights that were last set, at first by capacity."""

    def __init__(self) -> None:
        self.traffic: dict[str, float] = {}
        """Pool → how much comes in; one that isn't named isn't measured."""
        self.by_service: dict[str, Mapping[NodeId, float]] = {}
        """Pool → whose it is, where that is known."""
        self.weights: dict[str, float] = {}
        """Member → the weight last set; any numbers, their proportions count."""
        self.replicas: int | None = None
        """How many run, of pools that scale; None: as few as may."""

        self.shed: dict[str, float] = {}
        """Service → per cent of its traffic that is turned away."""

    def set(self, weights: Weights) -> None:
        self.weights.update(weights.members)
        self.replicas = weights.replicas if weights.replicas is not None else self.replicas
        self.shed = dict(weights.shed)

    def loads(self, pools: Sequence[Pool]) -> Mapping[str, Load]:
        return {pool.id: self._load(pool) for pool in pools if pool.id in self.traffic}

    def _load(self, pool: Pool) -> Load:
        if pool.replicas is not None:
            running = self.replicas if self.replicas is not None else pool.replicas.least
            everywhere = {NodeId(pool.id): self.traffic[pool.id]}
            return Load(by_member=everywhere, by_service=self.by_service.get(pool.id, {}), replicas=running)
        weights = {one.id: self.weights.get(one.id, one.capacity) for one in pool.members}
        whole = sum(weights.values())
        by_service = self.by_service.get(pool.id, {})
        away = sum(load * self.shed.get(service, 0.0) / 100 for service, load in by_service.items())
        traffic = self.traffic[pool.id] - away
        by_member = {name: traffic * one / whole if whole else 0.0 for name, one in weights.items()}
        return Load(by_member=by_member, by_service=by_service)
