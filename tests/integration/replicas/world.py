"""What the replicas watch over: hosts whose services are broken and mended, the monitoring that says so, and a log of
every effect that a playbook had.
"""

from __future__ import annotations

import http.server
import secrets
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HOSTS = [f"app-{number}" for number in range(12)]
POLICIES = """
currency: EUR
services:
{services}
components:
{components}
policies:
  restart:
    match: {{alertname: Down}}
    evidence: direct
    do:
      - {{playbook: restart.yml, expect: {{duration: 3s}}, timeout: 60s}}
      - {{playbook: restart.yml, expect: {{duration: 3s}}, timeout: 60s}}
    verify: [{{http: "http://127.0.0.1:{port}/{{{{ component.id }}}}", within: 20s}}]
    mode: auto
    guard: {{cooldown: 1s, max_runs: 1000/1h}}
settings: {{executors: 3, guard: {{max_runs: 10000/1h, storm: 100%}}}}
"""
PLAYBOOK = """
- name: Restart, and say so all the time
  hosts: all
  gather_facts: false
  tasks:
    - name: Work
      ansible.builtin.shell: |
        n=0
        while [ $n -lt {{ acts }} ]; do
          echo "$(date +%s.%N) {{ inventory_hostname }} {{ bsm.run.id }} {{ bsm.run.attempt }} $n" >> {{ effects }}
          n=$((n+1)); sleep 0.1
        done
        rm -f {{ broken }}/{{ inventory_hostname }}
"""


@dataclass
class World:
    """The files that all share. `port` answers whether a host is well."""

    folder: Path
    acts: int = 12
    """How often a playbook acts before it mends its host, ten times a second."""
    alerts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What fires, by host."""

    def __post_init__(self) -> None:
        self.effects = self.folder / "effects"
        self.broken = self.folder / "broken"
        self.broken.mkdir()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._write()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        broken = self.broken

        class Health(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(503 if (broken / self.path.strip("/")).exists() else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                """Nobody reads it."""

        return Health

    def _write(self) -> None:
        for name in ("policies", "playbooks", "inventories"):
            (self.folder / name).mkdir()
        services = "\n".join(
            f"  s-{host}: {{loss_per_minute: {10 + n}, requires: [{host}]}}" for n, host in enumerate(HOSTS)
        )
        components = "\n".join(f"  {host}: {{}}" for host in HOSTS)
        port = self._server.server_address[1]
        policies = POLICIES.format(services=services, components=components, port=port)
        (self.folder / "policies" / "shop.yml").write_text(policies)
        (self.folder / "playbooks" / "restart.yml").write_text(PLAYBOOK)
        (self.folder / "inventories" / "hosts.yml").write_text(
            "all:\n  vars:\n"
            f"    ansible_connection: local\n    acts: {self.acts}\n"
            f"    effects: {self.effects}\n    broken: {self.broken}\n"
            '    ansible_python_interpreter: "{{ ansible_playbook_python }}"\n  hosts:\n'
            + "".join(f"    {host}: {{}}\n" for host in HOSTS)
        )

    def break_(self, host: str) -> dict[str, Any]:
        """The host fails now; returns its alert."""
        (self.broken / host).touch()
        alert = {
            "status": "firing",
            "labels": {"alertname": "Down", "instance": host, "severity": "critical"},
            "annotations": {},
            "startsAt": datetime.now(UTC).isoformat(),
            "endsAt": "0001-01-01T00:00:00Z",
            "fingerprint": secrets.token_hex(8),
        }
        self.alerts[host] = alert
        return alert

    def is_well(self, host: str) -> bool:
        return not (self.broken / host).exists()

    def ended(self, host: str) -> dict[str, Any]:
        """The alert of a host that is well again."""
        return {**self.alerts.pop(host), "status": "resolved", "endsAt": datetime.now(UTC).isoformat()}

    def overlaps(self) -> list[str]:
        """Two attempts that worked on a host at the same time."""
        found = []
        working: dict[str, tuple[str, set[str]]] = {}
        lines = sorted(line.split() for line in self.effects.read_text().splitlines()) if self.effects.exists() else []
        for at, host, run, number, _ in lines:
            attempt = f"{run}.{number}"
            current, before = working.get(host, ("", set()))
            if attempt in before:
                found.append(f"{attempt} on {host} still worked at {at}, when {current} had begun")
            elif attempt != current:
                working[host] = (attempt, before | {current})
        return found

    def attempts(self) -> int:
        lines = self.effects.read_text().splitlines() if self.effects.exists() else []
        return len({tuple(line.split()[1:4]) for line in lines})

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
