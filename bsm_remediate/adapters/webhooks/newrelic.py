"""New Relic: the default payload of workflows, and that of the notification channels before them.

Source: https://docs.newrelic.com/docs/alerts/get-notified/notification-integrations/
"""

from __future__ import annotations

from bsm_remediate.adapters.webhooks.field_map import FieldMap, at

NEWRELIC = FieldMap(
    source="newrelic",
    fingerprint=(at("id"), at("incident_id")),
    status=at("state", "current_state"),
    # An acknowledged incident goes on: somebody has seen it, nothing is mended.
    firing=frozenset({"created", "activated", "open", "acknowledged"}),
    resolved=frozenset({"closed", "deactivated", "resolved"}),
    labels={
        "alertname": at("condition_name", "alertConditionNames.0", "title"),
        "severity": at("priority", "severity"),
        # An incident about several entities names none of them.
        "instance": at("impactedEntities.*", "targets.*.name"),
        "policy": at("policy_name", "alertPolicyNames.0"),
    },
    tags=at("targets.*.labels"),
    annotations={
        "summary": at("title", "details"),
        "url": at("issueUrl", "incident_url"),
        "runbook_url": at("runbook_url"),
        "entities": at("impactedEntities"),
    },
    starts_at=at("createdAt", "timestamp"),
    ends_at=at("closedAt"),
)
