"""Grafana: its alerting since version 8 (the body of Alertmanager, with more members), and the legacy alerting before.

Source: https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bsm_remediate.adapters.webhooks.alertmanager import read_body
from bsm_remediate.adapters.webhooks.delivery import Delivery, parse
from bsm_remediate.adapters.webhooks.field_map import FieldMap, at


def _control(alert: dict[str, Any]) -> str:
    return "a test of the notification channel" if alert.get("ruleName") == "Test notification" else ""


LEGACY = FieldMap(
    source="grafana",
    control=_control,
    fingerprint=(at("ruleId"),),
    status=at("state"),
    firing=frozenset({"alerting"}),
    resolved=frozenset({"ok"}),
    unknown=frozenset({"no_data", "unknown"}),
    ignored=frozenset({"paused", "pending"}),
    labels={"alertname": at("ruleName", "title")},
    # A rule about several series is one alert, so only the labels count that its series share.
    tags=at("tags", "evalMatches.*.tags"),
    annotations={"summary": at("message", "title"), "url": at("ruleUrl")},
)


@dataclass(frozen=True, kw_only=True)
class Grafana:
    """Reads both; called with a body and the time of its receipt (aware)."""

    source: str = "grafana"

    def __call__(self, raw: bytes, received_at: datetime) -> Delivery:
        """The alerts of a body. Raises `MalformedAlerts`."""
        body = parse(raw)
        if isinstance(body, dict) and "alerts" not in body and "ruleName" in body:
            return replace(LEGACY, source=self.source).read(body, received_at)
        return read_body(body, received_at, source=self.source)


GRAFANA = Grafana()
