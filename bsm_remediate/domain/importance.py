"""Importance: what the failure of each component alone would cost (DESIGN 5.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.loss import full_rate, share
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.state import LEVELS, State


@dataclass(frozen=True, kw_only=True, slots=True)
class Importance:
    """One component's failure while all else is well."""

    component: NodeId
    loss_per_minute: float
    """Money, unweighted."""
    weighted_loss_per_minute: float
    services: tuple[NodeId, ...]
    """Those no longer ok, costliest first."""
    single_point_of_failure: bool
    """Whether at least one service goes down with it, with nothing to take over."""


def rank(bundle: Bundle, rollup: RollUp, *, at: datetime, goal: str) -> list[Importance]:
    """All components, highest loss first, at the prices of `at` (aware)."""
    services = bundle.service_map.services
    rates = {node: full_rate(service, bundle.calendars, at) for node, service in services.items()}
    ranked = []
    for component in bundle.service_map.components:
        levels = rollup.levels({component: 2})
        hit = {node: LEVELS[level] for node, level in levels.items() if node in services}
        loss = {node: rates[node] * share(services[node], state) for node, state in hit.items()}
        weights = bundle.goals[goal]
        ranked.append(
            Importance(
                component=component,
                loss_per_minute=sum(loss.values()),
                weighted_loss_per_minute=sum(
                    lost * weights.weight(services[node].function) for node, lost in loss.items()
                ),
                services=tuple(sorted(hit, key=lambda node: (-loss[node], node))),
                single_point_of_failure=State.DOWN in hit.values(),
            )
        )
    ranked.sort(key=lambda one: (-one.weighted_loss_per_minute, -one.loss_per_minute, one.component))
    return ranked
