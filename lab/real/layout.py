"""Where everything of one lab is: hosts as loopback addresses, programs on them, ports that were free, files.

Hosts are 127.0.X.N; X differs between labs. Each kind of port has one number, the same on all hosts.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLE = CHECKOUT / "examples" / "lab"

HOSTS = {"lb1": 11, "web1": 12, "web2": 13, "app1": 14, "cache1": 15, "db1": 16, "db2": 17, "mon": 19}
"""Inventory host → last number of its address. `mon` has Prometheus, Alertmanager and the pager, and isn't in the
inventory: nobody repairs what watches."""
MANAGED = tuple(host for host in HOSTS if host != "mon")
USUAL_PORT = {
    "ssh": 12222,
    "lb": 18080,
    "web": 18081,
    "app": 18082,
    "redis": 16379,
    "postgres": 15432,
    "lb-metrics": 18404,
    "redis-metrics": 19121,
    "postgres-metrics": 19187,
    "prometheus": 19090,
    "alertmanager": 19093,
    "pager": 19099,
    "engine": 18470,
}
"""Kind → the port that is taken where it is free, else the next one."""
_TRIES = 100
_SAFE_PATH = re.compile(r"/[A-Za-z0-9_./-]*")
_LONGEST_FOLDER = 70
"""A unix socket's path may have 107 bytes."""
_STATE = "lab.json"


@dataclass(frozen=True, slots=True)
class Program:
    """One program under a host's supervisor."""

    name: str
    host: str
    port: str
    """Kind of the port on which it answers."""
    component: str = ""
    """What the policies call it; empty for what only watches."""


PROGRAMS = (
    Program("haproxy", "lb1", "lb", "lb"),
    Program("nginx", "web1", "web", "web-1"),
    Program("nginx", "web2", "web", "web-2"),
    Program("app", "app1", "app", "app"),
    Program("redis", "cache1", "redis", "cache"),
    Program("redis-exporter", "cache1", "redis-metrics"),
    Program("postgres", "db1", "postgres", "database"),
    Program("postgres-exporter", "db1", "postgres-metrics"),
    Program("postgres", "db2", "postgres", "standby"),
    Program("postgres-exporter", "db2", "postgres-metrics"),
    Program("prometheus", "mon", "prometheus"),
    Program("alertmanager", "mon", "alertmanager"),
    Program("pager", "mon", "pager"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The places of one lab; kept in its folder, so that `down` finds them again."""

    folder: Path
    network: int
    ports: dict[str, int]
    mark: str
    """In the environment (`BSM_LAB_MARK`) of every process of this lab."""
    pager_after_s: int
    """How long an alert may fire before it pages."""

    def address(self, host: str) -> str:
        return f"127.0.{self.network}.{HOSTS[host]}"

    def at(self, host: str, kind: str) -> str:
        return f"{self.address(host)}:{self.ports[kind]}"

    def url(self, host: str, kind: str) -> str:
        return f"http://{self.at(host, kind)}"

    def home(self, host: str) -> Path:
        """The folder of a host's files."""
        return self.folder / host

    @property
    def engine_url(self) -> str:
        """Where the engine is expected."""
        return f"http://127.0.0.1:{self.ports['engine']}"

    def file(self, name: str) -> Path:
        return self.folder / name

    def save(self) -> None:
        known = {**asdict(self), "folder": str(self.folder)}
        self.file(_STATE).write_text(json.dumps(known, indent=1))

    @classmethod
    def load(cls, folder: Path) -> Layout:
        """That of the lab in `folder`. Raises `FileNotFoundError` when there is none."""
        known = json.loads((folder / _STATE).read_text())
        return cls(**{**known, "folder": folder})


def default_folder() -> Path:
    """`BSM_LAB_DIR`, else a place that is this user's alone and the same at the next call."""
    given = os.environ.get("BSM_LAB_DIR")
    return Path(given).absolute() if given else Path(f"/tmp/bsm-lab-{os.getuid()}")


def new_layout(folder: Path, *, network: int, pager_after_s: int) -> Layout:
    """A layout in the new folder `folder`, on ports that are free now. Raises `RuntimeError`, `FileExistsError`."""
    if not _SAFE_PATH.fullmatch(str(folder)) or len(str(folder)) > _LONGEST_FOLDER:
        raise RuntimeError(f"{folder} stands in many configuration files: use a short path of letters and digits")
    # Its owner's alone; root's is crossed by PostgreSQL, which runs as another user.
    folder.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700)
    ports: dict[str, int] = {}
    for kind, usual in USUAL_PORT.items():
        hosts = ["127.0.0.1"] if kind == "engine" else [f"127.0.{network}.{number}" for number in HOSTS.values()]
        ports[kind] = _free_port(hosts, usual, taken=set(ports.values()))
    mark = secrets.token_hex(8)
    return Layout(folder=folder, network=network, ports=ports, mark=mark, pager_after_s=pager_after_s)


def _free_port(addresses: list[str], usual: int, *, taken: set[int]) -> int:
    for port in range(usual, usual + _TRIES):
        if port not in taken and all(_is_free(address, port) for address in addresses):
            return port
    raise RuntimeError(f"no port from {usual} to {usual + _TRIES - 1} is free on {addresses[0]}")


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
