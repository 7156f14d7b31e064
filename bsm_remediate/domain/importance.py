"""Importance: what the failure of each component alone would cost (DESIGN 5.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.failure_loss import FailureLoss, Harm, Progress, in_silence
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.stand_ins import stand_ins


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
    return ranked(FailureLoss(bundle, rollup, at=at, goal=goal))


def ranked(losses: FailureLoss, progress: Progress = in_silence) -> list[Importance]:
    """All components that are not down yet, highest loss first: what each one's failure adds."""
    stands_for = stand_ins(losses)
    alike: dict[int, tuple[Harm, tuple[NodeId, ...]]] = {}
    found = []
    for done, vertex in enumerate(losses.components):
        progress(done, len(losses.components))
        asked = stands_for[vertex]
        if asked not in alike:
            harm = losses.of([asked])
            alike[asked] = harm, losses.services_by_loss(harm)
        harm, services = alike[asked]
        found.append(
            Importance(
                component=losses.compact.names[vertex],
                loss_per_minute=harm.money,
                weighted_loss_per_minute=harm.weighted,
                services=services,
                single_point_of_failure=2 in harm.levels.values(),
            )
        )
    found.sort(key=lambda one: (-one.weighted_loss_per_minute, -one.loss_per_minute, one.component))
    return found
