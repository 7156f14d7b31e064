"""What failures cost: loss per minute when more components go down than are already. The base of `importance`, its
pairs and `what-if --worst`, which all ask this thousands of times: each answer costs what the failure changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.loss import Prices, share
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.state import AT_BEST, LEVELS, Level, State

_COPIED_PER_CHANGE = 200
"""Vertices that can be copied back in the time that it takes to change one."""

Progress = Callable[[int, int], None]
"""Told how many of how many are done, now and then."""


def in_silence(_done: int, _of: int) -> None:
    """For who wants to know nothing of progress."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Harm:
    """What certain failures add to what is already lost, per minute."""

    money: float
    weighted: float
    """By the goal: what decides."""
    levels: Mapping[int, Level]
    """Vertex → its level now, of the services that became worse."""


@dataclass(frozen=True, slots=True)
class Fallen:
    """What was taken down, for the moment."""

    before: Mapping[int, Level]
    """Own levels to come back to."""
    changed: list[int]
    """All vertices that became worse."""


class FailureLoss:
    """Losses at one moment (aware) under one goal, beyond `own`: states that are the case already.

    Of these, unknown counts as ok and maintenance as down, and what maintenance alone takes down costs nothing more
    (DESIGN 5.2). Vertices are those of `rollup.compact`.
    """

    def __init__(
        self, bundle: Bundle, rollup: RollUp, *, at: datetime, goal: str, own: Mapping[NodeId, State] | None = None
    ) -> None:
        self.bundle = bundle
        self.compact = rollup.compact
        self.live = rollup.live()
        """Only to be read between two calls."""
        states = own or {}
        prices = Prices(bundle.calendars, at)
        planned: dict[NodeId, Level] = {node: 2 for node, state in states.items() if state is State.MAINTENANCE}
        self.live.follow(planned)
        by_plan = {vertex: int(self.live.level[vertex]) for vertex in self._service_vertices()}
        self.live.follow({node: AT_BEST[state] for node, state in states.items()})
        self._costs: dict[int, tuple[tuple[float, float], ...]] = {}
        """By vertex of a service, by level: money, weighted."""
        for vertex in self._service_vertices():
            service = bundle.service_map.services[self.compact.names[vertex]]
            full = prices.full(service)
            weight = bundle.goals[goal].weight(service.function)
            free = by_plan[vertex]
            rates = [0.0 if level <= free else full * share(service, LEVELS[level]) for level in range(3)]
            self._costs[vertex] = tuple((rate, rate * weight) for rate in rates)
        self._base = {vertex: int(self.live.level[vertex]) for vertex in self._costs}
        self._at_stake = np.zeros(len(self.compact))
        for vertex, costs in self._costs.items():
            self._at_stake[vertex] = costs[2][1] - costs[self._base[vertex]][1]
        self.components = tuple(
            vertex
            for node in bundle.service_map.components
            if self.live.level[vertex := self.compact.number_of[node]] < 2
        )
        """The vertices of components that are not down yet."""
        self._mark = self.live.mark()

    def _service_vertices(self) -> Iterable[int]:
        return map(self.compact.number_of.__getitem__, self.bundle.service_map.services)

    # --- what is possible ------------------------------------------------------------------------------------------

    def is_service(self, vertex: int) -> bool:
        return vertex in self._costs

    def at_stake(self, vertices: Iterable[int]) -> float:
        """What the services among `vertices` cost more, weighted, when all are down."""
        return float(self._at_stake[np.fromiter(vertices, np.int64)].sum())

    def services_by_loss(self, harm: Harm) -> tuple[NodeId, ...]:
        """The services of `harm`, costliest first."""
        return tuple(
            self.compact.names[vertex]
            for vertex in sorted(harm.levels, key=lambda one: (-self._money(one, harm.levels[one]), self._name(one)))
        )

    def _money(self, vertex: int, level: Level) -> float:
        return self._costs[vertex][level][0] - self._costs[vertex][self._base[vertex]][0]

    def _name(self, vertex: int) -> NodeId:
        return self.compact.names[vertex]

    # --- asking ----------------------------------------------------------------------------------------------------

    def of(self, vertices: Iterable[int]) -> Harm:
        """What is lost beyond what was lost before, when `vertices` go down."""
        fallen = self.fail(vertices)
        level, costs = self.live.level, self._costs
        levels = {vertex: int(level[vertex]) for vertex in fallen.changed if vertex in costs}
        self.restore(fallen)
        return self.harm(levels)

    def harm(self, levels: Mapping[int, Level]) -> Harm:
        """What it costs beyond what is lost already when the services at `levels` are at these."""
        money = weighted = 0.0
        for vertex, level in levels.items():
            costs, base = self._costs[vertex], self._base[vertex]
            money += costs[level][0] - costs[base][0]
            weighted += costs[level][1] - costs[base][1]
        return Harm(money=money, weighted=weighted, levels=levels)

    def fail(self, vertices: Iterable[int]) -> Fallen:
        """Take `vertices` down, and all that follows, to look at `live` until they are restored."""
        own = self.live.own
        before = {vertex: int(own[vertex]) for vertex in vertices}
        return Fallen(before, self.live.change(dict.fromkeys(before, 2)).tolist())

    def restore(self, fallen: Fallen) -> None:
        """As it was before that `fail`; there is none between."""
        if len(fallen.changed) * _COPIED_PER_CHANGE > len(self.live.level):
            self.live.back_to(self._mark)
        else:
            self.live.change(fallen.before)

    def margin(self, vertex: int, limit: Level) -> int:
        """How much weight its children may lose before it is at `limit` (1 or 2); below nought it is there."""
        return self.live.margins(vertex)[2 - limit]
