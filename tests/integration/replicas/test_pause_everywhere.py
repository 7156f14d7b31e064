"""A pause on three replicas: once it is said to hold nothing begins anywhere, also when a replica doesn't answer."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.integration.replicas.fleet import Fleet, Replica, eventually, started
from tests.integration.replicas.world import HOSTS


@pytest.fixture
def fleet(tmp_path: Path, postgres_url: str) -> Iterator[Fleet]:
    yield from started(Fleet(tmp_path, postgres_url))


def ask(replica: Replica, path: str, **body: object) -> dict[str, Any]:
    answer = requests.post(f"{replica.url}/api/v1/{path}", json={"reason": "so", **body}, timeout=20)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def begun(fleet: Fleet) -> int:
    return sum(run["started_at"] is not None for run in fleet.any().get("runs")["items"])


def test_once_a_pause_is_said_to_hold_nothing_begins_on_any_replica(fleet: Fleet) -> None:
    for number, host in enumerate(HOSTS):
        fleet.post(fleet.world.break_(host), first=number)
    eventually(lambda: begun(fleet) >= 2)
    asked = time.monotonic()
    answer = ask(fleet.replicas[1], "pause")
    assert answer["behind"] == []
    assert time.monotonic() - asked < 5  # measured: half a second
    at_the_pause = begun(fleet)
    assert at_the_pause < len(HOSTS)
    time.sleep(8)  # longer than the runs under way take
    assert begun(fleet) == at_the_pause
    assert [run["state"] for run in fleet.any().get("runs")["items"] if run["state"] in {"queued", "running"}] == []
    for one in fleet.replicas:
        (pause,) = one.get("guards")["pauses"]
        assert (pause["scope"], pause["reason"]) == ("", "so")
    ask(fleet.replicas[2], "resume")
    eventually(lambda: all(fleet.world.is_well(host) for host in HOSTS), within_s=90)
    assert fleet.world.overlaps() == []


@pytest.mark.parametrize("harm", ["kill", "stop", "cut"])
def test_a_replica_that_cannot_say_so_is_waited_for_until_it_is_dead(fleet: Fleet, harm: str) -> None:
    lost, *others = fleet.replicas
    if harm == "kill":
        lost.kill()
    elif harm == "stop":
        lost.signal(signal.SIGSTOP)
    else:
        lost.network.cut()
    asked = time.monotonic()
    answer: dict[str, Any] = {"answer": None}
    while answer["answer"] is None:  # the lost one may have led
        answer = ask(others[0], "pause")
    assert answer["behind"] == []
    assert time.monotonic() - asked < 12  # measured: three to four seconds, until it is taken for dead
    fleet.post(fleet.world.break_("app-0"), first=1)
    time.sleep(3)
    assert others[1].get("runs")["items"] == []
    assert fleet.world.attempts() == 0
