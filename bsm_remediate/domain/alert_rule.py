"""An alert rule of a monitoring system: what alerts there can be, before any fires."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bsm_remediate.domain.alert import severity_of
from bsm_remediate.domain.state import SEVERITY_STATE, State


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertRule:
    """One rule; its texts are data, like those of an alert."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    """Those that all its alerts have, with these values; `alertname` isn't among them."""
    open_labels: frozenset[str] = frozenset()
    """Those that it gives values which depend on the alert."""
    summary: str = ""
    runbook: str = ""

    @property
    def all_labels(self) -> dict[str, str]:
        """What is known of the labels of its alerts."""
        return {**self.labels, "alertname": self.name}

    @property
    def sets(self) -> State:
        """What its severity says about a component; degraded where it says nothing known."""
        return SEVERITY_STATE.get(severity_of(self.labels), State.DEGRADED)
