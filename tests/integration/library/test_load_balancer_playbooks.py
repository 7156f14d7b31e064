"""Weights, draining and undraining of a real HAProxy's servers, over its runtime socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread

import pytest

from bsm_remediate.adapters.ansible.executor import AnsibleExecutor
from bsm_remediate.adapters.ansible.project import AnsibleProjects
from bsm_remediate.adapters.system_clock import SystemClock
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.playbook import PlaybookOutcome
from bsm_remediate.domain.pool import Load, Member, Pool
from bsm_remediate.domain.rebalancing import Rate
from bsm_remediate.domain.rebalancing_task import rebalance
from bsm_remediate.testing.local_ansible import LocalAnsible, a_call
from lab.children import Children
from tests.integration.library.daemons import Daemon, free_port, program, wait_until
from tests.integration.library.playing import (
    PLAYBOOKS,
    does_its_work_once,
    only_looks_in_check_mode,
    play,
    refusals,
)


class LoadBalancer:
    """HAProxy in TCP mode before servers that read what they get until its end and answer nothing."""

    def __init__(self, children: Children, folder: Path, servers: dict[str, int]) -> None:
        self.port = free_port()
        self.socket = folder / "admin.sock"
        self.shed_map = folder / "shed.map"
        self.shed_map.write_text("search 0\ncheckout 0\n")
        lines = [f"  server {name} 127.0.0.1:{port} check inter 200ms weight 100" for name, port in servers.items()]
        (folder / "haproxy.cfg").write_text(
            f"global\n  stats socket {self.socket} level admin\n"
            "defaults\n  mode tcp\n  timeout connect 2s\n  timeout client 60s\n  timeout server 60s\n"
            f"frontend entry\n  bind 127.0.0.1:{self.port}\n  default_backend web\n"
            "backend web\n  balance roundrobin\n" + "\n".join(lines) + "\n"
            "backend archive\n  server web-1 127.0.0.1:1\n"
            f"frontend search\n  mode http\n  bind 127.0.0.1:{free_port()}\n"
            f"  http-request set-var(txn.shed) str(search),map_str_int({self.shed_map},0)\n"
            "  http-request return status 503 if { rand(10000),sub(txn.shed) lt 0 }\n  http-request return status 200\n"
        )
        command = [program("haproxy"), "-db", "-f", str(folder / "haproxy.cfg")]
        Daemon(children, folder, command, self.port).start()
        self.given = {"haproxy_socket": str(self.socket), "haproxy_backend": "web"}

    def say(self, command: str) -> str:
        with closing(socket.socket(socket.AF_UNIX)) as stream:
            stream.connect(str(self.socket))
            stream.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: stream.recv(65536), b"")).decode()

    def shed(self) -> dict[str, str]:
        lines = [line.split() for line in self.say(f"show map {self.shed_map}").splitlines() if line]
        return {name: parts for _, name, parts in lines}

    def weights(self) -> list[str]:
        return [self.say(f"get weight web/web-{number}").split()[0] for number in (1, 2, 3)]

    def status(self, name: str) -> str:
        lines = [line.split(",") for line in self.say("show stat").splitlines()]
        return next(line[lines[0].index("status")] for line in lines if line[:2] == ["web", name])

    def reset(self) -> None:
        for number in (1, 2, 3):
            self.say(f"set server web/web-{number} weight 100")
            self.say(f"set server web/web-{number} state ready")
        self.say(f"clear map {self.shed_map}")
        for service in ("search", "checkout"):
            self.say(f"add map {self.shed_map} {service} 0")
        wait_until(lambda: all(self.status(f"web-{n}").startswith("UP") for n in (1, 2, 3)), "all servers are up")


class _Server(ThreadingTCPServer):
    daemon_threads = True


class _Silent(BaseRequestHandler):
    def handle(self) -> None:
        with suppress(OSError):  # a health check hangs up hard
            while self.request.recv(4096):
                pass


@pytest.fixture(scope="module")
def started(children: Children, ground: Path) -> Iterator[LoadBalancer]:
    folder = ground / "haproxy"
    folder.mkdir()
    servers = {f"web-{number}": _Server(("127.0.0.1", 0), _Silent) for number in (1, 2, 3)}
    for server in servers.values():
        Thread(target=server.serve_forever, daemon=True).start()
    yield LoadBalancer(children, folder, {name: server.server_address[1] for name, server in servers.items()})
    for server in servers.values():
        server.shutdown()
        server.server_close()


@pytest.fixture
def balancer(started: LoadBalancer) -> LoadBalancer:
    started.reset()
    return started


def test_weights_are_set_once_and_only_those_named(balancer: LoadBalancer, tmp_path: Path) -> None:
    wanted = {"web-1": 50, "web-2": 0}
    only_looks_in_check_mode("set_weights.yml", tmp_path, {**balancer.given, "lb_weights": wanted})
    assert balancer.weights() == ["100", "100", "100"]
    does_its_work_once("set_weights.yml", tmp_path, {**balancer.given, "lb_weights": wanted})
    assert balancer.weights() == ["50", "0", "100"]


def test_weights_of_a_rebalancing_go_first_and_are_scaled(balancer: LoadBalancer, tmp_path: Path) -> None:
    shares = [{"name": "alpha", "value": 1000}, {"name": "web-2", "value": 500.0}, {"name": "web-3", "value": "0.5"}]
    played = play(
        "set_weights.yml",
        tmp_path,
        {**balancer.given, "lb_weights": {"web-1": 7}, "haproxy_servers": {"alpha": "web-1"}},
        bsm={"weights": shares},
        run=(3, 1),
    )
    assert played.succeeded, played.output
    assert balancer.weights() == ["256", "128", "1"]


def test_what_there_is_no_room_for_is_turned_away_until_there_is(balancer: LoadBalancer, tmp_path: Path) -> None:
    given = {**balancer.given, "haproxy_shed_map": str(balancer.shed_map)}
    weights = [{"name": "web-1", "value": 60}, {"name": "web-2", "value": 40}]
    sale = {"weights": weights, "shed": [{"name": "search", "value": 29.4118}, {"name": "stock", "value": 0.001}]}
    only_looks_in_check_mode("set_weights.yml", tmp_path, given, bsm=sale)
    assert balancer.shed() == {"search": "0", "checkout": "0"}
    does_its_work_once("set_weights.yml", tmp_path, given, bsm=sale, run=(3, 1))
    assert balancer.shed() == {"search": "2941", "checkout": "0", "stock": "1"}
    quiet = play("set_weights.yml", tmp_path, given, bsm={"weights": weights, "shed": []}, run=(4, 1))
    assert quiet.succeeded, quiet.output
    assert balancer.shed() == {"search": "0", "checkout": "0", "stock": "0"}
    assert balancer.weights() == ["60", "40", "100"]


def test_a_map_that_the_load_balancer_does_not_use_is_refused(balancer: LoadBalancer, tmp_path: Path) -> None:
    given = {**balancer.given, "lb_weights": {"web-1": 1}}
    said = refusals(
        "set_weights.yml",
        tmp_path,
        {**given, "haproxy_shed_map": f"{balancer.shed_map}.old"},
        {**given, "haproxy_shed_map": "/a; show info"},
    )
    assert "HAProxy uses no map" in said[0]
    assert balancer.weights()[0] == "100"


def test_a_rebalancing_reaches_the_load_balancer_through_the_engines_own_executor(
    balancer: LoadBalancer, tmp_path: Path
) -> None:
    """From the pool's load over the programme to the weights in force, with the variables as the engine writes them."""
    pool = Pool(
        id="web",
        members=tuple(Member(id=NodeId(f"web-{number}"), capacity=100) for number in (1, 2, 3)),
        serves=(NodeId("shop"),),
    )
    load = Load(by_member={NodeId("web-1"): 110, NodeId("web-2"): 40, NodeId("web-3"): 10})
    found = rebalance(pool, load, rates={NodeId("shop"): Rate(60, 60)}, unavailable={NodeId("web-3"): "down"})
    local = LocalAnsible(tmp_path)
    executor = AnsibleExecutor(
        projects=AnsibleProjects(usual=local.project), playbooks=PLAYBOOKS, state=local.state, clock=SystemClock()
    )
    call = a_call("set_weights.yml", variables=dict(balancer.given), weights=found.weights)
    result = executor.execute(call, on_event=lambda _event: None, cancelled=lambda: False)
    assert result.outcome is PlaybookOutcome.SUCCEEDED, result.reason
    assert balancer.weights() == ["50", "50", "0"]


def test_weights_that_would_stop_all_requests_or_make_no_sense_are_refused(
    balancer: LoadBalancer, tmp_path: Path
) -> None:
    balancer.say("set server web/web-3 state maint")
    said = refusals(
        "set_weights.yml",
        tmp_path,
        {**balancer.given, "lb_weights": {"web-1": 0, "web-2": 0}},
        {**balancer.given, "lb_weights": {"web-1": 10, "web-9": 10}},
        {**balancer.given, "haproxy_backend": "shop", "lb_weights": {"web-1": 10}},
        {**balancer.given, "lb_weights": {"web-1": -1}},
        {**balancer.given, "lb_weights": {"web-1; shutdown sessions server web/web-1": 1}},
        {**balancer.given, "lb_weights": {}},
        {"lb_weights": {"web-1": 1}},
        {"haproxy_socket": "/nowhere", "haproxy_backend": "web", "lb_weights": {"web-1": 1}},
    )
    assert [message for message in said if "set_weights.yml needs" in message] == said[3:7]
    assert balancer.weights() == ["100", "100", "100"]


def test_a_drained_server_gets_no_new_connection_until_it_is_undrained(balancer: LoadBalancer, tmp_path: Path) -> None:
    given = {**balancer.given, "lb_manager": "haproxy", "lb_backend": "web-1"}
    only_looks_in_check_mode("drain_backend.yml", tmp_path, given)
    assert balancer.status("web-1").startswith("UP")
    does_its_work_once("drain_backend.yml", tmp_path, given)
    assert balancer.status("web-1").startswith("DRAIN")
    only_looks_in_check_mode("undrain_backend.yml", tmp_path, given)
    assert balancer.status("web-1").startswith("DRAIN")
    does_its_work_once("undrain_backend.yml", tmp_path, given)
    assert balancer.status("web-1").startswith("UP")


def test_draining_waits_for_requests_under_way(balancer: LoadBalancer, tmp_path: Path) -> None:
    given = {**balancer.given, "lb_manager": "haproxy", "lb_backend": "web-1", "lb_drain_wait": 1}
    for other in ("web-2", "web-3"):
        balancer.say(f"set server web/{other} weight 0")
    with closing(socket.create_connection(("127.0.0.1", balancer.port))) as request:
        request.sendall(b"a request that takes its time")
        wait_until(lambda: "web-1" in balancer.say("show sess"), "the request is under way")
        balancer.say("set server web/web-2 weight 100")
        assert not play("drain_backend.yml", tmp_path, given).succeeded
        assert balancer.status("web-1").startswith("DRAIN")
    ended = play("drain_backend.yml", tmp_path, given)
    assert (ended.succeeded, ended.changed) == (True, 0), ended.output


def test_the_last_server_is_never_drained_and_a_maintenance_never_ended(balancer: LoadBalancer, tmp_path: Path) -> None:
    for other in ("web-2", "web-3"):
        balancer.say(f"set server web/{other} state maint")
    given = {**balancer.given, "lb_manager": "haproxy", "lb_backend": "web-1"}
    told = refusals(
        "drain_backend.yml", tmp_path, given, {**given, "lb_backend": "web-9"}, {**given, "lb_backend": "a b"}
    )
    assert "web-1 is the last server of backend web that gets requests" in told[0]
    assert "backend web has no server web-9, only web-1, web-2, web-3" in told[1]
    assert "drain_backend.yml needs" in told[2]
    assert balancer.status("web-1").startswith("UP")
    [held] = refusals("undrain_backend.yml", tmp_path, {**given, "lb_backend": "web-2"})
    assert "web-2 is in maintenance in backend web" in held
    assert balancer.status("web-2").startswith("MAINT")
