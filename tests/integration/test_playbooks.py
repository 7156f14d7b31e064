"""The shipped playbooks on the lab's real processes: what they do, that they do it once, and nothing in check mode."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lab.children import Children
from lab.serving import Unavailable, fetch
from lab.shop import CHECKOUT, Shop, open_shop
from lab.topology import PORT


class Played(NamedTuple):
    """How one `ansible-playbook` ended."""

    succeeded: bool
    changed: int
    output: str


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    folder = Path(tempfile.mkdtemp(prefix="bsm-", dir="/tmp"))  # sockets need a short path
    try:
        with Children() as children:
            yield open_shop(children, folder)
    finally:
        shutil.rmtree(folder)


def _play(shop: Shop, playbook: str, host: str, *, check: bool = False, **variables: object) -> Played:
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(shop.inventory), "--limit", host]
    command += [part for name, value in variables.items() for part in ("-e", json.dumps({name: value}))]
    command += [*(["--check"] if check else []), str(CHECKOUT / "playbooks" / playbook)]
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
    changed = sum(int(number) for number in re.findall(r"changed=(\d+)", done.stdout))
    return Played(done.returncode == 0, changed, done.stdout + done.stderr)


def _answers(shop: Shop, host: str, kind: str, path: str = "/healthz", method: str = "GET") -> bool:
    try:
        return fetch(shop.network.address(host), PORT[kind], path, method=method).status == 200
    except Unavailable:
        return False


def _backend(shop: Shop, name: str) -> dict[str, object]:
    found: dict[str, object] = fetch(shop.network.address("lb1"), PORT["lb-admin"], "/backends").body[name]
    return found


def _role_of_standby(shop: Shop) -> str:
    return str(fetch(shop.network.address("db2"), PORT["database"], "/healthz").body["role"])


def test_a_crashed_service_is_started_once_and_a_running_one_left_alone(shop: Shop) -> None:
    shop.break_("cache")
    tried = _play(shop, "restart_service.yml", "app1", check=True, service_name="cache", service_port=PORT["cache"])
    assert (tried.succeeded, tried.changed) == (True, 0), tried.output
    assert not _answers(shop, "app1", "cache")
    assert not _answers(shop, "lb1", "lb", "/search")
    first = _play(shop, "restart_service.yml", "app1", service_name="cache", service_port=PORT["cache"])
    assert (first.succeeded, first.changed) == (True, 1), first.output
    assert _answers(shop, "lb1", "lb", "/search")
    pid = shop.pid("cache")
    second = _play(shop, "restart_service.yml", "app1", service_name="cache", service_port=PORT["cache"])
    assert (second.succeeded, second.changed) == (True, 0), second.output
    assert shop.pid("cache") == pid


def test_a_service_that_runs_but_hangs_is_restarted(shop: Shop) -> None:
    pid = shop.pid("historian")
    os.kill(pid, signal.SIGSTOP)
    url = f"http://{shop.network.at('plant1', 'historian')}/healthz"
    played = _play(shop, "restart_service.yml", "plant1", service_name="historian", service_url=url)
    assert (played.succeeded, played.changed) == (True, 1), played.output
    assert shop.pid("historian") != pid


def test_a_service_of_plain_commands_is_started_once(shop: Shop, tmp_path: Path) -> None:
    mark = tmp_path / "runs"
    commands: dict[str, Any] = {
        "service_manager": "command",
        "service_name": "mark",
        "service_status_command": ["test", "-e", str(mark)],
        "service_start_command": ["touch", str(mark)],
    }
    assert _play(shop, "restart_service.yml", "web1", check=True, **commands).changed == 0
    assert not mark.exists()
    first = _play(shop, "restart_service.yml", "web1", **commands)
    assert (first.succeeded, first.changed, mark.exists()) == (True, 1, True), first.output
    assert _play(shop, "restart_service.yml", "web1", **commands).changed == 0


def test_a_drained_backend_gets_no_requests_until_it_is_undrained(shop: Shop) -> None:
    assert _play(shop, "drain_backend.yml", "lb1", check=True, lb_backend="web-1").changed == 0
    assert _backend(shop, "web-1")["draining"] is False
    drained = _play(shop, "drain_backend.yml", "lb1", lb_backend="web-1")
    assert (drained.succeeded, drained.changed) == (True, 1), drained.output
    served = _backend(shop, "web-1")["served"]
    assert all(_answers(shop, "lb1", "lb", "/search") for _ in range(4))
    assert _backend(shop, "web-1")["served"] == served
    assert _play(shop, "drain_backend.yml", "lb1", lb_backend="web-1").changed == 0
    assert _play(shop, "undrain_backend.yml", "lb1", check=True, lb_backend="web-1").changed == 0
    undrained = _play(shop, "undrain_backend.yml", "lb1", lb_backend="web-1")
    assert (undrained.succeeded, undrained.changed) == (True, 1), undrained.output
    assert _backend(shop, "web-1")["draining"] is False
    assert _play(shop, "undrain_backend.yml", "lb1", lb_backend="web-1").changed == 0


def test_a_backend_that_nobody_knows_is_refused(shop: Shop) -> None:
    played = _play(shop, "drain_backend.yml", "lb1", lb_backend="web-9")
    assert not played.succeeded
    assert "no backend web-9, only web-1, web-2" in played.output


def test_diagnostics_are_written_once_for_their_owner_alone(shop: Shop) -> None:
    report = shop.folder / "diagnostics" / "api-manual.txt"
    assert _play(shop, "collect_diagnostics.yml", "app1", check=True, service_name="api").succeeded
    assert not report.exists()
    played = _play(shop, "collect_diagnostics.yml", "app1", service_name="api")
    assert played.succeeded, played.output
    assert "api                              RUNNING" in report.read_text()
    assert report.stat().st_mode & 0o777 == 0o600
    assert _play(shop, "collect_diagnostics.yml", "app1", service_name="api").changed == 0


def test_the_standby_takes_over_only_when_the_primary_is_gone(shop: Shop) -> None:
    refused = _play(shop, "fail_over.yml", "db2")
    assert not refused.succeeded
    assert "another primary holds" in refused.output
    assert _role_of_standby(shop) == "standby"
    shop.break_("database-disk")
    restarted = _play(
        shop, "restart_service.yml", "db1", service_name="database", service_port=PORT["database"], service_wait=2
    )
    assert not restarted.succeeded
    assert _play(shop, "fail_over.yml", "db2", check=True).changed == 0
    assert _role_of_standby(shop) == "standby"
    promoted = _play(shop, "fail_over.yml", "db2")
    assert (promoted.succeeded, promoted.changed) == (True, 1), promoted.output
    assert _role_of_standby(shop) == "primary"
    assert _answers(shop, "lb1", "lb", "/checkout", "POST")
    assert _play(shop, "fail_over.yml", "db2").changed == 0
