"""A running lab: start it, look at it, clear it away."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lab.real import databases, monitoring
from lab.real.hosts import (
    environment,
    make_keys,
    start_sshd,
    start_supervisor,
    supervisorctl,
    wait_for_supervisor,
)
from lab.real.layout import HOSTS, MANAGED, PROGRAMS, Layout, Program, default_folder, new_layout
from lab.real.packages import program, require_packages
from lab.real.processes import end, engine_of_lab, is_alive, of_lab
from lab.real.services import sections
from lab.real.site import write_site

_UP_WITHIN_S = 60.0
_HANGS_AFTER_S = 3.0
_PLAYGROUND = 20
PAGER_AFTER_S = 60


class Lab:
    """The lab in a folder."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    @classmethod
    def up(cls, folder: Path | None = None, *, network: int = _PLAYGROUND, pager_after_s: int = PAGER_AFTER_S) -> Lab:
        """Start a lab in the new folder `folder` and wait until all of it works; nothing is left when it doesn't.

        Raises `PackagesMissing`, `RuntimeError`, `FileExistsError`.
        """
        require_packages()
        layout = new_layout(folder or default_folder(), network=network, pager_after_s=pager_after_s)
        layout.save()
        lab = cls(layout)
        try:
            lab._start()
        except BaseException:
            lab.down()
            raise
        return lab

    @classmethod
    def of(cls, folder: Path | None = None) -> Lab:
        """The lab that runs in `folder`. Raises `FileNotFoundError`."""
        return cls(Layout.load(folder or default_folder()))

    def down(self) -> None:
        """End every process of it and remove its folder. Raises `RuntimeError` when a process can't be ended."""
        end(engine_of_lab(self.layout), grace_s=40.0)
        end(of_lab(self.layout))
        left = {pid for pid in of_lab(self.layout) if is_alive(pid)}
        if left:
            raise RuntimeError(f"processes {sorted(left)} of the lab could not be ended; {self.layout.folder} stays")
        shutil.rmtree(self.layout.folder)

    # --- looking ---------------------------------------------------------------------------------------------------

    def answers(self, one: Program) -> bool:
        """Whether the program does what it is for."""
        match one.name:
            case "redis":
                command = [program("redis-cli"), "-h", self.layout.address(one.host), "-p"]
                return self._run([*command, str(self.layout.ports[one.port]), "ping"]).strip() == "PONG"
            case "postgres":
                return databases.answers(self.layout, one.host)
            case "haproxy":
                return self.get(self.layout.url(one.host, "lb-metrics") + "/metrics")[0] == 200
            case "nginx" | "app":
                return self.get(self.layout.url(one.host, one.port) + "/healthz")[0] == 200
            case "prometheus" | "alertmanager":
                return self.get(self.layout.url(one.host, one.port) + "/-/ready")[0] == 200
            case "pager":
                return self.get(self.layout.url(one.host, one.port) + "/")[0] > 0
            case _:
                return self.get(self.layout.url(one.host, one.port) + "/metrics")[0] == 200

    def listens(self, host: str, kind: str) -> bool:
        """Whether somebody takes connections there."""
        try:
            with socket.create_connection((self.layout.address(host), self.layout.ports[kind]), timeout=1.0):
                return True
        except OSError:
            return False

    def page(self, path: str, *, method: str = "GET") -> int:
        """The status that a customer gets through the load balancer; 0 for no answer."""
        return self.get(self.layout.url("lb1", "lb") + path, method=method)[0]

    def report(self) -> int:
        """The status of the report, which is asked of the application itself."""
        return self.get(self.layout.url("app1", "app") + "/report")[0]

    @staticmethod
    def get(url: str, *, method: str = "GET", body: Any = None, timeout_s: float = 3.0) -> tuple[int, bytes]:
        """Status and body of an answer; status 0 when there is none."""
        where = urlsplit(url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=timeout_s)
        path = f"{where.path or '/'}{f'?{where.query}' if where.query else ''}"
        sent = None if body is None else json.dumps(body)
        try:
            connection.request(method, path, body=sent, headers={"Content-Type": "application/json"} if sent else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            return 0, str(error).encode()
        finally:
            connection.close()

    def firing(self) -> set[tuple[str, str]]:
        """Alertname and component of what Alertmanager has, save the heartbeat."""
        status, body = self.get(self.layout.url("mon", "alertmanager") + "/api/v2/alerts")
        if status != 200:
            raise RuntimeError(f"Alertmanager answers {status}")
        labels = [alert["labels"] for alert in json.loads(body)]
        return {(one["alertname"], one.get("component", "")) for one in labels if one.get("alertname") != "Watchdog"}

    def ssh(self, host: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run `command` on `host` by SSH, as Ansible would."""
        words = [program("ssh"), "-F", str(self.layout.file("ssh/config")), host, *command]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=20)

    def supervisorctl(self, host: str, *arguments: str) -> str:
        return supervisorctl(self.layout, host, *arguments)

    # --- starting --------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        layout = self.layout
        make_keys(layout)
        write_site(layout)
        monitoring.write_prometheus(layout)
        monitoring.write_alertmanager(layout, monitoring.alertmanager_config(layout))
        databases.make_primary(layout)
        deadline = time.monotonic() + _UP_WITHIN_S
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda host: start_sshd(layout, host), MANAGED))
            hosts = [host for host in HOSTS if host != "db2"]  # its data is a copy of db1's
            list(pool.map(lambda host: start_supervisor(layout, host, sections(layout, host)), hosts))
        wait_for_supervisor(layout, "db1", deadline)
        databases.fill_primary(layout)
        databases.make_standby(layout)
        start_supervisor(layout, "db2", sections(layout, "db2"))
        self.wait_until_well(deadline)

    def wait_until_well(self, deadline: float) -> None:
        """Until everything answers, the standby follows, customers are served and nothing alerts. Raises
        `RuntimeError` naming what isn't so by `deadline` (monotonic).
        """
        wanted: dict[str, Callable[[], bool]] = {
            f"{one.name} on {one.host}": lambda one=one: self.answers(one)  # type: ignore[misc]
            for one in PROGRAMS
        }
        wanted |= {
            f"sshd of {host}": lambda host=host: self.listens(host, "ssh")  # type: ignore[misc]
            for host in MANAGED
        }
        wanted["the standby follows the primary"] = lambda: databases.is_as_made(self.layout)
        wanted["customers find products"] = lambda: self.page("/catalogue") == 200
        wanted["customers can order"] = lambda: self.page("/checkout") == 200
        wanted["all targets are scraped"] = self._all_scraped
        wanted["nothing alerts"] = lambda: not self.firing()
        while wanted:
            wanted = {name: holds for name, holds in wanted.items() if not holds()}
            if wanted and time.monotonic() > deadline:
                raise RuntimeError(f"the lab isn't well: {', '.join(wanted)}; see the logs in {self.layout.folder}")
            time.sleep(0.1)

    def _all_scraped(self) -> bool:
        status, body = self.get(self.layout.url("mon", "prometheus") + "/api/v1/targets?state=active")
        if status != 200:
            return False
        targets = json.loads(body)["data"]["activeTargets"]
        return bool(targets) and all(one["health"] == "up" for one in targets)

    def _run(self, command: list[str]) -> str:
        """What it prints; nothing when it fails or waits for something that hangs."""
        try:
            done = subprocess.run(
                command,
                env=environment(self.layout),
                capture_output=True,
                text=True,
                check=True,
                timeout=_HANGS_AFTER_S,
            )
        except subprocess.SubprocessError:
            return ""
        return done.stdout
