"""Run a command so that nothing of it outlives the engine or its cancellation.

    python -S -E start_guard.py ENGINE_PID LOCK_FILE [WARM_FOLDER SERVER] -- command …

Ansible's workers make sessions of their own, so killing the process group that ansible-runner knows leaves them alive.
Two levels see to it: the *outer* one is what ansible-runner started, and dies with the engine's thread; the *inner* one
has its own session, out of reach of a kill of that group, notices the outer one's death and ends every process below.
Both adopt orphans. Whoever waits for the lock on LOCK_FILE knows that all is over; its text is the outer one's number.

A playbook that ends in an orderly way may leave daemons behind, as it may without us; one that is killed, cancelled or
that loses a worker may not.
With a warm server (`warm_server.py`) the command is left to that; there the same two levels stand around each run,
bound to this one by a connection.
Standard library only: it starts with each run.
"""

# ruff: noqa: PTH123, PTH208
# (pathlib, signal and ctypes would treble the time that this takes to start)
from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]
import fcntl
import os
import time
from _ctypes import call_function, dlopen, dlsym

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
ENDED_BEFORE_START = 143
SIGNALLED = 128
"""Exit codes above say which signal ended the command, as in a shell."""
ORDERLY = range(0, 16, 2)
"""Exit codes of ansible-playbook after a whole run: sums of 2 (failed), 4 (unreachable), 8 (play broken off)."""
GRACE_S = 1.0
"""From the first SIGTERM until SIGKILL."""
STEP_S = 0.02
AWAITED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGIO)
RELEASE = b"."
"""On a connection: end what was started, but leave what it has left on purpose."""

_prctl_address = dlsym(dlopen(None, 0), "prctl")  # type: ignore[arg-type]  # None: this program itself


def main(argv: list[str]) -> int:
    """Guard the command; returns its exit code, 128 + n when signal n ended it."""
    engine, lock_file = int(argv[1]), argv[2]
    warm, command = argv[3 : argv.index("--")], argv[argv.index("--") + 1 :]
    if not dies_with(engine):
        return ENDED_BEFORE_START  # the engine died while this process was starting
    lock = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.ftruncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
    if not warm:
        return guarded(lambda: become(command))
    from warm_client import leave_to  # type: ignore[import-not-found]  # beside this script

    return guarded(lambda: leave_to(*warm, lock, command, otherwise=become))


def prctl(option: int, value: int) -> None:
    """As the system call; those that are made here can't fail."""
    call_function(_prctl_address, (option, value, 0, 0, 0))


def dies_with(parent: int, *, by: int = signal.SIGKILL) -> bool:
    """Have this process end with its `parent`; False when that has ended already."""
    prctl(PR_SET_PDEATHSIG, by)
    return os.getppid() == parent


def guarded(start: Callable[[], NoReturn], connection: int | None = None) -> int:
    """Be the outer level; returns the exit code of what `start` becomes, two levels below.

    All of it ends when who holds the other end of `connection` does.
    """
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    outer = os.getpid()
    inner = os.fork()
    if inner == 0:
        code = 1
        try:
            code = guard_inside(outer, start, connection)
        finally:
            os._exit(code)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.kill(inner, signal.SIGTERM))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    code = exit_code(wait_for(inner))
    if code > SIGNALLED:
        end_descendants()  # the inner level itself may have been killed
    return code


def guard_inside(outer: int, start: Callable[[], NoReturn], connection: int | None) -> int:
    """Be the inner level: `start`, and end all of it when asked, orphaned, or after a disorderly end."""
    os.setsid()
    usual = signal.pthread_sigmask(signal.SIG_BLOCK, AWAITED)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    if not dies_with(outer, by=signal.SIGTERM):
        return ENDED_BEFORE_START
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, usual)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        start()
    said = listen_to(connection) if connection is not None else None
    status, asked = None, 0
    while status is None and not asked and said is None:
        number = signal.sigwait(AWAITED)
        if number == signal.SIGCHLD:
            status = reap().get(child)
        elif number == signal.SIGIO and connection is not None:
            said = heard(connection)
        else:
            asked = number
    if said == RELEASE:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return 0
    if status is None or exit_code(status) not in ORDERLY:
        end_descendants()
    return SIGNALLED + (asked or signal.SIGHUP) if status is None else exit_code(status)


def listen_to(connection: int) -> bytes | None:
    """Be told by SIGIO of what happens on `connection` from now on; what has happened already."""
    flags = fcntl.fcntl(connection, fcntl.F_GETFL)
    fcntl.fcntl(connection, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(connection, fcntl.F_SETFL, flags | os.O_ASYNC | os.O_NONBLOCK)
    return heard(connection)


def heard(connection: int) -> bytes | None:
    """A byte, or b"" when the other side is gone; None: nothing."""
    try:
        return os.read(connection, 1)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def become(command: list[str]) -> NoReturn:
    """Replace this process by `command`."""
    try:
        os.execvp(command[0], command)  # noqa: S606  # no shell: that is the point
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        os._exit(127)


def wait_for(child: int) -> int:
    """Reap until `child` ends; orphans that come along are reaped on the way. Returns its wait status."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            return status


def exit_code(status: int) -> int:
    """As a shell has it."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else SIGNALLED - code


def descendants() -> list[int]:
    """Living processes below this one."""
    children: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as stat:
                state, parent = stat.read().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue
        if state != "Z":
            children.setdefault(int(parent), []).append(int(name))
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def end_descendants() -> None:
    """Signal everything below until nothing is left: politely for `GRACE_S`, then not."""
    deadline = time.monotonic() + GRACE_S
    while pids := descendants():
        number = signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL
        for pid in pids:
            try:
                os.kill(pid, number)
            except OSError:
                continue
        for _ in range(5):
            reap()
            time.sleep(STEP_S)
    reap()


def reap() -> dict[int, int]:
    """Take leave of all children that have ended; their wait statuses."""
    ended: dict[int, int] = {}
    try:
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended[found[0]] = found[1]
    except ChildProcessError:
        pass
    return ended
