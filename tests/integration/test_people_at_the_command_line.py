"""People's controls by command, with a real engine on SQLite: through the database, and through its server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bsm_remediate.cli.person import person
from tests.integration.served import Served

BUNDLE = """
currency: EUR
services:
  checkout: {loss_per_minute: 300, requires: [db-1]}
components:
  db-1: {}
  w-1: {}
policies:
  rebuild:
    match: {alertname: Corrupt}
    evidence: direct
    do: [{playbook: rebuild.yml}]
    guard: {approvers: [owners]}
    mode: approve
teams:
  owners: {members: [ME]}
"""
ALERT = {"status": "firing", "labels": {"alertname": "Corrupt", "instance": "db-1", "severity": "critical"}}


class Desk:
    """A folder with a bundle, and commands in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "policies").mkdir(parents=True)
        (folder / "playbooks").mkdir()
        (folder / "policies" / "shop.yml").write_text(BUNDLE.replace("ME", person()))
        (folder / "playbooks" / "rebuild.yml").write_text("- hosts: all\n  gather_facts: false\n  tasks: []\n")
        (folder / "hosts.yml").write_text("all: {hosts: {db-1: {ansible_connection: local}, w-1: {}}}\n")
        self.globally = ("--inventory", "hosts.yml")

    def says(self, *command: str, url: str | None = None) -> tuple[int, str]:
        """Exit code, and what it printed."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BSM_")}
        environment = {**inherited, "BSM_STATE_DIR": str(self.folder / "state"), **({"BSM_URL": url} if url else {})}
        run: Sequence[str] = [sys.executable, "-m", "bsm_remediate", *self.globally, *command]
        done = subprocess.run(
            run, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, (done.stdout + done.stderr).strip()

    def tells(self, *command: str, url: str | None = None) -> Any:
        code, text = self.says(*command, "-o", "json", url=url)
        assert code == 0, text
        return json.loads(text)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk") / "shop")


@pytest.fixture(scope="module")
def server(desk: Desk) -> Iterator[Served]:
    served = Served(desk.folder, globally=desk.globally)
    yield served
    assert "Traceback" not in served.stop()


@pytest.fixture(params=["database", "server"])
def url(request: pytest.FixtureRequest, server: Served) -> str | None:
    return server.url if request.param == "server" else None


def test_without_an_engine_there_is_nobody_to_keep_to_it(tmp_path: Path) -> None:
    code, text = Desk(tmp_path / "empty").says("pause", "--reason", "smoke")
    assert (code, "no engine runs on" in text) == (3, True)


def test_a_pause_of_a_host_is_shown_and_ended(desk: Desk, url: str | None) -> None:
    code, text = desk.says("pause", "--scope", "db-1", "--for", "1h", "--reason", "smoke", url=url)
    assert (code, text) == (0, "no new runs are started of host:db-1")
    (pause,) = desk.tells("status", url=url)["guards"]["pauses"]
    who = "local" if url else person()
    assert (pause["scope"], pause["who"], pause["reason"]) == ("host:db-1", who, "smoke")
    assert "host:db-1" in desk.says("status", url=url)[1]
    assert desk.says("pause", "--scope", "host:nothing", "--reason", "x", url=url)[0] == 1
    code, text = desk.says("resume", "--scope", "db-1", url=url)
    assert (code, text) == (0, "runs of host:db-1 are started again")
    assert desk.tells("status", url=url)["guards"]["pauses"] == []


def test_a_pause_needs_a_reason(desk: Desk) -> None:
    code, text = desk.says("pause")
    assert (code, "say why with --reason" in text) == (2, True)


def test_maintenance_is_added_listed_and_ended(desk: Desk, url: str | None) -> None:
    code, text = desk.says("maintenance", "add", "db-1", "--for", "2h", "--reason", "new disks", url=url)
    assert code == 0, text
    window = text.split(":")[0]
    (row,) = desk.tells("maintenance", "list", url=url)["items"]
    assert (row["id"], row["target"], row["in_force"], row["reason"]) == (window, "db-1", True, "new disks")
    assert "new disks" in desk.says("maintenance", url=url)[1]
    components = {
        one["id"]: one["state"] for one in json.loads(desk.says("services", "-o", "json", url=url)[1])["items"]
    }
    assert components["checkout"] == "maintenance"
    assert desk.says("maintenance", "end", window, "--reason", "done", url=url) == (0, f"{window} on db-1 ended")
    assert desk.tells("maintenance", "list", url=url)["items"] == []
    assert desk.says("maintenance", "add", "db-1", "--reason", "x", url=url)[0] == 2


def test_the_file_paused_is_shown_while_it_is_there(desk: Desk, url: str | None) -> None:
    file = desk.folder / "state" / "PAUSED"
    file.write_text("fire drill\n")
    try:
        if url:  # the server shows what its engine saw at its latest look, at most a second ago
            desk.says("goal", "default", url=url)
        (pause,) = desk.tells("status", url=url)["guards"]["pauses"]
    finally:
        file.unlink()
    assert (pause["who"], pause["reason"]) == (f"the file {file}", "fire drill")


def test_an_approval_is_bound_to_the_plan_that_was_looked_at(desk: Desk, server: Served) -> None:
    import requests

    alert = {**ALERT, "startsAt": datetime.now(UTC).isoformat()}
    body = {"version": "4", "alerts": [alert]}
    answer = requests.post(f"{server.url}/api/v1/webhooks/alertmanager", json=body, timeout=10)
    assert answer.status_code == 202, answer.text
    run: dict[str, Any] = {}
    for _ in range(100):
        rows = [one for one in desk.tells("runs")["items"] if one["state"] == "awaiting_approval"]
        if rows:
            run = rows[0]
            break
    assert run["digest"].startswith("sha256:")
    assert run["digest"] in desk.says("runs", run["id"])[1]
    code, text = desk.says("approve", run["id"], "--digest", "sha256:another")
    assert (code, "another plan" in text) == (1, True)
    code, text = desk.says("approve", run["id"], "--digest", "sha256:another", url=server.url)
    assert (code, "the plan has changed" in text) == (1, True)
    code, text = desk.says("approve", run["id"], "--digest", run["digest"], url=server.url)  # as nobody that is known
    assert (code, "only members of owners may" in text) == (2, True)
    assert desk.says("approve", run["id"], "--digest", run["digest"]) == (0, f"run {run['id']} may go ahead")


def test_a_breaker_is_closed_by_releasing_its_policy(desk: Desk, url: str | None) -> None:
    assert desk.says("release", "rebuild", url=url) == (0, "the breaker of rebuild is closed")
