"""Runaway processes are ended by name and limits, and nothing else is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.library.daemons import wait_until
from tests.integration.library.playing import does_its_work_once, only_looks_in_check_mode, play, refusals

Start = Callable[..., subprocess.Popen[bytes]]
NAME = "bsm-runaway"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a program under another name, in a session of its own."""
    started: list[subprocess.Popen[bytes]] = []

    def under_name(name: str, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        path = tmp_path / name
        if not path.exists():
            path.symlink_to(shutil.which(program) or program)
        process = subprocess.Popen([str(path), *arguments], start_new_session=True)
        started.append(process)
        wait_until(lambda: Path(f"/proc/{process.pid}/comm").read_text().strip() == name[:15], f"{name} has begun")
        return process

    yield under_name
    for process in started:
        process.kill()
        process.wait()


def test_only_processes_of_that_very_name_over_all_limits_are_ended(start: Start, tmp_path: Path) -> None:
    spinning = start(NAME, "sh", "-c", "trap '' TERM; while :; do :; done")
    resting = start(NAME, "sh", "-c", "sleep 300; :")
    given: dict[str, object] = {
        "process_name": NAME,
        "process_min_cpu": 10,
        "process_min_age": 1,
        "process_sample": 1,
        "process_grace": 1,
    }
    only_looks_in_check_mode("kill_runaway_processes.yml", tmp_path, given)
    assert spinning.poll() is None
    does_its_work_once("kill_runaway_processes.yml", tmp_path, given)
    assert spinning.wait(timeout=5) == -9
    assert resting.poll() is None


def test_processes_that_are_too_big_end_gently_where_they_can(start: Start, tmp_path: Path) -> None:
    script = (
        "import signal, sys, time; memory = bytearray(80 << 20)\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (open({str(tmp_path / 'said')!r}, 'w'), sys.exit(3)))\n"
        f"open({str(tmp_path / 'ready')!r}, 'w')\ntime.sleep(300)"
    )
    big = start(NAME, sys.executable, "-c", script)
    longer = start(f"{NAME}s", sys.executable, "-c", "import time; memory = bytearray(80 << 20); time.sleep(300)")
    small = start(NAME, sys.executable, "-c", "import time; time.sleep(300)")
    wait_until((tmp_path / "ready").exists, "the memory is taken")
    played = play("kill_runaway_processes.yml", tmp_path, {"process_name": NAME, "process_min_rss": 60})
    assert (played.succeeded, played.changed) == (True, 1), played.output
    assert big.wait(timeout=5) == 3
    assert (tmp_path / "said").exists()
    assert (small.poll(), longer.poll()) == (None, None)


def test_more_of_them_than_expected_are_left_to_a_person(start: Start, tmp_path: Path) -> None:
    processes = [start(NAME, "sleep", "300") for _ in range(3)]
    given: dict[str, object] = {"process_name": NAME, "process_min_age": 1, "process_most": 2}
    wait_until(
        lambda: "more than process_most" in play("kill_runaway_processes.yml", tmp_path, given).output, "refused"
    )
    assert [process.poll() for process in processes] == [None] * 3


def test_the_way_that_it_comes_through_is_never_a_runaway(start: Start, tmp_path: Path) -> None:
    runaway = start(NAME, "sh", "-c", "sleep 300; :")
    through = (str(tmp_path / NAME), "-c", '"$@"; exit', "sh")  # a session of that very name
    played = play("kill_runaway_processes.yml", tmp_path, {"process_name": NAME, "process_min_age": 1}, through=through)
    assert (played.succeeded, played.changed) == (True, 1), played.output
    assert runaway.wait(timeout=5) == -15


def test_names_and_limits_that_could_end_too_much_are_refused(tmp_path: Path) -> None:
    said = refusals(
        "kill_runaway_processes.yml",
        tmp_path,
        {"process_name": "sshd", "process_min_age": 1},
        {"process_name": "systemd", "process_min_age": 1},
        {"process_name": "sleep"},
        {"process_name": "sle*", "process_min_age": 1},
        {"process_name": "", "process_min_age": 1},
        {"process_name": "sleep", "process_min_age": 0},
        {"process_name": "sleep", "process_min_age": "old"},
        {"process_name": "sleep", "process_min_cpu": -5},
        {"process_min_age": 1},
    )
    assert all("kill_runaway_processes.yml needs" in message for message in said), said
