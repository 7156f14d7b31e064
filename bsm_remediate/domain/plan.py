"""The plan: permitted runs in the order of the best business outcome, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.decision import Decision
from bsm_remediate.domain.ids import Digest, NodeId, PolicyId
from bsm_remediate.domain.policy import Alternative
from bsm_remediate.domain.scaling import Adjustment

StepKey = tuple[NodeId | None, PolicyId | None, str]
"""Component, policy, playbook."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One run of the plan. Times are seconds from the plan's `at`."""

    order: int
    """From 1."""
    decision: Decision
    host: str
    alternative: Alternative
    locks: tuple[str, ...]
    executor: int
    start_s: float
    expected_duration_s: float
    success: float
    restores: tuple[NodeId, ...]
    """Services that are up again once this step (and those before it) is done."""
    reason: str
    written: Alternative
    """As the bundle has it; `alternative` has what past runs have taught."""
    learned_from: int = 0
    """How many past runs that rests on; 0: it is as written."""
    loss_stopped_per_minute_of_work: float = 0.0
    """Weighted loss per minute that ends with this step's group, for each minute of the group's work."""
    before_next: str = ""
    """Why it comes before the next step."""
    flips: str = ""
    """What would have to change for the next step to come first."""
    rebalancing: Adjustment | None = None
    """The weights that it sets, when it rebalances a pool."""

    @property
    def key(self) -> StepKey:
        """The same in every plan that has this step."""
        return self.decision.component, self.decision.policy, self.alternative.playbook


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """`expected_loss` and `lower_bound` are weighted by the goal and cover the services that the steps restore;
    `expected_money` is the same without weights; loss rates are money per minute.
    """

    at: datetime
    goal: str
    bundle: Digest
    steps: tuple[Step, ...]
    shadow: tuple[Step, ...]
    held: tuple[Decision, ...]
    unmapped: tuple[Alert, ...]
    unrestored_loss_per_minute: float
    expected_loss: float
    expected_money: float
    lower_bound: float
    is_proven: bool = False
    """Whether no order of these steps loses less."""
    kept: str = ""
    """Why the order of the plan before stands though there is a better one; empty when there is none."""

    @property
    def gap(self) -> float:
        """How far the plan may be from the best one: `expected_loss / lower_bound - 1`; 0 when nothing is lost."""
        return self.expected_loss / self.lower_bound - 1 if self.lower_bound > 0 else 0.0
