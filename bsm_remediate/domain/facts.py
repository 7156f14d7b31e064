"""What a `when` expression may see (DESIGN 4, Expressions)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.service_map import Component


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """One signal in its surroundings: `alert`, `signal`, `component`, `impact`, `now` of an expression."""

    alert: Alert
    component: Component
    signal_age_s: float
    signal_value: float | None = None
    loss_per_minute: float
    """What the business loses now through services that this component is part of."""
    services: tuple[str, ...]
    now: datetime

    def as_mapping(self) -> Mapping[str, object]:
        """The five names of an expression, as plain values; missing labels read as undefined."""
        return {
            "alert": {
                "name": self.alert.name,
                "severity": self.alert.severity,
                "labels": dict(self.alert.labels.items()),
                "annotations": dict(self.alert.annotations.items()),
                "starts_at": self.alert.starts_at.timestamp(),
            },
            "signal": {"age": self.signal_age_s, "value": self.signal_value},
            "component": {"id": self.component.id, "host": self.component.host, "labels": self.component.labels},
            "impact": {"loss_per_minute": self.loss_per_minute, "services": list(self.services)},
            "now": self.now.timestamp(),
        }
