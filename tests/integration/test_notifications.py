"""A real engine tells people through real receivers, a web hook and a mail server; one that is down is told later."""

from __future__ import annotations

import email
import email.policy
import json
import os
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.integration.served import Served

SECRET = "geheim-wort-77"
BUNDLE = """
currency: EUR
services:
  checkout: {loss_per_minute: 600, requires: [db-1], owner: payments}
components: {db-1: {owner: payments}}
teams:
  payments:
    members: [ana]
    on_call: {rotation: [ana], every: 7d, start: 2026-01-05}
    notify: ["env:HOOK"]
people:
  ana: {notify: ["env:MAIL"]}
policies:
  restart-database:
    match: {alertname: PostgresDown}
    do: [{playbook: restart.yml}]
    mode: approve
    unchecked: true
settings: {notify: {gather: 1s, every: 2s}}
"""
_WITHIN_S = 40.0


class Hook(ThreadingHTTPServer):
    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _HookHandler)
        self.bodies: list[dict[str, Any]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _HookHandler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


class MailServer(socketserver.ThreadingTCPServer):
    """As much of RFC 5321 as a client needs to leave a mail."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _MailHandler)
        self.mails: list[email.message.EmailMessage] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _MailHandler(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline():
            verb = line.split()[0].upper() if line.split() else b""
            if verb == b"DATA":
                self._say("354 go on")
                self._take()
            elif verb == b"QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 fine")

    def _take(self) -> None:
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        mail = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        assert isinstance(mail, email.message.EmailMessage)
        self.server.mails.append(mail)
        self._say("250 taken")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.close()


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with MailServer() as made:
        yield made
        made.shutdown()


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _WITHIN_S
    while not holds():
        assert time.monotonic() < end, "it didn't come true in time"
        time.sleep(0.1)


class Site:
    """A served installation that tells a hook and a mail server."""

    def __init__(self, folder: Path, hook_port: int, mail_port: int) -> None:
        for name, text in {
            "policies/shop.yml": BUNDLE,
            "playbooks/restart.yml": "- {name: Nothing, hosts: all, gather_facts: false, tasks: []}\n",
            "inventories/hosts.yml": "all: {hosts: {db-1: {ansible_connection: local}}}\n",
        }.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        self.folder = folder
        self.addresses = {
            "HOOK": f"json://me:{SECRET}@127.0.0.1:{hook_port}/",
            "MAIL": f"mailto://127.0.0.1:{mail_port}/ana@example.org?from=bsm@example.org&mode=insecure",
        }
        self.served = Served(folder, environment=self.addresses)

    def fires(self, status: str = "firing") -> None:
        now = datetime.now(UTC).isoformat()
        body = {
            "name": "PostgresDown",
            "status": status,
            "severity": "critical",
            "component": "db-1",
            "fingerprint": "f1",
            "starts_at": getattr(self, "since", now),
        }
        self.since = body["starts_at"]
        requests.post(f"{self.served.url}/api/v1/webhooks/generic", json=body, timeout=10).raise_for_status()

    def says(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "BSM_STATE_DIR": str(self.folder / "state"), **self.addresses}
        return subprocess.run(
            [sys.executable, "-m", "bsm_remediate", *command],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def page(self, path: str) -> str:
        return requests.get(self.served.url + path, timeout=10).text

    def everything_kept(self) -> bytes:
        return b"".join(path.read_bytes() for path in (self.folder / "state").rglob("*") if path.is_file())


def test_a_failing_component_is_told_with_the_impact_first_and_then_that_it_is_over(
    tmp_path: Path, hook: Hook, mail_server: MailServer
) -> None:
    site = Site(tmp_path, hook.server_port, mail_server.port)
    try:
        site.fires()
        eventually(lambda: bool(hook.bodies) and bool(mail_server.mails))
        first, mail = hook.bodies[0], mail_server.mails[0]
        assert first["title"] == "Losing 600.00 EUR/min: checkout down [critical]"
        assert first["message"].startswith(
            "checkout is down, losing 600.00 EUR/min\n\nNew:\n• [critical] 600.00 EUR/min"
        )
        assert "bsm-remediate approve " in first["message"]
        assert mail["Subject"] == first["title"]
        assert mail["To"] == "ana@example.org"
        text = mail.get_body(preferencelist=("plain",))
        assert text is not None
        assert "restart.yml on db-1 (restart-database): mode approve: waits for approval" in text.get_content()
        listed = json.loads(site.says("notify", "list", "-o", "json").stdout)["items"]
        assert sorted((one["to"], one["state"]) for one in listed) == [("env:HOOK", "sent"), ("env:MAIL", "sent")]
        site.fires("resolved")
        eventually(lambda: len(hook.bodies) >= 2 and len(mail_server.mails) >= 2)
        assert hook.bodies[-1]["title"] == "No loss now, all services ok; all of it is over"
        assert 'bsm_notifications_total{result="sent"}' in site.page("/metrics")
    finally:
        log = site.served.stop()
    assert SECRET not in log
    assert SECRET.encode() not in site.everything_kept()


def test_a_receiver_that_is_down_is_shown_and_told_once_it_is_there(tmp_path: Path, mail_server: MailServer) -> None:
    hook = Hook()
    port = hook.server_port
    hook.close()
    site = Site(tmp_path, port, mail_server.port)
    try:
        site.fires()
        eventually(lambda: len(mail_server.mails) == 1)
        eventually(lambda: "env:HOOK can't be told since" in site.page("/readyz"))
        assert requests.get(site.served.url + "/readyz", timeout=10).status_code == 200
        shown = site.says("status").stdout
        assert "People who could not be told:" in shown
        assert "env:HOOK" in shown
        assert "bsm_notifications_failing 1.0" in site.page("/metrics")
        hook = Hook(port)
        eventually(lambda: bool(hook.bodies))
        assert hook.bodies[0]["message"].startswith("Late: it could not be delivered before; so it was at ")
        eventually(lambda: "can't be told" not in site.page("/readyz"))
    finally:
        log = site.served.stop()
        hook.close()
    assert "notice.failed to=env:HOOK" in log
    assert SECRET not in log
    assert SECRET.encode() not in site.everything_kept()


def test_a_restart_tells_nothing_again(tmp_path: Path, hook: Hook, mail_server: MailServer) -> None:
    site = Site(tmp_path, hook.server_port, mail_server.port)
    site.fires()
    try:
        eventually(lambda: bool(hook.bodies) and bool(mail_server.mails))
    finally:
        site.served.stop()
    before = (len(hook.bodies), len(mail_server.mails))
    again = Served(tmp_path, environment=site.addresses)
    try:
        eventually(lambda: '"status":"ok"' in requests.get(again.url + "/readyz", timeout=10).text)
        time.sleep(4)  # longer than it gathers
    finally:
        again.stop()
    assert (len(hook.bodies), len(mail_server.mails)) == before


def test_the_command_that_tests_says_each_result_and_exits_with_1_where_one_failed(
    tmp_path: Path, hook: Hook, mail_server: MailServer
) -> None:
    site = Site(tmp_path, hook.server_port, mail_server.port)
    try:
        fine = site.says("notify", "test", "payments")
        assert fine.returncode == 0, fine.stderr
        assert [one["title"] for one in hook.bodies] == ["A test of bsm-remediate"]
        assert len(mail_server.mails) == 1
        site.addresses["HOOK"] = f"json://me:{SECRET}@127.0.0.1:1/"
        failed = site.says("notify", "test", "payments")
        assert failed.returncode == 1
        assert "failed: A Connection error occurred" in failed.stdout
        assert SECRET not in failed.stdout + failed.stderr
        del site.addresses["MAIL"]
        doctor = site.says("doctor", "--no-hosts")
        assert "env:MAIL: the environment variable MAIL is not set" in doctor.stdout
        assert site.says("notify", "test", "nobody").returncode == 2
    finally:
        site.served.stop()
