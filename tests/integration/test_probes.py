"""Looks at real ports, a real HTTP server and a real command."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bsm_remediate.adapters.ansible.host_probe import AnsibleProber
from bsm_remediate.adapters.ansible.project import AnsibleProjects
from bsm_remediate.adapters.network_probe import NetworkProber
from bsm_remediate.adapters.system_clock import SystemClock
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.matcher import Matcher, MatchOperator
from bsm_remediate.domain.policy import Check, CheckKind
from bsm_remediate.domain.service_map import Component
from bsm_remediate.domain.verification import Observation
from bsm_remediate.testing.local_ansible import LocalAnsible

HERE = Component(id=NodeId("web-1"), host="h1", address="127.0.0.1")


class _Target:
    """A template without anything to fill in."""

    def __init__(self, source: str) -> None:
        self.source = source

    def __call__(self, component: Component) -> str:
        return self.source.replace("{{ component.address }}", component.address)


class _Shop(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        answers = {"/": (200, b"open\nfor business"), "/moved": (302, b""), "/broken": (500, b"open")}
        status, body = answers.get(self.path, (404, b""))
        self.send_response(status)
        self.send_header("Location", "/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        return


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Shop) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def _look(kind: CheckKind, target: str, *, status: int = 200, body: str | None = None) -> Observation:
    matcher = Matcher(label="body", operator=MatchOperator.REGEX, value=body) if body is not None else None
    check = Check(kind=kind, target=_Target(target), status=status, body=matcher)
    return NetworkProber(SystemClock()).look(check, HERE, cancelled=lambda: False)


def test_an_open_port_holds(shop: str) -> None:
    seen = _look(CheckKind.TCP, "{{ component.address }}:" + shop.split(":")[1])
    assert seen.holds
    assert seen.detail == f"{shop} accepts connections"


def test_a_closed_port_does_not_hold() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    seen = _look(CheckKind.TCP, f"127.0.0.1:{port}")
    assert not seen.holds
    assert seen.detail == f"127.0.0.1:{port}: Connection refused"


@pytest.mark.parametrize(
    "target", ["", "5432", ":5432", "h:", "h:0", "h:65536", "h:x", "h:1²", "no.such.host.invalid:80"]
)
def test_a_target_that_makes_no_sense_does_not_hold_and_does_not_raise(target: str) -> None:
    assert not _look(CheckKind.TCP, target).holds


def test_status_and_body_must_both_fit(shop: str) -> None:
    url = f"http://{shop}"
    assert _look(CheckKind.HTTP, f"{url}/").detail == f"{url}/ answers 200"
    assert _look(CheckKind.HTTP, f"{url}/", body="for bus").holds
    assert not _look(CheckKind.HTTP, f"{url}/", body="closed").holds
    assert _look(CheckKind.HTTP, f"{url}/moved", status=302).holds
    assert not _look(CheckKind.HTTP, f"{url}/moved").holds
    broken = _look(CheckKind.HTTP, f"{url}/broken", body="open")
    assert (broken.holds, broken.detail) == (False, f"{url}/broken answers 500, not 200")


@pytest.mark.parametrize("url", ["", "127.0.0.1", "ftp://a/", "http://", "http://[", "http://a:99999/", "file:///etc"])
def test_an_address_that_is_none_does_not_hold_and_does_not_raise(url: str) -> None:
    seen = _look(CheckKind.HTTP, url)
    assert not seen.holds
    assert seen.detail


def test_a_server_that_does_not_answer_does_not_hold_up_the_engine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        seen = _look(CheckKind.HTTP, f"http://127.0.0.1:{silent.getsockname()[1]}/")
    assert not seen.holds
    assert seen.detail.endswith("no answer in time")


def test_a_command_holds_when_it_succeeds_on_the_components_host(tmp_path: Path) -> None:
    local = LocalAnsible(tmp_path)
    prober = AnsibleProber(
        projects=AnsibleProjects(usual=local.project), playbooks=local.playbooks, state=local.state, clock=SystemClock()
    )

    def look(line: str, host: str = "h1") -> Observation:
        check = Check(kind=CheckKind.COMMAND, target=_Target(line))
        return prober.look(check, Component(id=NodeId("web-1"), host=host), cancelled=lambda: False)

    canary = tmp_path / "canary"
    assert look(f"test -d '{tmp_path}'").holds
    failing = look(f"test -e {canary} ; touch {canary}")
    assert not failing.holds
    assert "failed on h1" in failing.detail
    templated = look(f"test \"{{{{ lookup('pipe','touch {canary}') }}}}\" = x")
    assert not templated.holds
    assert not canary.exists()
    assert look("true", host="all").detail.startswith("'all' is a group")
    assert look("").detail == "the command is empty"
    assert look("'unclosed").detail == "No closing quotation"
    assert list((local.state / "checks").iterdir()) == []


@pytest.fixture
def local(tmp_path: Path) -> LocalAnsible:
    return LocalAnsible(tmp_path)


def _look_by_playbook(
    local: LocalAnsible,
    playbook: str,
    component: Component,
    *,
    within_s: float = 60.0,
    cancelled: Callable[[], bool] = lambda: False,
) -> Observation:
    prober = AnsibleProber(
        projects=AnsibleProjects(usual=local.project),
        playbooks=local.playbooks,
        state=local.state,
        clock=SystemClock(),
        secrets=["t0p-secret"],
    )
    check = Check(kind=CheckKind.PLAYBOOK, target=_Target(playbook), within=timedelta(seconds=within_s))
    return prober.look(check, component, cancelled=cancelled)


def test_a_playbook_check_holds_when_it_succeeds_on_the_components_host(local: LocalAnsible) -> None:
    local.write_playbook(
        "look.yml", "- ansible.builtin.command: test -e " + str(local.root / "{{ inventory_hostname }}")
    )
    seen = _look_by_playbook(local, "look.yml", HERE)
    assert (seen.holds, "`look.yml`: failed on h1" in seen.detail) == (False, True)
    (local.root / "h1").touch()
    seen = _look_by_playbook(local, "look.yml", HERE)
    assert (seen.holds, seen.detail) == (True, "`look.yml` succeeds on h1")
    assert not (local.state / "runs").exists()
    assert list((local.state / "checks").iterdir()) == []


def test_what_it_is_told_of_the_component_stays_text(local: LocalAnsible) -> None:
    canary = local.root / "canary"
    lookup = f"{{{{ lookup('pipe', 'touch {canary}') }}}}"
    expression = "(bsm.component.labels | items2dict(key_name='name')).note is search('lookup')"
    local.write_playbook("look.yml", f'- ansible.builtin.assert: {{that: ["{expression}", "bsm.alerts == []"]}}')
    component = Component(id=NodeId("web-1"), host="h1", labels={"note": lookup})
    seen = _look_by_playbook(local, "look.yml", component)
    assert seen.holds, seen.detail
    assert not canary.exists()


def test_a_playbook_check_ends_in_time_and_leaves_no_process(local: LocalAnsible) -> None:
    local.write_playbook("sleep.yml", f"- ansible.builtin.command: sleep 300.{os.getpid()}")
    began = time.monotonic()
    seen = _look_by_playbook(local, "sleep.yml", HERE, within_s=1)
    assert time.monotonic() - began < 15
    assert (seen.holds, seen.detail) == (
        False,
        "`sleep.yml`: still running at its time limit, stopped after 0 task results",
    )
    assert not _sleeps()


def test_a_check_that_is_cut_off_does_not_hold_and_leaves_no_process(local: LocalAnsible) -> None:
    local.write_playbook("sleep.yml", f"- ansible.builtin.command: sleep 300.{os.getpid()}")
    began = time.monotonic()
    seen = _look_by_playbook(local, "sleep.yml", HERE, cancelled=_sleeps)
    assert time.monotonic() - began < 30  # it may take a minute
    assert not seen.holds
    assert not _sleeps()


def _sleeps() -> bool:
    found = subprocess.run(["pgrep", "-f", f"sleep 300.{os.getpid()}"], capture_output=True, check=False)
    return found.stdout != b""


@pytest.mark.parametrize(
    ("playbook", "host", "said"),
    [
        ("look.yml", "shop", "is a group"),
        ("look.yml", "h1,h2", "no plain host name"),
        ("look.yml", "h3", "is not in the inventory"),
        ("gone.yml", "h1", "there is no playbook"),
        ("../hosts.yml", "h1", "lies outside"),
        ("other.yml", "h1", "h1"),
        ("broken.yml", "h1", ""),
        ("secret.yml", "h1", "failed on h1"),
    ],
)
def test_what_cannot_be_looked_at_does_not_hold_and_says_why(
    local: LocalAnsible, playbook: str, host: str, said: str
) -> None:
    local.write_playbook("look.yml", "- ansible.builtin.ping:")
    local.write_playbook("other.yml", "- ansible.builtin.ping:", hosts="h2")
    local.write_playbook("secret.yml", "- ansible.builtin.fail: {msg: it is t0p-secret}")
    (local.playbooks / "broken.yml").write_text("- hosts: [")
    seen = _look_by_playbook(local, playbook, Component(id=NodeId("web-1"), host=host))
    assert not seen.holds
    assert said in seen.detail
    assert "t0p-secret" not in seen.detail
