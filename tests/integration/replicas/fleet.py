"""Several replicas of the engine on one PostgreSQL, each with its own network to it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests

from tests.integration.replicas.proxy import Network
from tests.integration.replicas.world import World

_STARTS_WITHIN_S = 60.0


class Replica:
    """One `serve`, which can be killed, stopped, cut off and started again."""

    def __init__(self, name: str, world: World, database: str, server_port: int) -> None:
        self.name = name
        self.network = Network(server_port)
        self._world = world
        self._database = database.replace(f":{server_port}/", f":{self.network.port}/")
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = world.folder / f"{name}.log"
        self.state = world.folder / f"state-{name}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "bsm_remediate",
                    "serve",
                    "--port",
                    str(self.port),
                    "--database",
                    self._database,
                ],
                cwd=self._world.folder,
                env={**os.environ, "BSM_STATE_DIR": str(self.state)},
                stdout=log,
                stderr=log,
            )

    def wait_until_up(self) -> None:
        eventually(self.answers, within_s=_STARTS_WITHIN_S, what=f"{self.name} is up")

    def answers(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{self.url}/healthz", timeout=2).ok
        return False

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the process that was started last; 0 before the first."""
        return self._process.pid if self._process is not None else 0

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self) -> int:
        """As `systemctl stop` does; returns the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        return self._process.wait(timeout=60) if self._process is not None else 0

    def post(self, *alerts: dict[str, Any]) -> bool:
        """Whether they were acknowledged."""
        body = {"version": "4", "alerts": list(alerts)}
        try:
            answer = requests.post(f"{self.url}/api/v1/webhooks/alertmanager", json=body, timeout=10)
        except requests.RequestException:
            return False
        return answer.status_code == 202

    def get(self, path: str) -> Any:
        return requests.get(f"{self.url}/api/v1/{path}", timeout=10).json()

    def close(self) -> None:
        self.signal(signal.SIGCONT)
        self.kill()
        self.network.close()


class Fleet:
    def __init__(self, folder: Path, database: str, *, size: int = 3, acts: int = 12) -> None:
        """`acts`: how long playbooks take, in tenths of a second."""
        port = int(database.rsplit(":", 1)[1].split("/", maxsplit=1)[0])
        self.world = World(folder, acts)
        self.replicas = [Replica(f"r{number}", self.world, database, port) for number in range(size)]

    def start(self) -> None:
        for one in self.replicas:
            one.start()
        for one in self.replicas:
            one.wait_until_up()

    def post(self, alert: dict[str, Any], *, first: int = 0, within_s: float = 60.0) -> None:
        """Send it as Alertmanager would: to one after the other until one acknowledges."""
        end = time.monotonic() + within_s
        number = first
        while not self.replicas[number % len(self.replicas)].post(alert):
            assert time.monotonic() < end, "no replica takes an alert"
            number += 1
            time.sleep(0.2)

    def any(self) -> Replica:
        """One that answers."""
        return next(one for one in self.replicas if one.answers())

    def worker(self) -> Replica | None:
        """The replica in whose state directory a playbook is under way."""
        lines = list(_command_lines())
        return next((one for one in self.replicas if any(f"{one.state}/runs" in line for line in lines)), None)

    def close(self) -> None:
        for one in self.replicas:
            one.close()
        self.world.close()


def started(fleet: Fleet) -> Iterator[Fleet]:
    """For fixtures: as long as it is used."""
    try:
        fleet.start()
        yield fleet
    finally:
        fleet.close()


def eventually(holds: Callable[[], object], *, within_s: float = 30.0, what: str = "it comes true") -> None:
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, f"not within {within_s:.0f} s: {what}"
        time.sleep(0.1)


def _command_lines() -> Iterator[str]:
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
