"""What is ordered: jobs, and what the services cost that they bring back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.loss_curve import LossCurve

JobId = int


@dataclass(frozen=True, kw_only=True, slots=True)
class RepairJob:
    """One run that may be planned."""

    id: JobId
    fixes: frozenset[NodeId]
    """Components whose own state it mends."""
    work_s: float
    """Seconds until restored: duration over chance of success, the index of the next attempt (Kadane 1969)."""
    duration_s: float
    """Seconds that this attempt takes."""
    locks: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Worth:
    """What a failing service costs: the share `degraded` of `full` until it is ok, the rest until it isn't down."""

    full: LossCurve
    degraded: float
    is_down: bool

    @property
    def parts(self) -> tuple[LossCurve, LossCurve]:
        """Until it is no longer down, and until it is ok."""
        return self.full.times(1 - self.degraded if self.is_down else 0.0), self.full.times(self.degraded)


@dataclass(frozen=True, kw_only=True, slots=True)
class Crew:
    """Who carries jobs out: seconds until each executor is free, and until each lock is that is held now."""

    executors: Mapping[int, float]
    locked: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Slot:
    """When and on which executor a job runs."""

    executor: int
    start_s: float
    end_s: float
