"""Workers are scaled under a real supervisord; under systemd by a stand-in for systemctl that runs real processes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.children import Children
from tests.integration.library.daemons import wait_until
from tests.integration.library.playing import PROGRAMS, does_its_work_once, only_looks_in_check_mode, play, refusals

SYSTEMCTL = """#!{python} -S
# What of systemctl the playbook uses; a unit that runs is a file with the number of its process.
import fnmatch, os, pathlib, signal, subprocess, sys
units = pathlib.Path({folder!r})
verb, words = sys.argv[1], [word for word in sys.argv[2:] if not word.startswith("-")]
if verb == "list-units":
    for unit in sorted(units.iterdir()):
        if fnmatch.fnmatch(unit.name, words[0]):
            print(unit.name, "loaded active running A worker")
states = ["active" if (units / word).exists() else "inactive" for word in words]
if verb == "is-active":
    print(*states, sep=chr(10))
    sys.exit(0 if "active" in states else 3)
for word in words if verb != "list-units" else []:
    if verb == "enable" and "broken" in word:
        continue
    if verb == "enable":
        (units / word).write_text(str(subprocess.Popen(["sleep", "300"], start_new_session=True).pid))
    elif verb == "disable":
        os.kill(int((units / word).read_text()), signal.SIGTERM)
        (units / word).unlink()
"""


class Supervisor:
    """A supervisord with the program `mailer`, two processes of it, and another program."""

    def __init__(self, children: Children, folder: Path) -> None:
        folder.mkdir()
        self.file = folder / "mailer.conf"
        self.file.write_text(
            "[program:mailers]\ncommand=sleep 300\nnumprocs=1\nprocess_name=%(program_name)s_%(process_num)02d\n"
            "[program:mailer]\ncommand=sleep 300\nprocess_name=%(program_name)s_%(process_num)02d\n"
            "numprocs = 2\nautorestart=false\nstartsecs=0\n[program:other]\ncommand=sleep 300\nnumprocs=1\n"
        )
        configuration = folder / "supervisord.conf"
        configuration.write_text(
            f"[supervisord]\nnodaemon=true\nlogfile={folder}/log\npidfile={folder}/pid\nchildlogdir={folder}\n"
            f"[unix_http_server]\nfile={folder}/sock\n[supervisorctl]\nserverurl=unix://{folder}/sock\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
            f"[include]\nfiles={self.file}\n"
        )
        command = [str(PROGRAMS / "supervisord"), "-c", str(configuration)]
        self.given: dict[str, object] = {
            "worker_manager": "supervisor",
            "worker_name": "mailer",
            "worker_file": str(self.file),
            "supervisor_ctl": str(PROGRAMS / "supervisorctl"),
            "supervisor_config": str(configuration),
        }
        self._process = children.start(command, log=folder / "out", cwd=folder, environment=dict(os.environ))
        wait_until((folder / "sock").exists, "supervisord has begun")
        wait_until(lambda: len(self.workers()) == 4, "its programs run")

    def workers(self) -> list[int]:
        """Numbers of all processes that it has started."""
        tasks = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [int(pid) for pid in tasks.read_text().split()]


@pytest.fixture(scope="module")
def supervisor(children: Children, ground: Path) -> Supervisor:
    return Supervisor(children, ground / "supervisor")


def test_supervisor_runs_as_many_processes_of_that_program_as_wanted(supervisor: Supervisor, tmp_path: Path) -> None:
    more = {**supervisor.given, "worker_count": 4}
    before = supervisor.file.read_text()
    only_looks_in_check_mode("scale_workers.yml", tmp_path, more)
    assert (supervisor.file.read_text(), len(supervisor.workers())) == (before, 4)
    does_its_work_once("scale_workers.yml", tmp_path, more, run=(2, 1))
    assert supervisor.file.read_text() == before.replace("numprocs = 2", "numprocs = 4")
    assert len(supervisor.workers()) == 6
    os.kill(max(supervisor.workers()), signal.SIGKILL)  # one of those that were added
    wait_until(lambda: len(supervisor.workers()) == 5, "one is gone")
    again = play("scale_workers.yml", tmp_path, more)
    assert again.succeeded, again.output
    assert len(supervisor.workers()) == 6
    fewer = play("scale_workers.yml", tmp_path, {**supervisor.given, "worker_count": 1})
    assert fewer.succeeded, fewer.output
    assert len(supervisor.workers()) == 3


def test_the_number_of_a_pool_that_scales_goes_first(supervisor: Supervisor, tmp_path: Path) -> None:
    played = play(
        "scale_workers.yml", tmp_path, {**supervisor.given, "worker_count": 9}, bsm={"replicas": 3}, run=(3, 1)
    )
    assert played.succeeded, played.output
    assert len(supervisor.workers()) == 5  # two are of the other programs


@pytest.fixture
def units(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "units"
    folder.mkdir()
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(SYSTEMCTL.format(python=sys.executable, folder=str(folder)))
    systemctl.chmod(0o755)
    yield folder
    for unit in folder.iterdir():
        os.kill(int(unit.read_text()), signal.SIGTERM)


def test_systemd_starts_what_is_missing_and_stops_what_is_too_much(units: Path, tmp_path: Path) -> None:
    given: dict[str, object] = {"worker_name": "mailer", "worker_systemctl": str(tmp_path / "systemctl")}
    only_looks_in_check_mode("scale_workers.yml", tmp_path, {**given, "worker_count": 3})
    assert list(units.iterdir()) == []
    does_its_work_once("scale_workers.yml", tmp_path, {**given, "worker_count": 3})
    started = {unit.name: unit.read_text() for unit in units.iterdir()}
    assert set(started) == {"mailer@1.service", "mailer@2.service", "mailer@3.service"}
    (units / "mailer@blue.service").write_text(started.pop("mailer@3.service"))
    (units / "mailer@3.service").unlink()
    fewer = play("scale_workers.yml", tmp_path, {**given, "worker_count": 1})
    assert fewer.succeeded, fewer.output
    assert {unit.name for unit in units.iterdir()} == {"mailer@1.service", "mailer@blue.service"}
    assert (units / "mailer@1.service").read_text() == started["mailer@1.service"]


def test_workers_that_do_not_come_up_are_a_failure(units: Path, tmp_path: Path) -> None:
    systemctl = {"worker_systemctl": str(tmp_path / "systemctl"), "worker_wait": 1}
    played = play("scale_workers.yml", tmp_path, {**systemctl, "worker_name": "broken", "worker_count": 1})
    assert not played.succeeded
    assert list(units.iterdir()) == []


def test_too_many_too_few_and_unclear_workers_are_refused(units: Path, tmp_path: Path) -> None:
    given: dict[str, object] = {"worker_name": "mailer", "worker_systemctl": str(tmp_path / "systemctl")}
    bare = tmp_path / "bare.conf"
    bare.write_text("[program:mailer]\ncommand=sleep 1\n[program:other]\nnumprocs=3\n")
    said = refusals(
        "scale_workers.yml",
        tmp_path,
        {**given, "worker_count": 0},
        {**given, "worker_count": 33},
        {**given, "worker_count": "many"},
        {**given, "worker_count": 5, "worker_max": 4},
        {**given, "worker_count": 1, "worker_name": "mailer@1 nginx"},
        {**given},
        {**given, "worker_count": 1, "worker_manager": "supervisor"},
        {**given, "worker_count": 1, "worker_manager": "supervisor", "worker_file": str(bare)},
    )
    assert all("scale_workers.yml needs" in message for message in said[:-1]), said
    assert "has no [program:mailer] with a line numprocs=NUMBER" in said[-1]
    assert list(units.iterdir()) == []
