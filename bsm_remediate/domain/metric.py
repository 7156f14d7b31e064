"""Metric policies: which figure they watch, and the alert that one of its series amounts to.

A series that is on is an alert of the source `metrics` like any other, so mapping, guards, journal and explanation are
those of all alerts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from bsm_remediate.domain.alert import Alert, AlertStatus
from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.foresight import Expected
from bsm_remediate.domain.ids import Fingerprint, PolicyId
from bsm_remediate.domain.threshold import Phase, Threshold, Watch

METRICS = "metrics"
"""The source of these alerts."""
POLICY_LABEL = "metric_policy"
FORECAST_LABEL = "metric_forecast"
"""On alerts about what is only expected."""
VALUE = "value"
"""Annotation with the figure that switched it on."""
WAS, ON = "was", "on"
"""Annotation of what became unknown, and its value where it was on then."""
_NAME = "__name__"
_OWN = frozenset({"alertname", POLICY_LABEL, FORECAST_LABEL, _NAME})


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """What is asked, how often, and from when on it is a signal."""

    query: str
    source: str | None = None
    """Who is asked; None: the only Prometheus."""
    threshold: Threshold
    every: timedelta


def series_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Those that tell a series of a policy from the others; the metric's name is one of them."""
    found = {name: value for name, value in labels.items() if name not in _OWN and value}
    return {**found, "metric": labels[_NAME]} if labels.get(_NAME) else found


def fingerprint_of(policy: PolicyId, labels: Mapping[str, str]) -> Fingerprint:
    """By which the series of `labels` is known."""
    text = repr((policy, sorted(labels.items())))
    return Fingerprint(blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest())


def alert_of(policy: PolicyId, labels: Mapping[str, str], watch: Watch, threshold: Threshold, now: datetime) -> Alert:
    """What `watch` amounts to at `now`: it fires, nobody can tell, or it is over."""
    status = {Phase.ON: AlertStatus.FIRING, Phase.UNKNOWN: AlertStatus.UNKNOWN}.get(watch.phase, AlertStatus.RESOLVED)
    began_at = watch.began_at if watch.was_on else watch.unknown_since
    return Alert(
        source=METRICS,
        fingerprint=fingerprint_of(policy, labels),
        status=status,
        labels={**labels, "alertname": policy, POLICY_LABEL: policy},
        annotations=_annotations(watch, threshold),
        starts_at=began_at if began_at is not None else now,
        ends_at=now if status is AlertStatus.RESOLVED else None,
        received_at=now,
    )


def alert_expected(
    policy: PolicyId, labels: Mapping[str, str], expected: Expected, *, since: datetime, now: datetime
) -> Alert:
    """What a series amounts to at `now` whose threshold is expected to be crossed: it fires, and changes no state."""
    return Alert(
        source=METRICS,
        fingerprint=fingerprint_of(policy, labels),
        status=AlertStatus.FIRING,
        labels={**labels, "alertname": policy, POLICY_LABEL: policy, FORECAST_LABEL: "expected"},
        annotations={"summary": expected.reason},
        starts_at=since,
        received_at=now,
    )


def _annotations(watch: Watch, threshold: Threshold) -> dict[str, str]:
    if watch.phase is Phase.UNKNOWN:
        was = ON if watch.was_on else "off"
        return {"summary": f"no figure for {format_duration(threshold.stale_after)}; it was {was}", WAS: was}
    if watch.value is None or watch.phase is not Phase.ON:
        return {}
    return {"summary": f"{watch.value:g} is {threshold}", VALUE: f"{watch.value!r}"}


def figure_of(alert: Alert) -> float | None:
    """The figure that switched `alert` on; None where it isn't made of one."""
    if alert.source != METRICS:
        return None
    try:
        return float(alert.annotations.get(VALUE, ""))
    except ValueError:
        return None
