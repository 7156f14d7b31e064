"""The demo's account: minutes and money lost in the order that was chosen, as measured, against other orders, computed
from the durations that were measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import permutations
from math import factorial

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.loss import Prices
from bsm_remediate.domain.loss_curve import LossCurve
from bsm_remediate.domain.ordering.course import Courses
from bsm_remediate.domain.ordering.job import Crew, RepairJob, Worth
from bsm_remediate.domain.ordering.reduction import reduced
from bsm_remediate.domain.rollup import RollUp

_MOST_ORDERS = factorial(6)
"""Of more orders than these the mean isn't computed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Repair:
    """What restoring one component took, all its runs together."""

    component: str
    restored_s: float
    """From the beginning until the playbook had changed what it had to: then customers are served."""
    busy_s: float
    """Until the executor was free again."""
    locks: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Computes outages of every service for any order of the same repairs."""

    bundle: Bundle
    repairs: Mapping[str, Repair]
    goal: str
    lag_s: float
    """From the break to the start of the first repair; the same for every order."""
    at: datetime

    def outages(self, order: Sequence[str]) -> dict[str, float]:
        """Seconds without each service if the repairs begin in `order` (computed)."""
        jobs = [self._job(number, self.repairs[one]) for number, one in enumerate(order)]
        services = self.bundle.service_map.services
        circuit = reduced(
            RollUp(self.bundle.service_map),
            own=dict.fromkeys((NodeId(one) for one in order), 2),
            jobs=jobs,
            under_way={},
            worth=dict.fromkeys(services, Worth(full=LossCurve(1.0), degraded=0.0, is_down=True)),
        )
        crew = Crew(executors=dict.fromkeys(range(self.bundle.settings.executors), self.lag_s))
        courses = Courses(circuit, crew)
        slots = courses.slots(range(len(jobs)))
        restored = [slots[number].start_s + self.repairs[one].restored_s for number, one in enumerate(order)]
        times = courses.given(restored)
        return {
            service: courses.when(times, var) for service, var in zip(circuit.services, circuit.not_down, strict=True)
        }

    def loss(self, outages: Mapping[str, float]) -> dict[str, float]:
        """Money for `outages` in seconds, at the rates of now."""
        services, prices = self.bundle.service_map.services, Prices(self.bundle.calendars, self.at)
        return {one: prices.full(services[NodeId(one)]) * s / 60 for one, s in outages.items()}

    @property
    def is_weighted(self) -> bool:
        """Whether the goal values business functions differently, so that it isn't money alone that decides."""
        weights = self.bundle.goals[self.goal].weights.values()
        return any(weight != 1 for weight in weights)

    def total(self, loss: Mapping[str, float]) -> float:
        """`loss` of all services, weighted by the goal."""
        goal, services = self.bundle.goals[self.goal], self.bundle.service_map.services
        return sum(goal.weight(services[NodeId(one)].function) * money for one, money in loss.items())

    def computed_total(self, order: Sequence[str]) -> float:
        """What `order` loses, weighted by the goal (computed)."""
        return self.total(self.loss(self.outages(order)))

    def mean_total(self) -> float | None:
        """The mean of `computed_total` over all orders; None when there are too many."""
        if factorial(len(self.repairs)) > _MOST_ORDERS:
            return None
        totals = [self.computed_total(order) for order in permutations(self.repairs)]
        return sum(totals) / len(totals)

    @staticmethod
    def _job(number: int, repair: Repair) -> RepairJob:
        fixes = frozenset({NodeId(repair.component)})
        return RepairJob(id=number, fixes=fixes, work_s=repair.busy_s, duration_s=repair.busy_s, locks=repair.locks)
