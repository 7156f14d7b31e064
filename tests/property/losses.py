"""Random businesses: random maps whose services cost something; and what failures cost them, slowly and obviously."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.failure_loss import FailureLoss
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.service_map import LossRates, ServiceMap
from bsm_remediate.domain.state import AT_BEST, Level, State
from bsm_remediate.testing.builders import NINE, bundle
from tests.property.worlds import World, levels_of, worlds


@dataclass(frozen=True)
class Business:
    """A bundle, and states that are the case already."""

    bundle: Bundle
    own: Mapping[NodeId, State]

    @property
    def map(self) -> ServiceMap:
        return self.bundle.service_map

    def losses(self) -> FailureLoss:
        """What is to be held to the oracle."""
        return FailureLoss(self.bundle, RollUp(self.map), at=NINE, goal="weighed", own=self.own)

    # --- the oracle ------------------------------------------------------------------------------------------------

    def levels(self, down: Iterable[NodeId] = ()) -> dict[NodeId, Level]:
        own = {node: AT_BEST[state] for node, state in self.own.items()}
        return levels_of(self.map, {**own, **dict.fromkeys(down, 2)})

    def cost(self, down: Iterable[NodeId] = ()) -> tuple[float, float]:
        """Money and weighted loss per minute with everything in `down` down too."""
        maintained: dict[NodeId, Level] = {node: 2 for node, one in self.own.items() if one is State.MAINTENANCE}
        planned, levels = levels_of(self.map, maintained), self.levels(down)
        money = weighted = 0.0
        for node, service in self.map.services.items():
            level = levels[node]
            if level and level != planned[node]:
                rate = service.loss_per_minute.default * (1.0 if level == 2 else service.degraded)
                money += rate
                weighted += rate * self.bundle.goals["weighed"].weight(service.function)
        return money, weighted

    def added(self, down: Iterable[NodeId]) -> tuple[float, float]:
        """The same, beyond what is lost already."""
        (money, weighted), (before, weighted_before) = self.cost(down), self.cost()
        return money - before, weighted - weighted_before

    def standing(self) -> list[NodeId]:
        """Components that are not down."""
        levels = self.levels()
        return [node for node in self.map.components if levels[node] < 2]


@st.composite
def businesses(
    draw: st.DrawFn,
    states: tuple[State, ...] = tuple(State),
    worlds: st.SearchStrategy[World] | None = None,
) -> Business:
    world = draw(worlds if worlds is not None else _worlds(states))
    amounts, shares = st.sampled_from([0, 1, 10, 100, 70]), st.sampled_from([0.0, 0.25, 0.5, 1.0])
    services = [
        replace(
            one,
            loss_per_minute=LossRates(default=draw(amounts)),
            degraded=draw(shares),
            function=draw(st.sampled_from([None, "heavy", "worthless"])),
        )
        for one in world.map.services.values()
    ]
    goals = {"weighed": {"heavy": 3.0, "worthless": 0.0}}
    return Business(bundle=bundle(*world.map.components.values(), *services, goals=goals), own=world.own)


def _worlds(states: tuple[State, ...]) -> st.SearchStrategy[World]:
    return worlds(states)
