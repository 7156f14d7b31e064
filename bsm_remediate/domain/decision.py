"""Decisions: verdict and reason for one component and policy; values, never actions (DESIGN 5.4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bsm_remediate.domain.alert import AlertKey
from bsm_remediate.domain.ids import NodeId, PolicyId


class Verdict(StrEnum):
    """In the order in which they speak."""

    UNMAPPED = "unmapped"
    NO_POLICY = "no_policy"
    ALREADY_RUNNING = "already_running"
    SILENCED = "silenced"
    HELD_BY = "held_by"
    AWAITING_RESOLVE = "awaiting_resolve"
    QUARANTINED = "quarantined"
    TOO_OLD = "too_old"
    AMBIGUOUS = "ambiguous"
    MAINTENANCE = "maintenance"
    PAUSED = "paused"
    FROZEN = "frozen"
    STORM = "storm"
    SYMPTOM = "symptom"
    FLAPPING = "flapping"
    COOLING_DOWN = "cooling_down"
    BUDGET_SPENT = "budget_spent"
    QUORUM = "quorum"
    BREAKER_OPEN = "breaker_open"
    CANARY = "canary"
    SHADOW = "shadow"
    AWAIT_APPROVAL = "await_approval"
    ALREADY_OK = "already_ok"
    RUN = "run"

    @property
    def is_planned(self) -> bool:
        """Whether it makes a step of the plan: permitted, or waiting only for a person's approval."""
        return self in (Verdict.RUN, Verdict.AWAIT_APPROVAL, Verdict.STORM)


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What may be done about one component under one policy, and why."""

    component: NodeId | None
    """Or the service that an alert names; nothing is ever done about that itself."""
    policy: PolicyId | None
    verdict: Verdict
    reason: str
    """One line, naming the numbers it rests on."""
    alternative: int = 0
    """Index into the policy's `do`."""
    alerts: tuple[AlertKey, ...] = ()
    at_stake: float | None = None
    """Money that the run itself could lose, where a person must approve it for that."""
