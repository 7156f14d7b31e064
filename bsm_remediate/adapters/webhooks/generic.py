"""The `generic` webhook: a small JSON of our own, for senders that can shape what they post.

One alert, or `{"alerts": [...]}`. `name` is required; the rest is optional:

    {"name": "PostgresDown", "status": "firing", "severity": "critical", "component": "db-1",
     "labels": {"shard": "1"}, "annotations": {"summary": "…"},
     "starts_at": "2026-01-05T09:00:00Z", "ends_at": null, "fingerprint": "…"}

`name`, `severity` and `component` become the labels `alertname`, `severity` and `component`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bsm_remediate.adapters.webhooks.delivery import (
    Delivery,
    began,
    collect,
    ended,
    fingerprint_of,
    kind,
    moment,
    parse,
    require_list,
    require_object,
    status_of,
    texts,
)
from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.ids import Fingerprint
from bsm_remediate.errors import MalformedAlerts

NAME = "generic"
_KEYS = frozenset(
    {"name", "status", "severity", "component", "labels", "annotations", "starts_at", "ends_at", "fingerprint"}
)


def read_generic(raw: bytes, received_at: datetime) -> Delivery:
    """The alerts of one body. Raises `MalformedAlerts`."""
    return read_generic_body(parse(raw), received_at)


def read_generic_body(value: Any, received_at: datetime, source: str = NAME) -> Delivery:
    """The same, of a body already parsed."""
    body = require_object(value)
    if "alerts" in body:
        listed = require_list(body["alerts"], "/alerts")
        return collect(listed, "/alerts", lambda one, where: _read(one, received_at, where, source))
    return Delivery(alerts=[_read(body, received_at, "", source)])


def _read(one: Any, received_at: datetime, pointer: str, source: str) -> Alert:
    alert = require_object(one, pointer)
    unknown = sorted(alert.keys() - _KEYS)
    if unknown:
        known = ", ".join(sorted(_KEYS))
        raise MalformedAlerts(f"is no member of an alert; there are {known}", field=f"{pointer}/{unknown[0][:99]}")
    labels = dict(texts(alert.get("labels"), f"{pointer}/labels"))
    labels["alertname"] = _text(alert, "name", pointer, required=True)
    for member in ("severity", "component"):
        text = _text(alert, member, pointer)
        if text:
            labels[member] = text
    status = status_of(alert.get("status", "firing"), f"{pointer}/status")
    starts_at = alert.get("starts_at")
    ends_at = alert.get("ends_at")
    return Alert(
        source=source,
        fingerprint=Fingerprint(_text(alert, "fingerprint", pointer)[:200] or fingerprint_of(labels)),
        status=status,
        labels=labels,
        annotations=texts(alert.get("annotations"), f"{pointer}/annotations"),
        starts_at=began(moment(starts_at, f"{pointer}/starts_at"), received_at) if starts_at else received_at,
        ends_at=ended(moment(ends_at, f"{pointer}/ends_at") if ends_at else received_at, status),
        received_at=received_at,
    )


def _text(alert: dict[str, Any], member: str, pointer: str, *, required: bool = False) -> str:
    found = alert.get(member)
    if found is None and not required:
        return ""
    if not isinstance(found, str) or (required and not found):
        raise MalformedAlerts(f"must be text, not {kind(found)}", field=f"{pointer}/{member}")
    return found
