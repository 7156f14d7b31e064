"""Alerts in a file, as `plan --alerts` takes them: an Alertmanager webhook body, a list of them, a list of alerts (what
Alertmanager's API lists too), or such values line by line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import orjson

from bsm_remediate.adapters.webhooks.alertmanager import read_alert, read_body
from bsm_remediate.adapters.webhooks.delivery import parse
from bsm_remediate.domain.alert import Alert, AlertKey
from bsm_remediate.errors import MalformedAlerts


def read_alerts(raw: bytes, *, received_at: datetime) -> Sequence[Alert]:
    """The alerts of `raw` in their order, of several deliveries of one alert the last that counts (DESIGN 5.6).

    A resolved one ends an earlier firing one and stays out of the result. Raises `MalformedAlerts` for the first thing
    that can't be read: a file is somebody's own, so nothing is passed over in silence.
    """
    latest: dict[AlertKey, Alert] = {}
    for value, pointer in _values(raw):
        for alert in _alerts(value, received_at, pointer):
            known = latest.get(alert.key)
            if known is None or alert.starts_at >= known.starts_at:
                latest[alert.key] = alert
    return [alert for alert in latest.values() if alert.is_firing]


def _values(raw: bytes) -> Iterable[tuple[Any, str]]:
    try:
        return [(parse(raw), "")]
    except MalformedAlerts:
        lines = [line for line in raw.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        try:
            return [(orjson.loads(line), f"/{number}") for number, line in enumerate(lines)]
        except orjson.JSONDecodeError:
            pass
        raise


def _alerts(value: Any, received_at: datetime, pointer: str) -> Iterable[Alert]:
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from _alerts(one, received_at, f"{pointer}/{number}")
    elif isinstance(value, dict) and "alerts" in value:
        delivery = read_body(value, received_at, pointer)
        if delivery.rejected:
            raise MalformedAlerts(delivery.rejected[0].message, field=delivery.rejected[0].field)
        yield from delivery.alerts
    else:
        yield read_alert(_with_defaults(value, received_at), received_at, pointer)


def _with_defaults(value: Any, received_at: datetime) -> Any:
    """A lone alert may leave out what a webhook always says, and may spell its times our way."""
    if not isinstance(value, dict):
        return value
    renamed = {_SPELLING.get(key, key): one for key, one in value.items()}
    if isinstance(renamed.get("status"), dict):
        # From Alertmanager's own list (`amtool alert -o json`): all of it fires, `endsAt` is when it is forgotten.
        renamed = {key: one for key, one in renamed.items() if key not in {"status", "endsAt"}}
    return {"status": "firing", "startsAt": received_at.isoformat(), **renamed}


_SPELLING = {"starts_at": "startsAt", "ends_at": "endsAt"}
