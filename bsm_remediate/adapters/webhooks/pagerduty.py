"""PagerDuty's webhooks: subscriptions (version 3) and the extensions before them (versions 2 and 1).

Source: https://developer.pagerduty.com/docs/webhooks-overview and .../verifying-webhook-signatures
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from bsm_remediate.adapters.webhooks.field_map import FieldMap, at
from bsm_remediate.adapters.webhooks.terms import Signed
from bsm_remediate.domain.field_path import find

SIGNATURE = b"x-pagerduty-signature"
_MOST_SIGNATURES = 20


def is_signed(secrets: Sequence[str], headers: Mapping[bytes, bytes], body: bytes) -> bool:
    """Whether one of the header's `v1=…` signatures, several while secrets rotate, is one of `secrets` over `body`."""
    given = [part.strip() for part in headers.get(SIGNATURE, b"").split(b",")[:_MOST_SIGNATURES]]
    wanted = [b"v1=" + hmac.new(secret.encode(), body, sha256).hexdigest().encode() for secret in secrets]
    # All are compared, so that the time it takes doesn't tell which was the right one.
    return sum(hmac.compare_digest(one, other) for one in given for other in wanted) > 0


class PagerDutySignature:
    """Implements `Signature`. The body alone is signed: no time is in it, and nothing to tell a repeat by."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = secrets

    def is_claimed(self, headers: Mapping[bytes, bytes], now: datetime) -> bool:  # noqa: ARG002 - no time here
        return SIGNATURE in headers

    def verify(self, headers: Mapping[bytes, bytes], body: bytes, now: datetime) -> Signed | None:  # noqa: ARG002 - no time here
        return Signed() if is_signed(self._secrets, headers, body) else None


def _control(event: dict[str, Any]) -> str:
    """Version 3 also tells of notes, responders, services and pings."""
    if "event_type" not in event or find(event, ("data", "type")) == "incident":
        return ""
    return "an event that is about no incident's state"


PAGERDUTY = FieldMap(
    source="pagerduty",
    alerts=at("messages", "event"),
    control=_control,
    fingerprint=(at("data.incident.id"), at("incident.id"), at("data.id")),
    # Version 1 has no status that keeps up with its messages, but their type does.
    status=at("data.status", "incident.status", "type"),
    # An acknowledged incident goes on: somebody has seen it, nothing is mended.
    firing=frozenset(
        {"triggered", "acknowledged"}
        | {f"incident.{what}" for what in ("trigger", "acknowledge", "unacknowledge", "assign", "escalate", "delegate")}
    ),
    resolved=frozenset({"resolved", "incident.resolve"}),
    labels={
        "alertname": at("data.title", "incident.title", "data.incident.trigger_summary_data.subject"),
        "severity": at("data.priority.summary", "data.urgency", "incident.urgency"),
        "service": at("data.service.summary", "incident.service.name", "data.incident.service.name"),
    },
    severities={"p1": "critical", "p2": "high", "p3": "medium", "p4": "low", "p5": "info"},
    annotations={
        "summary": at("incident.description", "data.title"),
        "url": at("data.html_url", "incident.html_url", "data.incident.html_url"),
        "incident_key": at("data.incident_key", "incident.incident_key", "data.incident.incident_key"),
        "incident_status": at("data.status", "incident.status", "data.incident.status"),
    },
    # An update must not be older than what it updates, so it is the incident's time where there is one.
    starts_at=at("data.created_at", "incident.created_at", "data.incident.created_on", "occurred_at"),
)
