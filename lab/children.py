"""Processes that the lab starts itself: each in a group of its own, gone when the lab is gone, whatever ends it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from lab.serving import die_with_parent

_GRACE_S = 4.0


class Children:
    """Started here, ended here, last one first. Use it as a context; start from the main thread only, since the
    kernel's parent-death signal follows the thread that forked.
    """

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[bytes]] = []
        self._kept: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(
        self, command: Sequence[str], *, log: Path, cwd: Path, environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """Start `command`, its output appended to `log`."""
        with log.open("ab") as output:
            child = subprocess.Popen(
                command,
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - the lab starts processes before it has threads that lock
            )
        self._started.append(child)
        return child

    def keep(self, claim: socket.socket) -> None:
        """Close `claim` once all have ended."""
        self._kept.append(claim)

    def end(self) -> None:
        """Ask all to end, wait, kill what is left of their groups."""
        started = [child for child in self._started[::-1] if child.returncode is None]  # the others are reaped already
        self._started = []
        for child in started:
            os.kill(child.pid, signal.SIGTERM)  # `terminate` would reap one that has ended by itself
        deadline = time.monotonic() + _GRACE_S
        for child in started:
            while not _has_ended(child.pid) and time.monotonic() < deadline:
                time.sleep(0.02)
            kill_group(child.pid)  # before it is reaped: until then nobody else can have its number
            child.wait()
        for claim in self._kept:
            claim.close()


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def wait_until_gone(folder: Path, *, grace_s: float = 5.0) -> bool:
    """Whether the processes that name `folder` in their arguments have ended.

    The playbooks of an engine that was killed end by themselves within a second or two. Nobody is killed here: somebody
    who reads a log in `folder` is none of ours.
    """
    deadline = time.monotonic() + grace_s
    while _names_in_arguments(folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _names_in_arguments(folder: Path) -> bool:
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) not in (os.getpid(), os.getppid()):
            with suppress(OSError):  # it has just ended
                if str(folder).encode() in (process / "cmdline").read_bytes():
                    return True
    return False


def kill_group(group: int) -> None:
    """Kill every process of `group`, which is one that we made; nothing happens when none is left."""
    if group <= 1 or group == os.getpgrp():
        raise ValueError(f"{group} is no process group of a child")
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def kill_process(pid: int) -> None:
    """`kill -9` of one process. Raises `ValueError` for numbers that mean a group or everybody."""
    if pid <= 1:
        raise ValueError(f"{pid} is no process to kill")
    os.kill(pid, signal.SIGKILL)
