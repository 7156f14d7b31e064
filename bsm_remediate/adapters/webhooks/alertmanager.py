"""Alertmanager's webhook, version 4 (and 3, which lacks fingerprints).

Source: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
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

NAME = "alertmanager"


def read_alertmanager(raw: bytes, received_at: datetime) -> Delivery:
    """The alerts of one webhook body. Raises `MalformedAlerts`."""
    return read_body(parse(raw), received_at)


def read_body(body: Any, received_at: datetime, pointer: str = "", source: str = NAME) -> Delivery:
    """The same, of a body already parsed, which stands at `pointer`."""
    found = require_object(body, pointer)
    if "alerts" not in found:
        raise MalformedAlerts("the member 'alerts' is missing", field=f"{pointer}/alerts")
    listed = require_list(found["alerts"], f"{pointer}/alerts")
    delivery = collect(listed, f"{pointer}/alerts", lambda one, where: read_alert(one, received_at, where, source))
    truncated = found.get("truncatedAlerts", 0)
    delivery.truncated = truncated if isinstance(truncated, int) else 0
    return delivery


def read_alert(one: Any, received_at: datetime, pointer: str, source: str = NAME) -> Alert:
    """One alert of a body, which stands at `pointer`. Raises `MalformedAlerts`."""
    alert = require_object(one, pointer)
    labels = texts(alert.get("labels"), f"{pointer}/labels")
    if not labels:
        raise MalformedAlerts("an alert needs labels", field=f"{pointer}/labels")
    status = status_of(alert.get("status"), f"{pointer}/status")
    starts_at = began(moment(alert.get("startsAt"), f"{pointer}/startsAt"), received_at)
    given_end = alert.get("endsAt")
    fingerprint = alert.get("fingerprint")
    if fingerprint is not None and (not isinstance(fingerprint, str) or len(fingerprint) > 200):
        raise MalformedAlerts(f"must be a short text, not {kind(fingerprint)}", field=f"{pointer}/fingerprint")
    return Alert(
        source=source,
        fingerprint=Fingerprint(fingerprint) if fingerprint else fingerprint_of(labels),
        status=status,
        labels=labels,
        annotations=texts(alert.get("annotations"), f"{pointer}/annotations"),
        starts_at=starts_at,
        ends_at=ended(moment(given_end, f"{pointer}/endsAt") if given_end else None, status),
        received_at=received_at,
    )
