"""What is remembered of a metric policy and its series between two looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.foresight import Expected, Foresight
from bsm_remediate.domain.ids import Fingerprint, PolicyId
from bsm_remediate.domain.metric import FORECAST_LABEL, ON, POLICY_LABEL, WAS, Metric
from bsm_remediate.domain.polling import Schedule
from bsm_remediate.domain.threshold import Phase, Watch
from bsm_remediate.engine.picture import Picture


@dataclass(slots=True)
class MeteredSeries:
    """One series of a policy."""

    labels: Mapping[str, str]
    watch: Watch = field(default_factory=Watch)
    is_told: bool = False
    """While it is unknown: whether the store has said so. A person may have ended that since."""
    foresight: Foresight | None = None
    expected: Expected | None = None
    expected_since: datetime | None = None


@dataclass(slots=True)
class Metered:
    """One policy's metric."""

    policy: PolicyId
    metric: Metric
    schedule: Schedule
    series: dict[Fingerprint, MeteredSeries] = field(default_factory=dict)
    is_asked: bool = False
    """Whether a reading is under way."""
    is_tried: bool = False
    answered_at: datetime | None = None
    failure: str = ""
    """Of the last reading."""
    looked_at: datetime | None = None
    """When what it changes was last worked out; None: something is new."""

    def is_to_be_looked_at(self, now: datetime) -> bool:
        return self.is_tried and (self.looked_at is None or now - self.looked_at >= self.metric.every)


def restored(alert: Alert, picture: Picture) -> MeteredSeries:
    """Where the series of `alert` stood when it was last written."""
    own = {"alertname", POLICY_LABEL, FORECAST_LABEL}
    labels = {name: value for name, value in alert.labels.items() if name not in own}
    if FORECAST_LABEL in alert.labels:
        return MeteredSeries(labels)
    seen_at = max(alert.received_at, picture.last_seen.get(alert.key, alert.received_at))
    if alert.is_firing:
        return MeteredSeries(labels, Watch(phase=Phase.ON, seen_at=seen_at, began_at=alert.starts_at))
    was_on = alert.annotations.get(WAS) == ON
    watch = Watch(
        phase=Phase.UNKNOWN,
        seen_at=seen_at,
        began_at=alert.starts_at if was_on else None,
        unknown_since=alert.received_at,
    )
    return MeteredSeries(labels, watch)
