"""Impact: states of everything, loss now, causes and symptoms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.state import State


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceImpact:
    """What one service costs now."""

    service: NodeId
    state: State
    loss_per_minute: float
    """Money, unweighted."""
    weighted_loss_per_minute: float
    loss_range: tuple[float, float]
    """Both ends while unknown; else twice the same."""
    causes: tuple[NodeId, ...] = ()
    at_risk: tuple[NodeId, ...] = ()
    """Components any one of whose failure would take down this service that is still up."""
    since: datetime | None = None
    """When the outage began, where its cost depends on that."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RootCause:
    """A component that what fails is likely to come from."""

    component: NodeId
    score: float
    """Its share of all suspicion, within 0..1; the higher the likelier."""
    explains: tuple[NodeId, ...]
    """Failing components and services that its failure explains."""
    reason: str = ""
    suspect: bool = False
    """It is not known to fail: all its dependants fail, or an alert about it changes no state."""
    symptom: bool = False
    """By states alone what it requires explains it, but times and strengths speak against that."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Impact:
    """One reading of the whole model."""

    own: Mapping[NodeId, State]
    """Own states of the components that are not ok."""
    states: Mapping[NodeId, State]
    """Effective states of all components and services that are not ok; all others are ok."""
    services: Mapping[NodeId, ServiceImpact]
    """All services that are not ok or at risk."""
    root_causes: tuple[RootCause, ...]
    """Likeliest first."""
    symptoms: Mapping[NodeId, tuple[NodeId, ...]]
    """Component with only indirect evidence → the requirements that explain it."""

    @property
    def loss_per_minute(self) -> float:
        return sum(service.loss_per_minute for service in self.services.values())

    def state(self, node: NodeId) -> State:
        return self.states.get(node, State.OK)
