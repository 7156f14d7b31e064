"""Datadog's webhooks integration. Its payload is a template of the user's; docs/webhooks.md has the one to paste.

Source: https://docs.datadoghq.com/integrations/webhooks/
"""

from __future__ import annotations

from typing import Any

from bsm_remediate.adapters.webhooks.field_map import FieldMap, at
from bsm_remediate.adapters.webhooks.spellings import text_of

_MILDER = {"warn", "re-warn"}


def _prepared(alert: dict[str, Any], pointer: str) -> dict[str, Any]:
    """A scope is tags (`host:db-1,env:prod`) or a bare name; Warn is the milder of a monitor's two thresholds."""
    scope = text_of(alert.get("scopes"), f"{pointer}/scopes").strip()
    transition = text_of(alert.get("alert_transition"), f"{pointer}/alert_transition").strip().lower()
    is_bare = bool(scope) and not any(mark in scope for mark in ":,*")
    return {
        **alert,
        "bare_scope": scope if is_bare else None,
        # A body that never tells of a recovery has nothing that could pair with a scope.
        "scope_that_pairs": scope if transition else None,
        "mildness": "warning" if transition in _MILDER else None,
        "transition": transition or "triggered",
    }


DATADOG = FieldMap(
    source="datadog",
    prepare=_prepared,
    fingerprint=(at("aggreg_key"), at("monitor_id", "scope_that_pairs"), at("monitor_id")),
    status=at("transition"),
    firing=frozenset({"triggered", "re-triggered", "renotify", "warn", "re-warn"}),
    resolved=frozenset({"recovered"}),
    unknown=frozenset({"no data", "re-no data"}),
    labels={
        "alertname": at("title"),
        "severity": at("mildness", "priority"),
        "instance": at("bare_scope"),
        "host": at("hostname"),
        "monitor_id": at("monitor_id"),
    },
    tags=at("scopes", "tags"),
    severities={"p1": "critical", "p2": "high", "p3": "medium", "p4": "low", "p5": "info"},
    annotations={
        "summary": at("message", "description"),
        "query": at("query"),
        "url": at("link"),
        "tags": at("tags"),
    },
    starts_at=at("date"),
)
