"""End what earlier runs have left on this host: `fence.py PLACE FENCE ATTEMPT PLAY`, read from standard input.

Prints one line per process that was ended. The processes of a run carry `BSM_RUN=FENCE.ATTEMPT.PLAY@PLACE` in their
environment. Ended are those of the same place that belong to an older run (a lower fence) or to an earlier execution of
this one (an earlier attempt, or the play whose rollback this is). Newer ones are never touched.
Runs on Python 3.8 and newer.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

MARK = re.compile(r"BSM_RUN=(\d+)\.(\d+)\.([^@]*)@(.*)", re.DOTALL)
LONGEST_S = 5.0


class Fence:
    """What is earlier than a mark, and what of it has been stopped so far."""

    def __init__(self, place: str, fence: int, attempt: int, play: str) -> None:
        self.place = place
        self.mine = (fence, attempt, play)
        self.stopped: dict[int, str] = {}
        self.deadline = time.monotonic() + LONGEST_S

    def end_earlier(self) -> None:
        # All are stopped before the first is killed: a shell whose command dies would go on with its next one.
        try:
            while self._stop_more():
                self._within_time("start new ones faster than they can be stopped")
        finally:
            for pid, name in self.stopped.items():
                send(pid, signal.SIGKILL)
                print(pid, name)
        while any(is_running(pid) for pid in self.stopped):
            self._within_time("don't end although they were killed")
            time.sleep(0.02)

    def _stop_more(self) -> bool:
        """Stop what isn't stopped yet; whether there was anything."""
        before = len(self.stopped)
        numbers = [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]
        for pid in numbers:
            if pid <= 1 or pid in self.stopped or not self._is_earlier(pid):
                continue
            send(pid, signal.SIGSTOP)
            # A stopped process keeps its number, so what is seen now is what will be killed.
            if self._is_earlier(pid):
                self.stopped[pid] = read(pid, "comm").strip()  # its arguments may hold secrets
            else:
                send(pid, signal.SIGCONT)
        return len(self.stopped) > before

    def _is_earlier(self, pid: int) -> bool:
        for variable in read(pid, "environ").split("\0"):
            mark = MARK.fullmatch(variable)
            if mark is not None and mark[4] == self.place:
                theirs = (int(mark[1]), int(mark[2]), mark[3])
                same_run = theirs[0] == self.mine[0]
                older = theirs[0] < self.mine[0] or (same_run and theirs[1] <= self.mine[1] and theirs != self.mine)
                return older and is_running(pid)
        return False

    def _within_time(self, trouble: str) -> None:
        if time.monotonic() > self.deadline:
            raise SystemExit(f"processes of an earlier run {trouble}: {self.stopped}")


def is_running(pid: int) -> bool:
    state = read(pid, "stat").rpartition(")")[2].split()[:1]
    return state not in ([], ["Z"])


def read(pid: int, name: str) -> str:
    """Empty when it has ended or belongs to another user."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


Fence(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]).end_earlier()
