"""A real server takes what the vendors post, with their headers and their ways to show who they are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "alerts"
VECTOR = json.loads((DATA / "pagerduty" / "signature.json").read_text())
TOKEN = {"Authorization": "Bearer webhook-secret"}
READER = {"Authorization": "Bearer viewer-secret"}
SETTINGS = """
[[tokens]]
name = "senders"
role = "webhook"
file = "webhook.token"

[[tokens]]
name = "people"
role = "viewer"
file = "viewer.token"

[sources.pagerduty]
secret_files = ["pagerduty.old", "pagerduty.new"]

[sources.zabbix-eu]
kind = "zabbix"

[sources.mytool]
kind = "generic"
alerts = "data.events"
status = "state"
firing = "open"
labels = {alertname = "check.name", instance = "host.name"}
"""
BUNDLE = """
currency: EUR
services: {shop: {loss_per_minute: 10, requires: [db-1]}}
components: {db-1: {}}
"""


class Server:
    """`serve` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        (folder / "policies").mkdir()
        (folder / "policies" / "shop.yml").write_text(BUNDLE)
        (folder / "bsm-remediate.toml").write_text(SETTINGS)
        secrets = {"webhook.token": "webhook-secret", "viewer.token": "viewer-secret"}
        secrets |= {"pagerduty.old": "an older one", "pagerduty.new": VECTOR["test_secret"]}
        for name, secret in secrets.items():
            (folder / name).write_text(f"{secret}\n")
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bsm_remediate", "serve", "--port", "0"],
                cwd=folder,
                env={**os.environ, "BSM_STATE_DIR": str(folder / "state")},
                stdout=log,
                stderr=subprocess.PIPE,
                text=True,
            )
        assert self._process.stderr is not None
        self.url = self._process.stderr.readline().split(" at ")[1].split(";")[0]

    def post(self, source: str, body: bytes, **headers: str) -> requests.Response:
        sent = {"Content-Type": "application/json", **TOKEN, **headers}
        return requests.post(f"{self.url}/api/v1/webhooks/{source}", data=body, headers=sent, timeout=10)

    def alerts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = requests.get(f"{self.url}/api/v1/alerts", headers=READER, timeout=10).json()[
            "items"
        ]
        return found

    def stop(self) -> str:
        """End it; what it wrote to its log."""
        self._process.send_signal(signal.SIGTERM)
        assert self._process.stderr is not None
        log = self._process.stderr.read()
        self._process.wait(timeout=20)
        self._process.stderr.close()
        return log


def eventually(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end, "it didn't come true in time"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("vendors"))
    yield running
    log = running.stop()
    assert "webhook.confirm_subscription" in log  # a person can see it
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("source", "file", "accepted"),
    [
        ("grafana", "grafana/unified-v12.json", 1),
        ("grafana", "grafana/legacy-6.json", 1),
        ("zabbix", "zabbix/problem-filled.json", 1),
        ("zabbix-eu", "zabbix/problem-filled.json", 1),
        ("zabbix", "zabbix/webhook-parameters-template.json", 0),
        ("datadog", "datadog/high-cpu-usage.json", 1),
        ("newrelic", "newrelic/legacy-open.json", 1),
        ("uptime-kuma", "uptime-kuma/down-port-monitor.json", 1),
    ],
)
def test_what_a_vendor_posts_is_accepted(server: Server, source: str, file: str, accepted: int) -> None:
    answer = server.post(source, (DATA / file).read_bytes())
    assert (answer.status_code, answer.json()) == (202, {"accepted": accepted})


def test_two_senders_of_one_kind_keep_their_alerts_apart(server: Server) -> None:
    for source in ("zabbix", "zabbix-eu"):
        server.post(source, (DATA / "zabbix" / "problem-filled.json").read_bytes())
    server.post("zabbix-eu", (DATA / "zabbix" / "recovery-filled.json").read_bytes())
    eventually(lambda: [one["source"] for one in server.alerts() if one["fingerprint"] == "10231"] == ["zabbix"])


def test_a_tool_of_ones_own_is_read_by_the_paths_of_the_settings(server: Server) -> None:
    event = {"state": "open", "check": {"name": "Disk full"}, "host": {"name": "db-1"}}
    answer = server.post("mytool", json.dumps({"data": {"events": [event, {"state": "open"}]}}).encode())
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 1
    assert [one["field"] for one in answer.json()["rejected"]] == ["/data/events/1/check/name"]
    eventually(lambda: {"alertname": "Disk full", "instance": "db-1"} in [one["labels"] for one in server.alerts()])


def test_amazon_posts_plain_text_and_gives_its_password_when_asked(server: Server) -> None:
    url = server.url.replace("http://", "http://sns:webhook-secret@") + "/api/v1/webhooks/cloudwatch"
    plain = {"Content-Type": "text/plain; charset=UTF-8"}
    asked = requests.post(f"{server.url}/api/v1/webhooks/cloudwatch", data=b"{}", headers=plain, timeout=10)
    assert asked.status_code == 401
    assert "Basic realm=" in asked.headers["www-authenticate"]
    for file, accepted in (("sns-alarm", 1), ("sns-subscription-confirmation", 0), ("sns-insufficient-data", 1)):
        body = (DATA / "cloudwatch" / f"{file}.json").read_bytes()
        answer = requests.post(url, data=body, headers=plain, timeout=10)
        assert (answer.status_code, answer.json()) == (202, {"accepted": accepted})
    assert server.post("zabbix", b"{}", **plain).status_code == 415


def test_the_signature_of_pagerduty_is_its_credential(server: Server) -> None:
    url, body = f"{server.url}/api/v1/webhooks/pagerduty", VECTOR["body"].encode()
    kind = {"Content-Type": "application/json"}
    rotating = f"{VECTOR['wrong_value']},{VECTOR['value']}"
    for header, status in ((VECTOR["value"], 202), (rotating, 202), (VECTOR["wrong_value"], 401), ("", 401)):
        signed = {**kind, "X-PagerDuty-Signature": header}
        assert requests.post(url, data=body, headers=signed, timeout=10).status_code == status
    signed = {**kind, "X-PagerDuty-Signature": VECTOR["value"]}
    assert requests.post(url, data=body + b" ", headers=signed, timeout=10).status_code == 401
    assert server.post("pagerduty", body).status_code == 401  # a token is no signature
    assert requests.post(url.replace("pagerduty", "zabbix"), data=body, headers=signed, timeout=10).status_code == 401
