"""Webhooks: from the bodies that senders post to alerts. Adding a sender is one file and a line in `SOURCES`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from bsm_remediate.adapters.webhooks import cloudwatch, pagerduty
from bsm_remediate.adapters.webhooks.alertmanager import read_alertmanager, read_body
from bsm_remediate.adapters.webhooks.datadog import DATADOG
from bsm_remediate.adapters.webhooks.delivery import Source, parse
from bsm_remediate.adapters.webhooks.field_map import FieldMap
from bsm_remediate.adapters.webhooks.generic import read_generic, read_generic_body
from bsm_remediate.adapters.webhooks.grafana import GRAFANA, Grafana
from bsm_remediate.adapters.webhooks.newrelic import NEWRELIC
from bsm_remediate.adapters.webhooks.standard import StandardWebhooks
from bsm_remediate.adapters.webhooks.terms import Signature, Terms
from bsm_remediate.adapters.webhooks.uptime_kuma import UPTIME_KUMA
from bsm_remediate.adapters.webhooks.zabbix import ZABBIX

SOURCES: dict[str, Source] = {
    "alertmanager": read_alertmanager,
    "generic": read_generic,
    "grafana": GRAFANA,
    "zabbix": ZABBIX,
    "datadog": DATADOG,
    "cloudwatch": cloudwatch.CLOUDWATCH,
    "pagerduty": pagerduty.PAGERDUTY,
    "newrelic": NEWRELIC,
    "uptime-kuma": UPTIME_KUMA,
}
"""By the name in `POST /api/v1/webhooks/{source}`."""

TERMS: dict[str, Terms] = {"cloudwatch": Terms(content_types=cloudwatch.CONTENT_TYPES)}
"""By kind, where they aren't the usual ones."""

SIGNATURES: dict[str, Callable[[Sequence[str]], Signature]] = {"pagerduty": pagerduty.PagerDutySignature}
"""By kind of those who sign in a way of their own; all others are asked for Standard Webhooks."""


def signature(kind: str, secrets: Sequence[str]) -> Signature:
    """What a source of that kind signs with. Raises `ValueError` for a secret that is none."""
    return SIGNATURES.get(kind, StandardWebhooks)(secrets)


def named(kind: str, name: str) -> Source:
    """The reader of that kind for a source called `name`, so that two senders of one kind don't mix their alerts."""
    reader = SOURCES[kind]
    if isinstance(reader, FieldMap | Grafana):
        return replace(reader, source=name)
    if kind == "alertmanager":
        return lambda raw, received_at: read_body(parse(raw), received_at, source=name)
    return lambda raw, received_at: read_generic_body(parse(raw), received_at, source=name)
