"""What every executor promises: Ansible itself, and the stand-in that tests of the engine use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bsm_remediate.adapters.ansible.warm import WarmServers
from bsm_remediate.domain.playbook import PlaybookEvent, PlaybookOutcome, PlaybookResult
from bsm_remediate.ports import Executor
from bsm_remediate.testing.clock import VirtualClock
from bsm_remediate.testing.executor import Scripted, SimulatedExecutor
from bsm_remediate.testing.local_ansible import NEW_YEAR, LocalAnsible, a_call


def _ansible(root: Path, warm: WarmServers | None = None) -> Executor:
    local = LocalAnsible(root, warm=warm)
    local.write_playbook("good.yml", "- name: Say it\n  ansible.builtin.debug: {msg: hello}\n  changed_when: true")
    local.write_playbook("bad.yml", "- name: Break\n  ansible.builtin.fail: {msg: broken}")
    local.write_playbook("endless.yml", "- name: Sleep\n  ansible.builtin.command: sleep 60")
    local.write_playbook("elsewhere.yml", "- name: Nobody\n  ansible.builtin.command: 'true'", hosts="web*")
    return local.executor()


def _simulated(_root: Path) -> Executor:
    executor = SimulatedExecutor(
        VirtualClock(NEW_YEAR),
        hosts={"h1", "h2"},
        playbooks={"good.yml", "bad.yml", "endless.yml", "elsewhere.yml"},
    )
    executor.script("bad.yml", Scripted(outcome=PlaybookOutcome.FAILED, duration_s=1))
    executor.script("endless.yml", Scripted(duration_s=60))
    executor.script("elsewhere.yml", Scripted(outcome=PlaybookOutcome.NO_HOST_MATCHED))
    return executor


def _warm_ansible(root: Path) -> Iterator[Executor]:
    warm = WarmServers(root / "state")
    yield _ansible(root, warm)
    warm.close()


@pytest.fixture(params=["ansible", "warm ansible", "simulated"], scope="module")
def executor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    root = tmp_path_factory.mktemp("project")
    if request.param == "warm ansible":
        yield from _warm_ansible(root)
    else:
        yield _ansible(root) if request.param == "ansible" else _simulated(root)


def _carry_out(executor: Executor, playbook: str, *, hosts: tuple[str, ...] = ("h1",)) -> PlaybookResult:
    return executor.execute(a_call(playbook, hosts=hosts), on_event=lambda _: None, cancelled=lambda: False)


def test_a_playbook_that_works_has_succeeded_and_told_each_host(executor: Executor) -> None:
    told: list[PlaybookEvent] = []
    result = executor.execute(a_call("good.yml"), on_event=told.append, cancelled=lambda: False)
    assert result.outcome is PlaybookOutcome.SUCCEEDED
    assert result.changed == 1
    assert [(event.kind, event.host) for event in told if event.host] == [("changed", "h1")]
    assert told[-1].kind == "stats"
    assert all(event.run == "run-1" and event.at.tzinfo is not None for event in told)


def test_a_failing_task_fails_the_run(executor: Executor) -> None:
    told: list[PlaybookEvent] = []
    result = executor.execute(a_call("bad.yml"), on_event=told.append, cancelled=lambda: False)
    assert result.outcome is PlaybookOutcome.FAILED
    assert result.exit_code == 2
    assert "h1" in result.reason
    assert "failed" in {event.kind for event in told}


def test_a_hanging_playbook_ends_at_its_time_limit(executor: Executor) -> None:
    call = a_call("endless.yml", time_limit_s=1.5)
    result = executor.execute(call, on_event=lambda _: None, cancelled=lambda: False)
    assert result.outcome is PlaybookOutcome.TIMED_OUT
    assert 1.5 <= result.duration_s < 8
    assert result.exit_code is None


def test_a_cancelled_playbook_stops_at_once(executor: Executor) -> None:
    told: list[PlaybookEvent] = []
    result = executor.execute(a_call("endless.yml"), on_event=told.append, cancelled=lambda: bool(told))
    assert result.outcome is PlaybookOutcome.CANCELLED
    assert result.duration_s < 8


def test_a_playbook_that_reaches_no_meant_host_has_not_succeeded(executor: Executor) -> None:
    assert _carry_out(executor, "elsewhere.yml").outcome is PlaybookOutcome.NO_HOST_MATCHED


@pytest.mark.parametrize("hosts", [(), ("h3",), ("h1", "h3")])
def test_hosts_that_the_inventory_lacks_are_refused(executor: Executor, hosts: tuple[str, ...]) -> None:
    result = _carry_out(executor, "good.yml", hosts=hosts)
    assert result.outcome is PlaybookOutcome.NOT_STARTED
    assert "host" in result.reason


def test_a_playbook_that_is_not_there_is_refused(executor: Executor) -> None:
    result = _carry_out(executor, "none.yml")
    assert result.outcome is PlaybookOutcome.NOT_STARTED
    assert "none.yml" in result.reason
