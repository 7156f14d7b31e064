"""One shop: three web servers behind a real HAProxy, a real Prometheus, the customers, and perhaps the engine."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lab.children import Children
from lab.engine import Engine
from lab.overload.scenario import REQUESTS, SERVICE_S, TIDE, WEBS, WEIGHTS_AT_FIRST, WORKERS
from lab.overload.wire import TURNED_AWAY
from lab.real.packages import program
from lab.shop import CHECKOUT
from lab.topology import claim_network

Json = dict[str, Any]
EXAMPLE = CHECKOUT / "examples" / "overload"
_LB, _WEB, _PROMETHEUS = 10, 11, 19
"""Last numbers of the addresses; of web servers that of the first."""
_PORT = 8480
_METRICS_PORT = 8490
_UP_WITHIN_S = 40.0
_PATIENCE_S = 2.0


class Site:
    """A running shop. Everything that it writes lies in `folder`, whose path must be short: sockets are in it."""

    def __init__(self, folder: Path, children: Children) -> None:
        self.folder = folder
        folder.mkdir()
        self._children = children
        self._network, claim = claim_network()
        children.keep(claim)
        self.engine: Engine | None = None
        self.webs: dict[str, subprocess.Popen[bytes]] = {}
        self._customers: subprocess.Popen[bytes] | None = None

    # --- where everything is ---------------------------------------------------------------------------------------

    def _at(self, number: int) -> str:
        return f"127.0.{self._network.number}.{number}"

    def web(self, name: str) -> str:
        return f"{self._at(_WEB + WEBS.index(name))}:{_PORT}"

    def door(self, service: str) -> str:
        """Where customers ask for it."""
        return f"{self._at(_LB)}:{_PORT + TIDE.services.index(service)}"

    @property
    def prometheus(self) -> str:
        return f"{self._at(_PROMETHEUS)}:{_PORT}"

    @property
    def _balancer_metrics(self) -> str:
        return f"{self._at(_LB)}:{_METRICS_PORT}"

    @property
    def _socket(self) -> Path:
        return self.folder / "haproxy.sock"

    @property
    def _shed_map(self) -> Path:
        return self.folder / "shed.map"

    # --- up --------------------------------------------------------------------------------------------------------

    def launch(self) -> None:
        """Start everything but the engine; `wait_until_up` waits for it."""
        for name in WEBS:
            numbers = ["--workers", str(WORKERS), "--service-s", str(SERVICE_S), "--requests", str(REQUESTS)]
            command = [sys.executable, "-m", "lab.overload.web", "--listen", self.web(name), *numbers]
            self.webs[name] = self._started(name, command)
        self._write("shed.map", "".join(f"{service} 0\n" for service in TIDE.services))
        self._write("haproxy.cfg", self._haproxy())
        self._started("haproxy", [program("haproxy"), "-db", "-f", f"{self.folder}/haproxy.cfg"])
        self._write("prometheus.yml", self._scrapes())
        storage = f"--storage.tsdb.path={self.folder}/tsdb"
        listen = f"--web.listen-address={self.prometheus}"
        config = f"--config.file={self.folder}/prometheus.yml"
        self._started("prometheus", [program("prometheus"), config, storage, listen])

    def wait_until_up(self) -> None:
        """Raises `RuntimeError` when something doesn't come up."""
        _until(lambda: len(self.asked("up == 1")) == len(WEBS) + 1, f"Prometheus has read all pages: {self.folder}")
        _until(lambda: [one["up"] for one in self.status().values()] == [True] * len(WEBS), f"all is up: {self.folder}")

    def start_engine(self) -> None:
        """Raises `RuntimeError` when it doesn't come up."""
        self._write("inventory.yml", self._inventory())
        self._write("bsm-remediate.toml", self._settings())
        self.engine = Engine.start_in(self.folder, self._children, token=secrets.token_urlsafe(24))

    def open_doors(self, begin_at: float) -> None:
        """Let the customers come from then on."""
        doors = [word for service in TIDE.services for word in (f"--{service}", self.door(service))]
        command = [sys.executable, "-m", "lab.overload.customers", "--begin-at", str(begin_at), *doors]
        self._customers = self._started("customers", command)

    def _started(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        passed = {one: os.environ[one] for one in ("PATH", "HOME") if one in os.environ}
        environment = {"PATH": os.defpath, **passed, "LC_ALL": "C.UTF-8", "BSM_LAB_DIR": str(self.folder)}
        return self._children.start(command, log=self.folder / f"{name}.log", cwd=CHECKOUT, environment=environment)

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def _haproxy(self) -> str:
        frontends = "".join(
            f"frontend {service}\n  bind {self.door(service)}\n"
            f"  http-request set-var(txn.shed) str({service}),map_str_int({self._shed_map},0)\n"
            f"  http-request return status 503 hdr {TURNED_AWAY} {service} hdr Retry-After 10"
            " if { rand(10000),sub(txn.shed) lt 0 }\n"
            "  default_backend web\n"
            for service in TIDE.services
        )
        servers = "".join(f"  server {one} {self.web(one)} check weight {WEIGHTS_AT_FIRST[one]}\n" for one in WEBS)
        return f"""global
  stats socket {self._socket} mode 600 level admin
  maxconn 2000
defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 10s
  option redispatch
  retries 2
  default-server inter 500ms fall 2 rise 2
{frontends}backend web
  balance roundrobin
  option httpchk GET /healthz
{servers}frontend metrics
  bind {self._balancer_metrics}
  http-request use-service prometheus-exporter if {{ path /metrics }}
"""

    def _scrapes(self) -> str:
        pages = {**{name: self.web(name) for name in WEBS}, "lb-1": self._balancer_metrics}
        targets = "".join(
            f"      - {{targets: ['{target}'], labels: {{component: {name}}}}}\n" for name, target in pages.items()
        )
        every = "global: {scrape_interval: 1s, scrape_timeout: 900ms}"
        return f"{every}\nscrape_configs:\n  - job_name: shop\n    static_configs:\n{targets}"

    def _inventory(self) -> str:
        return (
            "all:\n  hosts: {lb-1: , web-1: , web-2: , web-3: }\n  vars:\n    ansible_connection: local\n"
            '    ansible_python_interpreter: "{{ ansible_playbook_python }}"\n'
            f"    haproxy_socket: {self._socket}\n    haproxy_shed_map: {self._shed_map}\n"
        )

    def _settings(self) -> str:
        return (
            f'policies = "{EXAMPLE}/policies"\ninventory = ["{self.folder}/inventory.yml"]\n'
            f'playbooks = "{CHECKOUT}/playbooks"\n[ansible]\nexecutor = "warm"\n[sources.prometheus]\nurl = "http://{self.prometheus}"\n'
        )

    # --- what is the case ------------------------------------------------------------------------------------------

    def is_alive(self, web: str) -> bool:
        return self.webs[web].poll() is None

    def death_of(self, web: str) -> str:
        """How its process ended, in its own last words; empty while it lives."""
        code = self.webs[web].poll()
        if code is None:
            return ""
        words = (self.folder / f"{web}.log").read_text(errors="replace").strip().splitlines()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"{how}: {words[-1]}" if words else how

    def say(self, command: str) -> str:
        """What HAProxy answers on its socket."""
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(_PATIENCE_S)
            stream.connect(str(self._socket))
            stream.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: stream.recv(65536), b"")).decode()

    def status(self) -> dict[str, Json]:
        """Of each web server, as HAProxy has it: `weight`, and whether it is `up`; empty while nobody answers."""
        try:
            lines = [line.split(",") for line in self.say("show stat").lstrip("# ").splitlines() if line]
        except OSError:
            return {}
        rows = [dict(zip(lines[0], line, strict=False)) for line in lines[1:]]
        return {
            row["svname"]: {"weight": int(row["weight"]), "up": row["status"].startswith("UP")}
            for row in rows
            if row["pxname"] == "web" and row["svname"] in WEBS
        }

    def shed(self) -> dict[str, float]:
        """Service → share that HAProxy turns away on purpose."""
        try:
            lines = [line.split() for line in self.say(f"show map {self._shed_map}").splitlines() if line]
        except OSError:
            return {}
        return {name: int(parts) / 10000 for _, name, parts in lines if int(parts)}

    def figures(self, web: str) -> dict[str, float]:
        """Its own page of figures, requests of all services together; empty when it doesn't answer."""
        try:
            text = _got(self.web(web), "/metrics").decode()
        except OSError:
            return {}
        found: dict[str, float] = {}
        for line in text.splitlines():
            name, _, value = line.rpartition(" ")
            name = name.partition("{")[0]
            found[name] = found.get(name, 0.0) + float(value)
        return found

    def asked(self, query: str) -> list[Json]:
        """What Prometheus answers; empty while it doesn't."""
        try:
            found: list[Json] = json.loads(_got(self.prometheus, f"/api/v1/query?query={quote(query)}"))["data"][
                "result"
            ]
        except (OSError, ValueError, KeyError):
            return []
        return found

    def customers(self) -> Json:
        """What they have told last; empty before."""
        try:
            lines = (self.folder / "customers.log").read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return {}
        told = [line for line in lines if line.startswith("{") and line.endswith("}")]
        found: Json = json.loads(told[-1]) if told else {}
        if not found.get("is_over") and self._customers is not None and self._customers.poll() is not None:
            raise RuntimeError(f"the customers' process has ended: {lines[-1:]}")
        return found

    def runs(self) -> list[Json]:
        """The engine's, oldest first."""
        return self.engine.listing("runs")[::-1] if self.engine is not None else []


def _until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _UP_WITHIN_S
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {_UP_WITHIN_S:.0f} s: {what}")
        time.sleep(0.05)


def _got(at: str, path: str) -> bytes:
    """The body. Raises `OSError` unless it is answered with 200."""
    connection = http.client.HTTPConnection(at, timeout=_PATIENCE_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()
    if answer.status != 200:
        raise OSError(f"{at}{path} answers {answer.status}")
    return body
