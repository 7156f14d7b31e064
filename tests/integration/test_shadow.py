"""A real engine capped to shadow: alerts come by webhook, nothing is run, everything says so, and the report tells the
story afterwards, from the server and from its database.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

BUNDLE = """
currency: EUR
services:
  checkout: {loss_per_minute: 600, requires: [db-1]}
  reports: {loss_per_minute: 5, requires: [batch-1]}
components: {db-1: {}, batch-1: {}}
policies:
  restart-database:
    match: {alertname: PostgresDown}
    do: [{playbook: restart.yml, vars: {unit: postgresql}, expect: {duration: 1s, success: 0.5}}]
    mode: auto
    unchecked: true
  restart-batch:
    match: {alertname: BatchDown}
    do: [{playbook: restart.yml, expect: {duration: 10m, success: 1}}]
    mode: shadow
"""
PLAYBOOK = """
- name: Leave a trace
  hosts: all
  gather_facts: false
  tasks:
    - name: Write it
      ansible.builtin.copy: {content: ran, dest: "TRACE", mode: "0600"}
      delegate_to: localhost
"""
INVENTORY = "all: {hosts: {db-1: {ansible_connection: local}, batch-1: {ansible_connection: local}}}\n"
_WITHIN_S = 20.0
CAP = "No policy goes further than shadow on this engine (--max-mode)"


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _WITHIN_S
    while not holds():
        assert time.monotonic() < end, "it didn't come true in time"
        time.sleep(0.05)


class Site:
    """An installation with `serve --max-mode shadow` running in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trace = folder / "trace"
        for name, text in {
            "policies/shop.yml": BUNDLE,
            "playbooks/restart.yml": PLAYBOOK.replace("TRACE", str(self.trace)),
            "inventories/hosts.yml": INVENTORY,
        }.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        self.environment = {**os.environ, "BSM_STATE_DIR": str(folder / "state")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bsm_remediate", "serve", "--port", "0", "--max-mode", "shadow"],
            cwd=folder,
            env=self.environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        while "runs at" not in (line := self.process.stderr.readline()):
            assert line, "the server ended"
        self.announced = line
        self.url = line.split(" at ")[1].split(";")[0]

    def get(self, path: str) -> Any:
        answer = requests.get(self.url + path, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json() if "json" in answer.headers["content-type"] else answer.text

    def post(self, name: str, component: str, *, starts_at: datetime, ends_at: datetime | None = None) -> None:
        alert = {
            "status": "firing" if ends_at is None else "resolved",
            "labels": {"alertname": name, "instance": component, "severity": "critical"},
            "startsAt": starts_at.isoformat(),
            **({"endsAt": ends_at.isoformat()} if ends_at is not None else {}),
            "fingerprint": name,
        }
        body = {"version": "4", "alerts": [alert]}
        answer = requests.post(f"{self.url}/api/v1/webhooks/alertmanager", json=body, timeout=10)
        assert answer.status_code == 202, answer.text

    def command(self, *words: str, of_server: bool) -> str:
        environment = {**self.environment, **({"BSM_URL": self.url} if of_server else {})}
        done = subprocess.run(
            [sys.executable, "-m", "bsm_remediate", *words],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)
        assert self.process.stderr is not None
        self.process.stderr.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("shadow"))
    yield made
    if made.process.poll() is None:
        made.stop()


def test_a_week_in_shadow_told_within_seconds(site: Site) -> None:
    began = datetime.now(UTC)
    site.post("PostgresDown", "db-1", starts_at=began)
    site.post("BatchDown", "batch-1", starts_at=began)
    eventually(lambda: len(site.get("/api/v1/plan")["shadow"]) == 2)
    _everything_says_that_nothing_acts(site)
    assert site.get("/api/v1/runs")["items"] == []

    site.post("BatchDown", "batch-1", starts_at=began, ends_at=datetime.now(UTC))
    eventually(lambda: len(site.get("/api/v1/alerts")["items"]) == 1)
    told = {"saved", "cleared_first"}
    eventually(lambda: {one["outcome"] for one in site.get("/api/v1/report")["shadow"]["episodes"]} == told)
    _tells_the_story(site.get("/api/v1/report?to=2999-01-01T00:00:00Z"), began)  # nobody knows more than until now

    site.post("PostgresDown", "db-1", starts_at=began, ends_at=datetime.now(UTC))
    eventually(lambda: site.get("/api/v1/alerts")["items"] == [])
    eventually(lambda: all(one["ended_at"] for one in site.get("/api/v1/report")["shadow"]["episodes"]))
    over = site.get("/api/v1/report")
    outcomes = {one["component"]: one["outcome"] for one in over["shadow"]["episodes"]}
    assert outcomes == {"db-1": "saved", "batch-1": "cleared_first"}
    for of_server in (True, False):
        printed = json.loads(site.command("report", "--shadow", "-o", "json", of_server=of_server))
        assert printed["shadow"] == over["shadow"]
    table = site.command("report", "--shadow", of_server=True)
    assert CAP in table
    assert "restart-batch would have saved nothing in 1 episode; 1 ended before it would have" in table

    site.stop()
    assert json.loads(site.command("report", "-o", "json", of_server=False))["shadow"] == over["shadow"]
    assert CAP in site.command("status", of_server=False)
    assert not site.trace.exists()


def _everything_says_that_nothing_acts(site: Site) -> None:
    assert CAP in site.announced
    assert (site.get("/readyz")["status"], site.get("/readyz")["max_mode"]) == ("ok", "shadow")
    assert "\nbsm_max_mode 1.0\n" in site.get("/metrics")
    for kind in ("runs", "alerts", "services", "components"):
        assert site.get(f"/api/v1/{kind}")["max_mode"] == "shadow"
    plan = site.get("/api/v1/plan")
    assert (plan["max_mode"], plan["steps"]) == ("shadow", [])
    reasons = {row["labels"]["alertname"]: row["signals"][0]["reason"] for row in site.get("/api/v1/alerts")["items"]}
    assert "no policy goes further than shadow on this engine, this one says auto" in reasons["PostgresDown"]
    assert reasons["BatchDown"] == "would run restart.yml; its policy is in mode shadow"
    for of_server in (True, False):
        for words in (("status",), ("runs",), ("why", "db-1"), ("why", "checkout")):
            assert CAP in site.command(*words, of_server=of_server), (words, of_server)
        assert "this one says auto" in site.command("why", "db-1", of_server=of_server)


def _tells_the_story(report: Any, began: datetime) -> None:
    told = {one["policy"]: one for one in report["shadow"]["episodes"]}
    database, batch = told["restart-database"], told["restart-batch"]
    assert (database["component"], database["host"], database["playbook"]) == ("db-1", "db-1", "restart.yml")
    assert (database["vars"], database["written_mode"]) == ({"unit": "postgresql"}, "auto")
    assert abs(datetime.fromisoformat(database["began_at"]) - began) < timedelta(milliseconds=2)
    started, ended = (datetime.fromisoformat(database[name]) for name in ("would_start_at", "would_end_at"))
    assert ended - started == timedelta(seconds=1)
    assert abs(datetime.fromisoformat(report["to"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert (database["outcome"], database["ended_at"], database["loss_per_minute"]) == ("saved", None, 600.0)
    saved = (datetime.fromisoformat(report["to"]) - ended).total_seconds() / 60 * 0.5
    assert database["minutes_saved"] == pytest.approx(saved, abs=0.01)
    assert database["money_saved"] == pytest.approx(600 * saved, abs=0.02)
    assert (batch["outcome"], batch["minutes_saved"]) == ("cleared_first", 0.0)
    assert batch["ended_at"] is not None
    verdicts = {one["policy"]: one["verdict"] for one in report["shadow"]["policies"]}
    assert verdicts["restart-database"].startswith("would have saved ")
    assert verdicts["restart-batch"].startswith("would have saved nothing in 1 episode; 1 ended before it would have")


def test_the_report_of_no_time_is_refused(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "shop.yml").write_text(BUNDLE)
    done = subprocess.run(
        [sys.executable, "-m", "bsm_remediate", "report", "--from", "2026-01-06", "--to", "2026-01-05"],
        cwd=tmp_path,
        env={**os.environ, "BSM_STATE_DIR": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "--from must lie before --to" in done.stderr) == (2, True)
