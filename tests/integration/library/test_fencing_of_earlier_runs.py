"""What an earlier run has left on a host is ended before a playbook acts; nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.library.daemons import wait_until
from tests.integration.library.playing import Played, play

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process with a mark, as a task of that run would have left it."""
    started: list[subprocess.Popen[bytes]] = []

    def with_mark(mark: str | None, *command: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **({"BSM_RUN": mark} if mark is not None else {})}
        started.append(subprocess.Popen(command or ("sleep", "300"), env=environment, start_new_session=True))
        return started[-1]

    yield with_mark
    for process in started:
        process.kill()
        process.wait()


def _repair(folder: Path, run: tuple[int, int], *, host: str = "h1", check: bool = False) -> Played:
    done = folder / "done"
    given: dict[str, object] = {
        "service_name": "part",
        "service_manager": "command",
        "service_status_command": ["test", "-e", str(done)],
        "service_start_command": ["touch", str(done)],
    }
    return play("restart_service.yml", folder, given, run=run, host=host, check=check)


def test_only_older_runs_on_the_same_host_are_ended(start: Start, tmp_path: Path) -> None:
    older = start("7.1.Restart-a-service@h1")
    earlier_attempt = start("9.1.Restart-a-service@h1")
    rolled_back = start("9.2.Drain-a-backend@h1")
    spared = [
        start("9.2.Restart-a-service@h1"),
        start("9.3.Restart-a-service@h1"),
        start("12.1.Restart-a-service@h1"),
        start("7.1.Restart-a-service@h2"),
        start("7.1.Restart-a-service@h1.example"),
        start("7.1.Restart-a-service@h1/part-1"),
        start("nonsense"),
        start(None),
    ]
    assert _repair(tmp_path, (9, 2), check=True).succeeded
    assert older.poll() is None
    played = _repair(tmp_path, (9, 2))
    assert played.succeeded, played.output
    assert [process.wait(timeout=5) for process in (older, earlier_attempt, rolled_back)] == [-9, -9, -9]
    assert [process.poll() for process in spared] == [None] * len(spared)


def test_a_shell_whose_command_is_ended_never_comes_to_its_next_one(start: Start, tmp_path: Path) -> None:
    effect = tmp_path / "effect"
    shells = [start("7.1.x@h1", "sh", "-c", f"trap '' TERM; sleep 300; echo late >> {effect}") for _ in range(3)]
    breeding = (
        "import os, sys, time\nwhile True:\n    os.fork() or (time.sleep(0.3), os._exit(0))\n    time.sleep(0.01)"
    )
    shells.append(start("8.4.x@h1", sys.executable, "-c", breeding))
    played = _repair(tmp_path, (9, 1))
    assert played.succeeded, played.output
    assert [shell.wait(timeout=5) for shell in shells] == [-9] * 4
    assert not effect.exists()
    assert _marked("@h1") == []


def test_runs_that_share_a_host_as_a_place_to_run_from_leave_each_other_alone(start: Start, tmp_path: Path) -> None:
    own = start("7.1.x@localhost/part-1")
    others = start("7.1.x@localhost/part-2")
    assert _repair(tmp_path, (9, 1), host="localhost").succeeded
    assert own.wait(timeout=5) == -9
    assert others.poll() is None


def test_a_host_of_the_same_name_at_another_address_is_another_host(start: Start, tmp_path: Path) -> None:
    named_alike = start("7.1.x@h1/10.0.0.1")
    own = start("7.1.x@h1/127.0.0.1")
    given = {"service_name": "part", "service_manager": "command", "service_start_command": ["true"]}
    hosts = {"h1": {"ansible_host": "127.0.0.1"}}
    played = play("restart_service.yml", tmp_path, given, run=(9, 1), hosts=hosts)
    assert played.succeeded, played.output
    assert own.wait(timeout=5) == -9
    assert named_alike.poll() is None


def test_tasks_carry_the_mark_and_daemons_they_start_do_not(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    daemon = f"env > {seen}.daemon; exec setsid sleep 0.2"
    given: dict[str, object] = {
        "service_name": "part",
        "service_manager": "command",
        "service_status_command": ["sh", "-c", f"env > {seen}.task; false"],
        "service_start_command": ["sh", "-c", daemon],
    }
    played = play("restart_service.yml", tmp_path, given, run=(9, 2))
    assert played.succeeded, played.output
    assert "BSM_RUN=9.2.Restart-a-service@h1\n" in Path(f"{seen}.task").read_text()
    wait_until(Path(f"{seen}.daemon").exists, "the daemon has started")
    assert "BSM_RUN" not in Path(f"{seen}.daemon").read_text()


def _marked(end: str) -> list[str]:
    marks = []
    for folder in Path("/proc").iterdir():
        try:
            variables = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        marks += [one for one in variables if one.startswith("BSM_RUN=") and one.endswith(end)]
    return marks
