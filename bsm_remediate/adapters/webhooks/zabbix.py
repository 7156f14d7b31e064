"""Zabbix' webhook media type; its script posts the parameters as they are (docs/webhooks.md has them).

Source: https://www.zabbix.com/documentation/current/en/manual/config/notifications/media/webhook
"""

from __future__ import annotations

import re
from typing import Any

from bsm_remediate.adapters.webhooks.field_map import FieldMap, at

_UNRESOLVED = re.compile(r"\{[A-Z.]+\}|\*UNKNOWN\*")


def _is_unresolved(value: Any) -> bool:
    return isinstance(value, str) and _UNRESOLVED.fullmatch(value) is not None


def _control(alert: dict[str, Any]) -> str:
    """The media type's own test posts the macros themselves, since there is no event to fill them."""
    unresolved = [name for name in ("id", "status", "name") if _is_unresolved(alert.get(name))]
    return f"a test: {', '.join(unresolved)} are no values but macros" if unresolved else ""


def _prepared(alert: dict[str, Any], _pointer: str) -> dict[str, Any]:
    """Macros that this event or this version of Zabbix doesn't have say nothing."""
    return {name: value for name, value in alert.items() if not _is_unresolved(value)}


ZABBIX = FieldMap(
    source="zabbix",
    control=_control,
    prepare=_prepared,
    # The recovery message has the identifier of the problem's event, so both pair.
    fingerprint=(at("id"),),
    status=at("status", "value"),
    firing=frozenset({"problem", "1"}),
    resolved=frozenset({"resolved", "ok", "0"}),
    labels={
        "alertname": at("name"),
        "severity": at("severity"),
        "host": at("service", "host"),
        "instance": at("host_ip"),
        "trigger_id": at("triggerId"),
    },
    tags=at("tags"),
    # "Not classified" is none of ours: such an alert degrades, and the unknown severity is told.
    severities={"disaster": "critical", "average": "medium", "warning": "low", "information": "info"},
    annotations={"description": at("description"), "host_name": at("host_name"), "url": at("url")},
    # {EVENT.TIME} is a time of day without a date or a zone, so it says nothing to us.
    starts_at=at("timestamp"),
)
