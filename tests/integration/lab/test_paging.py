"""The routes of docs/paging.md: what is mended in time pages nobody, a dead engine pages as ever, and without a
heartbeat the engine asks people.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from lab.real.engine import LabEngine, now, until
from lab.real.faults import break_, mend

WATCHDOG = "watchdog: {alertname: Watchdog, within: 30s}"


def _pages(shop: LabEngine, alertname: str, *, since: datetime) -> list[str]:
    lines = shop.lab.layout.file("pages.jsonl").read_text().splitlines()
    pages = [page for page in map(json.loads, lines) if datetime.fromisoformat(page["at"]) >= since]
    return [page["status"] for page in pages if page["alertname"] == alertname]


def test_what_is_mended_in_time_pages_nobody_and_a_dead_engine_pages_as_ever(shop: LabEngine) -> None:
    patience_s = shop.lab.layout.pager_after_s
    killed = now()
    break_(shop.lab, "lb")
    until(lambda: shop.run(since=killed, component="lb", state="succeeded"), "the load balancer is restored")
    shop.stop(signal.SIGKILL)
    broken = time.monotonic()
    break_(shop.lab, "app")  # no other test breaks it: its group in Alertmanager is new
    until(lambda: _pages(shop, "AppDown", since=killed) == ["firing"], "somebody is paged", within_s=patience_s + 20)
    assert time.monotonic() - broken >= patience_s
    assert _pages(shop, "LoadBalancerDown", since=killed) == []
    shop.start()
    until(lambda: shop.run(since=killed, component="app", state="succeeded"), "the engine is back and restores it")
    until(
        lambda: _pages(shop, "AppDown", since=killed) == ["firing", "resolved"],
        "the page ends",
        within_s=patience_s + 20,
    )


@pytest.fixture
def short_heartbeat(shop: LabEngine) -> Iterator[LabEngine]:
    """Missing after 6 s, which spares the test the rest."""
    bundle = shop.lab.layout.folder / "policies" / "shop.yml"
    usual = bundle.read_text()
    assert WATCHDOG in usual
    bundle.write_text(usual.replace(WATCHDOG, WATCHDOG.replace("30s", "6s")))
    shop.ask("reload", reason="a shorter heartbeat")
    yield shop
    bundle.write_text(usual)
    shop.ask("reload", reason="the usual heartbeat")


def test_without_a_heartbeat_people_approve(short_heartbeat: LabEngine) -> None:
    shop = short_heartbeat
    until(lambda: shop.get("/readyz")["status"] == "ok", "the heartbeat is heard")
    killed = now()
    break_(shop.lab, "prometheus")
    break_(shop.lab, "cache")
    until(lambda: shop.get("/readyz")["status"] == "degraded", "the heartbeat is missing")
    until(lambda: not shop.alerts(), "what the dead Prometheus said has run out")
    began = now()
    _tell(shop, "CacheDown", "cache", began=began)  # another Prometheus still sees it
    until(lambda: shop.verdict("CacheDown", "cache")[0] == "await_approval", "a person is asked")
    assert "heartbeat Watchdog is missing" in shop.verdict("CacheDown", "cache")[1]
    until(lambda: shop.runs(since=killed, component="cache"), "its run waits for approval")
    (waiting,) = shop.runs(since=killed, component="cache")
    shop.ask(f"runs/{waiting['id']}/approve", reason="the cache is really gone")
    until(lambda: shop.run(since=killed, component="cache", state="succeeded"), "the cache is restored")
    _tell(shop, "CacheDown", "cache", began=began, ended=True)
    mend(shop.lab, "prometheus")
    until(lambda: shop.get("/readyz")["status"] == "ok", "the heartbeat is back")


def _tell(shop: LabEngine, alertname: str, component: str, *, began: datetime, ended: bool = False) -> None:
    """Post an alert to Alertmanager, as Prometheus does."""
    alert: dict[str, Any] = {
        "labels": {"alertname": alertname, "component": component, "severity": "critical", "job": "another"},
        "annotations": {},
        "startsAt": began.isoformat(),
        "endsAt": (now() if ended else now() + timedelta(minutes=5)).isoformat(),
    }
    url = shop.lab.layout.url("mon", "alertmanager") + "/api/v2/alerts"
    status, body = shop.lab.get(url, method="POST", body=[alert])
    assert status == 200, body
