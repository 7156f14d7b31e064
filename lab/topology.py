"""What the shop consists of: inventory hosts, the processes on them, and the addresses where they listen.

Hosts are addresses of the loopback network, 127.0.X.N; X differs between labs that run at the same time.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

PORT = {
    "lb": 8480,
    "lb-admin": 8481,
    "web": 8482,
    "api": 8483,
    "cache": 8484,
    "database": 8485,
    "historian": 8486,
    "line": 8487,
}
HOSTS = {"lb1": 11, "web1": 12, "web2": 13, "app1": 14, "db1": 15, "db2": 16, "plant1": 17, "plant2": 18, "db": 20}
"""Last number of each host's address. `db` is the floating address of whichever database is the primary."""
SUPERVISED = tuple(host for host in HOSTS if host != "db")
_NETWORKS = range(255)
_CLAIM = (10, 8479)


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the shop: the component and the program of the same name."""

    component: str
    host: str
    kind: str
    """Names its port."""
    has_needs: bool = False
    """Whether `/ready` tells about what it needs."""
    address_host: str = ""
    """Where to reach it, when that isn't its own host."""


PROCESSES = (
    Process("lb", "lb1", "lb"),
    Process("web-1", "web1", "web", has_needs=True),
    Process("web-2", "web2", "web", has_needs=True),
    Process("api", "app1", "api", has_needs=True),
    Process("cache", "app1", "cache"),
    Process("database", "db1", "database", address_host="db"),
    Process("standby", "db2", "database"),
    Process("historian", "plant1", "historian"),
    Process("line", "plant2", "line", has_needs=True),
)


@dataclass(frozen=True, slots=True)
class Network:
    """The addresses of one lab."""

    number: int

    def address(self, host: str) -> str:
        return f"127.0.{self.number}.{HOSTS[host]}"

    def at(self, host: str, kind: str) -> str:
        return f"{self.address(host)}:{PORT[kind]}"

    def where(self, process: Process) -> tuple[str, int]:
        """Where to ask about `process`."""
        return self.address(process.address_host or process.host), PORT[process.kind]

    def is_free(self) -> bool:
        """Whether nobody listens where this lab's processes would."""
        places = [(process.host, process.kind) for process in PROCESSES]
        places += [("lb1", "lb-admin"), ("db", "database")]
        for host, kind in places:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((self.address(host), PORT[kind]))
                except OSError:
                    return False
        return True

    def arguments(self, process: Process, data: Path) -> list[str]:
        """Module and options of `process`."""
        listen = ["--listen", self.at(process.host, process.kind)]
        at = self.at
        match process.component:
            case "lb":
                backends = [f"web-{number}={at(f'web{number}', 'web')}" for number in (1, 2)]
                chosen = [part for backend in backends for part in ("--backend", backend)]
                return ["lab.load_balancer", *listen, "--admin", at("lb1", "lb-admin"), *chosen]
            case "web-1" | "web-2":
                return ["lab.web", *listen, "--api", at("app1", "api")]
            case "api":
                databases = ["--database", at("db1", "database"), "--database", at("db2", "database")]
                return ["lab.api", *listen, "--cache", at("app1", "cache"), *databases]
            case "cache":
                return ["lab.store", *listen]
            case "database" | "standby":
                role = "primary" if process.component == "database" else "standby"
                peer = at("db2" if role == "primary" else "db1", "database")
                where = ["--data", str(data), "--peer", peer, "--service", at("db", "database")]
                return ["lab.store", *listen, "--role", role, *where]
            case "line":
                return ["lab.plant", *listen, "--historian", at("plant1", "historian")]
            case _:
                return ["lab.plant", *listen]


def claim_network() -> tuple[Network, socket.socket]:
    """The first network that nobody uses, and the socket that keeps other labs away for as long as it is open. Raises
    `RuntimeError` when none is free.
    """
    for number in _NETWORKS:
        claim = socket.socket()
        try:
            claim.bind((f"127.0.{number}.{_CLAIM[0]}", _CLAIM[1]))
        except OSError:
            claim.close()
            continue
        network = Network(number)
        if network.is_free():
            return network, claim
        claim.close()
    raise RuntimeError("no loopback network is free for the lab's ports 8480-8487")


def inventory_text(network: Network, lab_dir: str) -> str:
    """The Ansible inventory of the shop; `lab_dir` holds a folder per host."""
    lines = [
        "shop:",
        "  hosts:",
        *(f"    {host}: {{ansible_host: {network.address(host)}}}" for host in HOSTS),
        "  vars:",
        "    ansible_connection: local",
        '    ansible_python_interpreter: "{{ ansible_playbook_python }}"',
        f"    lab_dir: {lab_dir}",
        "    service_manager: supervisor",
        '    supervisor_ctl: "{{ ansible_playbook_python | dirname }}/supervisorctl"',
        '    supervisor_config: "{{ lab_dir }}/{{ inventory_hostname }}/supervisord.conf"',
        f"    lb_admin: http://{network.at('lb1', 'lb-admin')}",
        f'    standby_url: "http://{{{{ ansible_host }}}}:{PORT["database"]}"',
        '    diagnostics_dir: "{{ lab_dir }}/diagnostics"',
    ]
    return "\n".join(lines) + "\n"
