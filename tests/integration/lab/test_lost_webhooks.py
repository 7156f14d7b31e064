"""What webhooks don't say, Alertmanager's own list does: lost firings, lost resolves, silences, truncated bodies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from lab.real.engine import LabEngine, now, until
from lab.real.faults import break_
from lab.real.monitoring import alertmanager_config, reload, write_alertmanager
from lab.real.relay import Relay


def _route(shop: LabEngine, *, engine_url: str = "", max_alerts: int = 0) -> None:
    layout = shop.lab.layout
    write_alertmanager(layout, alertmanager_config(layout, engine_url=engine_url, max_alerts=max_alerts))
    reload(layout)


@pytest.fixture
def relay(shop: LabEngine) -> Iterator[Relay]:
    """Between Alertmanager and the engine for one test."""
    with Relay(shop.lab.layout.engine_url) as made:
        _route(shop, engine_url=made.url)
        yield made
        _route(shop)


def test_lost_webhooks_are_made_up_for_before_the_next_act(shop: LabEngine, relay: Relay) -> None:
    lost = [("StandbyDown", "firing"), ("CacheDown", "resolved")]
    relay.loses = lambda alert: (alert["labels"]["alertname"], alert["status"]) in lost
    killed = now()
    break_(shop.lab, "standby")
    until(lambda: relay.lost, "the standby's alert is lost")
    break_(shop.lab, "cache")  # before it acts on this the engine reads the list
    until(lambda: _restored(shop, killed) == {"cache", "standby"}, "both work again", within_s=60)

    until(lambda: ("CacheDown", "resolved") in _told(relay), "the end of the cache's alert is lost")
    break_(shop.lab, "web-1")
    until(lambda: "web-1" in _restored(shop, killed), "the web server works again")
    assert ("CacheDown", "cache") not in shop.alerts()


def _restored(shop: LabEngine, since: datetime) -> set[str]:
    return {run["component"] for run in shop.runs(since=since) if run["state"] == "succeeded"}


def _told(relay: Relay) -> list[tuple[str, str]]:
    return [(alert["labels"]["alertname"], alert["status"]) for alert in relay.lost]


def test_a_silenced_alert_costs_and_starts_nothing_until_its_silence_ends(shop: LabEngine) -> None:
    silence = _silence(shop, "CacheDown", since=now())
    killed = now()
    break_(shop.lab, "cache")
    until(lambda: ("CacheDown", "cache") in shop.lab.firing(), "Alertmanager has the alert")
    break_(shop.lab, "standby")  # not silenced: before it acts on this the engine reads the list
    until(lambda: shop.run(since=killed, component="standby", state="succeeded"), "the standby works")
    verdict, reason = shop.verdict("CacheDown", "cache")
    assert verdict == "silenced"
    assert "by ana" in reason
    assert "replacing the cache" in reason
    (catalogue,) = (row for row in shop.listing("services") if row["id"] == "catalogue")
    assert (catalogue["state"], catalogue["loss_per_minute"]) == ("down", 100.0)
    assert shop.runs(since=killed, component="cache") == []
    shop.lab.get(f"{_silences(shop)[:-1]}/{silence}", method="DELETE")
    shop.read_sources()  # as it would within a minute
    until(lambda: shop.run(since=killed, component="cache", state="succeeded"), "the cache works")


def test_what_alertmanager_left_out_of_a_webhook_is_read_from_the_list(shop: LabEngine, relay: Relay) -> None:
    _route(shop, engine_url=relay.url, max_alerts=1)
    killed = now()
    shop.ask("pause", reason="so that both are down when the webhook is made")
    for component in ("web-1", "web-2"):
        break_(shop.lab, component)
    until(lambda: relay.truncated, "a webhook was cut")
    shop.ask("resume")
    until(lambda: _restored(shop, killed) == {"web-1", "web-2"}, "both work again", within_s=60)


def _silences(shop: LabEngine) -> str:
    return shop.lab.layout.url("mon", "alertmanager") + "/api/v2/silences"


def _silence(shop: LabEngine, alertname: str, *, since: datetime) -> str:
    wanted: dict[str, Any] = {
        "matchers": [{"name": "alertname", "value": alertname, "isRegex": False, "isEqual": True}],
        "startsAt": since.isoformat(),
        "endsAt": (since + timedelta(hours=1)).isoformat(),
        "createdBy": "ana",
        "comment": "replacing the cache",
    }
    status, body = shop.lab.get(_silences(shop), method="POST", body=wanted)
    assert status == 200, body
    return str(json.loads(body)["silenceID"])
