"""A monitoring system's own list of what it finds wrong: what webhooks lost, and what people silenced (DESIGN 5.6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bsm_remediate.domain.alert import Alert, AlertKey, AlertStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """One full reading of one source."""

    source: str
    asked_at: datetime
    """When it was asked for: what was heard of later isn't contradicted by it."""
    alerts: tuple[Alert, ...]
    """All that fire there, the suppressed ones too."""
    suppressed: Mapping[AlertKey, str] = field(default_factory=dict)
    """Silenced or inhibited alert → by what, for people."""
    is_settled: bool = True
    """False while the source has just been started and may not have heard of everything yet."""

    def gone(self, firing: Iterable[Alert], last_seen: Mapping[AlertKey, datetime]) -> Sequence[Alert]:
        """Those of `firing` that the source no longer has, as resolved: their resolve was lost.

        Only what was last heard of before the list was asked for, and nothing while the source hasn't settled: one
        that was restarted begins with an empty list.
        """
        if not self.is_settled:
            return []
        listed = {alert.key for alert in self.alerts}
        return [
            replace(alert, status=AlertStatus.RESOLVED, ends_at=self.asked_at, received_at=self.asked_at)
            for alert in firing
            if alert.source == self.source
            and alert.key not in listed
            and max(alert.received_at, last_seen.get(alert.key, alert.received_at)) < self.asked_at
        ]
