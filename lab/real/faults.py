"""Breaking the lab, and mending by hand what a fault has done."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from lab.real import databases
from lab.real.hosts import start_sshd, supervised_pid, supervisorctl
from lab.real.layout import MANAGED, PROGRAMS, Layout, Program
from lab.real.processes import descendants, end, kill_group
from lab.real.shop import Lab
from lab.real.wire import redis

DISK = "database-disk"
POISON = "cache-poison"
_SSH = "ssh@"
_HANG = "hang@"
_MEND_WITHIN_S = 30.0
_CONTROL = Path("global") / "pg_control"


def known_faults() -> dict[str, str]:
    """Fault → what it does."""
    killed = [one.component or one.name for one in PROGRAMS if one.component or one.host == "mon"]
    return {
        **dict.fromkeys(killed, "kill -9 of its process"),
        DISK: "kills the primary and damages its data, so that only the standby helps",
        POISON: "puts rubbish into the cache: Redis works, the catalogue doesn't",
        **{f"{_HANG}{one.component}": "stops its process without ending it" for one in PROGRAMS if one.component},
        **{f"{_SSH}{host}": "its sshd is gone: nobody can log in" for host in MANAGED},
    }


def break_(lab: Lab, fault: str) -> str:
    """Do it, and say what was done. Raises `ValueError` for a fault that nobody knows, `RuntimeError` when it can't
    be done, as when the process is gone already.
    """
    if fault not in known_faults():
        raise ValueError(f"'{fault}' can't be broken; known are {', '.join(known_faults())}")
    layout = lab.layout
    if fault.startswith(_SSH):
        return _close_ssh(layout, fault.removeprefix(_SSH))
    if fault == POISON:
        redis((layout.address("cache1"), layout.ports["redis"]), "SET", "catalogue", "{rubbish")
        return "the cache's entry `catalogue` is rubbish now"
    one = _program("database" if fault == DISK else fault.removeprefix(_HANG))
    pid = supervised_pid(layout, one.host, one.name)
    if fault.startswith(_HANG):
        for each in {pid, *descendants(pid)}:
            os.kill(each, signal.SIGSTOP)
        return f"{one.name} on {one.host} (process {pid}) is stopped"
    kill_group(pid)
    if fault == DISK:
        control = layout.home(one.host) / "data" / _CONTROL
        control.write_bytes(b"\0" * 8192)
        return f"kill -9 {pid} ({one.name} on {one.host}), and its control file is overwritten"
    return f"kill -9 {pid} ({one.name} on {one.host})"


def mend(lab: Lab, fault: str) -> None:
    """Undo `fault` by hand, whatever the engine has done about it meanwhile. Raises `ValueError`, `RuntimeError`."""
    if fault not in known_faults():
        raise ValueError(f"'{fault}' can't be mended; known are {', '.join(known_faults())}")
    layout = lab.layout
    if fault.startswith(_SSH):
        start_sshd(layout, fault.removeprefix(_SSH))
        return
    if fault == POISON:
        redis((layout.address("cache1"), layout.ports["redis"]), "DEL", "catalogue")
        return
    name = "database" if fault == DISK else fault.removeprefix(_HANG)
    if name in ("database", "standby"):
        _mend_databases(lab)
        return
    one = _program(name)
    _continue(layout, one)
    if not lab.answers(one):
        supervisorctl(layout, one.host, "restart", one.name)
    deadline = time.monotonic() + _MEND_WITHIN_S
    while not lab.answers(one):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{one.name} on {one.host} doesn't come up; see {layout.home(one.host)}/{one.name}.log")
        time.sleep(0.1)


def mend_all(lab: Lab) -> None:
    """Back to how the lab was made. Returns when nothing alerts any more. Raises `RuntimeError` when it can't be."""
    for host in MANAGED:
        if not lab.listens(host, "ssh"):
            start_sshd(lab.layout, host)
    for one in PROGRAMS:
        if not lab.answers(one):
            _continue(lab.layout, one)
    _mend_databases(lab)
    for one in PROGRAMS:
        if one.name != "postgres" and not lab.answers(one):
            supervisorctl(lab.layout, one.host, "restart", one.name)
    mend(lab, POISON)
    lab.wait_until_well(time.monotonic() + _MEND_WITHIN_S)


def _mend_databases(lab: Lab) -> None:
    """Started again where that is enough, else built anew."""
    for host, component in (("db1", "database"), ("db2", "standby")):
        if not lab.answers(_program(component)):
            _continue(lab.layout, _program(component))
        if "RUNNING" not in supervisorctl(lab.layout, host, "status", "postgres"):
            supervisorctl(lab.layout, host, "start", "postgres")
    deadline = time.monotonic() + 3.0
    while time.monotonic() < deadline:
        if databases.is_as_made(lab.layout):
            return
        time.sleep(0.2)
    databases.rebuild(lab.layout)


def _program(name: str) -> Program:
    return next(one for one in PROGRAMS if name in (one.component, one.name))


def _continue(layout: Layout, one: Program) -> None:
    """Let a stopped process go on; nothing for others."""
    with suppress(RuntimeError, ProcessLookupError):
        pid = supervised_pid(layout, one.host, one.name)
        for each in {pid, *descendants(pid)}:
            os.kill(each, signal.SIGCONT)


def _close_ssh(layout: Layout, host: str) -> str:
    """The daemon and its sessions: a connection that Ansible keeps open would go on."""
    file = layout.home(host) / "sshd.pid"
    try:
        pid = int(file.read_text())
    except (OSError, ValueError) as error:
        raise RuntimeError(f"{host} has no sshd any more") from error
    end({pid, *descendants(pid)})
    return f"sshd of {host} (process {pid}) is gone"
