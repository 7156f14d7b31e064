"""Uptime Kuma's webhook, preset body `application/json`.

Source: https://github.com/louislam/uptime-kuma, server/notification-providers/webhook.js and server/model/heartbeat.js
"""

from __future__ import annotations

from datetime import UTC
from typing import Any
from urllib.parse import urlsplit

from bsm_remediate.adapters.webhooks.field_map import FieldMap, at

_NO_ADDRESS = {"", "http://", "https://"}
"""What stands as address of monitors that have none (ping, port, DNS)."""


def _control(alert: dict[str, Any]) -> str:
    """Its test button, and news about certificates, come without a heartbeat."""
    return "a message without a heartbeat" if alert.get("heartbeat") is None else ""


def _prepared(alert: dict[str, Any], _pointer: str) -> dict[str, Any]:
    monitor = alert.get("monitor")
    url = monitor.get("url") if isinstance(monitor, dict) else None
    if not isinstance(url, str) or url in _NO_ADDRESS:
        return alert
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    return {**alert, "address": url, "host": host}


UPTIME_KUMA = FieldMap(
    source="uptime-kuma",
    control=_control,
    prepare=_prepared,
    fingerprint=(at("monitor.id"), at("heartbeat.monitorID")),
    status=at("heartbeat.status"),
    firing=frozenset({"0"}),
    resolved=frozenset({"1"}),
    ignored=frozenset({"2", "3"}),  # pending, maintenance
    labels={
        "alertname": at("monitor.name"),
        "instance": at("address", "monitor.hostname", "monitor.name"),
        "host": at("host", "monitor.hostname"),
        "monitor_type": at("monitor.type"),
    },
    tags=at("monitor.tags"),
    annotations={"summary": at("heartbeat.msg", "msg"), "description": at("monitor.description")},
    # The first is local time with its offset beside it; older versions have only the second, in UTC.
    starts_at=at("heartbeat.localDateTime", "heartbeat.time"),
    offset=at("heartbeat.timezoneOffset"),
    timezone=UTC,
)
