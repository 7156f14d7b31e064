"""Which processes belong to a lab, and ending them. Only what carries the lab's mark, or is named by a pid file in its
folder and is what that says, is ever touched: somebody who reads a file of the lab is none of ours.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from lab.real.layout import HOSTS, Layout

_GRACE_S = 5.0


def of_lab(layout: Layout) -> set[int]:
    """All living processes of the lab but this one's own."""
    mark = f"BSM_LAB_MARK={layout.mark}".encode()
    ours = {pid for pid in _all() if mark in _read(pid, "environ").split(b"\0")}
    for host in HOSTS:
        ours.update(_named(layout.home(host) / "sshd.pid", b"sshd"))
        ours.update(_named(layout.home(host) / "data" / "postmaster.pid", b"postgres"))
    ours = {one for pid in ours for one in (pid, *descendants(pid))}
    return ours - _ancestors(os.getpid())


def engine_of_lab(layout: Layout) -> set[int]:
    """An engine that somebody started in the lab's folder."""
    token = f"BSM_TOKEN_FILE={layout.file('admin.token')}".encode()
    return {
        pid
        for pid in _all()
        if b"serve" in (words := _read(pid, "cmdline").split(b"\0"))
        and any(b"bsm" in word for word in words)
        and token in _read(pid, "environ").split(b"\0")
    }


def descendants(pid: int) -> set[int]:
    """Children, their children and so on."""
    children: dict[int, list[int]] = {}
    for one in _all():
        children.setdefault(_parent(one), []).append(one)
    found: set[int] = set()
    todo = [pid]
    while todo:
        for child in children.get(todo.pop(), []):
            if child not in found:
                found.add(child)
                todo.append(child)
    return found


def end(pids: set[int], *, grace_s: float = _GRACE_S) -> None:
    """Ask them to end, wait, kill what is left."""
    for number, patience in ((signal.SIGTERM, grace_s), (signal.SIGKILL, grace_s)):
        for pid in pids:
            if pid <= 1:
                raise ValueError(f"{pid} is no process to end")
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + patience
        while any(is_alive(pid) for pid in pids):
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        else:
            return


def kill_group(leader: int) -> None:
    """`kill -9` of a supervised program and what it forked: a surviving worker would keep the port. Raises
    `ValueError` for numbers that mean everybody.
    """
    group = os.getpgid(leader)
    if leader <= 1 or group <= 1 or group == os.getpgrp():
        raise ValueError(f"{leader} leads no group of the lab")
    os.killpg(group, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Whether it runs; one that has ended and isn't reaped yet doesn't."""
    stat = _read(pid, "stat")
    return bool(stat) and stat.rpartition(b")")[2].split()[:1] != [b"Z"]


def _named(pid_file: Path, program: bytes) -> set[int]:
    try:
        pid = int(pid_file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return set()
    return {pid} if pid > 1 and program in _read(pid, "cmdline") else set()


def _all() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _ancestors(pid: int) -> set[int]:
    found = set()
    while pid > 1:
        found.add(pid)
        pid = _parent(pid)
    return found


def _parent(pid: int) -> int:
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _read(pid: int, what: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes()
    except OSError:
        return b""  # it has just ended, or is somebody else's
