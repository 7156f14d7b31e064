"""A real engine is killed in the middle of a real playbook, and another takes over."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

POLICIES = """
currency: EUR
services:
  checkout: {loss_per_minute: 300, requires: [db-1]}
components:
  db-1: {}
policies:
  restart-database:
    match: {alertname: PostgresDown}
    evidence: direct
    do: [{playbook: restart.yml, expect: {duration: 20s}, once: ONCE}]
    verify: [{tcp: "127.0.0.1:PORT", within: 20s}]
    mode: auto
"""
PLAYBOOK = """
- name: Restart slowly
  hosts: all
  gather_facts: false
  tasks:
    - name: Begin
      ansible.builtin.shell: "echo begin {{ bsm.run.attempt }} >> {{ inventory_dir }}/effects"
    - name: Take some time
      ansible.builtin.command: sleep 2
    - name: End
      ansible.builtin.shell: "echo end {{ bsm.run.attempt }} >> {{ inventory_dir }}/effects"
"""
INVENTORY = """
all:
  hosts:
    db-1: {ansible_connection: local, ansible_python_interpreter: "{{ ansible_playbook_python }}"}
"""


class Site:
    """A deployment in a folder of its own, with an engine that can be killed."""

    def __init__(self, folder: Path, listener: socket.socket, *, once: bool) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None
        self.url = ""
        port = str(listener.getsockname()[1])
        for name in ("policies", "playbooks", "inventories"):
            (folder / name).mkdir()
        policies = POLICIES.replace("ONCE", str(once).lower()).replace("PORT", port)
        (folder / "policies" / "shop.yml").write_text(policies)
        (folder / "playbooks" / "restart.yml").write_text(PLAYBOOK)
        (folder / "inventories" / "hosts.yml").write_text(INVENTORY)

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bsm_remediate", "serve", "--port", "0"],
            cwd=self.folder,
            env={**os.environ, "BSM_STATE_DIR": str(self.folder / "state")},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert "The engine runs at" in line, line
        self.url = line.split(" at ")[1].split(";")[0]

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=40)
            if self.process.stderr is not None:
                self.process.stderr.close()
            self.process = None

    def fires(self) -> None:
        body = {
            "version": "4",
            "alerts": [
                {
                    "status": "firing",
                    "labels": {"alertname": "PostgresDown", "instance": "db-1", "severity": "critical"},
                    "annotations": {},
                    "startsAt": datetime.now(UTC).isoformat(),
                    "endsAt": "0001-01-01T00:00:00Z",
                    "fingerprint": "a1",
                }
            ],
        }
        answer = requests.post(f"{self.url}/api/v1/webhooks/alertmanager", json=body, timeout=10)
        assert (answer.status_code, answer.json()) == (202, {"accepted": 1})

    def runs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = requests.get(f"{self.url}/api/v1/runs", timeout=10).json()["items"]
        return found

    def effects(self) -> list[str]:
        file = self.folder / "inventories" / "effects"
        return file.read_text().splitlines() if file.exists() else []

    def processes(self) -> list[str]:
        """Command lines of everything that works in the state directory."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                except OSError:
                    continue
                if str(self.folder / "state" / "runs") in line:
                    found.append(line)
        return found


def eventually(holds: Callable[[], object], *, within_s: float = 30.0) -> None:
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "it didn't come true in time"
        time.sleep(0.05)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        yield listening  # bound, not listening: the check fails until the test says otherwise


@pytest.fixture
def site(tmp_path: Path, listener: socket.socket, request: pytest.FixtureRequest) -> Iterator[Site]:
    deployment = Site(tmp_path, listener, once=getattr(request, "param", False))
    yield deployment
    deployment.kill()


def test_a_run_that_the_engine_died_in_is_repeated_by_the_next_one(site: Site, listener: socket.socket) -> None:
    site.start()
    site.fires()
    eventually(lambda: site.effects() == ["begin 1"])
    site.kill()
    eventually(lambda: site.processes() == [], within_s=3)
    site.start()
    listener.listen()
    eventually(lambda: site.runs()[0]["state"] == "succeeded")
    assert site.effects() == ["begin 1", "begin 2", "end 2"]
    assert [run["attempt"] for run in site.runs()] == [2]


@pytest.mark.parametrize("site", [True], indirect=True)
def test_a_run_that_may_happen_only_once_goes_to_a_person(site: Site) -> None:
    site.start()
    site.fires()
    eventually(lambda: site.effects() == ["begin 1"])
    site.kill()
    site.start()
    eventually(lambda: site.runs()[0]["state"] == "outcome_unknown")
    eventually(lambda: held(site) == ["held_by"])  # a look later
    assert site.effects() == ["begin 1"]


def held(site: Site) -> list[str]:
    found = requests.get(f"{site.url}/api/v1/plan", timeout=10).json()["held"]
    return [one["verdict"] for one in found]


def test_an_engine_that_is_asked_to_stop_lets_its_playbook_end(site: Site, listener: socket.socket) -> None:
    listener.listen()  # after the playbook the check holds at once
    site.start()
    requests.post(f"{site.url}/api/v1/pause", json={"reason": "set-up"}, timeout=10)
    site.fires()
    listener.close()
    requests.post(f"{site.url}/api/v1/resume", json={}, timeout=10)
    eventually(lambda: site.effects() == ["begin 1"])
    site.kill(signal.SIGTERM)
    assert site.effects() == ["begin 1", "end 1"]
    assert site.processes() == []


def test_the_command_line_shows_the_server_and_steers_it(site: Site) -> None:
    site.start()

    def bsm(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bsm_remediate", *arguments],
            cwd=site.folder,
            env={**os.environ, "BSM_URL": site.url},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert bsm("pause", "--for", "1h", "--reason", "maintenance").stdout == "no new runs are started\n"
    site.fires()
    eventually(lambda: json.loads(bsm("status", "-o", "json").stdout)["held"])
    status = json.loads(bsm("status", "-o", "json").stdout)
    assert (status["loss_per_minute"], status["held"][0]["verdict"]) == (300.0, "paused")
    assert "checkout is down and costs 300.00" in bsm("why", "checkout").stdout
    assert bsm("goal", "profit").returncode == 1
    assert bsm("alerts", "resolve", "a1", "--reason", "gone").stdout == "1 alert ended\n"
    unreachable = subprocess.run(
        [sys.executable, "-m", "bsm_remediate", "status", "--url", "http://127.0.0.1:9"],
        cwd=site.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert unreachable.returncode == 3
