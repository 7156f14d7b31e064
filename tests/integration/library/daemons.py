"""The daemons that the shipped playbooks are tried on, each on free ports in a folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from lab.children import Children

WAIT_S = 20.0


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(holds: Callable[[], bool], what: str, *, within_s: float = WAIT_S) -> None:
    """Poll until `holds`; raises `TimeoutError` that names `what`."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within_s:.0f} s: {what}")
        time.sleep(0.05)


def listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def program(name: str) -> str:
    """Where `name` is; Debian keeps daemons out of users' PATH. Raises `FileNotFoundError`."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/local/sbin:/usr/sbin:/sbin")
    if found is None:
        raise FileNotFoundError(f"{name} is not installed; .ci/run names the packages")
    return found


@dataclass
class Daemon:
    """One process, its port and folder."""

    children: Children
    folder: Path
    command: Sequence[str]
    port: int
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        log = self.folder / "log"
        self.process = self.children.start(self.command, log=log, cwd=self.folder, environment=self.environment)
        wait_until(lambda: listens(self.port), f"{self.command[0]} listens: {log}")
