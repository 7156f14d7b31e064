"""Find or end processes that ran away: `runaways.py look|end NAME LIMITS`, read from standard input.

NAME is the exact name of the command, as `ps -o comm` shows it. LIMITS is JSON: `age` in seconds, `cpu` in percent of
one processor over `sample` seconds, `rss` in MiB, `user`, `most` processes at once, `grace` in seconds between asking
and killing. All limits that are given must be exceeded. Prints the processes as JSON. Runs on Python 3.9 and newer.
"""

from __future__ import annotations

import json
import os
import pwd
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

TICKS, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
STAT_PARENT, STAT_USER_TICKS, STAT_SYSTEM_TICKS, STAT_START, STAT_PAGES = 1, 11, 12, 19, 21


def main(verb: str, name: str, limits: dict[str, Any]) -> None:
    found = runaways(name, limits)
    if len(found) > limits["most"]:
        raise SystemExit(f"{len(found)} processes exceed the limits, more than process_most; none was ended")
    print(json.dumps(list(found.values())))
    if verb == "end":
        end(found, limits["grace"])


def runaways(name: str, limits: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """What exceeds all limits, by file descriptors that go on meaning these processes when their numbers are reused."""
    spared = ancestors()
    held = {}
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        if pid > 1 and pid not in spared and comm(pid) == name:
            with suppress(ProcessLookupError):
                held[os.pidfd_open(pid)] = pid
    before, began = {pid: ticks(pid) for pid in held.values()}, time.monotonic()
    if "cpu" in limits and held:
        time.sleep(limits["sample"])
    span_s = max(time.monotonic() - began, 1 / TICKS)
    found = {}
    for descriptor, pid in held.items():
        seen = state(pid)
        if not seen or comm(pid) != name or pid in spared:
            continue
        seen["cpu"] = round(100 * (ticks(pid) - before[pid]) / TICKS / span_s, 1)
        user = limits.get("user")
        over = [seen[limit] >= limits[limit] for limit in ("age", "cpu", "rss") if limit in limits]
        if over and all(over) and (user is None or seen["user"] == user):
            found[descriptor] = seen
    return found


def end(found: dict[int, dict[str, Any]], grace_s: float) -> None:
    for number, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
        for descriptor in found:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, number)
        deadline = time.monotonic() + patience_s
        while any(runs(one["pid"], one["started"]) for one in found.values()) and time.monotonic() < deadline:
            time.sleep(0.05)
    left = [one["pid"] for one in found.values() if runs(one["pid"], one["started"])]
    if left:
        raise SystemExit(f"processes {left} don't end although they were killed")


def ancestors() -> set[int]:
    """This process and those above it: Ansible, the shell, sshd."""
    pid, found = os.getpid(), set()
    while pid > 0:
        found.add(pid)
        fields = stat(pid)
        pid = int(fields[STAT_PARENT]) if fields else 0
    return found


def state(pid: int) -> dict[str, Any]:
    fields = stat(pid)
    if not fields or fields[0] == "Z":
        return {}
    uptime_s = float(Path("/proc/uptime").read_text().split()[0])
    with suppress(OSError):
        return {
            "pid": pid,
            "user": user_name(Path(f"/proc/{pid}").stat().st_uid),
            "age": round(uptime_s - int(fields[STAT_START]) / TICKS),
            "rss": int(fields[STAT_PAGES]) * PAGE >> 20,
            "started": int(fields[STAT_START]),
        }
    return {}


def user_name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def runs(pid: int, started: int) -> bool:
    fields = stat(pid)
    return bool(fields) and fields[0] != "Z" and int(fields[STAT_START]) == started


def ticks(pid: int) -> int:
    fields = stat(pid)
    return int(fields[STAT_USER_TICKS]) + int(fields[STAT_SYSTEM_TICKS]) if fields else 0


def comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").rstrip("\n")
    except OSError:
        return ""


def stat(pid: int) -> list[str]:
    """The fields behind the name, which may hold anything; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
